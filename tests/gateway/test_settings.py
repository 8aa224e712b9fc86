"""Settings: where they come from, and that every problem is named at once and no secret ever."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.auth import parse_key
from gateway.settings import Settings, SettingsError
from gateway.settings.loading import load, warnings
from gateway.settings.needs import missing

KEY = base64.b64encode(bytes(32)).decode()
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()
NEEDED = {
    "APP_SECRETS": "a",
    "VERIFY_TOKEN": "v",
    "ACCESS_TOKEN": "t",
    "LINES": "1",
    "API_KEYS": "shop:k:send",
}
EVERY: dict[str, tuple[str, str, Any]] = {
    "DATABASE_URL": ("database_url", "postgresql://u:p@db/x", "postgresql://u:p@db/x"),
    "ADMIN_DATABASE_URL": ("admin_database_url", "postgres://a@db/x", "postgres://a@db/x"),
    "SCHEMA": ("schema_name", "other", "other"),
    "DATA_DIR": ("data_dir", "/data", Path("/data")),
    "MASTER_KEY": ("master_key", f"{KEY}, {OTHER_KEY}", (KEY, OTHER_KEY)),
    "UPSTREAM_URL": ("upstream_url", "http://localhost:8081/", "http://localhost:8081"),
    "UPSTREAM_TIMEOUT": ("upstream_timeout", "2.5", 2.5),
    "ACCESS_TOKEN": ("access_token", "token", "token"),
    "LINES": ("lines", "1, 2,", ("1", "2")),
    "WABA": ("waba", "3", "3"),
    "PORTFOLIO": ("portfolio", "4", "4"),
    "TIME_ZONE": ("time_zone", "Europe/London", "Europe/London"),
    "CURRENCY": ("currency", "EUR", "EUR"),
    "APP_SECRETS": ("app_secrets", "one,two", ("one", "two")),
    "VERIFY_TOKEN": ("verify_token", "verify", "verify"),
    "API_KEYS": (
        "api_keys",
        "shop:k:send,desk:l:read@1",
        (parse_key("shop:k:send"), parse_key("desk:l:read@1")),
    ),
    "POLICY": ("policy", "observe", "observe"),
    "WINDOW_MARGIN": ("window_margin", "0", 0),
    "CONSENT": ("consent", "optin", "optin"),
    "CONSENT_WORDS": ("consent_words", "false", False),
    "STOP_WORDS": ("stop_words", "foo, no more", ("foo", "no more")),
    "START_WORDS": ("start_words", "bar", ("bar",)),
    "SILENCE_MINUTES": ("silence_minutes", "5", 5),
    "DESTINATIONS_PRIVATE": ("destinations_private", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
    "RETENTION_MONTHS": ("retention_months", "6", 6),
    "KEEP_MEDIA": ("keep_media", "true", True),
    "VAULT": ("vault", "s3://bucket/media", "s3://bucket/media"),
    "VAULT_S3_URL": ("vault_s3_url", "https://s3.example/", "https://s3.example"),
    "VAULT_S3_REGION": ("vault_s3_region", "eu-central-1", "eu-central-1"),
    "VAULT_S3_KEY_ID": ("vault_s3_key_id", "id", "id"),
    "VAULT_S3_SECRET": ("vault_s3_secret", "secret", "secret"),
}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LEDGERLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(plain(part) for part in value)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"LEDGERLINE_{name}", value)


def problems(**given: Any) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(**given)
    return error.value.problems


@pytest.mark.parametrize("name", EVERY)
def test_every_setting_is_read_from_its_variable_and_from_a_file(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    field, text, value = EVERY[name]
    variables(monkeypatch, **{name: text})
    assert plain(getattr(load(), field)) == value
    monkeypatch.delenv(f"LEDGERLINE_{name}")
    (tmp_path / "value").write_text(f"{text}\n")
    variables(monkeypatch, **{f"{name}_FILE": str(tmp_path / "value")})
    assert plain(getattr(load(), field)) == value


def test_no_setting_has_been_left_out_here() -> None:
    fields = {field for field, _, _ in EVERY.values()}
    assert set(Settings.model_fields) - fields == {"openers", "line", "destination"}


def test_what_is_not_set_has_the_documented_default() -> None:
    settings = load()
    assert (settings.schema_name, settings.data_dir) == ("ledgerline", Path(".ledgerline"))
    assert settings.upstream_url == "https://graph.facebook.com"
    assert (settings.policy, settings.window_margin, settings.retention_months) == ("enforce", 60, None)
    assert (settings.time_zone, settings.currency) == ("UTC", "USD")


def test_arguments_beat_variables_which_beat_files_which_beat_toml(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("ledgerline.toml").write_text('currency = "AAA"\n')
    assert load().currency == "AAA"
    (tmp_path / "value").write_text("BBB")
    variables(monkeypatch, CURRENCY_FILE=str(tmp_path / "value"))
    assert load().currency == "BBB"
    variables(monkeypatch, CURRENCY="CCC")
    assert load().currency == "CCC"
    assert load(currency="DDD").currency == "DDD"


def test_a_line_may_have_its_own_policy_and_margin() -> None:
    Path("ledgerline.toml").write_text(
        '[line.1]\npolicy = "observe"\n[line.2]\nwindow_margin = 0\n[openers]\nreaction = true\n'
    )
    settings = load()
    assert [settings.mode(line) for line in "123"] == ["observe", "enforce", "enforce"]
    assert [settings.margin(line) for line in "123"] == [60, 0, 60]
    assert settings.openers == {"reaction": True}


def test_every_missing_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [text.split()[0] for text in missing(dict(load()))] == [f"LEDGERLINE_{name}" for name in NEEDED]
    variables(monkeypatch, **NEEDED)
    assert missing(dict(load())) == []
    variables(monkeypatch, DATABASE_URL="postgresql://db/x")
    assert missing(dict(load())) == ["LEDGERLINE_MASTER_KEY is missing: 32 random bytes in base64"]


def test_all_that_is_wrong_or_missing_or_unknown_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ledgerline.toml").write_text(
        '[openers]\nmessage = false\n[line.1]\npolicy = "never"\nwindow = 3\n[bogus]\na = 1\n'
    )
    variables(
        monkeypatch,
        LINES="one",
        TIME_ZONE="Mars/Olympus",
        WINDOW_MARGIN="-1",
        RETENTION_MONTHS="0",
        UPSTREAM_TIMEOUT="soon",
        UPSTREAM_URL="graph",
        POLICY="maybe",
        MASTER_KEY="c2hvcnQ=",
        ACCESS_TOKEN_FILE="/nowhere",
        TIMEZONE="UTC",
    )
    found = problems()
    assert {text.split(":")[0].split(" ")[0].removeprefix("LEDGERLINE_") for text in found} == {
        *("OPENERS", "LINE.1.policy", "LINE.1.window", "BOGUS", "LINES", "TIME_ZONE", "WINDOW_MARGIN"),
        *(
            "RETENTION_MONTHS",
            "UPSTREAM_TIMEOUT",
            "UPSTREAM_URL",
            "POLICY",
            "MASTER_KEY",
            "ACCESS_TOKEN_FILE",
        ),
        *("TIMEZONE", "APP_SECRETS", "VERIFY_TOKEN", "ACCESS_TOKEN", "API_KEYS"),
    }


@pytest.mark.parametrize("content", [b"[openers\n", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_broken_toml_file_is_a_problem_in_words(content: bytes) -> None:
    Path("ledgerline.toml").write_bytes(content)
    assert [text.split(":")[0] for text in problems()] == ["ledgerline.toml"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_problem_in_words(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "value"
    if content is not None:
        path.write_bytes(content)
    variables(monkeypatch, WABA_FILE=str(path))
    assert problems() == [f"LEDGERLINE_WABA_FILE: {path} can't be read"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u:topsecret@db/x"),
        ("DATABASE_URL", "postgresql://u:pass/topsecret@db:port/x"),
        ("ADMIN_DATABASE_URL", "topsecret"),
        ("MASTER_KEY", "topsecret"),
        ("MASTER_KEY", "topsecreté"),
        ("API_KEYS", "topsecret"),
        ("API_KEYS", "shop:topsecret:everything"),
        ("API_KEYS", "shop:topsecret:send,desk:topsecret:read"),
        ("OPENERS", "topsecret"),
        ("LINE", "topsecret"),
    ],
)
def test_no_message_repeats_a_secret(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, **NEEDED | {"MASTER_KEY": KEY, name: value})
    found = problems()
    assert len(found) == 1
    assert "topsecret" not in found[0]
    assert name in found[0] or name.lower() in found[0]


def test_settings_never_show_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(
        monkeypatch,
        **NEEDED | {"APP_SECRETS": "topsecret", "VERIFY_TOKEN": "topsecret", "ACCESS_TOKEN": "topsecret"},
        DATABASE_URL="postgresql://u:topsecret@db/x",
        MASTER_KEY=KEY,
    )
    assert "topsecret" not in repr(load())
    assert KEY not in repr(load())


def test_an_unknown_variable_is_warned_of_with_what_may_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, TIME_ZONE="UTC", APP_SECRET="x", APP_SECRETS_FILE="", ZZZZZZZZ="x")
    assert warnings(load()) == [
        "LEDGERLINE_APP_SECRET is no setting; is LEDGERLINE_APP_SECRETS meant?",
        "LEDGERLINE_ZZZZZZZZ is no setting",
    ]


def test_a_time_zone_that_nobody_chose_is_warned_of() -> None:
    assert [text.split()[0] for text in warnings(load())] == ["LEDGERLINE_TIME_ZONE"]
    Path("ledgerline.toml").write_text('time_zone = "UTC"\n')
    assert warnings(load()) == []


def test_lines_keep_media_as_they_say_or_as_all_do(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, LINES="1,2,3")
    Path("ledgerline.toml").write_text('[line.1]\nkeep_media = true\n[line.2]\npolicy = "observe"\n')
    assert load().media_lines == ("1",)
    variables(monkeypatch, KEEP_MEDIA="true")
    Path("ledgerline.toml").write_text("[line.2]\nkeep_media = false\n")
    assert load().media_lines == ("1", "3")


@pytest.mark.parametrize("value", ["ftp://host/folder", "s3://", "s3:///media", "https://bucket"])
def test_a_vault_is_a_folder_or_a_bucket(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, VAULT=value)
    assert any("must be a folder, or s3://bucket" in problem for problem in problems())


def test_half_a_pair_of_s3_keys_is_missing_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, VAULT_S3_KEY_ID="id")
    assert any("VAULT_S3_KEY_ID is half of a pair" in problem for problem in missing(dict(load())))


def test_a_currency_is_three_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, CURRENCY="euro")
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.problems[0] == "LEDGERLINE_CURRENCY: 'euro' is no currency, such as USD"


def test_what_a_line_cannot_set_is_no_setting() -> None:
    Path("ledgerline.toml").write_text('[line.1]\npolcy = "observe"\n')
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.problems[0] == "LEDGERLINE_LINE.1.polcy is no setting: docs/operations.md names them"


def test_every_setting_is_in_the_operations_manual() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    of_the_file = {"line", "openers", "destination"}  # [line.…], [openers], [destination.…]
    names = [
        one.alias or f"LEDGERLINE_{name.upper()}"
        for name, one in Settings.model_fields.items()
        if name not in of_the_file
    ]
    assert [name for name in names if f"`{name}" not in manual] == []
