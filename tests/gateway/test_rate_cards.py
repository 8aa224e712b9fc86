"""Rate cards by the command line, kept beside the log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from running import MASTER_KEY

from domain.billing.cards import Wrong
from domain.billing.rates import Card
from gateway.store.migrate import migrate
from gateway.store.postgres import connect_pool
from gateway.store.rate_cards import Known, RateCards
from projections import catalogue

HEAD = "market,category,tier,rate,currency,valid_from,valid_to\n"
RIGHT = HEAD + "India,utility,,0.0014,USD,2026-10-01,\nIndia,marketing,,0.0118,USD,2026-10-01,\n"
WRONG = RIGHT + "India,postage,,0.1,USD,2026-10-01,\n"
NOW = datetime(2026, 11, 25, tzinfo=UTC)
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(database: str, tmp_path: Path) -> Command:
    """Runs the real command on the test's database."""
    told = {"DATABASE_URL": database, "MASTER_KEY": MASTER_KEY, "CURRENCY": "USD"}
    environment = {f"LEDGERLINE_{name}": value for name, value in told.items()} | {"PATH": "/usr/bin:/bin"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).parent / "ledgerline"
        return subprocess.run(  # noqa: S603 - our own program
            [program, *words], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


def test_a_card_is_checked_imported_once_and_listed(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "october.csv"
    file.write_text(RIGHT)

    checked = command("rates", "check", str(file))
    imported = command("rates", "import", str(file))
    again = command("rates", "import", str(file))
    listed = command("rates", "list")

    assert (checked.returncode, imported.returncode, again.returncode) == (0, 0, 0), imported.stderr
    card_id = imported.stdout.split()[0]
    assert imported.stdout == f"{card_id}  USD  from 2026-10-01 on  2 rates: imported\n"
    assert again.stdout == f"{card_id} was imported before\n"
    mine, *shipped = listed.stdout.splitlines()
    assert mine.startswith(card_id)
    assert mine.endswith("from october.csv")
    assert shipped[0].endswith("shipped: counts where no imported card does")
    assert "partners keep of Meta's rate card" in shipped[1]


def test_a_card_imported_by_mistake_is_withdrawn_and_another_takes_its_place(
    command: Command, tmp_path: Path
) -> None:
    wrong, right = tmp_path / "wrong.csv", tmp_path / "right.csv"
    wrong.write_text(RIGHT.replace("0.0014", "0.014"))
    right.write_text(RIGHT)

    card_id = command("rates", "import", str(wrong)).stdout.split()[0]
    checked = command("rates", "check", str(right))
    unknown = command("rates", "withdraw", "0123")
    withdrawn = command("rates", "withdraw", card_id)
    imported = command("rates", "import", str(right))
    listed = command("rates", "list").stdout.splitlines()

    assert (checked.returncode, f"line 2: overlaps card {card_id}, line 2" in checked.stderr) == (1, True)
    assert (unknown.returncode, "no imported card that counts is '0123'" in unknown.stderr) == (1, True)
    assert withdrawn.stdout == f"{card_id} counts no more\n"
    assert imported.returncode == 0, imported.stderr
    assert ", withdrawn 20" in listed[0]
    assert listed[1].endswith("from right.csv")


async def test_a_withdrawn_card_prices_nothing_and_may_come_back(database: str) -> None:
    await migrate(database, "ledgerline", extra_ddl=catalogue.ddl("ledgerline"))
    cards, told = RateCards("ledgerline"), {"currency": "USD", "source": "x.csv", "by": "ops", "now": NOW}

    async with connect_pool(database, "ledgerline") as pool:
        added = await cards.add(pool, RIGHT, **told)
        assert isinstance(added, Card)

        async def price() -> Decimal | None:
            async with pool.acquire() as db:
                found = (await cards.rates(db, "USD")).find("India", "utility", NOW.date(), 1)
            return found and found.rate.rate

        prices = [await price()]
        assert await cards.withdraw(pool, added.card_id, by="ops", now=NOW)
        assert not await cards.withdraw(pool, added.card_id, by="ops", now=NOW)
        prices.append(await price())
        again = await cards.add(pool, RIGHT, **told)
        prices.append(await price())

    assert again == added
    assert prices == [Decimal("0.0014"), None, Decimal("0.0014")]


def test_a_wrong_card_is_named_by_line_and_nothing_of_it_imported(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "october.csv"
    file.write_text(WRONG)

    checked = command("rates", "check", str(file))
    imported = command("rates", "import", str(file))

    assert (checked.returncode, imported.returncode) == (1, 1)
    assert "line 4: category 'postage'" in checked.stderr
    assert "line 4: category 'postage'" in imported.stderr
    assert "imported" not in command("rates", "list").stdout.replace("no imported card", "")
    assert "no such file" in command("rates", "check", "absent.csv").stderr.lower()


async def test_a_card_that_overlaps_an_imported_one_is_refused(database: str) -> None:
    await migrate(database, "ledgerline", extra_ddl=catalogue.ddl("ledgerline"))
    cards = RateCards("ledgerline")

    async with connect_pool(database, "ledgerline") as pool:
        told = {"currency": "USD", "source": "x.csv", "by": "ops", "now": NOW}
        first = await cards.add(pool, RIGHT, **told)
        again = await cards.add(pool, RIGHT, **told)
        refused = await cards.add(pool, RIGHT.replace("0.0014", "0.002"), **told)
        async with pool.acquire() as db:
            kept = await cards.all(db)

    assert isinstance(first, Card)
    assert again == Known(first.card_id)
    assert isinstance(refused, Wrong)
    assert refused.problems[0].startswith(f"line 2: overlaps card {first.card_id}, line 2")
    assert [(one.card, one.by, one.at) for one in kept] == [(first, "ops", NOW)]


def test_a_line_that_is_none_of_ours_is_said_beside_its_report(command: Command, tmp_path: Path) -> None:
    (tmp_path / "ledgerline.toml").write_text('lines = "1,2"\n')
    mistyped, right = (command("report", "billing", "--line", line) for line in ("3", "2"))
    assert mistyped.stdout == right.stdout
    assert (mistyped.returncode, right.stderr) == (0, "")
    assert mistyped.stderr == "ledgerline: --line 3 is none of LEDGERLINE_LINES, 1, 2\n"


def test_the_billing_report_of_an_empty_log_is_written_in_three_ways(command: Command) -> None:
    days = ("--from", "2026-11-01", "--to", "2026-12-01")
    table = command("report", "billing", *days)
    csv = command("report", "billing", *days, "--group-by", "month,category", "--format", "csv")
    observed = command("report", "observed", *days, "--format", "csv")
    backwards = command("report", "billing", "--from", "2026-11-01", "--to", "2026-11-01")
    no_line = command("report", "billing", *days, "--line", "shop")
    json = command("report", "billing", *days, "--format", "json", "--as-of", "0")
    wrong = command("report", "billing", "--group-by", "contact")
    supposed = command("report", "billing", *days, "--what-if", "era=message")
    unknown = command("report", "billing", *days, "--what-if", "era=stone")
    twice = command("report", "billing", *days, "--what-if", "era=message", "--what-if", "era=conversation")
    beyond = command("report", "billing", *days, "--as-of", "1")

    assert table.stdout.splitlines()[0].startswith("Delivered from 2026-11-01 to before 2026-12-01 (UTC)")
    figures = "accrued,delivered,free,billable,billable_whatsapp,free_reasons,cost,cost_complete,estimated"
    about = "from,to,currency,time_zone,as_of,eras,cards"
    assert csv.stdout == f"month,category,{figures},{about}\n"
    assert '"cost": "0"' in json.stdout
    assert (backwards.returncode, "must be after --from 2026-11-01" in backwards.stderr) == (1, True)
    assert (no_line.returncode, "--line 'shop' is not a phone_number_id" in no_line.stderr) == (1, True)
    assert observed.stdout.startswith("line,reason,caller,face,type,sends,observed,right,wrong,")
    assert (wrong.returncode, "--group-by 'contact'" in wrong.stderr) == (1, True)
    assert supposed.returncode == 0, supposed.stderr
    assert "Supposing era=message: nothing was or will be billed so" in supposed.stdout
    assert (twice.returncode, "--what-if era= is given twice" in twice.stderr) == (1, True)
    assert (beyond.returncode, "--as-of is not a position of the log, from 0 to 0" in beyond.stderr) == (
        1,
        True,
    )
    assert "era= one of notification, conversation, message" in unknown.stderr


def test_an_answer_of_analytics_is_reconciled_and_another_file_refused(command: Command) -> None:
    answer = Path(__file__).parents[1] / "payloads" / "cloud_pricing_analytics_response.json"
    days = ("--from", "2026-11-01", "--to", "2026-12-01")

    own = command("report", "reconcile", *days)
    theirs = command("report", "reconcile", *days, "--analytics", str(answer), "--format", "csv")
    wrong = command(
        "report", "reconcile", *days, "--analytics", str(answer.with_name("onprem_status_read.json"))
    )

    other = command("report", "reconcile", "--from", "2026-11-22", "--analytics", str(answer))

    assert own.stdout.startswith("Differing from 2026-11-01")
    assert "holds 160 messages of other days" in other.stdout
    assert "2026-11-21,GB,utility,regular,0,120,0,2.64,False,lost_status," in theirs.stdout
    assert (wrong.returncode, "it is no answer with pricing_analytics" in wrong.stderr) == (1, True)


def test_a_reader_that_has_seen_enough_ends_a_command_without_a_trace() -> None:
    program = Path(sys.executable).parent / "ledgerline"
    reader, writer = os.pipe()
    os.close(reader)

    ended = subprocess.run([program, "--version"], stdout=writer, stderr=subprocess.PIPE, check=False)  # noqa: S603 - our own program
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_month_is_closed_once_it_is_over(command: Command) -> None:
    first = command("report", "close", "2020-02")
    csv = command("report", "close", "2020-02", "--format", "csv")
    running = command("report", "close", "2999-12")
    wrong = command("report", "close", "9999-12")

    assert first.stdout.splitlines()[-1] == "Nothing of it has changed up to position 0."
    assert csv.stdout.startswith("part,line,market,category,accrued,")
    assert (running.returncode, "2999-12 is not over yet in UTC" in running.stderr) == (1, True)
    assert (wrong.returncode, "is not a month such as 2026-11" in wrong.stderr) == (1, True)
