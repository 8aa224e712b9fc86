"""All projections of this release."""

from __future__ import annotations

from projections import runner
from projections.counts import CountsProjection
from projections.lines import Lines
from projections.messages import MessagesProjection
from projections.observed import ObservedProjection
from projections.runner import Projection
from projections.templates import TemplatesProjection
from projections.window import WindowProjection

_ALL = (
    WindowProjection,
    MessagesProjection,
    CountsProjection,
    TemplatesProjection,
    Lines,
    ObservedProjection,
)


def projections(schema: str) -> list[Projection]:
    """Every projection, over the log in `schema`."""
    return [projection(schema) for projection in _ALL]


def ddl(schema: str) -> list[str]:
    """Statements that make the tables of all projections where they are missing."""
    return [runner.ddl(schema), *(projection.ddl(schema) for projection in _ALL)]
