"""`lodestone crm send` queues changes of the CRM's records."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from domain.crm.deals import DealCategory
from domain.crm.records import Refusal, Remark, category_word
from domain.errors import Refused
from handlers.crm.summary import LineNotes
from infra.crm.fields import Customs
from infra.crm.json import LOCATION, Line, read_lines
from workers.cli.crm.options import Category, read_words
from workers.cli.crm.said import refusals_as_json, told_in_words
from workers.cli.terminal.opening import Location
from workers.cli.terminal.output import Json, fail, say, show_json
from workers.cli.terminal.progress import EVERY, bar
from workers.crm_customs import customs_of

if TYPE_CHECKING:
    from workers.bootstrap import App


def send(
    file: Annotated[Path, typer.Argument(help="JSON Lines as docs/CRM.md has them; - is standard input.")],
    category: Category = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Put changes of contacts, deals and users on the queue, for the workers to make.

    Each line is one change: `{"actor": "crm.delete_deal", "id": "d1", "version": 7}`. Lines that cannot go in are
    reported and left out; to send a file again does no harm. Ends with 0 when all lines were queued, 1 when
    something was left out or Redis does not answer, 2 when the file cannot be read.

    Example: `lodestone crm send changes.jsonl`
    """
    from workers.bootstrap import start

    words = read_words(category)
    with redirect_stdout(sys.stderr):
        app = start("cli")
    queued, refused, remarks = 0, LineNotes(), LineNotes()
    with _opened(file) as lines:
        for line in read_lines(_watched(file, lines), _customs(app, words, location)):
            match line:
                case Refusal():
                    refused.add(line)
                case Remark():
                    remarks.add(line)
                case Line():
                    _queue(_translated(line, words, location), queued, app)
                    queued += 1
    if as_json:
        show_json({"queued": queued, **refusals_as_json(refused, remarks)})
    else:
        say(f"{queued} queued" + (f", {refused.count} refused" if refused.count else ""))
        for text in (*told_in_words(refused), *told_in_words(remarks)):
            say(f"  {text}")
    if refused.count or remarks.count:
        raise typer.Exit(1)


def _customs(app: "App", words: Mapping[str, DealCategory], location: str | None) -> Customs:
    """Categories as the worker will read them. The time zone is left to the worker."""
    known = customs_of(app.store, words, location=location)

    def category(word: str) -> DealCategory | None:
        try:
            return known.category(word)
        except Refused:  # each line names its location, whose words the worker knows
            return DealCategory.OPEN

    return replace(known, category=category, zone=lambda: UTC)


def _translated(line: Line, words: Mapping[str, DealCategory], location: str | None) -> Line:
    """The line with --category and --location filled in, which the worker does not know."""
    word = line.fields.get("category")
    known = words.get(category_word(word)) if isinstance(word, str) else None
    told = {} if location is None else {LOCATION: location}
    found = {} if known is None else {"category": known.value}
    return replace(line, fields={**told, **line.fields, **found})


def _queue(line: Line, queued: int, app: "App") -> None:
    import dramatiq
    from redis.exceptions import RedisError

    from workers.intake import CRM

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
    """The lines, with a progress bar."""
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
