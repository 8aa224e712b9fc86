"""Load SQL from .sql files of named blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

_HEADING: Final = re.compile(r"^-- ([a-z_]+(?: [a-z_]+)*) --$", re.MULTILINE)


@cache
def load(package: str, filename: str, schema: str) -> Mapping[str, str]:
    """The blocks of a file by name: each begins with a line `-- name --`.

    `{schema}` in the text becomes `schema` as a quoted identifier.
    """
    text = (files(package) / filename).read_text(encoding="utf-8")
    quoted = '"' + schema.replace('"', '""') + '"'
    _, *parts = _HEADING.split(text.replace("{schema}", quoted))
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}
