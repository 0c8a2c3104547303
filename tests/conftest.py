"""Real databases and a real Redis for every test that wants one; each test finds them empty.

`database_url` and what stands on it (`store`) run twice: on SQLite and on PostgreSQL.
"""

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from redis import Redis
from sqlalchemy import Engine, create_engine, event, make_url

from domain.events import Event
from infra.db.migrate import migrate
from infra.db.store import Store, open_engine
from infra.db.tables.schema import metadata
from infra.local.postgres import fresh_database, postgres_or_start
from infra.local.redis import RedisServer
from infra.objects.folder import FolderStore
from infra.queue import RedisQueue
from infra.secrets import Cipher
from tests import witness
from tests.worlds import KEY, World, make_world

hypothesis.settings.register_profile(
    "lodestone",
    deadline=None,
    derandomize="EXAMPLES" not in os.environ,  # what is found now and then is looked for on purpose, by hand
    suppress_health_check=list(hypothesis.HealthCheck),  # a machine with other work is no fault of a test
)
hypothesis.settings.load_profile("lodestone")

DATABASES = ("sqlite", "postgresql")

witness.watch()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control starts us like that in the background; what tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_MAIN = dict.fromkeys(("organisations", "locations"), " WHERE id > 1")
"""What a migrated database begins with is there always."""

# One round trip empties the database in 2 ms, a new one from a template takes 60: CI pays for it 200 times.
# Whoever is connected still is left over from the last test.
_EMPTY = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
{"".join(f'DELETE FROM "{one.name}"{_MAIN.get(one.name, "")};' for one in reversed(metadata.sorted_tables))}
SELECT setval(oid, 1, relname IN ('organisations_id_seq', 'locations_id_seq')) FROM pg_class WHERE relkind = 'S'
"""  # noqa: S608 - the names are ours


def pytest_xdist_auto_num_workers() -> int:
    """Twice the cores: half of the suite's time is waiting for processes to die and to start."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """What collecting has made stays to the end: the garbage collector need not look at it again and again."""
    gc.freeze()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this test process's own, or a given one (DATABASE_URL)."""
    with postgres_or_start(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> Iterator[tuple[str, Engine]]:
    """A migrated database of this test process's own, and an engine to empty it."""
    with fresh_database(postgres_server) as url:
        _migrate(url)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        yield url, engine
        engine.dispose()


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this test process has its SQLite database: always the same place, so that an engine can stay."""
    return tmp_path_factory.mktemp("sqlite") / "lodestone.db"


@pytest.fixture
def sqlite_url(sqlite_template: Path, sqlite_file: Path) -> str:
    """A migrated SQLite database. Whoever has the last test's open still writes where nobody looks."""
    for old in sqlite_file.parent.iterdir():
        if not old.is_dir():
            old.unlink(missing_ok=True)  # SQLite itself removes some at an end that comes late
    shutil.copyfile(sqlite_template, sqlite_file)
    return f"sqlite:///{sqlite_file}"


@pytest.fixture
def postgresql_url(postgres_database: tuple[str, Engine]) -> str:
    """A migrated PostgreSQL database."""
    url, engine = postgres_database
    with engine.connect() as db:
        db.exec_driver_sql(_EMPTY)
    return url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database without a row in it, once SQLite, once PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=DATABASES)
def bare_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table in it, once SQLite, once PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture(scope="session")
def cipher() -> Cipher:
    """Encrypts grants with `worlds.KEY`."""
    return Cipher((KEY,))


@pytest.fixture(scope="session")
def sqlite_store(sqlite_file: Path, cipher: Cipher) -> Store:
    """One for all tests: it knows their statements compiled, which costs more than to run them."""
    return Store(f"sqlite:///{sqlite_file}", cipher)


@pytest.fixture(scope="session")
def postgresql_store(postgres_database: tuple[str, Engine], cipher: Cipher) -> Store:
    """The same for the tests on PostgreSQL."""
    return Store(postgres_database[0], cipher)


@pytest.fixture
def store(request: pytest.FixtureRequest, database_url: str) -> Iterator[Store]:
    """The store on `database_url`."""
    name = make_url(database_url).get_backend_name()
    store: Store = request.getfixturevalue(f"{name}_store")
    yield store
    store.engine.dispose()


@pytest.fixture
def statements(store: Store) -> Iterator[list[str]]:
    """What the database is told, in order."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    yield found
    event.remove(store.engine, "before_cursor_execute", note)


@pytest.fixture
def second_store(store: Store, database_url: str, cipher: Cipher) -> Iterator[Store]:
    """The same database as another process opens it."""
    second = Store(database_url, cipher)
    yield second
    second.engine.dispose()


@pytest.fixture
def world(store: Store) -> World:
    """One user whose mailbox is connected, with MailMagnet and sorting on, in `store`."""
    return make_world(store)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of this test process's own; never the one of REDIS_URL, because it is flushed."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """An empty Redis."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    """A folder for objects. Each test has keys of its own, and so names of its own."""
    return FolderStore(tmp_path_factory.mktemp("kept") / "objects")


@pytest.fixture
def sent() -> list[Event]:
    """What `queue` has handed to the broker."""
    return []


@pytest.fixture
def queue(redis: Redis, sent: list[Event]) -> RedisQueue:
    """The queue on `redis`; events end in `sent`."""
    return RedisQueue(redis, sent.append)


def _migrate(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
