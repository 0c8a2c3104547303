"""`lodestone crm import` takes in the CRM's records; `lodestone crm send` is in send.py."""

import sys
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from domain.crm.records import RecordKind, Refusal, Remark, Row, Unread, has_separator
from domain.errors import Refused
from handlers.crm.ids import Named
from handlers.crm.records import (
    Course,
    count_absent,
    count_all,
    delete_absent,
    take_in,
    too_many,
    whole_ids,
    whole_roles,
)
from handlers.ports.store import Store
from infra.crm.csv import CrmFile, Reading, Unusable
from infra.crm.fields import Customs
from infra.crm.text import STANDARD_INPUT
from workers.cli.crm.options import (
    Category,
    option,
    read_columns,
    read_date_format,
    read_escape,
    read_words,
)
from workers.cli.crm.said import ImportedFile, RejectFile, as_json, rejects, show
from workers.cli.crm.send import send
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, fail, say, show_json, tell
from workers.cli.terminal.progress import EVERY, bar
from workers.crm_customs import customs_of

TELL_EVERY = 10_000
"""Rows between two lines of progress, where standard error is no terminal."""

INTERRUPTED = 130


def import_(
    contacts: Annotated[
        Path | None,
        option(
            "--contacts",
            "CSV with id, kind, name, emails, assigned_to, created_at; also visible_to, merged_from. - is "
            "standard input",
        ),
    ] = None,
    deals: Annotated[
        Path | None, option("--deals", "CSV with id, contact_ids, stage, category, closing_date")
    ] = None,
    users: Annotated[
        Path | None,
        option(
            "--users", "CSV with id, name, emails; also role, roles_above, may_connect, active, locations"
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete the records that a given file does not name.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --replace: also when that is more than half of them.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do all but keep it, and show the first rows as understood.")
    ] = False,
    map_: Annotated[
        list[str] | None,
        option("--map", "Which column is which field; may be given often.", "E-Mail=emails"),
    ] = None,
    category: Category = None,
    date_format: Annotated[
        str | None, option("--date-format", "How dates are written, if not as 2026-03-31.", "%d.%m.%Y")
    ] = None,
    escape: Annotated[
        str | None,
        option(
            "--escape",
            "What stands before a quote within a quoted cell: `'\\'` or, if they are doubled, `'\"'`.",
        ),
    ] = None,
    rejects_: Annotated[
        Path | None, option("--rejects", "Where to write line and reason of all that was refused, as CSV.")
    ] = None,
    location: Location = None,
    as_json_: Json = False,
) -> None:
    """Take in contacts, deals and users from CSV files with a header, as often as you like.

    Between columns stands a comma, semicolon or tab, between several values in a cell a semicolon, a comma or a line
    break; the encoding is UTF-8, UTF-16 or Windows-1252. Bad rows are reported by line and left out, the rest goes in.
    Ends with 0 when all went in, 1 when something was left out, 2 when a file cannot be used or --replace deletes
    nothing: because a file could not be read whole, or that would be more than half without --yes.

    Example: `lodestone crm import --contacts contacts.csv --deals deals.csv --users users.csv`

    Example: `crm-export | lodestone crm import --contacts - --map "E-Mail=emails" --dry-run`
    """
    given = {RecordKind.USERS: users, RecordKind.CONTACTS: contacts, RecordKind.DEALS: deals}
    paths = {kind: path for kind, path in given.items() if path}
    if not paths:
        fail("name at least one file: --contacts, --deals or --users", code=2)
    if sum(path == STANDARD_INPUT for path in paths.values()) > 1:
        fail("standard input can be one file only: name the others", code=2)
    reading = Reading(read_columns(map_), read_escape(escape))
    words, form = read_words(category), read_date_format(date_format)
    with ExitStack() as stack:
        try:
            files = [stack.enter_context(CrmFile(path, kind, reading)) for kind, path in paths.items()]
            _check_columns(files, reading)
        except Unusable as error:
            fail(str(error), code=2)
        kept = stack.enter_context(rejects(rejects_, iter(paths.values())))
        store = open_app().store
        customs = customs_of(store, words, form, location)
        course = Importing(store, customs, dry_run, kept, aside=as_json_, location=location)
        try:
            course.take_in(files)
            refusal = course.replace(yes=yes) if replace else None
        except KeyboardInterrupt:
            _stopped(course)
    if as_json_:
        show_json({kind.value: as_json(one, rehearsal=dry_run) for kind, one in course.shown.items()})
    else:
        show(course.shown, rehearsal=dry_run)
    if refusal:
        raise Refused(refusal)
    if any(one.result.in_part for one in course.shown.values()):
        raise typer.Exit(1)


@dataclass(slots=True)
class Importing:
    """One run over several files. `whole`: by kind, ids of this run that look like several values in a cell."""

    store: Store
    customs: Customs
    dry_run: bool
    rejects: RejectFile | None
    aside: bool
    location: str | None
    shown: dict[RecordKind, ImportedFile] = field(default_factory=dict)
    named: dict[RecordKind, Named] = field(default_factory=dict)
    whole: dict[RecordKind, list[str]] = field(default_factory=dict)
    before: dict[RecordKind, int] = field(default_factory=dict)

    def take_in(self, files: list[CrmFile]) -> None:
        """Take in all files, those first that others refer to."""
        self.before = {file.kind: count_all(file.kind, self.store, self.location) for file in files}
        with bar() as progress:
            for file in files:
                self._take_in(file, progress)

    def replace(self, *, yes: bool) -> str | None:
        """Delete what the files do not name; returns why nothing is deleted, else None."""
        torn = [kind.value for kind, one in self.shown.items() if one.result.unread]
        if torn:
            return (
                f"nothing was deleted, because {' and '.join(torn)} could not be read whole: mend that, then import "
                "again"
            )
        absent = {
            kind: count_absent(kind, named, self.store, self.location) for kind, named in self.named.items()
        }
        many = [
            f"{number} of {self.before[kind]} {kind.value}"
            for kind, number in absent.items()
            if too_many(number, self.before[kind]) and not yes
        ]
        if many:
            return f"{' and '.join(many)} would be deleted, so nothing was: add --yes if that is meant"
        for kind, named in self.named.items():
            be = "would be" if self.dry_run else "are"
            self._announce(f"{kind.value}: {absent[kind]} that the file does not name {be} deleted")
            if not self.dry_run:
                self.shown[kind].result.deleted = delete_absent(kind, named, self.store, self.location)
        return None

    def _take_in(self, file: CrmFile, progress: Progress) -> None:
        shown = self.shown[file.kind] = ImportedFile(file)
        named = self.named[file.kind] = Named()
        task = progress.add_task(file.kind.value, total=file.size)
        rows = self._watched(shown, partial(progress.update, task))
        course = Course(file.kind, self.named.get(RecordKind.CONTACTS, ()), self.dry_run)
        take_in(rows, self.store, named, course, shown.result, self.location)
        progress.update(task, completed=file.size)

    def _whole_for(self, file: CrmFile) -> Mapping[str, Container[str]]:
        """By field the known values with a separator in them, from the database and from this run."""
        match file.kind:
            case RecordKind.DEALS:
                return {"contact_ids": self._known(RecordKind.CONTACTS)}
            case RecordKind.CONTACTS:
                return {"visible_to": self._known(RecordKind.USERS)}
            case _:
                roles = frozenset(filter(has_separator, file.values("role")))
                return {"roles_above": roles | whole_roles(self.store, self.location)}

    def _known(self, kind: RecordKind) -> Container[str]:
        found = whole_ids(kind, self.store, self.location)
        for one in self.whole.get(kind, ()):
            found.add(one)
        return found

    def _watched(self, shown: ImportedFile, update: Callable[..., None]) -> Iterator[Row]:
        """The rows; as they pass, progress is shown and refused ones are written to --rejects."""
        file, kind = shown.file, shown.file.kind
        for number, row in enumerate(file.rows(self.customs, self._whole_for(file)), 1):
            if number % EVERY == 0:
                update(completed=file.position)
            if number % TELL_EVERY == 0 and not sys.stderr.isatty():
                tell(f"{kind.value}: {number:,} rows read")
            shown.see(row)
            if self.rejects is not None:
                self.rejects.keep(kind, row)
            if self.dry_run and not isinstance(row, Refusal | Remark | Unread) and has_separator(row.id):
                self.whole.setdefault(kind, []).append(row.id)
            yield row

    def _announce(self, text: str) -> None:
        (tell if self.aside else say)(text)


def _check_columns(files: list[CrmFile], reading: Reading) -> None:
    for name in reading.columns:
        if not any(file.has_column(name) for file in files):
            raise Unusable(f"--map: no file has a column {name}")


def _stopped(course: Importing) -> None:
    """End after Ctrl-C. What was written stays, and a second run goes over it again."""
    done = [
        f"{one.result.imported} {kind.value}" for kind, one in course.shown.items() if one.result.imported
    ]
    kept = "nothing is" if course.dry_run or not done else f"{' and '.join(done)} are"
    fail(
        f"stopped: {kept} in, each whole, and nothing was deleted; import again for the rest",
        code=INTERRUPTED,
    )


def add_to(app: typer.Typer) -> None:
    crm = typer.Typer(
        help="The CRM's records. Example: `lodestone crm import --contacts contacts.csv`",
        no_args_is_help=True,
    )
    crm.command("import")(import_)
    crm.command("send")(send)

    @crm.callback()
    def group() -> None:
        """The CRM's contacts, deals and users."""

    app.add_typer(crm, name="crm")
