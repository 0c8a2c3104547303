"""How the database goes about a statement, and what of a table it reads from end to end."""

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from infra.db.store import Store, Transaction
from infra.db.tables.schema import metadata

Ask = Callable[[Transaction], object]


def read_whole(plan: list[str]) -> list[str]:
    """Lines of the plan that name a table of ours, of which every row or every entry of an index is read."""
    found = []
    for line, following in zip(plan, [*plan[1:], ""], strict=False):
        read = re.match(r"(?:-> +)?(Seq Scan|Index (?:Only )?Scan using \w+) on (\w+)|SCAN (\w+)", line)
        table = read and (read[2] or read[3])
        if read and table in metadata.tables and not following.startswith("Index Cond"):
            found.append(line)
    return found


def plans(store: Store, ask: Ask) -> list[list[str]]:
    """The plans of all statements that are asked, each made before it is run: a table that it finds empty has another.
    PostgreSQL would read tables of some hundred rows as a whole, and join them so."""
    found: list[list[str]] = []
    looking = False

    def explain(db: Any, _: object, statement: str, parameters: Any, __: object, many: bool) -> None:
        nonlocal looking
        if looking:
            return
        looking = True
        how = "EXPLAIN" if db.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        rows = db.exec_driver_sql(f"{how} {statement}", parameters[0] if many else parameters).all()
        found.append([str(row[-1]).strip() for row in rows])
        looking = False

    with store.begin("tests.plan") as tx:
        if tx.db.dialect.name == "postgresql":
            for way in ("seqscan", "hashjoin", "mergejoin"):
                tx.db.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        event.listen(store.engine, "before_cursor_execute", explain)
        try:
            ask(tx)
        finally:
            event.remove(store.engine, "before_cursor_execute", explain)
    return found
