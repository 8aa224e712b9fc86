"""All projections of this release."""

from __future__ import annotations

from projections import runner
from projections.counts import CountsProjection
from projections.lines import Lines
from projections.media import MediaProjection
from projections.messages import MessagesProjection
from projections.observed import ObservedProjection
from projections.rows import Connection
from projections.runner import Projection
from projections.shape import shape
from projections.templates import TemplatesProjection
from projections.window import WindowProjection

_ALL = (
    WindowProjection,
    MessagesProjection,
    CountsProjection,
    TemplatesProjection,
    Lines,
    ObservedProjection,
    MediaProjection,
)


def projections(schema: str) -> list[Projection]:
    """Every projection, over the log in `schema`."""
    return [projection(schema) for projection in _ALL]


def ddl(schema: str) -> list[str]:
    """Statements that make the tables of all projections where they are missing.

    Views that show the tables of another version are left as they are, until this one's have caught up.
    """
    shapes = [shape(projection, schema) for projection in projections(schema)]
    return [runner.ddl(schema), *(part for one in shapes for part in (one.make, one.show_first) if part)]


async def unserved(db: Connection, schema: str) -> list[Projection]:
    """Projections whose views show the tables of another version."""
    found = projections(schema)
    return [one for one in found if await db.fetchval(shape(one, schema).elsewhere)]
