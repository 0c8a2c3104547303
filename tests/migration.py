"""Begins the next migration: `python -m tests.migration "What is true after it"`, which `make migration` runs.

Its file has the house's shape and the next number, and the release needs it from then on. What stands in it is an
example: the tables do not have that column, so tests/infra/db/test_migrations.py fails until it is replaced.
"""

import re
import sys
from argparse import Namespace
from pathlib import Path

from alembic import command
from alembic.config import Config

ROOT = Path(__file__).parents[1]
_HEAD = re.compile(r'^HEAD = "(\d{4})"$', re.MULTILINE)


def begin(said: str, root: Path = ROOT) -> Path:
    """Writes the file and makes it the release's newest; returns where it is."""
    folder, schema = root / "infra" / "db" / "migrations", root / "infra" / "db" / "tables" / "schema.py"
    [newest] = _HEAD.findall(schema.read_text())
    number = f"{int(newest) + 1:04}"
    config = Config(cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(folder))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("truncate_slug_length", "60")
    command.revision(config, said, rev_id=number)
    schema.write_text(_HEAD.sub(f'HEAD = "{number}"', schema.read_text()))
    return next(folder.glob(f"versions/{number}_*.py"))


def main() -> int:
    said = " ".join(sys.argv[1:]).strip()
    if not said:
        sys.stderr.write('say what is true after it: make migration M="Each channel has a name"\n')
        return 2
    made = begin(said)
    sys.stdout.write(
        f"{made.relative_to(ROOT)} is begun, and HEAD in infra/db/tables/schema.py names it.\n"
        "Next: the tables in infra/db/tables, then its upgrade and downgrade (CONTRIBUTING.md);\n"
        "make one T=tests/infra/db/test_migrations.py says what is missing.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
