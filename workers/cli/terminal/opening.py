"""How commands begin that work on the database.

The parts of a process are imported when a command runs: its help shall not wait for them.
"""

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.terminal.output import at_end

if TYPE_CHECKING:
    from workers.bootstrap import App

Location = Annotated[
    str | None,
    typer.Option(
        "--location",
        metavar="ORGANISATION/LOCATION",
        help="The location it is about, where there are several; `lodestone locations list` shows them.",
    ),
]


def open_app() -> "App":
    """The parts of this process. Its log goes to standard error, because standard output is the command's answer.

    While the database is away a command fails at once; only processes wait for it.
    """
    from infra.db.migrate import check_schema
    from workers.bootstrap import start

    with redirect_stdout(sys.stderr):
        app = start("cli")
    check_schema(app.store.engine)
    at_end.callback(_close, app)
    return app


def _close(app: "App") -> None:
    from workers.units import write

    write(app.context)
    app.store.engine.dispose()
    app.redis.close()
