"""Row level security as docs/RUNBOOK.md has an operator switch it on: what stands there is what is tried."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url

from tests.scoping import SCOPED

RUNBOOK = Path(__file__).parents[1] / "docs" / "RUNBOOK.md"
HEADING = "### Let PostgreSQL keep organisations apart too\n"


@contextmanager
def walled(url: str) -> Iterator[str]:
    """The same database for a role that owns nothing; in force for its owner too, unless that is a superuser."""
    role, password = f"app_{secrets.token_hex(8)}", secrets.token_hex(8)
    section = RUNBOOK.read_text().split(HEADING)[1].split("\n### ")[0]
    steps = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    tables = sorted(table.name for table in SCOPED)
    try:
        with engine.connect() as db:
            for step in steps:
                known = step.replace("lodestone_app", role).replace("'secret'", f"'{password}'")
                db.exec_driver_sql(known.replace("%", "%%"))
            for table in tables:
                db.exec_driver_sql(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        yield make_url(url).set(username=role, password=password).render_as_string(hide_password=False)
    finally:
        with engine.connect() as db:
            for table in tables:
                db.exec_driver_sql(f"DROP POLICY IF EXISTS lodestone ON {table}")
                db.exec_driver_sql(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
                db.exec_driver_sql(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
            db.exec_driver_sql(f"DROP OWNED BY {role}")
            db.exec_driver_sql(f"DROP ROLE {role}")
        engine.dispose()
