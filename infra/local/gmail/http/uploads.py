"""/upload: mails in raw form instead of JSON; alone, with JSON beside them, or in pieces.

Google's three ways (uploadType): media, multipart and resumable.
"""

import re
import secrets
import threading
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, parse_qsl, urlencode

from infra.local.gmail.http.discovery import Method
from infra.local.gmail.http.errors import ApiError, invalid, not_found, too_large
from infra.local.gmail.http.wire import Answer, Request
from infra.local.gmail.mail import mime

PREFIXES = ("/resumable/upload/", "/upload/")
RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
OWN = frozenset({"upload_id", "uploadType", "upload_protocol"})
MAX_SESSIONS = 100
INCOMPLETE = 308


@dataclass(slots=True)
class Session:
    """A resumable upload: the request that began it, the pieces so far, and the final answer."""

    request: Request
    most: int
    media: bytearray = field(default_factory=bytearray)
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer | None = None

    def take(self, request: Request) -> bool:
        """Add a piece; returns whether it is the last. Raises 400 for a piece out of order, 413 for too many bytes."""
        found = RANGE.fullmatch(request.headers.get("content-range", ""))
        total = found[3] if found else str(len(request.body))
        start = int(found[1]) if found and found[1] else len(self.media) if found else 0
        if start > len(self.media):
            raise invalid("The piece does not follow what was sent before.")
        self.media[start : start + len(request.body)] = request.body
        if len(self.media) > self.most:
            raise too_large(self.most)
        return total == str(len(self.media))

    def progress(self) -> Answer:
        """308, with the bytes so far."""
        last = len(self.media) - 1
        return Answer(INCOMPLETE, headers=(("Range", f"bytes=0-{last}"),) if self.media else ())


class Uploads:
    """The resumable uploads under way. Safe for many threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def begin(self, request: Request, method: Method) -> Answer:
        """Begin an upload; returns the URL for the pieces. Raises 413 when the mail will be too large."""
        declared = request.headers.get("x-upload-content-length", "0")
        if declared.isdecimal() and int(declared) > method.max_upload:
            raise too_large(method.max_upload)
        _check_type(request.headers.get("x-upload-content-type", "message/rfc822"))
        name = secrets.token_urlsafe(24)
        with self._guard:
            self._sessions[name] = Session(meant(request), method.max_upload)
            while len(self._sessions) > MAX_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        host = request.headers.get("host", "")
        place = f"http://{host}{request.path}?{request.query}&upload_id={name}"
        return Answer(200, headers=(("Location", place), ("X-GUploader-UploadID", name)))

    def session(self, request: Request) -> Session | None:
        """The upload of a piece, None for another request. Raises 404 when the upload is over."""
        names = parse_qs(request.query).get("upload_id")
        if not names or not is_upload(request):
            return None
        with self._guard:
            session = self._sessions.get(names[0])
        if session is None:
            raise not_found()
        return session


def is_upload(request: Request) -> bool:
    """Whether the path is one for uploads."""
    return request.path.startswith(PREFIXES)


def meant(request: Request) -> Request:
    """The call as a plain one: with the path of the plain method, without the parameters of uploads."""
    prefix = next((one for one in PREFIXES if request.path.startswith(one)), "/")
    query = [(name, value) for name, value in parse_qsl(request.query, True) if name not in OWN]
    return replace(request, path=f"/{request.path.removeprefix(prefix)}", query=urlencode(query))


def kind(request: Request) -> str:
    """media, multipart or resumable."""
    return parse_qs(request.query).get("uploadType", [""])[0]


def opened(request: Request) -> tuple[bytes, bytes]:
    """(JSON, mail) of an upload that is one request; raises 400 for one that cannot be read."""
    content_type = request.headers.get("content-type", "")
    if kind(request) == "media":
        _check_type(content_type)
        return b"", request.body
    if kind(request) != "multipart" or not content_type.lower().startswith("multipart/related"):
        raise ApiError(400, "badContent", "Bad content: uploadType is media, multipart or resumable")
    whole = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + request.body
    parts = mime.parse(whole).parts
    if len(parts) != 2:
        raise ApiError(400, "badContent", "Malformed multipart body.")
    _check_type(parts[1].mime_type)
    return parts[0].content(whole), parts[1].content(whole)


def _check_type(value: str) -> None:
    if not value.lower().startswith("message/"):
        message = f"Media type '{value[:100]}' is not supported. Valid media types: [message/*]"
        raise ApiError(400, "badContent", message)
