"""A loaded database that nobody works on, and copies of it in which rows measure."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from infra.db.migrate import migrate
from infra.db.store import open_engine
from infra.local.postgres import postgres_or_start
from tests.scale.load import Size, load

NAME = "lodestone_scale"
"""The database that is kept on a PostgreSQL server, and the first part of its copies' names."""

A_DAY = 86_400_000
Say = Callable[[str], None]


@contextmanager
def loaded(database: str, size: Size, keep: Path | None, say: Say) -> Iterator[str]:
    """The URL of one that is loaded and migrated; kept in the folder, or on the server of DATABASE_URL."""
    with tempfile.TemporaryDirectory(prefix="lodestone-scale-") as folder:
        place = keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        if database == "sqlite":
            url = f"sqlite:///{place.resolve() / 'lodestone.db'}"
            if not _is_good(url, size):
                _load_sqlite(place / "lodestone.db", size, say)
            yield url
            return
        with postgres_or_start(Path(folder)) as server:
            url = make_url(server).set(database=NAME).render_as_string(hide_password=False)
            if not (keep and _is_good(url, size)):
                _load_postgresql(server, size, say)
            yield url
            if not keep:
                with _server(server) as db:
                    db.execute(text(f'DROP DATABASE "{NAME}" WITH (FORCE)'))


@contextmanager
def copied(url: str) -> Iterator[str]:
    """A copy, migrated to this release, and gone at the end. Nobody may be connected to the original."""
    with _copy_of_file(url) if url.startswith("sqlite") else _copy_on_server(url) as copy:
        engine = open_engine(copy)
        migrate(engine)
        engine.dispose()
        yield copy


def _is_good(url: str, size: Size) -> bool:
    """It is there, of this size, and nothing in it becomes due within a day."""
    file = make_url(url).database
    if url.startswith("sqlite") and not (file and Path(file).exists()):
        return False
    engine = create_engine(url, poolclass=NullPool)
    due = text("SELECT count(*), min(sync_due_at) FROM mailboxes")
    try:
        with engine.connect() as db:
            mailboxes, first = db.execute(due).one()
    except DBAPIError:
        return False
    return bool(mailboxes == size.mailboxes and first > 1000 * time.time() + A_DAY)


def _load_sqlite(file: Path, size: Size, say: Say) -> None:
    """Under another name until it is whole."""
    half = file.with_name("loading.db")
    for old in (file, half):
        for name in (old, Path(f"{old}-wal"), Path(f"{old}-shm")):
            name.unlink(missing_ok=True)
    _fill(f"sqlite:///{half.resolve()}", size, say)
    half.rename(file)


def _load_postgresql(server: str, size: Size, say: Say) -> None:
    half = f"{NAME}_loading"
    with _server(server) as db:
        for name in (NAME, half):
            db.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        db.execute(text(f'CREATE DATABASE "{half}" TEMPLATE template0'))
    _fill(make_url(server).set(database=half).render_as_string(hide_password=False), size, say)
    with _server(server) as db:
        db.execute(text(f'ALTER DATABASE "{half}" RENAME TO "{NAME}"'))


def _fill(url: str, size: Size, say: Say) -> None:
    engine = open_engine(url)
    migrate(engine)
    load(engine, size, say)
    engine.dispose()


@contextmanager
def _copy_of_file(url: str) -> Iterator[str]:
    """Beside the original, where there was room for that."""
    file = Path(make_url(url).database or "")
    with tempfile.TemporaryDirectory(prefix="copy-", dir=file.parent) as folder:
        copy = Path(folder) / "lodestone.db"
        shutil.copyfile(file, copy)
        yield f"sqlite:///{copy}"


@contextmanager
def _copy_on_server(url: str) -> Iterator[str]:
    name = f"{NAME}_{secrets.token_hex(4)}"
    original = make_url(url).database
    with _server(url) as db:
        db.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{original}" STRATEGY file_copy'))
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with _server(url) as db:
            db.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


@contextmanager
def _server(url: str) -> Iterator[Connection]:
    """The server's own database."""
    engine = create_engine(
        make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    with engine.connect() as db:
        yield db
