"""The settings of a process, read once from the environment (LODESTONE_…) and a .env file."""

from typing import Annotated

from cryptography.fernet import Fernet
from pydantic import AliasChoices, AwareDatetime, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class WrongSetting(Exception):
    """A setting that cannot work: one line that names it and what it should be."""


class Settings(BaseSettings):
    """Every setting, with its default. Times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="LODESTONE_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    database_url: SecretStr = Field(
        SecretStr("sqlite:///lodestone.db"),
        validation_alias=AliasChoices("LODESTONE_DATABASE_URL", "DATABASE_URL"),
        description="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
    )
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        validation_alias=AliasChoices("LODESTONE_REDIS_URL", "REDIS_URL"),
        description="redis://HOST:PORT/DB of a Redis (6.2 or newer) of its own",
    )
    token_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        description="Fernet keys separated by commas, the first encrypts; make one with `lodestone keys new`"
    )
    pubsub_project: str = Field("lodestone", description="id of the Google Cloud project")
    pubsub_topic: str = Field("gmail", description="name of the topic that Gmail publishes to")
    pubsub_subscription: str = Field("lodestone", description="name of our subscription to that topic")
    gmail_endpoint: str | None = Field(None, description="root URL instead of Google's, for a local Gmail")
    gmail_costs: str = Field("2026", pattern="^(2025|2026)$", description="Gmail's cost table: 2026 or 2025")
    gmail_timeout: float = Field(30, gt=0, le=300, description="seconds for one answer of Gmail")
    worker_threads: int = Field(8, ge=1, le=64, description="threads of one worker process")
    sweep_due_after: float = Field(540, gt=0, description="seconds from one sync of a mailbox to its sweep")
    sweep_tick: float = Field(2, gt=0, description="seconds between two looks of the sweep")
    redrive_after: float = Field(
        60, gt=0, description="seconds after which unfinished work is asked for again"
    )
    lease: float = Field(60, gt=0, description="seconds a worker may take for a slice")
    as_of: AwareDatetime | None = Field(
        None, description="a moment to evaluate 'this month' for, for replays"
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG to ERROR")

    @field_validator("token_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

    @field_validator("token_keys")
    @classmethod
    def _are_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not value:
            raise ValueError("at least one key")
        for key in value:
            Fernet(key.get_secret_value())
        return value

    @field_validator("database_url")
    @classmethod
    def _is_known_database(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("unknown database")
        return value

    @property
    def topic(self) -> str:
        """The topic's full name, as Gmail and Pub/Sub want it."""
        return f"projects/{self.pubsub_project}/topics/{self.pubsub_topic}"


def load() -> Settings:
    """The settings of this process. Raises WrongSetting before anything starts."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        field = Settings.model_fields.get(name) or _by_alias(name)
        variable = name if name.isupper() else f"LODESTONE_{name.upper()}"
        wanted = field.description if field is not None else first["msg"]
        raise WrongSetting(f"{variable} is {_what(first['type'])}: it should be {wanted}") from None


def _by_alias(name: str) -> FieldInfo | None:
    for field in Settings.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices) and name in field.validation_alias.choices:
            return field
    return None


def _what(kind: str) -> str:
    return "not set" if kind == "missing" else "wrong"
