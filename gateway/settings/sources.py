"""Where settings come from beside ledgerline.toml: `LEDGERLINE_X`, and files named by `LEDGERLINE_X_FILE`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "LEDGERLINE_"


class FileVariables(PydanticBaseSettingsSource):
    """`LEDGERLINE_X_FILE=path`: the setting's value is the file's content."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """The content of a field's file; None where none is named, or it can't be read."""
        name = variable(field_name, field)
        path = os.environ.get(f"{name}_FILE")
        return (_text(path) if path else None), name, False

    def __call__(self) -> dict[str, Any]:
        """The values of all files."""
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                values[field.alias or name] = value
        return values


def variable(name: str, field: FieldInfo) -> str:
    """The variable of a setting."""
    return field.alias or f"{PREFIX}{name.upper()}"


def variables(fields: Mapping[str, FieldInfo]) -> list[str]:
    """The variables of settings."""
    return [variable(name, field) for name, field in fields.items()]


def unreadable(known: Sequence[str]) -> list[str]:
    """The files that are named and can't be read."""
    files = [(name, os.environ[name]) for name in (f"{one}_FILE" for one in known) if os.environ.get(name)]
    return [f"{name}: {path} can't be read" for name, path in files if _text(path) is None]


def unknown(known: Sequence[str]) -> list[str]:
    """The variables that are no setting's, with what may be meant."""
    words = [name.removeprefix(PREFIX) for name in known]
    found = []
    for name in sorted(os.environ):
        word = name.upper().removeprefix(PREFIX).removesuffix("_FILE")
        if name.upper().startswith(PREFIX) and word not in words:
            close = difflib.get_close_matches(word, words, 1)
            found.append(f"{name} is no setting" + (f"; is {PREFIX}{close[0]} meant?" if close else ""))
    return found


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None  # `unreadable` names it
