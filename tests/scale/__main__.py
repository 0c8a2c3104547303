"""Bounds of a deployment of 100,000 mailboxes, measured: `make scale`.

Loads 100,000 mailboxes, a million contacts and a million mails into SQLite and PostgreSQL, which takes some minutes,
and prints each figure beside its bound. Ends with 1 where one is not met.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.scale.frame import Figure, Place
from tests.scale.load import Size, of_mailboxes
from tests.scale.loaded import copied, loaded
from tests.scale.rows import ROWS

DATABASES = ("sqlite", "postgresql")


def main() -> None:
    """Measure, print, and say by the code whether all is within bounds."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _options()
    databases = DATABASES if options.database == "both" else (options.database,)
    try:
        found = [
            one
            for database in databases
            for one in _measured(database, options.only, of_mailboxes(options.mailboxes), options.keep)
            if options.json or _show(*one)
        ]
    except KeyboardInterrupt:
        _say("stopped; everything is ended")
        sys.exit(130)
    if options.json:
        table = [
            {"database": database, "row": row, **asdict(figure), "met": figure.met}
            for database, row, figure in found
        ]
        json.dump(table, sys.stdout, indent=2)
        sys.stdout.write("\n")
    missed = sum(not figure.met for _, _, figure in found)
    _say(f"{len(found)} figures, {missed} not met" if missed else f"{len(found)} figures, all met")
    sys.exit(1 if missed else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--only", nargs="+", choices=tuple(ROWS), metavar="ROW", default=tuple(ROWS),
                        help=f"of {', '.join(ROWS)}")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one list of figures instead of a table")
    parser.add_argument("--keep", type=Path, metavar="FOLDER",
                        help="use what was loaded into this folder, or load it there; for PostgreSQL the server that "
                        "DATABASE_URL names keeps it")  # fmt: skip
    parser.add_argument("--mailboxes", type=int, default=Size().mailboxes, metavar="N",
                        help="fewer for a quick look; the bounds are for 100,000")  # fmt: skip
    return parser.parse_args()


def _measured(
    database: str, rows: tuple[str, ...], size: Size, keep: Path | None
) -> Iterator[tuple[str, str, Figure]]:
    def say(words: str) -> None:
        _say(f"{database}: {words}")

    say(f"{size.mailboxes:,} mailboxes")
    with loaded(database, size, keep, say) as original, copied(original) as url:
        place = Place(url, say)
        for row in rows:
            say(row)
            began = time.monotonic()
            yield from ((database, row, figure) for figure in ROWS[row](place))
            say(f"{row}: {time.monotonic() - began:.0f} s")
        place.store.engine.dispose()


def _show(database: str, row: str, figure: Figure) -> bool:
    value, bound = (f"{number:,.{0 if number >= 100 else 1}f}" for number in (figure.value, figure.bound))
    met = "met" if figure.met else "NOT MET"
    line = f"{database:<10}  {row:<10}  {figure.what:<54}  {value:>8} of {bound:>6} {figure.unit:<10}  {met}"
    print(line, flush=True)  # noqa: T201
    return True


def _say(words: str) -> None:
    sys.stderr.write(f"scale: {words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
