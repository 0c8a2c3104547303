"""Google's Gmail resource, built once from the packaged discovery document; the shapes of our requests."""

import json
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import quote

import httplib2
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.http import HttpRequest

from domain.sorting.label_changes import LabelChange
from infra.gmail.folders import INBOX

GOOGLE = "https://gmail.googleapis.com/"
ME = "me"
DEPTH = 10
"""Nesting of MIME parts that we look into."""

_HERE = "GOES-HERE"


def _payload_mask() -> str:
    mask = "mimeType,headers"
    for _ in range(DEPTH - 1):
        mask = f"mimeType,headers,parts({mask})"
    return f"payload({mask})"


HISTORY = (
    "history(id,messagesAdded(message(id,labelIds)),messagesDeleted(message(id)),"
    "labelsAdded(message(id),labelIds),labelsRemoved(message(id),labelIds)),nextPageToken,historyId"
)
FULL = f"id,threadId,labelIds,internalDate,sizeEstimate,{_payload_mask()}"
"""Headers and structure; body data and the snippet are never asked for (D2)."""


def answer_as_sent(response: object, content: bytes) -> bytes:
    """Instead of the library's reading, which passes off broken JSON as a text."""
    return content


def _request(_http: object, _postproc: object, uri: str, **kwargs: Any) -> Any:
    """A shorter address: httplib2 looks at each of its letters for every request."""
    for escaped, plain in (("%2C", ","), ("%28", "("), ("%29", ")")):
        uri = uri.replace(escaped, plain)
    return HttpRequest(None, answer_as_sent, uri, **kwargs)


class Api:
    """Requests, ready to be sent. `users().messages()` rebuilds its classes at each call: kept instead."""

    def __init__(self, root: str) -> None:
        document = json.loads(get_static_doc("gmail", "v1"))
        document |= {"rootUrl": root, "baseUrl": root, "batchPath": "batch/gmail/v1"}
        self.root = root
        self.batch_uri = f"{root}{document['batchPath']}"
        service = build_from_document(
            document,
            http=httplib2.Http(),
            requestBuilder=_request,
            client_options={"universe_domain": "googleapis.com"},
        )
        self.users = service.users()
        self.messages = self.users.messages()
        self.attachments = self.messages.attachments()
        self.drafts = self.users.drafts()
        self.labels = self.users.labels()
        self.threads = self.users.threads()
        self.send_as = self.users.settings().sendAs()
        here = {"userId": ME, "id": _HERE, "prettyPrint": False}
        self._letters: dict[str, Any] = {}
        self._full = self.messages.get(format="full", fields=FULL, **here)
        self._minimal = self.messages.get(format="minimal", fields="id,threadId,labelIds", **here)
        self._history = self.users.history().list(
            userId=ME,
            startHistoryId=_HERE,
            maxResults=500,
            historyTypes=["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"],
            fields=HISTORY,
            prettyPrint=False,
        )
        self._modify = self.messages.modify(fields="id,threadId", body={}, **here)

    def get_full(self, message_id: str) -> Any:
        """The message without its text."""
        return _copy(self._full, message_id)

    def get_content(self, message_id: str, fields: str) -> Any:
        """The message with these fields of its full format, to be shown to a person."""
        if fields not in self._letters:
            self._letters[fields] = self.messages.get(
                userId=ME, id=_HERE, format="full", fields=fields, prettyPrint=False
            )
        return _copy(self._letters[fields], message_id)

    def get_labels(self, message_id: str) -> Any:
        """The message's labels and thread alone."""
        return _copy(self._minimal, message_id)

    def history_since(self, cursor: str, page_token: str | None) -> Any:
        """A page of at most 500 records of all four kinds."""
        request = _copy(self._history, cursor)
        if page_token:
            request.uri += f"&pageToken={quote(str(page_token), safe='')}"
        return request

    def modify(self, message_id: str, change: LabelChange) -> Any:
        """One message's labels changed."""
        return _copy(self._modify, message_id, json.dumps(_change(change)))

    def batch_modify(self, message_ids: Sequence[str], change: LabelChange) -> Any:
        """The labels of at most 1,000 messages changed; the answer is empty."""
        return self.messages.batchModify(userId=ME, body={"ids": list(message_ids), **_change(change)})


def _change(change: LabelChange) -> dict[str, list[str]]:
    """The Inbox is a label here."""
    body = {
        "addLabelIds": sorted(change.add | {INBOX} if change.to_inbox else change.add),
        "removeLabelIds": sorted(change.remove | {INBOX} if change.leave_inbox else change.remove),
    }
    return {name: ids for name, ids in body.items() if ids}


def _copy(pattern: Any, here: str, body: str | None = None) -> Any:
    """The same request for another message: building each through the library is a third of its cost."""
    return HttpRequest(
        None,
        answer_as_sent,
        pattern.uri.replace(_HERE, quote(here, safe=""), 1),
        method=pattern.method,
        body=body,
        headers=dict(pattern.headers),
        methodId=pattern.methodId,
    )


_built = cache(Api)
_building = Lock()


def api_at(root: str) -> Api:
    """Built once per process and place, for the first mailbox: it costs a fifth of a command that needs none."""
    with _building:
        return _built(root)


def call_name(request: Any) -> str:
    """The method's name as the cost table has it."""
    return str(request.methodId).removeprefix("gmail.").removeprefix("users.")
