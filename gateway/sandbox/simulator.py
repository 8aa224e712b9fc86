"""WhatsApp for one business phone number: customers write and call, sends are taken, statuses follow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.sandbox import ACCESS_TOKEN, APP_SECRET, LINE, VERIFY_TOKEN, WABA, ids
from gateway.sandbox.callbacks import Callbacks, Update
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.faults import Faults
from gateway.sandbox.happenings import (
    Acknowledged,
    Called,
    Journal,
    TemplateBecame,
    TemplateMade,
    WasAccepted,
    WasRead,
    Wrote,
)
from gateway.sandbox.network import Accepted, Network
from gateway.sandbox.refusal import RE_ENGAGEMENT, RE_ENGAGEMENT_DETAILS, Refusal
from gateway.sandbox.sends import read
from gateway.sandbox.templates import Template, Templates


class Simulator:
    """The network with a clock, callbacks, faults and a journal.

    `graph_url` is where it is served, without a trailing slash; empty before.
    """

    def __init__(
        self,
        *,
        line: str,
        waba: str,
        access_token: str,
        clock: SandboxClock,
        callbacks: Callbacks,
        faults: Faults,
        journal: Journal,
    ) -> None:
        self.line = line
        self.waba = waba
        self.access_token = access_token
        self.clock = clock
        self.callbacks = callbacks
        self.faults = faults
        self.graph_url = ""
        self._journal = journal
        self._network = Network(line)

    @property
    def accepted(self) -> Mapping[str, Accepted]:
        """Every message answered with 200, by its id, in order."""
        return self._network.accepted

    def resume(self) -> None:
        """Bring back what happened before a restart, and call back again what was not acknowledged."""
        called_back: list[list[Update]] = []
        for happening in self._journal.read():
            if isinstance(happening, Acknowledged):
                for number in happening.updates:
                    self._network.updates[number].acknowledged.set()
            else:
                called_back.append(self._network.apply(happening))
        for updates in called_back:
            self.callbacks.deliver(update for update in updates if not update.acknowledged.is_set())

    def write(self, customer: str, item: dict[str, Any], *, name: str | None = None) -> tuple[str, Update]:
        """The customer, a phone number in digits or a BSUID, sends `item`: a message without id and time."""
        message_id = ids.wamid(self._network.book.customer(customer).number)
        [update] = self._happen(Wrote(customer, message_id, self._second(), item, name))
        return message_id, update

    def call(self, customer: str, item: dict[str, Any]) -> tuple[str, Update]:
        """The customer calls or hangs up (`event`), or answers a call of the business (`status` alone)."""
        person = self._network.book.customer(customer)
        last = self._network.calls.get(person.user_id)
        call_id = last if last and item.get("event") != "connect" else ids.wacid(person.number)
        [update] = self._happen(Called(customer, call_id, self._second(), item))
        return call_id, update

    def read(self, customer: str, message_id: str | None) -> tuple[list[str], list[Update]]:
        """The customer reads what was delivered: one message, or all not read yet."""
        person = self._network.book.customer(customer)
        chosen = [
            message.message_id
            for message in self.accepted.values()
            if message.person is person
            and message_id in (None, message.message_id)
            and message.has("delivered")
            and not message.has("read")
        ]
        return chosen, self._happen(WasRead(customer, chosen, self._second())) if chosen else []

    def accept(self, body: dict[str, Any], *, marketing: bool) -> Accepted:
        """Take a send, and begin to call back what becomes of it. Raises Refusal."""
        send = read(body, self._network.templates, marketing=marketing)
        if send.needs_window and self.faults.take("sync_131047"):
            raise Refusal(RE_ENGAGEMENT, RE_ENGAGEMENT_DETAILS)
        person = self._network.recipient(send)
        message_id = ids.wamid(person.number if person else send.given)
        fault = self.faults.take("fail_status")
        fails_with = fault.code if fault else None
        self._happen(WasAccepted(message_id, self._second(), body, marketing, fails_with))
        return self.accepted[message_id]

    @property
    def templates(self) -> Templates:
        """The account's templates."""
        return self._network.templates

    def change_template(self, name: str, status: str | None, category: str | None) -> list[Update]:
        """WhatsApp gives a template another status or category."""
        return self._happen(TemplateBecame(name, self._second(), status, category))

    def make_template(
        self, name: str, language: str, category: str, components: Any, parameter_format: str
    ) -> Template:
        """The account makes a template, or changes it; it is to be reviewed."""
        self._happen(TemplateMade(name, language, category, list(components), parameter_format))
        return self.templates[name, language]

    def _happen(
        self, happening: Wrote | Called | WasRead | WasAccepted | TemplateBecame | TemplateMade
    ) -> list[Update]:
        self._journal.write(happening)
        updates = self._network.apply(happening)
        self.callbacks.deliver(updates)
        return updates

    def _second(self) -> int:
        return int(self.clock.now().timestamp())


def create_simulator(  # noqa: PLR0913 - all but two have the sandbox's own value
    *,
    callback_url: str,
    clock: SandboxClock,
    data_dir: Path | None = None,
    line: str = LINE,
    waba: str = WABA,
    access_token: str = ACCESS_TOKEN,
    app_secret: str = APP_SECRET,
    verify_token: str = VERIFY_TOKEN,
) -> Simulator:
    """A simulator that calls back to `callback_url`; serve it with `graph.serving`.

    With `data_dir` what happened survives a restart; without, nothing is written.
    """
    faults = Faults()
    journal = Journal(data_dir / "sandbox.jsonl" if data_dir else None)
    callbacks = Callbacks(
        callback_url,
        waba=waba,
        app_secret=app_secret,
        verify_token=verify_token,
        faults=faults,
        acknowledged=lambda updates: journal.write(Acknowledged([update.number for update in updates])),
    )
    return Simulator(
        line=line,
        waba=waba,
        access_token=access_token,
        clock=clock,
        callbacks=callbacks,
        faults=faults,
        journal=journal,
    )
