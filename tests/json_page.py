"""docs/JSON.md, read into what each command prints with --json, and values held against it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "JSON.md"

_HEADING = re.compile(r"### `lodestone (?P<command>[a-z ]+)`")
_ROW = re.compile(r"\| `(?P<path>[^`]+)` \| (?P<type>[^|]+) \| (?P<meaning>[^|]+) \|")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_STEP = re.compile(r"\[\]|[^.\[\]]+")


@dataclass(slots=True)
class Shape:
    """What stands at one place of a value: its type by the page, and what is in it."""

    type: str = ""
    nullable: bool = False
    optional: bool = False
    inner: dict[str, "Shape"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One field of the page."""

    path: str
    type: str
    nullable: bool
    optional: bool


@cache
def tables() -> Mapping[str, tuple[tuple[Row, ...], ...]]:
    """By command the tables of its fields: one for each kind of answer that it has."""
    found: dict[str, tuple[tuple[Row, ...], ...]] = {}
    text = PAGE.read_text()
    parts = [(one.start(), one["command"]) for one in _HEADING.finditer(text)]
    for (start, command), (end, _) in pairwise([*parts, (len(text), "")]):
        section = text[start:end].partition("\n## ")[0]
        of_tables = section.split("| field | type | what it is |")[1:]
        found[command] = tuple(tuple(map(_row, _ROW.finditer(table))) for table in of_tables)
    return found


def _row(found: re.Match[str]) -> Row:
    kind, _, absent = found["type"].partition(", absent")
    return Row(found["path"], kind.removesuffix(" or null").strip(), kind.endswith(" or null"), absent != "")


@cache
def shapes(command: str) -> tuple[Shape, ...]:
    """The kinds of answer of a command."""
    return tuple(_shape(rows) for rows in tables()[command])


def _shape(rows: tuple[Row, ...]) -> Shape:
    whole = Shape()
    for row in rows:
        here = whole
        for step in _STEP.findall(row.path):
            here.type = here.type or ("list" if step == "[]" else "object")
            here = here.inner.setdefault(step, Shape())
        here.type, here.nullable, here.optional = row.type, row.nullable, row.optional
    whole.type = whole.type or "object"
    return whole


def named_types(shape: Shape) -> Iterator[tuple[str, str]]:
    """Every name in a shape with its type, of what has fields of its own too."""
    for name, inner in shape.inner.items():
        holds_list = inner.inner.keys() == {"[]"}
        if name not in ("*", "[]"):
            yield name, inner.type if inner.type != "list" else f"list of {inner.inner['[]'].type}"
        yield from named_types(inner.inner["[]"] if holds_list else inner)


def command_of(words: tuple[str, ...]) -> str:
    """The longest beginning of a command line that the page has."""
    plain = [word for word in words[:2] if not word.startswith("-")]
    return next((name for name in (" ".join(plain), plain[0]) if name in tables()), plain[0])


def faults(command: str, value: Any) -> list[str]:
    """How a value differs from the nearest of the command's answers; nothing where it is one of them."""
    if command not in tables():
        return [f"docs/JSON.md has no `lodestone {command}`"]
    return min((list(_differences(value, shape, "")) for shape in shapes(command)), key=len)


def _differences(value: Any, shape: Shape, path: str) -> Iterator[str]:
    where = path or "the value"
    if value is None:
        if not shape.nullable:
            yield f"{where} is null"
    elif shape.inner.keys() == {"[]"}:
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for one in value:
            yield from _differences(one, shape.inner["[]"], f"{path}[]")
    elif shape.inner:
        yield from _of_object(value, shape, path)
    elif not _is(value, shape.type):
        yield f"{where} is no {shape.type}: {value!r}"


def _of_object(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path or 'the value'} is no object"
        return
    any_name = shape.inner.get("*")
    for name, one in value.items():
        inner = shape.inner.get(name, any_name)
        if inner is None:
            yield f"{path}.{name} is not in docs/JSON.md"
        else:
            yield from _differences(one, inner, f"{path}.{name}")
    for name, inner in shape.inner.items():
        if name != "*" and name not in value and not inner.optional:
            yield f"{path}.{name} is missing"


def _is(value: object, kind: str) -> bool:
    if kind.startswith("list of "):
        return isinstance(value, list) and all(_is(one, kind.removeprefix("list of ")) for one in value)
    match kind:
        case "string":
            return isinstance(value, str) and not _TIME.fullmatch(value)
        case "time":
            return isinstance(value, str) and _TIME.fullmatch(value) is not None
        case "date":
            return isinstance(value, str) and _DATE.fullmatch(value) is not None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
    raise LookupError(f"docs/JSON.md has a type {kind}")


def fields(command: str, value: Any) -> Iterator[tuple[int, str]]:
    """Which fields of which of the command's tables have something else than null in this value."""
    for number, shape in enumerate(shapes(command)):
        if not list(_differences(value, shape, "")):
            yield from ((number, path) for path in _paths(value, shape, ""))


def _paths(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if shape.inner.keys() == {"[]"} and isinstance(value, list):
        for one in value:
            yield from _paths(one, shape.inner["[]"], f"{path}[]")
    elif shape.inner and isinstance(value, dict):
        for name, one in value.items():
            known = name if name in shape.inner else "*"
            inside = f"{path}.{known}".lstrip(".")
            if one is not None:
                yield inside
            yield from _paths(one, shape.inner[known], inside)


def check(words: tuple[str, ...], value: Any) -> None:
    """Hold what a command has printed against the page."""
    command = command_of(words)
    wrong = faults(command, value)
    assert not wrong, f"lodestone {command} --json: {'; '.join(wrong[:10])}"
