"""/batch and /batch/gmail/v1: up to 100 calls in one HTTP request (FACTS §4, §8).

Every part is a call of its own: it is authorised, charged, and fails by itself.
"""

import re
import secrets
from dataclasses import dataclass, replace

from infra.local.gmail.api import Api, refusal
from infra.local.gmail.control.faults import Fault
from infra.local.gmail.http.errors import invalid
from infra.local.gmail.http.wire import Answer, BadRequestError, Request, parse_head, parse_request_line
from infra.local.gmail.mail.mime import Part, parse

PATHS = ("/batch", "/batch/gmail/v1")
MAX_CALLS = 100
BLANK_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Batch:
    """The calls of one request; what cannot be read as a call is its own answer."""

    calls: list[tuple[Part, Request | Answer]]

    def concerned(self, api: Api) -> tuple[set[str], list[str]]:
        """The methods, "batch" among them, and the messages it is about, for faults."""
        found = [api.concerned(call) for _, call in self.calls if isinstance(call, Request)]
        return {"batch", *(name for name, _ in found)}, [one for _, ids in found for one in ids]


def opened(request: Request) -> Batch:
    """Raises 400 for a broken or too large batch."""
    return Batch([(part, _inner(body, request)) for part, body in _parts(request)])


def answer(batch: Batch, api: Api, nameless: Fault | None = None, shuffled: Fault | None = None) -> Answer:
    """A multipart/mixed answer with one part per call; the faults leave its ids or its order without meaning."""
    boundary = f"batch_{secrets.token_urlsafe(16)}"
    pieces: list[bytes] = []
    for part, call in batch.calls:
        found = call if isinstance(call, Answer) else api.answer(call, part=True)
        content_id = "Content-ID: response-\r\n" if nameless else _content_id(part)
        head = f"--{boundary}\r\nContent-Type: application/http\r\n{content_id}\r\n"
        pieces.append(head.encode("latin-1", "replace") + found.head(inner=True) + found.body + b"\r\n")
    if shuffled:
        shuffled.rng.shuffle(pieces)
    pieces.append(f"--{boundary}--\r\n".encode())
    return Answer(200, b"".join(pieces), f"multipart/mixed; boundary={boundary}")


def _parts(request: Request) -> list[tuple[Part, bytes]]:
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/mixed"):
        raise invalid("Failed to parse batch request, error: not multipart/mixed.")
    whole = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + request.body
    tree = parse(whole)
    if not tree.parts:
        raise invalid("Failed to parse batch request, error: 0 items.")
    if len(tree.parts) > MAX_CALLS:
        raise invalid(f"The batch request could not be processed: more than {MAX_CALLS} calls.")
    return [(part, whole[part.start : part.end]) for part in tree.parts]


def _inner(body: bytes, outer: Request) -> Request | Answer:
    """The HTTP request inside a part, with the outer one's authorisation unless it has its own."""
    pieces = BLANK_LINE.split(body.lstrip(), maxsplit=1)
    head, content = pieces[0], pieces[1] if len(pieces) > 1 else b""
    line, *lines = head.splitlines() or [b""]
    try:
        verb, path, query = parse_request_line(line)
    except BadRequestError as error:
        return refusal(invalid(f"Failed to parse batch request, error: {error}."))
    headers = parse_head(lines)
    if "authorization" not in headers and "authorization" in outer.headers:
        headers["authorization"] = outer.headers["authorization"]
    return replace(outer, verb=verb, path=path, query=query, headers=headers, body=content.strip())


def _content_id(part: Part) -> str:
    """The caller's id with `response-` in front, as the client library expects to find it."""
    sent = next((value for name, value in part.headers if name.lower() == "content-id"), "")
    return f"Content-ID: <response-{sent.strip().removeprefix('<').removesuffix('>')}>\r\n" if sent else ""
