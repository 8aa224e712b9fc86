"""Settings: `LEDGERLINE_*` variables (each also as `…_FILE`), and ledgerline.toml for what has structure.

Every problem is found at once (`SettingsError.problems`), so that one start shows all there is to mend.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from domain.consent_words import DEFAULT_WORDS, NO_WORDS, ConsentWords
from domain.policy import ConsentRule, Rules
from domain.templates import Drift
from gateway.settings import needs, values
from gateway.settings.sources import PREFIX, FileVariables

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

    database_url: values.PostgresUrl | None = None
    admin_database_url: values.PostgresUrl | None = None
    schema_name: str = Field("ledgerline", alias="LEDGERLINE_SCHEMA", min_length=1, max_length=63)
    data_dir: Path = Path(".ledgerline")
    master_key: values.MasterKeys = ()
    upstream_url: values.HttpUrl = "https://graph.facebook.com"
    upstream_timeout: float = Field(30, gt=0, le=300)
    access_token: SecretStr | None = None
    lines: values.Lines = ()
    waba: str | None = None
    portfolio: str | None = None
    time_zone: values.Zone = "UTC"
    currency: values.Currency = "USD"
    app_secrets: values.Secrets = ()
    verify_token: SecretStr | None = None
    api_keys: values.ApiKeys = ()
    policy: Mode = "enforce"
    window_margin: int = Field(60, ge=0, le=3600)
    silence_minutes: int = Field(15, ge=1, le=1440)
    retention_months: int | None = Field(None, ge=1)
    keep_media: bool = False
    vault: values.Place | None = None
    vault_s3_url: values.HttpUrl | None = None
    vault_s3_region: str = "us-east-1"
    vault_s3_key_id: SecretStr | None = None
    vault_s3_secret: SecretStr | None = None
    consent: ConsentRule = "optout"
    consent_words: bool = True
    stop_words: values.Words = ()
    start_words: values.Words = ()
    openers: values.Switches = {}
    destinations_private: values.Networks = ()
    destination: values.Destinations = Field({}, repr=False)
    line: dict[str, LineSettings] = {}

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, given: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        try:
            return handler(given)
        except ValidationError as error:
            wrong = [_problem(dict(item)) for item in error.errors(include_input=False)]
            raise SettingsError(wrong + needs.missing(given)) from None

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
            FileVariables(settings_cls),
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

    def silence(self, line: str) -> int:
        """How many minutes after a send that WhatsApp took a callback must have come."""
        own = self.line.get(line)
        return own.silence_minutes if own and own.silence_minutes else self.silence_minutes

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

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The newest first."""
        return tuple(values.master_key_bytes(key.get_secret_value()) for key in self.master_key)

    @property
    def token(self) -> str:
        """What WhatsApp is called with."""
        return self.access_token.get_secret_value() if self.access_token else ""


def _problem(item: dict[str, Any]) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    label = name if name.startswith(PREFIX) else f"{PREFIX}{name.upper()}"
    where = ".".join([label, *(str(part) for part in item["loc"][1:])])
    if item["type"] == "extra_forbidden":
        return f"{where} is no setting: docs/operations.md names them"
    return f"{where}: {item['msg'].removeprefix('Value error, ')}"
