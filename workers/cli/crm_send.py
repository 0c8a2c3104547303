"""The CRM's changes onto the queue: `lodestone crm send`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, BinaryIO

import dramatiq
import typer
from redis.exceptions import RedisError

from domain.crm import Refusal
from infra.crm_json import Line, read_lines
from workers.bootstrap import App, start
from workers.cli.output import Json, fail, say, show_json
from workers.cli.progress import EVERY, bar
from workers.intake import CRM


def send(
    file: Annotated[Path, typer.Argument(help="JSON Lines as docs/CRM.md has them; - is standard input.")],
    as_json: Json = False,
) -> None:
    """Put changes of contacts, deals and users on the queue, for the workers to make.

    Each line is one change: `{"actor": "crm.delete_deal", "id": "d1", "version": 7}`. Lines that cannot go in are
    reported and left out; to send a file again does no harm. Ends with 0 when all lines were queued, 1 when some
    were refused or Redis does not answer, 2 when the file cannot be read.

    Example: `lodestone crm send changes.jsonl`
    """
    with redirect_stdout(sys.stderr):
        app = start("cli")
    queued, refused = 0, []
    with _opened(file) as lines:
        for line in read_lines(_watched(file, lines)):
            if isinstance(line, Refusal):
                refused.append(line)
            else:
                _queue(line, queued, app)
                queued += 1
    if as_json:
        show_json(
            {"queued": queued, "refused": [{"line": one.line, "reason": one.reason} for one in refused]}
        )
    else:
        say(f"{queued} queued" + (f", {len(refused)} refused" if refused else ""))
        for one in refused:
            say(f"  line {one.line}: {one.reason}")
    if refused:
        raise typer.Exit(1)


def _queue(line: Line, queued: int, app: App) -> None:
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=CRM, actor_name=line.actor, args=(), kwargs=dict(line.fields), options={}
    )
    try:
        app.broker.enqueue(message)
    except RedisError as error:
        fail(
            f"Redis does not answer ({type(error).__name__}) after {queued} changes: check LODESTONE_REDIS_URL "
            "and send the file again",
            code=1,
        )


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        lines = file.open("rb")
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}", code=2)
    with lines:
        yield lines


def _watched(file: Path, lines: BinaryIO) -> Iterator[bytes]:
    """The lines, with a bar for a file if somebody is there to see it."""
    size = file.stat().st_size if str(file) != "-" else None
    done = 0
    with bar() as progress:
        task = progress.add_task("changes", total=size)
        for number, line in enumerate(lines):
            done += len(line)
            if number % EVERY == 0:
                progress.update(task, completed=done)
            yield line
        progress.update(task, completed=done)
