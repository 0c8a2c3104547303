"""The demo: `lodestone demo`."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from workers.cli.output import Json, fail, show_json


def demo(
    keep: Annotated[
        Path | None, typer.Option("--keep", help="A new or empty folder for database, logs and Redis.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the whole product on this machine, on about 200 mails written for it.

    Needs nothing: a local Google, Redis and the processes of the Procfile are started and ended again. Ends with
    0 when every mail ended as the rules say and none of its words was found in anything that is kept, else 1.

    Example: `lodestone demo`
    """
    from infra.local.ports import LocalServerError
    from workers.demo.run import run_demo
    from workers.demo.screen import Screen
    from workers.demo.show import Interrupted
    from workers.demo.stage import CommandFailed

    folder = _folder(keep)
    signal.signal(signal.SIGTERM, _end)
    screen = Screen(aside=as_json)
    good = False
    try:
        summary = run_demo(folder, screen)
        summary.show(screen)
        if as_json:
            show_json(summary.as_json())
        good = summary.good
    except (CommandFailed, Interrupted, LocalServerError) as error:
        fail(str(error), code=1)
    finally:
        if keep is None and good:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(0 if good else 1)


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="lodestone-demo-"))
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        fail(f"{keep} is not empty: name a new folder", code=2)
    keep.mkdir(parents=True, exist_ok=True)
    return keep.absolute()


def _end(number: int, frame: object) -> None:
    """SIGTERM ends everything as cleanly as Ctrl-C does."""
    sys.exit(128 + number)


def add_to(app: typer.Typer) -> None:
    app.command()(demo)
