"""What became of a customer's file, as facts: kept, or lost for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.events import MediaKept, MediaLost, MessageReceived
from domain.facts import Fact, Item, Person
from domain.ids import Ids
from domain.inbound import wire
from domain.media import Media
from domain.people import of_phone, of_user_id
from gateway.store.keyring import month_of, subject_of
from gateway.vault.download import Fetched
from gateway.vault.sealed import CHUNK
from gateway.vault.vault import media_key, outcome_key


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is recorded and can be read, and its file."""

    event: MessageReceived
    content: dict[str, Any]
    media: Media | None

    @property
    def line(self) -> str:
        """The line that it came to."""
        return self.event.line or ""

    @property
    def whose(self) -> tuple[UUID, int]:
        """Subject and month of the key that its content is sealed under."""
        return subject_of(self.event.sealed or ""), month_of(self.event.timestamp)


def kept(
    message: Message, file: Media, object_id: UUID, salt: str, fetched: Fetched, ids: Ids, now: datetime
) -> Fact:
    """The file lies in the vault; `salt`: of its key."""
    public = {"media_key": str(media_key(ids, file.id)), "object": str(object_id)}
    private = {
        "media_id": file.id,
        "size": fetched.size,
        "sha256": fetched.sha256,
        "mime_type": fetched.mime_type,
        "filename": file.filename,
        "chunk": CHUNK,
        "salt": salt,
    }
    return _fact(message, MediaKept, public, private, ids, now)


def lost(message: Message, reason: str, ids: Ids, now: datetime) -> Fact:
    """The file will not come."""
    private = {"media_id": message.media and message.media.id}
    return _fact(message, MediaLost, {"reason": reason}, private, ids, now)


def _fact(
    message: Message,
    event: type[MediaKept | MediaLost],
    public: dict[str, Any],
    private: dict[str, Any],
    ids: Ids,
    now: datetime,
) -> Fact:
    about = {"message_key": message.event.message_key, "message_event": message.event.key}
    return Fact(
        event,
        message.line,
        _sender(message.content) or Item(""),
        outcome_key(ids, message.event.key),
        now,
        public=about | public,
        private=private,
        group_id=wire.text(wire.inner(message.content, "item").get("group_id")),
    )


def _sender(content: dict[str, Any]) -> Person | None:
    """Whoever sent the message, by one identifier: a number may have gone to somebody else since."""
    if user_id := wire.text(content.get("user_id")):
        return Person((of_user_id(user_id),))
    number = wire.text(content.get("from"))
    alias = of_phone(number) if number else None
    return Person((alias,)) if alias else None
