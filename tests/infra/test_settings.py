"""Settings: what they are without being set, and one line for each that cannot work."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.settings import Settings, WrongSetting, examine, load
from tests.worlds import KEY

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Only the token key is set, and no .env file lies about."""
    for name in os.environ:
        if name.startswith("LODESTONE_") or name in ("DATABASE_URL", "REDIS_URL"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LODESTONE_TOKEN_KEYS", KEY)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_one_key_is_all_that_must_be_set() -> None:
    settings = load()

    assert settings.database_url.get_secret_value() == "sqlite:///lodestone.db"
    assert settings.topic == "projects/lodestone/topics/gmail"
    assert (settings.worker_threads, settings.sweep_due_after, settings.redrive_after) == (8, 540, 60)
    assert (settings.gmail_endpoint, settings.as_of) == (None, None)


def test_settings_are_read_from_the_environment_first_then_from_a_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LODESTONE_WORKER_THREADS=3\nLODESTONE_PUBSUB_TOPIC=mail\nOTHER=1\n")
    environment.setenv("LODESTONE_WORKER_THREADS", "5")
    environment.setenv("LODESTONE_AS_OF", "2026-03-15T10:00:00+01:00")
    settings = load()

    assert (settings.worker_threads, settings.pubsub_topic) == (5, "mail")
    assert settings.as_of == datetime(2026, 3, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("database", "given", "place"),
    [
        ("sqlite:///lodestone.db", None, "objects"),
        ("sqlite:////srv/crm/lodestone.db", None, "/srv/crm/objects"),
        ("postgresql+psycopg://db.example.com/crm", None, "objects"),
        ("sqlite:////srv/crm/lodestone.db", "s3://bucket/path", "s3://bucket/path"),
    ],
)
def test_content_of_mail_lies_beside_sqlites_file_unless_it_is_said(
    environment: pytest.MonkeyPatch, database: str, given: str | None, place: str
) -> None:
    environment.setenv("LODESTONE_DATABASE_URL", database)
    if given:
        environment.setenv("LODESTONE_OBJECTS", given)
    assert load().objects_place == place


@pytest.mark.parametrize("name", ["LODESTONE_DATABASE_URL", "DATABASE_URL"])
def test_the_usual_names_of_urls_are_understood(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "postgresql+psycopg://me:secret@db.example.com/crm")

    assert load().database_url.get_secret_value() == "postgresql+psycopg://me:secret@db.example.com/crm"


def test_for_the_doctor_everything_wrong_is_named_and_the_rest_is_as_set(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LODESTONE_GMAIL_COSTS=cheap\nLODESTONE_LAESE=1\n")
    environment.setenv("DATABASE_URL", "mysql://me:hunter2@db.example.com/crm")
    environment.setenv("LODESTONE_TOKEN_KEYS", "short")
    environment.setenv("LODESTONE_WORKER_THREADS", "5")
    settings, wrong = examine()

    assert {name: says.partition(" is ")[0] for name, says in wrong.items()} == {
        "database_url": "DATABASE_URL",
        "token_keys": "LODESTONE_TOKEN_KEYS",
        "gmail_costs": "LODESTONE_GMAIL_COSTS",
        "LODESTONE_LAESE": "LODESTONE_LAESE",
    }
    assert "hunter2" not in repr(wrong)
    assert (settings.worker_threads, settings.gmail_costs) == (5, "2026")
    assert settings.database_url.get_secret_value() == "sqlite:///lodestone.db"
    assert settings.token_keys[0].get_secret_value() != "short"


def test_where_nothing_is_wrong_the_doctor_sees_what_every_process_sees(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("LODESTONE_PUSH_RECALL", "0")
    assert examine() == (load(), {})


def test_settings_do_not_change_under_a_running_process() -> None:
    with pytest.raises(ValidationError):
        load().worker_threads = 9  # type: ignore[misc]  # that is the point


@pytest.mark.rule("I10")
def test_no_secret_stands_in_what_python_shows(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgresql+psycopg://me:secret-1@db.example.com/crm")
    environment.setenv("REDIS_URL", "redis://:secret-2@redis.example.com:6379/0")
    settings = load()

    assert not [s for s in (KEY, "secret-1", "secret-2") if s in f"{settings!r} {settings} {[settings]}"]


WRONG = [
    ("TOKEN_KEYS", "", "Fernet keys separated by commas"),
    ("TOKEN_KEYS", "secret", "Fernet keys separated by commas"),
    ("TOKEN_KEYS", f"{KEY},secret", "Fernet keys separated by commas"),
    ("DATABASE_URL", "", "sqlite:///FILE or postgresql+psycopg://"),
    ("DATABASE_URL", "mysql://me:secret@db.example.com/crm", "sqlite:///FILE or postgresql+psycopg://"),
    ("GMAIL_COSTS", "2027", "2026 or 2025"),
    ("GMAIL_TIMEOUT", "0", "seconds"),
    ("GMAIL_TIMEOUT", "301", "seconds"),
    ("GMAIL_TIMEOUT", "soon", "seconds"),
    ("WORKER_THREADS", "0", "threads"),
    ("WORKER_THREADS", "65", "threads"),
    ("WORKER_THREADS", "", "threads"),
    ("SWEEP_DUE_AFTER", "-1", "seconds"),
    ("SWEEP_TICK", "0", "seconds"),
    ("REDRIVE_AFTER", "0", "seconds"),
    ("LEASE", "nan", "seconds"),
    ("AS_OF", "yesterday", "moment"),
    ("AS_OF", "2026-03-15T09:00:00", "moment"),
    ("LOG_LEVEL", "LOUD", "DEBUG to ERROR"),
    ("LONG_LEASE", "299", "at least ten times LODESTONE_GMAIL_TIMEOUT"),
    ("DATABASE_URL", "postgresql+psycopg://me:secret@db.example.com:port/crm", "postgresql+psycopg://"),
    ("REDIS_URL", "secret", "redis://HOST:PORT/DB"),
    ("REDIS_URL", "redis://secret@redis.example.com:port/0", "redis://HOST:PORT/DB"),
    ("GMAIL_ENDPOINT", "nonsense", "URL"),
    ("PUBSUB_PROJECT", "", "id of the Google Cloud project"),
    ("PUBSUB_TOPIC", "a/b", "name of the topic"),
    ("LEASE", "inf", "seconds"),
    ("REDRIVE_AFTER", "inf", "seconds"),
]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    WRONG,
)
def test_a_setting_that_cannot_work_is_named_with_what_it_should_be(
    environment: pytest.MonkeyPatch, name: str, value: str, wanted: str
) -> None:
    environment.setenv(f"LODESTONE_{name}", value)
    with pytest.raises(WrongSetting) as caught:
        load()

    line = str(caught.value)
    assert line.startswith(f"LODESTONE_{name} is wrong: it should be ")
    assert wanted in line
    assert "\n" not in line
    assert "secret" not in line, "a wrong secret is a secret still"


def test_a_long_lease_outlasts_the_longest_call_whichever_of_the_two_was_set(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("LODESTONE_GMAIL_TIMEOUT", "31")
    with pytest.raises(WrongSetting, match=r"^LODESTONE_LONG_LEASE is wrong: .* ten times LODESTONE_GMAIL_"):
        load()
    settings, wrong = examine()
    assert list(wrong) == ["long_lease"]
    assert settings.long_lease >= 10 * settings.gmail_timeout
    environment.setenv("LODESTONE_LONG_LEASE", "310")
    assert (load().gmail_timeout, load().long_lease) == (31, 310)
    environment.setenv("LODESTONE_GMAIL_TIMEOUT", "0.2")
    environment.setenv("LODESTONE_LONG_LEASE", "2")
    assert load().long_lease == 2


def test_a_setting_that_is_missing_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("LODESTONE_TOKEN_KEYS")
    with pytest.raises(WrongSetting, match=r"^LODESTONE_TOKEN_KEYS is not set: .*`lodestone keys new`$"):
        load()


@pytest.mark.parametrize("name", ["worker_threads", "gmail_timeout"])
def test_bounds_are_told(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(f"LODESTONE_{name.upper()}", "1000")
    with pytest.raises(WrongSetting, match=r"300|64"):
        load()


def test_a_misspelt_setting_is_named_with_what_it_might_have_been(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LODESTONE_LEESE", "10")
    with pytest.raises(
        WrongSetting, match=r"^LODESTONE_LEESE is no setting; did you mean LODESTONE_LEASE\?$"
    ):
        load()


@pytest.mark.parametrize("name", ["LODESTONE_LEESE", "lodestone_leese"])
def test_a_misspelt_setting_is_named_in_the_file_too(tmp_path: Path, name: str) -> None:
    (tmp_path / ".env").write_text(f"OTHER=1\nexport {name}=10\n")
    with pytest.raises(WrongSetting, match=rf"^{name} is no setting; did you mean LODESTONE_LEASE\?$"):
        load()


def test_names_are_read_in_small_letters_too(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("lodestone_lease=10\n")
    environment.setenv("lodestone_sweep_tick", "3")
    assert (load().lease, load().sweep_tick) == (10, 3)


def test_a_wrong_setting_is_named_as_it_was_given(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("LODESTONE_DATABASE_URL", raising=False)
    environment.setenv("DATABASE_URL", "oracle://nowhere")
    with pytest.raises(WrongSetting, match=r"^DATABASE_URL is wrong: "):
        load()


def test_every_setting_says_what_it_should_be() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_process_with_a_wrong_setting_ends_before_it_starts(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("LODESTONE_WORKER_THREADS", "many")
    environment.setenv("PYTHONPATH", str(ROOT))
    ended = subprocess.run(
        [sys.executable, "-m", "workers", "worker"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == (
        "lodestone: LODESTONE_WORKER_THREADS is wrong: it should be threads of one worker process, 1 to 64\n"
    )
    assert list(tmp_path.iterdir()) == []
