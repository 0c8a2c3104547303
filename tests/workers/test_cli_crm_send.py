"""`lodestone crm send` as an integrator runs it: lines in, messages on the queue."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from infra.crm.fields import CATEGORY_HELP
from infra.crm.json import ACTORS, read_message
from infra.local.redis import RedisServer
from tests.nowhere import dead_port
from tests.terminals import Terminal
from tests.worlds import KEY

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "CRM.md").read_text(), re.DOTALL)[0]


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str, redis: Redis, redis_server: RedisServer) -> Terminal:
    """A shell in a folder with a file of changes, and an empty queue."""
    (tmp_path / "changes.jsonl").write_text(EXAMPLES)
    return Terminal(tmp_path, sqlite_url, {"LODESTONE_REDIS_URL": redis_server.url})


def queued(redis: Redis) -> list[tuple[str, object]]:
    """Actors and fields, in the order of the queue."""
    ids = redis.lrange("lodestone:queue:crm", 0, -1)
    messages = [json.loads(data or "") for data in redis.hmget("lodestone:queue:crm.msgs", ids)]
    return [(message["actor_name"], message["kwargs"]) for message in messages]


def test_each_line_becomes_a_message_for_its_actor(terminal: Terminal, redis: Redis) -> None:
    done = terminal.run("crm", "send", "changes.jsonl")
    assert (done.code, done.out) == (0, "7 queued\n")
    found = queued(redis)
    assert [actor for actor, _ in found] == list(ACTORS)
    for actor, fields in found:
        assert isinstance(fields, dict)
        read_message(actor, fields)
    assert [{"actor": actor, **fields} for actor, fields in found if isinstance(fields, dict)] == [
        json.loads(line) for line in EXAMPLES.splitlines()
    ]


@pytest.mark.rule("D2", "I3")
def test_bad_lines_are_named_by_number_and_the_rest_goes(terminal: Terminal, redis: Redis) -> None:
    lines = EXAMPLES.splitlines()
    lines[1] = '{"actor": "crm.delete_contact", "id": "secret", "version": "secret"}'
    lines[3] = "secret"
    (terminal.folder / "changes.jsonl").write_text("\n".join(lines))
    done = terminal.run("crm", "send", "changes.jsonl")
    assert done.code == 1, "lines were refused"
    assert done.out.splitlines() == [
        "5 queued, 2 refused",
        "  line 2: version is neither a whole number from 0 to 2^63-1 nor an RFC 3339 time since 1970",
        "  line 4: the line is no JSON",
    ]
    assert "secret" not in done.err
    assert [actor for actor, _ in queued(redis)] == [ACTORS[n] for n in (0, 2, 4, 5, 6)]


def test_lines_come_from_standard_input_and_the_answer_as_json(
    redis: Redis, redis_server: RedisServer
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers", "crm", "send", "-", "--json"],
        env={"LODESTONE_REDIS_URL": redis_server.url, "LODESTONE_TOKEN_KEYS": KEY},
        cwd=ROOT,
        input=EXAMPLES + "{}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    reason = f"actor is none of {', '.join(ACTORS)}"
    assert json.loads(done.stdout) == {
        "queued": 7,
        "refused": [{"line": 8, "reason": reason}],
        "refused_in_all": 1,
        "left_out": [],
        "left_out_in_all": 0,
    }
    assert len(queued(redis)) == 7


@pytest.mark.rule("E9", "E107")
def test_what_the_worker_would_refuse_or_leave_out_is_said_before(terminal: Terminal, redis: Redis) -> None:
    deal = {"actor": "crm.upsert_deal", "version": 1, "contact_ids": [], "stage": "s", "closing_date": None}
    user = {
        "actor": "crm.upsert_user",
        "id": "u",
        "version": 1,
        "name": "U",
        "emails": ["n/a", "u@example.com"],
    }
    lines = [
        deal | {"id": "d1", "category": "Closed Lost"},
        deal | {"id": "d2", "category": "Won at last"},
        deal | {"id": "d3", "category": "Pipeline"},
        user,
    ]
    (terminal.folder / "changes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    terminal.run("settings", "set", "category", "Closed Lost", "LOST")
    done = terminal.run("crm", "send", "changes.jsonl", "--category", "won at last=WON")
    assert (done.code, done.out.splitlines()) == (
        1,
        [
            "3 queued, 1 refused",
            f"  line 3: category is none of OPEN, WON, LOST{CATEGORY_HELP}",
            "  line 4: emails: entry 1 is no address and was left out",
        ],
    )
    sent = [fields for _, fields in queued(redis) if isinstance(fields, dict)]
    assert [one.get("category") for one in sent] == ["Closed Lost", "WON", None]


@pytest.mark.rule("E107")
def test_json_counts_what_it_does_not_show(terminal: Terminal) -> None:
    (terminal.folder / "changes.jsonl").write_text("nonsense\n" * 25)
    told = terminal.run("crm", "send", "changes.jsonl", "--json").json
    assert (told["queued"], len(told["refused"]), told["refused_in_all"]) == (0, 20, 25)


def test_a_file_that_is_not_there_ends_with_2_in_one_line(terminal: Terminal) -> None:
    done = terminal.run("crm", "send", "nowhere.jsonl")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == "lodestone: nowhere.jsonl cannot be read: No such file or directory"


def test_without_redis_it_ends_with_1_and_says_what_to_do(terminal: Terminal) -> None:
    nowhere = Terminal(
        terminal.folder,
        terminal.database_url,
        {"LODESTONE_REDIS_URL": f"redis://127.0.0.1:{dead_port()}/0"},
    )
    done = nowhere.run("crm", "send", "changes.jsonl")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1] == (
        "lodestone: Redis does not answer (ConnectionError) after 0 changes: check LODESTONE_REDIS_URL and send "
        "the file again"
    )


def test_help_shows_an_example(terminal: Terminal) -> None:
    done = terminal.run("crm", "send", "--help")
    assert done.code == 0
    assert "Example: lodestone crm send changes.jsonl" in " ".join(done.out.split())
