"""A look into the database that waits for nobody."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, NullPool, create_engine


@contextmanager
def reading(database_url: str) -> Iterator[Connection]:
    """For reading alone. The product's own engine takes SQLite's write lock first, which the chaos may hold."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as db:
        yield db
