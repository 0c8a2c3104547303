"""/gmail/v1: from an HTTP request to a method's handler and back (paths from the discovery document)."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qs, unquote

from infra.local.gmail import drafts, messages, sending, threads, users
from infra.local.gmail.control.kinds import PARTS
from infra.local.gmail.http import discovery, fields, params, uploads
from infra.local.gmail.http.call import Call
from infra.local.gmail.http.discovery import Method
from infra.local.gmail.http.errors import (
    ApiError,
    Json,
    delegation_denied,
    insufficient_scope,
    not_built,
    unauthenticated,
)
from infra.local.gmail.http.wire import Answer, Request
from infra.local.gmail.mailbox import Mailbox
from infra.local.gmail.sign_in.accounts import Grant
from infra.local.gmail.world import World

Handler = Callable[[Call], Json | None]

HANDLERS: Mapping[str, Handler] = {
    "drafts.create": drafts.create,
    "drafts.delete": drafts.delete,
    "drafts.get": drafts.get,
    "drafts.list": drafts.list_drafts,
    "drafts.send": drafts.send,
    "drafts.update": drafts.update,
    "getProfile": users.get_profile,
    "history.list": users.list_history,
    "labels.create": users.create_label,
    "labels.delete": users.delete_label,
    "labels.get": users.get_label,
    "labels.list": users.list_labels,
    "labels.patch": users.patch_label,
    "labels.update": users.update_label,
    "messages.attachments.get": messages.get_attachment,
    "messages.batchModify": messages.batch_modify,
    "messages.delete": messages.delete,
    "messages.get": messages.get,
    "messages.import": sending.insert,
    "messages.insert": sending.insert,
    "messages.list": messages.list_messages,
    "messages.modify": messages.modify,
    "messages.send": sending.send,
    "messages.trash": messages.trash,
    "messages.untrash": messages.untrash,
    "settings.sendAs.get": users.get_send_as,
    "settings.sendAs.list": users.list_send_as,
    "stop": users.stop,
    "threads.get": threads.get,
    "watch": users.watch,
}


class Routes:
    """Finds the supported methods by verb and path."""

    def __init__(self) -> None:
        methods = discovery.load().methods
        self._by_shape: dict[tuple[str, int], list[Method]] = {}
        for name in HANDLERS:
            method = methods[name]
            self._by_shape.setdefault((method.verb, len(method.path)), []).append(method)

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]]:
        """The method and the values in its path. Raises 501 for an unsupported method."""
        segments = path.strip("/").split("/")
        for method in self._by_shape.get((verb, len(segments)), ()):
            values = _match(method.path, segments)
            if values is not None:
                return method, values
        raise not_built(verb, path)


def _match(template: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for want, have in zip(template, segments, strict=True):
        if want.startswith("{"):
            values[want[1:-1]] = unquote(have)
        elif want != have:
            return None
    return values


class Api:
    """Answers calls, single ones and those of a batch."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._routes = Routes()
        self._uploads = uploads.Uploads()

    def answer(self, request: Request, *, part: bool = False) -> Answer:
        """The answer to a call, with Google's error body when it is refused. `part`: the call is one of a batch."""
        try:
            if uploads.is_upload(request) and not part:
                answer = self._upload(request)
            else:
                answer = self._call(request, part=part)
        except ApiError as error:
            answer = refusal(error)
        self._world.meter.answered(answer.status)
        return answer

    def concerned(self, request: Request) -> tuple[str, list[str]]:
        """The method's name and the ids of its messages, for faults; empty when there is no such method."""
        request = _overridden(request)
        try:
            session = self._uploads.session(request)
            request = session.request if session else uploads.meant(request)
            method, path = self._routes.find(request.verb, request.path)
        except ApiError:
            return "", []
        return method.name, _message_ids(method, path, request)

    def _upload(self, request: Request) -> Answer:
        """A call with a mail in its own form; the pieces of a resumable one make one call at the end."""
        session = self._uploads.session(request)
        if session is not None:
            with session.lock:
                if session.answer is None and session.take(request):
                    session.answer = self._call(session.request, media=bytes(session.media))
                    session.media.clear()
                return session.answer or session.progress()
        plain = uploads.meant(request)
        method, path = self._routes.find(plain.verb, plain.path)
        if not method.max_upload:
            raise not_built(request.verb, request.path)
        if uploads.kind(request) == "resumable":
            self._authorised(plain, method, path)
            return self._uploads.begin(request, method)
        body, media = uploads.opened(request)
        return self._call(replace(plain, body=body), media=media)

    def _call(self, request: Request, *, part: bool = False, media: bytes | None = None) -> Answer:
        request = _overridden(request)
        method, path = self._routes.find(request.verb, request.path)
        mailbox, grant = self._authorised(request, method, path)
        self._world.meter.charge(mailbox.address, method.name, _charged(request, grant))
        if self._world.faults:
            self._strike(request, method, path, mailbox, part=part)
        query = params.parse_query(method, request.query)
        body = params.parse_body(method, request.body)
        mask = fields.parse(query.get("fields", [""])[-1], method.response)
        found = HANDLERS[method.name](Call(self._world, mailbox, method, path, query, body, mask, media))
        return Answer(204) if found is None else Answer(200, _dump(mask.apply(found)))

    def _strike(
        self, request: Request, method: Method, path: Mapping[str, str], mailbox: Mailbox, *, part: bool
    ) -> None:
        faults = self._world.faults
        faults.check(method.name, mailbox.address.lower(), _message_ids(method, path, request))
        if part:
            faults.check_one_of("batch_part", PARTS, mailbox.address, (method.name,))

    def _authorised(self, request: Request, method: Method, path: dict[str, str]) -> tuple[Mailbox, Grant]:
        grant = self._world.accounts.holder(request.headers.get("authorization", ""))
        if self._world.kills(grant):
            raise unauthenticated()
        if method.scopes.isdisjoint(grant.scopes):
            raise insufficient_scope()
        mailbox = self._world.mailbox(grant.address)
        if path["userId"] != "me" and path["userId"].lower() != mailbox.address.lower():
            raise delegation_denied(path["userId"])
        return mailbox, grant


def _charged(request: Request, grant: Grant) -> str:
    """Whose minute a call takes up. A service account's are one user's, whichever mailbox they are for, unless
    quotaUser names others (FACTS §5)."""
    if not grant.delegated:
        return ""
    return parse_qs(request.query).get("quotaUser", [grant.client_id])[-1]


def refusal(error: ApiError) -> Answer:
    """An error as an HTTP answer."""
    return Answer(error.code, _dump(error.body()), headers=error.headers)


def _overridden(request: Request) -> Request:
    """The client library sends a call of more than 2,048 characters as a form in a POST."""
    if request.verb != "POST" or "x-http-method-override" not in request.headers:
        return request
    verb = request.headers["x-http-method-override"].upper()
    return replace(request, verb=verb, query=request.body.decode("latin-1"), body=b"")


def _dump(value: Json) -> bytes:
    """ASCII only, so that even a lone surrogate out of a broken mail can be sent."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _message_ids(method: Method, path: Mapping[str, str], request: Request) -> list[str]:
    """The messages or the draft that a call concerns, for faults that are tied to one of them."""
    if not method.name.startswith(("messages.", "drafts.")):
        return []
    named = path.get("messageId", path.get("id"))
    return [named] if named else list(_ids_in(request.body))


def _ids_in(body: bytes) -> Iterator[str]:
    try:
        value = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        ids = value.get("ids")
        yield from (i for i in (ids if isinstance(ids, list) else [value.get("id")]) if isinstance(i, str))
