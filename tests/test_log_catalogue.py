"""docs/LOGS.md and the code name the same events, with the same fields."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "docs" / "LOGS.md"
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")

PARTICIPLES = {
    "found",
    "lost",
    "made",
    "shown",
    "swept",
    "redriven",
    "begun",
    "sent",
    "kept",
    "read",
    "told",
    "withdrawn",
}
"""Those that do not end in -ed."""

PRIVATE = {
    "address",
    "author",
    "bcc",
    "body",
    "cc",
    "content",
    "email",
    "exc",
    "filename",
    "grant",
    "header",
    "headers",
    "password",
    "payload",
    "recipient",
    "secret",
    "sender",
    "snippet",
    "subject",
    "text",
    "to",
    "token",
    "url",
}
"""No word of a field's name may be one of these (D2, I10)."""


@dataclass(frozen=True)
class Line:
    """One place where the product writes a log line."""

    place: str
    event: str
    level: str
    fields: frozenset[str]


@dataclass(frozen=True)
class Row:
    """One event as the catalogue describes it."""

    levels: frozenset[str]
    fields: frozenset[str]


def lines() -> Iterator[Line]:
    """Every call of a logger in the product."""
    for part in ("domain", "handlers", "infra", "workers"):
        for file in sorted((ROOT / part).rglob("*.py")):
            if "local" not in file.parts:
                yield from _lines_of(file)


def _lines_of(file: Path) -> Iterator[Line]:
    tree = ast.parse(file.read_bytes())
    bound = _bound(tree)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        logger = _logger(call)
        if logger is None or not isinstance(call.func, ast.Attribute) or call.func.attr not in LEVELS:
            continue
        place = f"{file.relative_to(ROOT)}:{call.lineno}"
        assert len(call.args) == 1, f"{place}: one literal, everything else by name"
        [event] = call.args
        assert isinstance(event, ast.Constant), f"{place}: the event is no literal"
        assert isinstance(event.value, str), place
        yield Line(place, event.value, call.func.attr, _names(call) | bound.get(logger, frozenset()))


def _logger(call: ast.Call) -> str | None:
    """What a method is called on, when that is a logger: `log`, a bound one, or `get_logger()` itself."""
    if not isinstance(call.func, ast.Attribute):
        return None
    on = call.func.value
    if isinstance(on, ast.Name):
        return on.id if on.id in LOGGERS else None
    if isinstance(on, ast.Call) and ast.unparse(on.func).endswith("get_logger"):
        return "log"
    return None


LOGGERS = {"log", "say", "event", "logger"}


def _bound(tree: ast.AST) -> dict[str, frozenset[str]]:
    """The fields of `say = log.bind(…)`, in the order of writing, so that what is bound on top adds up."""
    found: dict[str, frozenset[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            func, target = node.value.func, node.targets[0]
            if isinstance(func, ast.Attribute) and func.attr == "bind" and isinstance(target, ast.Name):
                below = found.get(ast.unparse(func.value), frozenset())
                found[target.id] = below | _names(node.value)
    return found


def _names(call: ast.Call) -> frozenset[str]:
    return frozenset(keyword.arg or "**" for keyword in call.keywords)


def rows() -> dict[str, Row]:
    """The catalogue's table: event, level, when, fields, what to do."""
    found: dict[str, Row] = {}
    for line in CATALOGUE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if len(cells) == 5 and (name := re.fullmatch(r"`([\w.]+)`", cells[0])):
            assert name[1] not in found, f"{name[1]} stands twice in the catalogue"
            assert all(cells), f"{name[1]}: an empty cell"
            found[name[1]] = Row(frozenset(cells[1].split(", ")), frozenset(re.findall(r"`(\w+)`", cells[3])))
    return found


@cache
def written() -> list[Line]:
    """Not while pytest collects: every test process would read the whole product for it."""
    return list(lines())


@cache
def events() -> list[str]:
    return sorted({line.event for line in written()})


def test_every_event_of_the_code_is_in_the_catalogue_and_no_other() -> None:
    assert sorted(rows()) == events()
    assert len(events()) > 20, "the walk has lost sight of the code"


def test_the_catalogue_says_what_the_code_writes() -> None:
    code = {
        event: Row(
            frozenset(line.level for line in written() if line.event == event),
            frozenset(field for line in written() if line.event == event for field in line.fields),
        )
        for event in events()
    }
    assert rows() == code


def test_an_event_is_a_subject_and_what_happened_to_it() -> None:
    shape = re.compile(r"[a-z]+(?:_[a-z]+)*\.([a-z]+(?:_[a-z]+)*)")
    happened = {event: match[1] if (match := shape.fullmatch(event)) else "" for event in events()}

    assert [e for e, word in happened.items() if not word.endswith("ed") and word not in PARTICIPLES] == []


@pytest.mark.rule("T2")
def test_what_is_said_of_a_connection_says_whose_location_it_is() -> None:
    """So the lines of one location are found by one field."""
    of_connections = [line for line in written() if "connection_id" in line.fields]
    assert len(of_connections) > 15
    assert [line.place for line in of_connections if "location_id" not in line.fields] == []


@pytest.mark.rule("I3", "I10", "D2")
def test_no_line_has_a_field_for_what_must_not_be_logged() -> None:
    for line in written():
        words = {word for field in line.fields for word in field.split("_")}
        assert words & PRIVATE == set(), line.place
        assert "**" not in line.fields, f"{line.place}: fields are named where they are logged"
