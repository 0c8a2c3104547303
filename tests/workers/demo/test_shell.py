"""Many commands in one process end as they would in one of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds import KEY
from workers.demo.shell import CommandFailed, Shell


@pytest.fixture
def environment(sqlite_url: str) -> dict[str, str]:
    """With a migrated database, and with all that is logged."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LODESTONE_")}
    return inherited | {
        "LODESTONE_DATABASE_URL": sqlite_url,
        "LODESTONE_TOKEN_KEYS": KEY,
        "LODESTONE_LOG_LEVEL": "INFO",
    }


@pytest.fixture
def shell(tmp_path: Path, environment: dict[str, str]) -> Iterator[Shell]:
    with Shell(environment, tmp_path, tmp_path / "log") as shell:
        yield shell


def test_each_command_has_its_own_end_and_words(shell: Shell, tmp_path: Path) -> None:
    first = shell.ask("settings", "set", "time-zone", "Europe/Berlin", "--json")
    wrong = shell.ask("settings", "set", "time-zone", "Atlantis")
    second = shell.ask("settings", "set", "internal-domain", "firm.example")
    assert (first.code, first.value) == (0, {"time_zone": "Europe/Berlin"})
    said = "lodestone: Atlantis is no time zone; Europe/Berlin is one"
    assert (wrong.code, wrong.out, wrong.said) == (2, "", said)
    assert (second.code, second.out) == (0, "internal-domain is firm.example\n")
    log = (tmp_path / "log").read_text()
    assert log == first.err + wrong.err + second.err
    assert log.count('"event": "settings.changed"') == 2, "the second command's log is not lost"


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="this system does not list what a process has open"
)
def test_a_command_closes_what_it_has_opened(shell: Shell, sqlite_url: str) -> None:
    database = sqlite_url.removeprefix("sqlite:///")
    for words in (("settings", "show"), ("status",), ("disconnect", "--user", "nobody")):
        shell.ask(*words)
        opened = [link.resolve() for link in Path(f"/proc/{shell.pid}/fd").iterdir() if link.exists()]
        assert [path for path in opened if str(path).startswith(database)] == [], words


def test_one_that_has_to_succeed_says_why_it_did_not(shell: Shell) -> None:
    with pytest.raises(CommandFailed, match="user uwe has no connection") as failed:
        shell.run("disconnect", "--user", "uwe")
    assert failed.value.code == 2
    with pytest.raises(CommandFailed):
        shell.ask("disconnect", "--user", "uwe", "--json").value  # noqa: B018 - there is none


def test_a_process_that_dies_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    dying = environment | {"LODESTONE_DIE_AT": "settings.set.before"}
    with (
        Shell(dying, tmp_path, tmp_path / "log") as shell,
        pytest.raises(CommandFailed, match="ended without an answer"),
    ):
        shell.ask("settings", "set", "time-zone", "Europe/Berlin")
