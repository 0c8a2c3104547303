"""What a row of `make scale` is, and how it measures.

A row is a function of a `Place`, which it finds full of the mailboxes of tests/scale/load.py, that yields figures:

    def due(place: Place) -> Iterator[Figure]:
        yield Figure("steps with nothing due", milliseconds(place.store, _stalled), "ms", 5)

It stands in a module of its own subject, tests/scale/rows_<subject>.py, and in tests/scale/rows.py by name. One that
changes the data does so in a copy: `with place.copy() as other:` is a database and a store of its own. All rows
run on each database; `place.is_sqlite` says which one it is. Wall time is for bounds in seconds; for what a
statement costs count buffers or statements: a busy machine does not change them.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from infra.db.store import Store, Transaction
from infra.secrets import Cipher
from tests.scale.loaded import copied
from tests.worlds import KEY

ROUNDS = 21


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, beside what it may be at most. `unit`: ms, s, buffers, statements, …"""

    what: str
    value: float
    unit: str
    bound: float

    @property
    def met(self) -> bool:
        """Whether it is within its bound."""
        return self.value <= self.bound


class Place:
    """A loaded database and the store on it. `say` tells who waits how far it is."""

    def __init__(self, url: str, say: Callable[[str], None]) -> None:
        self.url = url
        self.say = say
        self.is_sqlite = url.startswith("sqlite")
        self.store = Store(url, Cipher((KEY,)))

    @contextmanager
    def copy(self) -> Iterator["Place"]:
        """One with the same rows and a database of its own, gone at the end. Nobody else may be connected here."""
        self.store.engine.dispose()
        with copied(self.url) as url:
            other = Place(url, self.say)
            yield other
            other.store.engine.dispose()


Row = Callable[[Place], Iterator[Figure]]
Ask = Callable[[Transaction], object]


def milliseconds(store: Store, ask: Ask, rounds: int = ROUNDS) -> float:
    """The fastest of so many rounds, each in a transaction of its own: what else the machine does only adds to it."""
    taken = []
    for _ in range(rounds):
        with store.begin("scale.measure") as tx:
            began = time.perf_counter()
            ask(tx)
            taken.append(1000 * (time.perf_counter() - began))
    return min(taken)


def statements(store: Store, run: Callable[[], object]) -> int:
    """How many statements it takes; many rows for one statement are one."""
    with _each(store, lambda *_: None) as seen:
        run()
    return len(seen)


def buffers(store: Store, ask: Ask) -> int:
    """The blocks that PostgreSQL touches for all statements of it, each explained before it is run."""
    plans: list[int] = []

    def explain(db: Any, statement: str, parameters: Any) -> None:
        with db.begin_nested() as undone:
            explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            [(found,)] = db.exec_driver_sql(explained, parameters)
            undone.rollback()
        plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        plans.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    with _each(store, explain), store.begin("scale.measure") as tx:
        ask(tx)
    return sum(plans)


@contextmanager
def _each(store: Store, look: Callable[[Any, str, Any], None]) -> Iterator[list[str]]:
    """Look at each statement before it is run; not at what the look itself asks."""
    seen: list[str] = []
    looking = False

    def before(db: Any, _: object, statement: str, parameters: Any, __: object, many: bool) -> None:
        nonlocal looking
        if looking or statement.startswith(("BEGIN", "PRAGMA")):
            return
        seen.append(statement)
        looking = True
        try:
            look(db, statement, parameters[0] if many else parameters)
        finally:
            looking = False

    event.listen(store.engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(store.engine, "before_cursor_execute", before)
