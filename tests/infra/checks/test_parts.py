"""Database, Redis, clocks, backlog and files, as `lodestone doctor` finds them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httplib2
import pytest

from domain.checks import Finding, Verdict
from infra.checks import database, redis
from infra.gmail.checks import backlog, clocks, files
from infra.local.gmail import GmailServer
from infra.local.redis import RedisServer
from tests.nowhere import dead_port

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


def verdicts(findings: Iterator[Finding]) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in findings}


def test_a_migrated_database_is_found_good(database_url: str) -> None:
    found = [(one.check, one.verdict) for one in database.look(database_url)]
    assert found[0] == ("database", OK)
    assert found[-2:] == [("clock.database", OK), ("migration", OK)]
    assert FAILED not in dict(found).values()


def test_a_database_without_our_tables_is_told(bare_database_url: str) -> None:
    if bare_database_url.startswith("sqlite"):
        Path(bare_database_url.removeprefix("sqlite:///")).touch()
    found = {one.check: one for one in database.look(bare_database_url)}
    assert found["migration"].verdict is FAILED
    assert "lodestone migrate" in (found["migration"].next_step or "")


def test_to_look_for_a_database_makes_none(tmp_path: Path) -> None:
    file = tmp_path / "not-there.db"
    assert verdicts(database.look(f"sqlite:///{file}")) == {"database": FAILED}
    assert not file.exists()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 100)
    assert verdicts(database.look(f"sqlite:///{file}")) == {"database": FAILED}


def test_a_database_that_is_away_is_told_without_its_password() -> None:
    [found] = database.look(f"postgresql+psycopg://lodestone:hunter2@127.0.0.1:{dead_port()}/lodestone")
    assert (found.verdict, found.says) == (FAILED, "it does not answer (OperationalError)")
    assert "hunter2" not in repr(found)


GOOD = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "default_transaction_read_only": "off",
}


@pytest.mark.parametrize(
    ("version", "changed", "standby", "used", "expected"),
    [
        pytest.param(160_002, {}, False, 10, [OK], id="as it should be"),
        pytest.param(130_000, {}, False, 10, [OK, WARNING], id="old"),
        pytest.param(160_002, {"fsync": "off"}, False, 10, [OK, WARNING], id="forgetful"),
        pytest.param(160_002, {}, False, 90, [OK, WARNING], id="crowded"),
        pytest.param(160_002, {}, True, 10, [FAILED], id="a standby"),
        pytest.param(160_002, {"default_transaction_read_only": "on"}, False, 10, [FAILED], id="read-only"),
    ],
)
def test_what_postgresql_is_set_to_is_judged(
    version: int, changed: dict[str, str], standby: bool, used: int, expected: list[Verdict]
) -> None:
    found = database.of_postgresql(version, GOOD | changed, standby=standby, used=used, room=100)
    assert [one.verdict for one in found] == expected


def test_our_own_redis_is_found_good(redis_server: RedisServer) -> None:
    expected = {"redis": OK, "redis.persistence": OK, "redis.memory": OK}
    assert verdicts(redis.look(redis_server.url)) == expected


def test_a_redis_that_is_away_is_told() -> None:
    assert verdicts(redis.look(f"redis://127.0.0.1:{dead_port()}/0")) == {"redis": FAILED}


INFO = {
    "redis_version": "7.2.4",
    "role": "master",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "maxmemory_policy": "noeviction",
    "maxmemory": 0,
    "used_memory": 1_000_000,
}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        pytest.param({}, {}, id="as it should be"),
        pytest.param({"redis_version": "6.2.0"}, {}, id="just new enough"),
        pytest.param({"redis_version": "6.0.16"}, {"redis": FAILED}, id="too old"),
        pytest.param({"role": "slave"}, {"redis": FAILED}, id="a replica"),
        pytest.param({"loading": 1}, {"redis": WARNING}, id="loading"),
        pytest.param({"aof_enabled": 0}, {"redis.persistence": WARNING}, id="nothing is kept"),
        pytest.param({"aof_enabled": None}, {"redis.persistence": WARNING}, id="managed, says nothing"),
        pytest.param({"aof_last_write_status": "err"}, {"redis.persistence": FAILED}, id="a full disk"),
        pytest.param({"maxmemory_policy": "allkeys-lru"}, {"redis.memory": WARNING}, id="would throw away"),
        pytest.param(
            {"maxmemory_policy": "allkeys-lru", "maxmemory": 10**9},
            {"redis.memory": FAILED},
            id="throws away",
        ),
        pytest.param({"maxmemory": 1_050_000}, {"redis.memory": WARNING}, id="nearly full"),
        pytest.param(
            {"slave0": {"ip": "10.0.0.2", "lag": 60}}, {"redis.replicas": WARNING}, id="a replica lags"
        ),
        pytest.param({"slave0": {"ip": "10.0.0.2", "lag": 1}}, {}, id="a good replica"),
    ],
)
def test_what_redis_is_set_to_is_judged(changed: dict[str, Any], told: dict[str, Verdict]) -> None:
    found = verdicts(redis.of_redis(INFO | changed))
    assert {check: verdict for check, verdict in found.items() if verdict is not OK} == told


@contextmanager
def answering(status: int, body: object, asked: list[str], date: datetime | None = None) -> Iterator[str]:
    """A server that answers everything in this way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response_only(status)
            if date is not None:
                self.send_header("Date", format_datetime(date, usegmt=True))
            content = json.dumps(body).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.rule("W14")
def test_gmails_clock_is_read_from_any_answer() -> None:
    with GmailServer() as gmail:
        found = {one.check: one for one in clocks.look(gmail.url)}
    assert found["clock.google"].verdict is OK
    assert found["gmail"].verdict is WARNING, "it is not Google's"


@pytest.mark.rule("W14")
def test_a_clock_that_is_wrong_is_told() -> None:
    with answering(404, {}, [], date=datetime(2020, 1, 1, tzinfo=UTC)) as url:
        assert verdicts(clocks.look(url))["clock.google"] is FAILED
    with answering(404, {}, []) as url:
        assert verdicts(clocks.look(url))["clock.google"] is WARNING


def test_a_gmail_that_is_away_is_told() -> None:
    assert verdicts(clocks.look(f"http://127.0.0.1:{dead_port()}/")) == {"gmail": FAILED}


def points(value: int) -> dict[str, Any]:
    return {
        "timeSeries": [{"points": [{"value": {"int64Value": str(value)}}, {"value": {"int64Value": "7"}}]}]
    }


@pytest.mark.parametrize(
    ("status", "body", "verdict", "says"),
    [
        (200, points(3), OK, "3 wait, the oldest for 3 s"),
        (200, points(500), WARNING, "500 wait, the oldest for 500 s"),
        (200, {}, OK, "Cloud Monitoring has nothing of the last minutes: nothing waits"),
        (403, {}, WARNING, "how much waits is unknown: Cloud Monitoring does not tell (LookupError)"),
        (
            200,
            {"timeSeries": 7},
            WARNING,
            "how much waits is unknown: Cloud Monitoring does not tell (TypeError)",
        ),
    ],
)
def test_the_backlog_is_read_without_pulling_it(
    status: int, body: object, verdict: Verdict, says: str
) -> None:
    asked: list[str] = []
    with answering(status, body, asked) as root:
        [found] = backlog.look("p", "ours", root=root, line=httplib2.Http(timeout=30))
    assert (found.verdict, found.says) == (verdict, says)
    where = urlsplit(asked[0])
    assert where.path == "/v3/projects/p/timeSeries"
    [wanted] = parse_qs(where.query)["filter"]
    assert wanted == f'metric.type="{backlog.AGE}" AND resource.labels.subscription_id="ours"'


def test_without_credentials_the_backlog_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    assert verdicts(backlog.look("p", "ours")) == {"backlog": WARNING}


CLIENT = {
    "client_id": "1.apps.googleusercontent.com",
    "client_secret": "hush",
    "project_id": "crm",
    "auth_uri": "https://accounts.google.com/o/oauth2/auth",
    "token_uri": "https://oauth2.googleapis.com/token",
}


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        pytest.param({"installed": CLIENT}, OK, id="a desktop client"),
        pytest.param({"web": CLIENT}, OK, id="a web client"),
        pytest.param(
            {"web": CLIENT | {"project_id": "other"}}, FAILED, id="of another project than the topic"
        ),
        pytest.param({"type": "service_account"}, FAILED, id="another file of Google's"),
        pytest.param([], FAILED, id="something else"),
    ],
)
def test_the_oauth_client_must_be_readable_and_of_the_topics_project(
    tmp_path: Path, content: object, verdict: Verdict
) -> None:
    file = tmp_path / "client_secret.json"
    file.write_text(json.dumps(content))
    [found] = files.client(file, "crm")
    assert found.verdict is verdict
    assert "hush" not in repr(found)


def test_a_service_accounts_key_that_is_none_is_told(tmp_path: Path) -> None:
    assert verdicts(files.service_account(tmp_path / "nowhere.json")) == {"service account": FAILED}
