"""Google's own description of the Gmail API, as google-api-python-client ships it.

The server takes paths, parameters, bodies, answers and scopes from it, so that a request that
the real Gmail would not understand is not understood here either.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from infra.local.gmail.http.errors import Json

PREFIX = "gmail.users."


@dataclass(frozen=True, slots=True)
class Method:
    """One API method; `name` is its id without "gmail.users.", e.g. "messages.get".

    `max_upload` is how many bytes a mail may have that is uploaded to it, 0 where none can be.
    """

    name: str
    verb: str
    path: tuple[str, ...]
    query: Mapping[str, Json]
    request: str | None
    response: str | None
    scopes: frozenset[str]
    max_upload: int = 0


@dataclass(frozen=True, slots=True)
class Discovery:
    """The methods by name, the schemas by name and the parameters every method takes."""

    methods: Mapping[str, Method]
    schemas: Mapping[str, Json]
    common: Mapping[str, Json]


def document_path() -> Path:
    """Where the installed client keeps gmail.v1.json; found without importing the client."""
    spec = find_spec("googleapiclient")
    if spec is None or spec.origin is None:
        raise RuntimeError("google-api-python-client is not installed")
    return Path(spec.origin).parent / "discovery_cache" / "documents" / "gmail.v1.json"


def _walk(resource: Json) -> Iterator[Json]:
    yield from resource.get("methods", {}).values()
    for child in resource.get("resources", {}).values():
        yield from _walk(child)


def _method(spec: Json) -> Method:
    parameters: Json = spec.get("parameters", {})
    return Method(
        name=str(spec["id"]).removeprefix(PREFIX),
        verb=spec["httpMethod"],
        path=tuple(str(spec["path"]).split("/")),
        query={name: p for name, p in parameters.items() if p["location"] == "query"},
        request=spec.get("request", {}).get("$ref"),
        response=spec.get("response", {}).get("$ref"),
        scopes=frozenset(spec.get("scopes", ())),
        max_upload=int(spec.get("mediaUpload", {}).get("maxSize", 0)),
    )


@cache
def load() -> Discovery:
    """The packaged document, read once per process."""
    document: Json = json.loads(document_path().read_text(encoding="utf-8"))
    methods = (_method(spec) for spec in _walk(document))
    return Discovery(
        methods={method.name: method for method in methods},
        schemas=document["schemas"],
        common=document["parameters"],
    )
