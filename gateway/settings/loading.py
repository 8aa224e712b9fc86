"""Read the settings, and say all that is wrong with them at once."""

from __future__ import annotations

import tomllib

from pydantic_settings import SettingsError as UnreadableError

from gateway.settings import Settings, SettingsError, sources
from gateway.settings.sources import PREFIX


def load(**given: object) -> Settings:
    """Read all settings; SettingsError names every one that is wrong."""
    known = sources.variables(Settings.model_fields)
    problems = sources.unreadable(known)
    try:
        settings = Settings(**given)  # type: ignore[arg-type] # pydantic checks what the command line gives
    except SettingsError as error:
        problems += error.problems
    except UnreadableError as error:
        problems.append(f"{PREFIX}*: {error}")  # names the field, not its value
    except tomllib.TOMLDecodeError as error:
        problems.append(f"ledgerline.toml: {error}")
    except (OSError, UnicodeDecodeError):
        problems.append("ledgerline.toml: can't be read")
    else:
        if not problems:
            return settings
    raise SettingsError(problems + sources.unknown(known))


def warnings(settings: Settings) -> list[str]:
    """What works but is probably not meant."""
    found = []
    if settings.time_zone == "UTC" and "time_zone" not in settings.model_fields_set:
        found.append(f"{PREFIX}TIME_ZONE is not set: days of reports are UTC days, not the account's")
    return found + sources.unknown(sources.variables(Settings.model_fields))
