"""`lodestone quota` as an operator runs it: as a process."""

from datetime import datetime
from pathlib import Path

import pytest
from redis import Redis

from domain.ids import MailboxId
from domain.quota import Purpose
from infra.db.store import Store
from infra.gmail.costs import PACIFIC
from infra.local.redis import RedisServer
from infra.secrets import Cipher
from tests.nowhere import dead_port
from tests.terminals import Terminal
from tests.worlds import make_world

UWE = "uwe@firm.example"


@pytest.fixture
def terminal(
    tmp_path: Path, sqlite_url: str, cipher: Cipher, redis_server: RedisServer, redis: Redis
) -> Terminal:
    """A shell beside a mailbox that has cost something, and a Redis in which nobody has told of any units."""
    store = Store(sqlite_url, cipher)
    make_world(store)
    with store.begin("tests.units") as tx:
        rows = {MailboxId(1): {Purpose.SWEEP: 160, Purpose.MATCH: 1_240}, MailboxId(7): {Purpose.WATCH: 100}}
        tx.units.add("a", "one", datetime.now(PACIFIC).date(), rows)
    store.engine.dispose()
    return Terminal(tmp_path, sqlite_url, {"LODESTONE_REDIS_URL": redis_server.url})


def test_the_day_is_shown_against_the_projects_quota_and_the_costliest_mailbox_first(
    terminal: Terminal,
) -> None:
    lines = terminal.run("quota").out.splitlines()
    assert "project, the day: 1,500 of 80,000,000 (0%)" in lines
    assert "project, the last minute: 0 of 1,200,000 (0%)" in lines
    assert _table(lines, "spent for") == [
        ["match", "1,240", "83%"],
        ["sweep", "160", "11%"],
        ["watch", "100", "7%"],
    ]
    assert "by mailbox; each may spend 6,000 a minute" in lines
    assert [line.split() for line in lines[-2:]] == [
        ["1,400", "0", UWE, "match", "1,240"],
        ["100", "0", "mailbox", "7", "watch", "100"],
    ]
    assert max(map(len, lines)) <= 80


def _table(lines: list[str], first_column: str) -> list[list[str]]:
    begins = next(number for number, line in enumerate(lines) if line.startswith(first_column))
    rows = lines[begins + 1 :]
    return [line.split() for line in rows[: rows.index("") if "" in rows else None]]


def test_one_mailbox_is_shown_alone_and_a_program_gets_numbers(terminal: Terminal) -> None:
    lines = terminal.run("quota", UWE).out.splitlines()
    assert f"{UWE}, the day: 1,400" in lines
    assert f"{UWE}, the last minute: 0 of 6,000 (0%)" in lines
    assert _table(lines, "spent for") == [["match", "1,240", "89%"], ["sweep", "160", "11%"]]
    found = terminal.run("quota", UWE, "--json").json
    assert found["quota"] == {
        "project_units_per_day": 80_000_000,
        "project_units_per_minute": 1_200_000,
        "mailbox_units_per_minute": 6_000,
    }
    [mailbox] = found["mailboxes"]
    assert (mailbox["mailbox"], mailbox["units_today"], mailbox["units_last_minute"]) == (UWE, 1_400, 0)
    assert mailbox["units_by_purpose"]["match"] == 1_240


def test_a_project_of_before_has_other_limits(terminal: Terminal) -> None:
    old = Terminal(
        terminal.folder, terminal.database_url, {**terminal.settings, "LODESTONE_GMAIL_COSTS": "2025"}
    )
    lines = old.run("quota").out.splitlines()
    assert "project, the day: 1,500, without a limit" in lines
    assert "by mailbox; each may spend 15,000 a minute" in lines


def test_without_redis_the_day_is_shown_and_a_mailbox_that_is_not_there_is_refused(
    terminal: Terminal,
) -> None:
    lonely = Terminal(
        terminal.folder,
        terminal.database_url,
        {"LODESTONE_REDIS_URL": f"redis://127.0.0.1:{dead_port()}/0"},
    )
    lines = lonely.run("quota").out.splitlines()
    assert "project, the last minute: unknown, Redis does not answer" in lines
    refused = lonely.run("quota", "nobody@firm.example")
    assert (refused.code, refused.err.splitlines()) == (
        2,
        ["lodestone: there is no mailbox nobody@firm.example: `lodestone status` shows them"],
    )
