"""Settings: `LEDGERLINE_*` variables (each also as `…_FILE`), and ledgerline.toml for what has structure.

Every problem is found at once (`SettingsError.problems`), so that one start shows all there is to mend.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import os
import tomllib
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableError

from domain.consent_words import DEFAULT_WORDS, NO_WORDS, ConsentWords
from domain.destinations.asked import NoDestinationError, asked
from domain.openers import DEFAULT
from domain.policy import ConsentRule, Rules
from domain.templates import Drift
from gateway.auth import ApiKey, parse_key

PREFIX = "LEDGERLINE_"
Mode = Literal["enforce", "observe"]


class SettingsError(Exception):
    """The settings do not allow a start; `problems` names each with what would be right."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class LineSettings(BaseModel):
    """What one line may set for itself in `[line.<phone_number_id>]` of ledgerline.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Mode | None = None
    window_margin: int | None = Field(None, ge=0, le=3600)
    consent: ConsentRule | None = None
    refuse_us_marketing: bool = False
    template_category_drift: Drift = "accept"
    silence_minutes: int | None = Field(None, ge=1, le=1440)
    keep_media: bool | None = None


class Settings(BaseSettings):
    """All settings of one gateway: one account, one log."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, toml_file="ledgerline.toml", hide_input_in_errors=True
    )

    database_url: SecretStr | None = None
    admin_database_url: SecretStr | None = None
    schema_name: str = Field("ledgerline", alias="LEDGERLINE_SCHEMA", min_length=1, max_length=63)
    data_dir: Path = Path(".ledgerline")
    master_key: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    upstream_url: str = "https://graph.facebook.com"
    upstream_timeout: float = Field(30, gt=0, le=300)
    access_token: SecretStr | None = None
    lines: Annotated[tuple[str, ...], NoDecode] = ()
    waba: str | None = None
    portfolio: str | None = None
    time_zone: str = "UTC"
    currency: str = "USD"
    app_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    verify_token: SecretStr | None = None
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = ()
    policy: Mode = "enforce"
    window_margin: int = Field(60, ge=0, le=3600)
    silence_minutes: int = Field(15, ge=1, le=1440)
    retention_months: int | None = Field(None, ge=1)
    keep_media: bool = False
    vault: str | None = Field(None, min_length=1)
    vault_s3_url: str | None = None
    vault_s3_region: str = "us-east-1"
    vault_s3_key_id: SecretStr | None = None
    vault_s3_secret: SecretStr | None = None
    consent: ConsentRule = "optout"
    consent_words: bool = True
    stop_words: Annotated[tuple[str, ...], NoDecode] = ()
    start_words: Annotated[tuple[str, ...], NoDecode] = ()
    openers: dict[str, bool] = {}
    destinations_private: Annotated[tuple[str, ...], NoDecode] = ()
    destination: dict[str, dict[str, Any]] = Field({}, repr=False)
    line: dict[str, LineSettings] = {}

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, values: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        try:
            return handler(values)
        except ValidationError as error:
            wrong = [_problem(dict(item)) for item in error.errors(include_input=False)]
            raise SettingsError(wrong + _missing(values)) from None

    @field_validator(
        "master_key",
        "lines",
        "app_secrets",
        "stop_words",
        "start_words",
        "destinations_private",
        mode="before",
    )
    @classmethod
    def _commas(cls, value: object) -> object:
        return _split(value)

    @field_validator("api_keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        return tuple(parse_key(part) if isinstance(part, str) else part for part in _split(value))

    @field_validator("api_keys")
    @classmethod
    def _different(cls, value: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if len({key.digest for key in value}) < len(value):
            raise ValueError("two callers have the same key: each needs its own")
        return value

    @field_validator("openers")
    @classmethod
    def _switches(cls, value: dict[str, bool]) -> dict[str, bool]:
        DEFAULT.with_overrides(value)
        return value

    @field_validator("lines")
    @classmethod
    def _digits(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for line in value:
            if not (line.isascii() and line.isdigit()):
                raise ValueError(f"{line!r} is no phone_number_id: digits only, with commas between")
        return value

    @field_validator("destination", mode="before")
    @classmethod
    def _of_file(cls, value: object) -> object:
        try:
            return orjson.loads(value) if isinstance(value, str) else value
        except orjson.JSONDecodeError:
            raise ValueError("is no JSON: an object of destinations by their names") from None

    @field_validator("destination")
    @classmethod
    def _destinations(
        cls, value: dict[str, dict[str, Any]], info: ValidationInfo
    ) -> dict[str, dict[str, Any]]:
        """The form alone: where a URL leads is judged for each connection."""
        for name, given in value.items():
            try:
                wanted = asked({**given, "name": name}, lines=info.data.get("lines", ()))
            except NoDestinationError as error:
                raise ValueError(f"{name}.{error}") from None
            if wanted.secret is None:
                raise ValueError(f"{name}.secret must be given: nobody would see one that is made")
        return value

    @field_validator("destinations_private")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ip_network(text)
            except ValueError:
                raise ValueError(f"{text!r} is no network, such as 10.0.0.0/8 or 127.0.0.1") from None
        return value

    @field_validator("master_key")
    @classmethod
    def _thirty_two_bytes(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in value:
            master_key_bytes(key.get_secret_value())
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is no IANA time zone, such as Europe/London") from None
        return value

    @field_validator("database_url", "admin_database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        try:
            _ = value and urlsplit(value.get_secret_value()).port
        except ValueError:
            raise ValueError("is no URL; in a password / @ : # are written %2F %40 %3A %23") from None
        return value

    @field_validator("vault")
    @classmethod
    def _place(cls, value: str | None) -> str | None:
        if value is None or "://" not in value:
            return value
        if not value.startswith("s3://") or not urlsplit(value).netloc:
            raise ValueError("must be a folder, or s3://bucket or s3://bucket/prefix")
        if find_spec("obstore") is None:
            raise ValueError("s3:// needs the extra `s3`: install ledgerline[s3]")
        return value

    @field_validator("vault_s3_url")
    @classmethod
    def _http_too(cls, value: str | None) -> str | None:
        return None if value is None else cls._http(value)

    @field_validator("upstream_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with https:// (or http:// for a simulator)")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments beat variables, variables beat `…_FILE`, both beat ledgerline.toml."""
        del dotenv_settings, file_secret_settings
        return (
            init_settings,
            env_settings,
            _FileVariables(settings_cls),
            TomlConfigSettingsSource(settings_cls),
        )

    def mode(self, line: str) -> Mode:
        """The policy mode of one line."""
        own = self.line.get(line)
        return own.policy if own and own.policy else self.policy

    def margin(self, line: str) -> int:
        """How many seconds before the window's end a free-form send is refused."""
        own = self.line.get(line)
        return own.window_margin if own and own.window_margin is not None else self.window_margin

    def rules(self, line: str) -> Rules:
        """What the policy goes by on one line."""
        own = self.line.get(line)
        return Rules(
            margin=self.margin(line),
            mode=self.mode(line),
            consent=own.consent if own and own.consent else self.consent,
            refuse_us_marketing=own is not None and own.refuse_us_marketing,
            template_drift=own.template_category_drift if own else "accept",
        )

    @property
    def media_lines(self) -> tuple[str, ...]:
        """The lines whose customers' files are kept."""
        own = {line: self.line[line].keep_media for line in self.lines if line in self.line}
        return tuple(line for line in self.lines if (self.keep_media if own.get(line) is None else own[line]))

    @property
    def words(self) -> ConsentWords:
        """The words by which a customer stops and resumes."""
        if not self.consent_words:
            return NO_WORDS
        return DEFAULT_WORDS.extended(self.stop_words, self.start_words)

    def silence(self, line: str) -> int:
        """How many minutes after a send that WhatsApp took a callback must have come."""
        own = self.line.get(line)
        return own.silence_minutes if own and own.silence_minutes else self.silence_minutes


class _FileVariables(PydanticBaseSettingsSource):
    """`LEDGERLINE_X_FILE=path`: the setting's value is the file's content."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        name = field.alias or f"{PREFIX}{field_name.upper()}"
        path = os.environ.get(f"{name}_FILE")
        return (_text(path) if path else None), name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                values[field.alias or name] = value
        return values


def master_key_bytes(text: str) -> bytes:
    """The 32 bytes of a master key written in base64; ValueError says what would be right."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("a master key is 32 bytes in base64") from None
    if len(key) != 32:  # noqa: PLR2004 - AES-256
        raise ValueError(f"a master key is 32 bytes in base64; this one has {len(key)}")
    return key


def load(**given: object) -> Settings:
    """Read all settings; SettingsError names every one that is wrong."""
    problems = [f"{name}: {path} can't be read" for name, path in _files() if _text(path) is None]
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
    raise SettingsError(problems + _unknown())


_NEEDED: Final[Mapping[str, str]] = {
    "app_secrets": "the app's secret signs every webhook (App dashboard, Basic)",
    "verify_token": "any text; the same goes into the webhook configuration",
    "access_token": "a system user's token with whatsapp_business_messaging",
    "lines": "the phone_number_ids this gateway sends for, with commas between them",
    "api_keys": "name:key:scope+scope for each system that may call",
}


def missing(settings: Settings) -> list[str]:
    """What a start needs and has not; empty when `serve` may begin."""
    return _missing(dict(settings))


def _missing(values: Mapping[str, Any]) -> list[str]:
    found = [
        f"{PREFIX}{name.upper()} is missing: {why}" for name, why in _NEEDED.items() if not values.get(name)
    ]
    return found + _log_missing(values) + _vault_missing(values)


def log_missing(settings: Settings) -> list[str]:
    """What a command lacks that only reads or fills the log."""
    return _log_missing(dict(settings))


def _log_missing(values: Mapping[str, Any]) -> list[str]:
    if values.get("database_url") and not values.get("master_key"):
        return [f"{PREFIX}MASTER_KEY is missing: 32 random bytes in base64"]
    return []


def _vault_missing(values: Mapping[str, Any]) -> list[str]:
    given = [name for name in ("vault_s3_key_id", "vault_s3_secret") if values.get(name)]
    if len(given) == 1:
        return [
            f"{PREFIX}{given[0].upper()} is half of a pair: VAULT_S3_KEY_ID and VAULT_S3_SECRET go together"
        ]
    return []


def warnings(settings: Settings) -> list[str]:
    """What works but is probably not meant."""
    found = []
    if settings.time_zone == "UTC" and "time_zone" not in settings.model_fields_set:
        found.append(f"{PREFIX}TIME_ZONE is not set: days of reports are UTC days, not the account's")
    return found + _unknown()


def _unknown() -> list[str]:
    found = []
    known = [name.removeprefix(PREFIX) for name in _variables()]
    for name in sorted(os.environ):
        word = name.upper().removeprefix(PREFIX).removesuffix("_FILE")
        if name.upper().startswith(PREFIX) and word not in known:
            close = difflib.get_close_matches(word, known, 1)
            found.append(f"{name} is no setting" + (f"; is {PREFIX}{close[0]} meant?" if close else ""))
    return found


def _variables() -> list[str]:
    return [field.alias or f"{PREFIX}{name.upper()}" for name, field in Settings.model_fields.items()]


def _files() -> list[tuple[str, str]]:
    names = [f"{name}_FILE" for name in _variables()]
    return [(name, os.environ[name]) for name in names if os.environ.get(name)]


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None  # `load` names it


def _split(value: object) -> tuple[Any, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _problem(item: dict[str, Any]) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    label = name if name.startswith(PREFIX) else f"{PREFIX}{name.upper()}"
    where = ".".join([label, *(str(part) for part in item["loc"][1:])])
    return f"{where}: {item['msg'].removeprefix('Value error, ')}"
