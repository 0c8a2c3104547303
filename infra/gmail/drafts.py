"""Writing a draft, sending it, and finding out what became of it (FACTS §3). Nothing here repeats a call."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from googleapiclient.http import HttpRequest

from domain.errors import TryAgain, Unanswered
from domain.mail.composition import KEY_HEADER, EncodedMail
from domain.mail.headers import by_name
from domain.outbox import Draft, Sent
from infra.gmail.api import ME, answer_as_sent
from infra.gmail.client import Answer, Calls, slices
from infra.gmail.folders import SENT
from infra.gmail.responses import refusing, sense

Progress = Callable[[int, int], None]

_UPLOAD = "upload/gmail/v1/users/me/drafts?uploadType=multipart&fields=id,message(id)&prettyPrint=false"
_CLOCKS = timedelta(minutes=5)
"""By so much our clock and Gmail's may differ where we look for what came since."""

_AT_ONCE = 100


class _Body:
    """A draft as multipart/related: its thread as JSON, then the mail as it is. Read piece by piece, so that a
    mail of 35 MB is not copied; `progress` is told how much of it has gone, and how much it is."""

    def __init__(self, raw: bytes, thread_id: str | None, progress: Progress) -> None:
        self.boundary = secrets.token_hex(16)
        about = json.dumps({"message": {"threadId": thread_id} if thread_id else {}})
        head = (
            f"--{self.boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{about}\r\n"
            f"--{self.boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
        )
        self._pieces = (head.encode(), raw, f"\r\n--{self.boundary}--\r\n".encode())
        self._progress = progress
        self._at = 0

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size` of them."""
        start = self._at
        for piece in self._pieces:
            if start < len(piece):
                found = piece[start : len(piece) if size < 0 else start + size]
                self._at += len(found)
                self._progress(self._at, len(self))
                return found
            start -= len(piece)
        return b""

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, at: int) -> None:
        """Begin there again: a request is repeated with a fresh token."""
        self._at = at


class GmailDrafts:
    """The drafts of one mailbox: the port `Drafts`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._api = calls.api

    def create(self, mail: EncodedMail, progress: Progress) -> Draft:
        """By the upload endpoint; the library's own way there leads to https only (FACTS §8)."""
        body = _Body(mail.content, mail.replies_to.thread_id if mail.replies_to else None, progress)
        request = HttpRequest(
            None,
            answer_as_sent,
            f"{self._api.root}{_UPLOAD}",
            method="POST",
            body=body,
            headers={
                "content-type": f"multipart/related; boundary={body.boundary}",
                "content-length": str(len(body)),
                "accept": "application/json",
            },
            methodId="gmail.users.drafts.create",
        )
        with refusing():
            return Draft(_id_of(self._calls.once(request)), len(mail.content))

    def send(self, draft_id: str) -> Sent:
        """By drafts.send."""
        request = self._api.drafts.send(
            userId=ME, body={"id": draft_id}, fields="id,threadId", prettyPrint=False
        )
        try:
            answer = self._calls.once(request)
            thread_id = answer.get("threadId")
            return Sent(_id_of(answer), thread_id if isinstance(thread_id, str) and thread_id else None)
        except FileExistsError as error:
            raise TryAgain(str(error)) from None

    def exists(self, draft_id: str) -> bool:
        """By drafts.get."""
        try:
            self._calls.one(self._api.drafts.get(userId=ME, id=draft_id, format="minimal", fields="id"))
        except LookupError:
            return False
        return True

    def delete(self, draft_id: str) -> None:
        """By drafts.delete."""
        try:
            self._calls.one(self._api.drafts.delete(userId=ME, id=draft_id))
        except LookupError:
            return

    def find(self, key: str, since: datetime) -> str | None:
        """By its header, for Gmail's search knows no header of ours."""
        with refusing():
            for page in _pages(self._calls, self._api.drafts, "drafts", "id,message(id)", q=_after(since)):
                with sense():
                    drafts = {str(one["message"]["id"]): str(one["id"]) for one in page}
                if found := _carrying(self._calls, key, list(drafts)):
                    return drafts[found]
        return None

    def find_sent(self, key: str, since: datetime) -> str | None:
        """The same in sent mail, Trash included."""
        query = {"q": _after(since), "labelIds": [SENT], "includeSpamTrash": True}
        with refusing():
            for page in _pages(self._calls, self._api.messages, "messages", "id", **query):
                with sense():
                    ids = [str(one["id"]) for one in page]
                if found := _carrying(self._calls, key, ids):
                    return found
        return None


def _id_of(answer: object) -> str:
    """It was done, and we cannot read by which id."""
    found = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(found, str) or not found:
        raise Unanswered("odd_answer")
    return found


def _carrying(calls: Calls, key: str, ids: list[str]) -> str | None:
    """Trouble with one of them counts only where none of the others is the one."""
    trouble: Exception | None = None
    for some in slices(ids, _AT_ONCE):
        answers = calls.many([_headers_of(calls, one, "", (KEY_HEADER,)) for one in some])
        for message_id, answer in zip(some, answers, strict=True):
            if isinstance(answer, LookupError):
                continue
            if isinstance(answer, Exception):
                trouble = trouble or answer
                continue
            with sense():
                if key in _fields(answer).get(KEY_HEADER.lower(), ()):
                    return message_id
    if trouble is not None:
        raise trouble
    return None


def _headers_of(calls: Calls, message_id: str, more: str, names: tuple[str, ...]) -> Any:
    return calls.api.messages.get(
        userId=ME,
        id=message_id,
        format="metadata",
        metadataHeaders=list(names),
        fields=f"{more}payload(headers)",
        prettyPrint=False,
    )


def _fields(answer: Answer) -> Mapping[str, Any]:
    headers = answer.get("payload", {}).get("headers", ())
    return by_name((str(one["name"]), str(one.get("value", ""))) for one in headers)


def _pages(calls: Calls, of: Any, name: str, mask: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    token: str | None = None
    while True:
        answer = calls.one(
            of.list(
                userId=ME,
                maxResults=500,
                pageToken=token,
                fields=f"{name}({mask}),nextPageToken",
                prettyPrint=False,
                **query,
            )
        )
        page = answer.get(name, [])
        if not isinstance(page, list):
            raise TryAgain("odd_answer")
        yield page
        token = answer.get("nextPageToken")
        if not token:
            return


def _after(since: datetime) -> str:
    return f"after:{int((since - _CLOCKS).timestamp())}"
