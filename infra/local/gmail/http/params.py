"""What a method is called with, checked against the discovery document as Google's front end does."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from infra.local.gmail.http import discovery
from infra.local.gmail.http.discovery import Method
from infra.local.gmail.http.errors import Json, not_built, unreadable

Query = dict[str, list[str]]
TRUTH = {"true": True, "1": True, "false": False, "0": False}
MAX_DEPTH = 20
MAX_DIGITS = 40


def parse_query(method: Method, query: str) -> Query:
    """Parameter values by name. 400 for a name the method has not, or a value of the wrong type."""
    found: Query = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    common = discovery.load().common
    for name, values in found.items():
        spec = method.query.get(name) or common.get(name)
        if spec is None:
            raise unreadable(
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                f"Field '{name}' could not be found in request message."
            )
        if name in method.query:
            for value in values:
                _check_text(name, value, spec)
    if found.get("alt", ["json"])[-1] != "json":
        raise not_built("alt", found["alt"][-1])
    return found


def is_number(value: str) -> bool:
    """A plain decimal of a length that can be meant."""
    return value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS


def _check_text(name: str, value: str, spec: Json) -> None:
    kind = spec["type"]
    if kind == "integer" or spec.get("format") in ("uint64", "int64"):
        good = is_number(value)
    elif kind == "boolean":
        good = value.lower() in TRUTH
    else:
        good = value in spec.get("enum", (value,))
    if not good:
        raise unreadable(f"Invalid value at '{name}' (TYPE_{kind.upper()}), \"{value[:100]}\"", field=name)


def parse_body(method: Method, body: bytes) -> Json:
    """The JSON object sent. 400 for broken JSON, unknown names or values of the wrong type."""
    if method.request is None or not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise unreadable("Invalid JSON payload received. Parse error.") from error
    if not isinstance(value, dict):
        raise unreadable('Invalid JSON payload received. Unknown name "": Root element must be a message.')
    _check_value(value, {"$ref": method.request}, "", 0)
    return {name: v for name, v in value.items() if v is not None}


def _check_value(value: Any, spec: Mapping[str, Any], path: str, depth: int) -> None:
    if "$ref" in spec:
        spec = discovery.load().schemas[spec["$ref"]]
    if value is None:
        return
    kind = spec["type"]
    fits: bool = isinstance(value, _python_types(kind, spec))  # a name, so that `value` stays Any
    if depth > MAX_DEPTH or not fits:
        raise unreadable(f"Invalid value at '{path}' (TYPE_{kind.upper()})", field=path)
    if kind == "array":
        for item in value:
            _check_value(item, spec["items"], path, depth + 1)
    elif kind == "object":
        for name, item in value.items():
            if name not in spec["properties"]:
                where = f" at '{path}'" if path else ""
                raise unreadable(
                    f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
                )
            _check_value(item, spec["properties"][name], f"{path}.{name}" if path else name, depth + 1)
    elif "enum" in spec and value not in spec["enum"]:
        raise unreadable(f"Invalid value at '{path}' (TYPE_ENUM), \"{str(value)[:100]}\"", field=path)


def _python_types(kind: str, spec: Mapping[str, Any]) -> type | tuple[type, ...]:
    if kind == "string":
        return (str, int) if spec.get("format") in ("int64", "uint64") else str
    return {"array": list, "object": dict, "boolean": bool, "integer": int}[kind]
