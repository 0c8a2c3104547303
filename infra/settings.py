"""The settings of a process, read once from the environment (LODESTONE_…) and a .env file."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from redis.connection import parse_url
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import LodestoneError

PREFIX = "LODESTONE_"
ENV_FILE = ".env"
FOR_TESTS = frozenset({"LODESTONE_DIE_AT"})


CALL_PATIENCE = 10
"""A call to Gmail may take this many times gmail_timeout, which is for one piece of an answer."""


class WrongSetting(LodestoneError):
    """A setting that cannot work. The text is one line that names the setting and what it should be."""


def _accepted_by(look: Callable[[str], object]) -> AfterValidator:
    """A validator: the library that uses the value must be able to read it."""

    def check(value: SecretStr) -> SecretStr:
        try:
            look(value.get_secret_value())
        except ArgumentError:
            raise ValueError("not readable") from None
        return value

    return AfterValidator(check)


def _database(url: str) -> None:
    if make_url(url).drivername not in ("sqlite", "postgresql+psycopg"):
        raise ValueError("unknown database")


def _root_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no URL")
    return url


Seconds = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._~+%:-]{2,254}$")]


class Settings(BaseSettings):
    """Every setting, with its default. Times are in seconds, unless a setting says days."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, populate_by_name=True
    )

    database_url: Annotated[SecretStr, _accepted_by(_database)] = Field(
        SecretStr("sqlite:///lodestone.db"),
        validation_alias=AliasChoices("LODESTONE_DATABASE_URL", "DATABASE_URL"),
        description="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
    )
    redis_url: Annotated[SecretStr, _accepted_by(parse_url)] = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        validation_alias=AliasChoices("LODESTONE_REDIS_URL", "REDIS_URL"),
        description="redis://HOST:PORT/DB of a Redis (6.2 or newer) of its own",
    )
    objects: str | None = Field(
        None,
        min_length=1,
        description="a folder, or s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH with "
        "lodestone[objects] installed",
    )
    token_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        description="Fernet keys separated by commas, the first encrypts; make one with `lodestone keys new`"
    )
    pubsub_project: Name = Field("lodestone", description="id of the Google Cloud project")
    pubsub_topic: Name = Field("gmail", description="name of the topic that Gmail publishes to")
    pubsub_subscription: Name = Field("lodestone", description="name of our subscription to that topic")
    gmail_endpoint: Annotated[str, AfterValidator(_root_url)] | None = Field(
        None, description="root URL instead of Google's, for a local Gmail"
    )
    gmail_costs: str = Field("2026", pattern="^(2025|2026)$", description="Gmail's cost table: 2026 or 2025")
    gmail_timeout: float = Field(
        30,
        gt=0,
        le=300,
        description="seconds Gmail may be silent, at most 300; an answer may take ten times that",
    )
    oauth_client_file: Path | None = Field(
        None, description="a file: client_secret.json of the OAuth client, from the Cloud console"
    )
    service_account_file: Path | None = Field(
        None, description="a file: the JSON key of a service account with domain-wide delegation"
    )
    worker_threads: int = Field(8, ge=1, le=64, description="threads of one worker process, 1 to 64")
    sweep_due_after: Seconds = Field(540, description="seconds from one sync of a mailbox to its sweep")
    settle_after: Seconds = Field(120, description="seconds in which Gmail's history shows what has happened")
    compare_every: Seconds = Field(
        86_400, description="seconds between two comparisons of a mailbox's list with what was seen of it"
    )
    sweep_tick: Seconds = Field(2, description="seconds between two looks of the sweep")
    redrive_after: Seconds = Field(60, description="seconds after which unfinished work is asked for again")
    lease: Seconds = Field(60, description="seconds a worker may take for a slice")
    channels_may_be_private: bool = Field(
        False, description="true or false: may webhooks and apprise URLs lead into a private network?"
    )
    channel_rest: Seconds = Field(60, description="seconds a receiver that is down is first left alone")
    channel_timeout: float = Field(10, gt=0, le=60, description="seconds for one event, at most 60")
    push_recall: float = Field(
        0.5, ge=0, le=1, description="share of new mail, 0 to 1; if push brings less its watch is made anew"
    )
    gather: Seconds = Field(60, description="seconds that late notifications are given to become one summary")
    notifier_threads: int = Field(8, ge=1, le=64, description="threads of one notifier process, 1 to 64")
    daily_limit: int = Field(
        500, ge=0, le=10_000, description="mails a mailbox may send from the CRM in 24 hours, at most 10000"
    )
    hand_over: Seconds = Field(900, description="seconds a mail may take on its way to Gmail's drafts")
    long_lease: Seconds = Field(
        300,
        validate_default=True,
        description="seconds a worker may take to send a draft or to end a grant, at least ten times "
        "LODESTONE_GMAIL_TIMEOUT",
    )
    keep_notifications: int = Field(
        365, ge=35, le=3_650, description="days that users' notifications are kept, 35 to 3650"
    )
    keep_deliveries: int = Field(
        7, ge=1, le=365, description="days that a notification waits for a channel at most, 1 to 365"
    )
    keep_deleted: int = Field(
        90,
        ge=1,
        le=3_650,
        description="days after which no older change of a deleted CRM record can come any more, 1 to 3650",
    )
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

    @field_validator("long_lease")
    @classmethod
    def _outlasts_a_call(cls, value: float, given: ValidationInfo) -> float:
        if value < CALL_PATIENCE * given.data.get("gmail_timeout", 0):
            raise ValueError("too short")
        return value

    @property
    def topic(self) -> str:
        """The topic's full name, as Gmail and Pub/Sub want it."""
        return f"projects/{self.pubsub_project}/topics/{self.pubsub_topic}"

    @property
    def objects_place(self) -> str:
        """Where content of mail is kept: unless it is said, in the folder `objects` beside SQLite's file."""
        if self.objects:
            return self.objects
        url = make_url(self.database_url.get_secret_value())
        beside = Path(url.database or "") if url.get_backend_name() == "sqlite" else Path()
        return str(beside.with_name("objects") if beside.name else Path("objects"))

    @property
    def has_pubsub(self) -> bool:
        """Whether a Pub/Sub project is set. The default is the project of the local Google."""
        return "pubsub_project" in self.model_fields_set

    @property
    def command_log_level(self) -> str:
        """The level for commands: WARNING, unless log_level is set."""
        return self.log_level if "log_level" in self.model_fields_set else "WARNING"


def wrong(name: str) -> WrongSetting:
    """The error for a setting that turns out to be wrong when it is used."""
    return WrongSetting(
        f"{PREFIX}{name.upper()} is wrong: it should be {Settings.model_fields[name].description}"
    )


def load() -> Settings:
    """The settings of this process. Raises WrongSetting before anything starts."""
    for trouble in _unknown():
        raise WrongSetting(trouble)
    try:
        return Settings()
    except ValidationError as error:
        _, trouble = _troubles(error)[0]
        raise WrongSetting(trouble) from None


def examine() -> tuple[Settings, Mapping[str, str]]:
    """The settings with a default in place of each wrong one, and a line about each wrong one by its name.

    A random key, which decrypts nothing, takes the place of wrong keys.
    """
    strange = {trouble.partition(" ")[0]: trouble for trouble in _unknown()}
    try:
        return Settings(), strange
    except ValidationError as error:
        wrong = dict(_troubles(error))
    defaults = {name: Settings.model_fields[name].default for name in wrong}
    if "long_lease" in wrong:
        defaults["gmail_timeout"] = Settings.model_fields["gmail_timeout"].default
    if "token_keys" in wrong:
        defaults["token_keys"] = Fernet.generate_key().decode()
    return Settings(**defaults), strange | wrong


def _troubles(error: ValidationError) -> list[tuple[str, str]]:
    """The names of the wrong settings, each with a line that says what it should be."""
    found = []
    for one in error.errors(include_input=False, include_url=False):
        name, variable, wanted = _variable(str(one["loc"][0]))
        what = "not set" if one["type"] == "missing" else "wrong"
        found.append((name, f"{variable} is {what}: it should be {wanted}"))
    return found


def _unknown() -> Iterator[str]:
    """A line about each variable that begins with PREFIX and is no setting."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | FOR_TESTS
    for name in sorted(os.environ.keys() | dotenv_values(ENV_FILE).keys()):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            alike = difflib.get_close_matches(name.upper(), known, n=1)
            yield f"{name} is no setting" + (f"; did you mean {alike[0]}?" if alike else "")


def _variable(place: str) -> tuple[str, str, str | None]:
    """The setting, the variable that was read, and what it should be. Aliases are tried in their order."""
    for name, field in Settings.model_fields.items():
        choices = (
            field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else [name]
        )
        if place in choices or place == name:
            given = [str(choice) for choice in choices if str(choice) in os.environ]
            return name, given[0] if given else f"{PREFIX}{name.upper()}", field.description
    return place, place, None
