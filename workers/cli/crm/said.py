"""What `lodestone crm import` reports of the files: about a screen at most, however much was refused (E107)."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from domain.crm.records import Record, RecordKind, Refusal, Remark, Row, Unread
from domain.errors import Refused
from domain.mail.safe_text import safe_line
from handlers.crm.summary import Imported, LineNotes, Sample
from infra.crm.csv import CrmFile
from workers.cli.terminal.output import say
from workers.cli.terminal.times import timestamp

FIRST = 3
"""Records of each file that a dry run shows as understood."""


class ImportedFile:
    """A file, what came of it, and its first records."""

    def __init__(self, file: CrmFile) -> None:
        self.file = file
        self.result = Imported()
        self.first: list[Record] = []

    def see(self, row: Row) -> None:
        """Called for each row before it is taken in."""
        if len(self.first) < FIRST and not isinstance(row, Refusal | Remark | Unread):
            self.first.append(row)


def in_words(shown: ImportedFile, *, rehearsal: bool) -> Iterator[str]:
    """The report line by line; what was imported comes first."""
    result, kind = shown.result, shown.file.kind
    parts = [f"{result.imported} {'would be imported' if rehearsal else 'imported'}"]
    parts += [f"{result.refused.count} refused"] if result.refused.count else []
    parts += [f"{result.deleted} deleted"] if result.deleted else []
    yield f"{kind.value}: {', '.join(parts)}"
    yield from notes(shown)
    yield from (f"  {line}" for line in told_in_words(result.refused))
    if result.words.count:
        yield f"  words that are no category: {_some(result.words)}"
    yield from (f"  {line}" for line in told_in_words(result.remarks))
    if result.twice.count:
        yield f"  came more than once, and the last counts: {_some(result.twice)}"
    if result.strangers:
        yield f"  deals that name no known contact: {result.strangers}; they count from when the contact comes in"
    if result.misassigned:
        yield f"  contacts assigned to a user who is no member of the location: {result.misassigned}"
    if unread := result.unread:
        yield f"  line {unread.line}: {unread.reason}"
        yield f"  not read: {unread.lines} {_lines(unread.lines)}, from line {unread.line} to the end"
    if rehearsal:
        yield from (f"  as understood: {_record(one)}" for one in shown.first)


def notes(shown: ImportedFile) -> Iterator[str]:
    """Its encoding and unknown columns."""
    if shown.file.is_windows:
        yield "  read as Windows-1252, because it is not UTF-8"
    if unknown := shown.file.columns.unknown:
        names = ", ".join(unknown[:20]) + (f" and {len(unknown) - 20} more" if len(unknown) > 20 else "")
        yield f"  columns that nobody asked for: {names}"


def told_in_words(told: LineNotes) -> Iterator[str]:
    """The lines that were refused or are reported, and how many more there are."""
    yield from (f"line {one.line}: {one.reason}" for one in told)
    yield from (f"and {times} more: {kind}" for kind, times in told.more().items())


def as_json(shown: ImportedFile, *, rehearsal: bool) -> dict[str, Any]:
    """The same by name."""
    result = shown.result
    unread = result.unread
    return {
        "imported": result.imported,
        "deleted": result.deleted,
        **refusals_as_json(result.refused, result.remarks),
        "unknown_categories": result.words.shown,
        "came_twice": result.twice.shown,
        "came_twice_in_all": result.twice.count,
        "deals_without_known_contact": result.strangers,
        "assigned_outside_location": result.misassigned,
        "not_read": unread and {"line": unread.line, "line_count": unread.lines, "reason": unread.reason},
        "encoding": "windows-1252" if shown.file.is_windows else None,
        "unknown_columns": list(shown.file.columns.unknown),
        "dry_run": rehearsal,
        "first_records": [_first_as_json(one) for one in shown.first] if rehearsal else [],
    }


def refusals_as_json(refused: LineNotes, remarks: LineNotes) -> dict[str, Any]:
    """What did not go in, or not whole: the lines that are shown, and how many there are."""
    return {
        "refused": told_as_json(refused),
        "refused_in_all": refused.count,
        "left_out": told_as_json(remarks),
        "left_out_in_all": remarks.count,
    }


def told_as_json(told: LineNotes) -> list[dict[str, Any]]:
    """The lines that are shown."""
    return [{"line": one.line, "reason": one.reason} for one in told]


class RejectFile:
    """The CSV of --rejects: ids and reasons of all that was refused or left out."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        writer.writerow(("file", "line", "id", "reason"))

    def keep(self, kind: RecordKind, row: Row) -> None:
        """Write the row, if it was refused or left out."""
        match row:
            case Refusal() | Remark():
                self._writer.writerow((kind.value, row.line, row.id or "", row.reason))
            case Unread():
                reason = f"{row.reason}; not read: {row.lines} {_lines(row.lines)}"
                self._writer.writerow((kind.value, row.line, "", reason))


@contextmanager
def rejects(path: Path | None, inputs: Iterator[Path]) -> Iterator[RejectFile | None]:
    """The file of --rejects. Raises Refused where it cannot be written, or is one of those that are read."""
    if path is None:
        yield None
        return
    if any(path.resolve() == one.resolve() for one in inputs):
        raise Refused(f"--rejects {path} would overwrite the file that is imported: name another one")
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise Refused(f"--rejects {path} cannot be written: {error.strerror}") from None
    with file:
        yield RejectFile(csv.writer(file))


def show(files: Mapping[RecordKind, ImportedFile], *, rehearsal: bool) -> None:
    """Print the report of each file."""
    for one in files.values():
        for line in in_words(one, rehearsal=rehearsal):
            say(line)


def _some(some: Sample) -> str:
    rest = some.count - len(some.shown)
    return ", ".join(safe_line(text[:80]) for text in some.shown) + (
        f" … {some.count} in all" if rest > 0 else ""
    )


def _lines(number: int) -> str:
    return "line" if number == 1 else "lines"


def _fields(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _first_as_json(record: Record) -> dict[str, Any]:
    fields = _fields(record)
    return {
        "emails" if name == "addresses" else name: _value_as_json(value) for name, value in fields.items()
    }


def _value_as_json(value: object) -> object:
    match value:
        case datetime():
            return timestamp(value)
        case date():
            return value.isoformat()
    return value


def _record(record: Record) -> str:
    parts = []
    for name, value in _fields(record).items():
        text = "; ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
        parts.append(f"{name} {safe_line(text[:200]) or '-'}")
    return ", ".join(parts)
