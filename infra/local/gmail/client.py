"""The other end of /control, for tests, the demo and benchmarks. Standard library only."""

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

Json = dict[str, Any]
TIMEOUT = 60.0


class ControlError(Exception):
    """The server refused a control command; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a delivered mail went."""

    id: str
    thread_id: str
    history_id: int


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of a bulk delivery; fields as in `GmailControl.deliver`."""

    mailbox: str
    raw: bytes
    labels: Collection[str] | None = None
    internal_date: int | None = None
    thread_id: str | None = None


@dataclass(frozen=True, slots=True)
class DumpedMessage:
    """One message of a mailbox dump; `labels` are the names of `label_ids`."""

    id: str
    thread_id: str
    label_ids: frozenset[str]
    labels: frozenset[str]
    internal_date: int
    history_id: int
    size: int


@dataclass(frozen=True, slots=True)
class Dump:
    """A mailbox as it stands; messages oldest first, `labels` maps id to name."""

    address: str
    history_id: int
    watched_topic: str | None
    watched_until: int | None
    labels: Mapping[str, str]
    messages: tuple[DumpedMessage, ...]

    def message(self, message_id: str) -> DumpedMessage | None:
        """By id; None when it is not there."""
        return next((message for message in self.messages if message.id == message_id), None)


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the start or the last reset. `http_requests` counts API and batch requests, not tokens
    or control; `calls` counts what was called, in batches too. by_mailbox and by_method hold
    {"calls", "units"}; statuses is per call."""

    http_requests: int
    token_requests: int
    calls: int
    units: int
    pushes: Mapping[str, int]
    by_mailbox: Mapping[str, Mapping[str, int]]
    by_method: Mapping[str, Mapping[str, int]]
    statuses: Mapping[str, int]

    def calls_of(self, method: str) -> int:
        """How often a method was called."""
        return self.by_method.get(method, {}).get("calls", 0)


class GmailControl:
    """`base_url` is the server's url. Every command is one short connection; safe for many threads."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._netloc = urlsplit(self.base_url).netloc

    def create_mailbox(
        self, address: str, aliases: Collection[str] = (), scopes: Collection[str] = ()
    ) -> dict[str, Any]:
        """A mailbox, or one more consent for it; returns an authorized user as google-auth reads it:
        {type, client_id, client_secret, refresh_token, token_uri, scopes}."""
        body = {"address": address, "aliases": list(aliases), "scopes": list(scopes)}
        return self._json("POST", "mailboxes", body)

    def mailboxes(self) -> list[str]:
        """The addresses."""
        return list(self._json("GET", "mailboxes")["mailboxes"])

    def deliver(
        self,
        mailbox: str,
        raw: bytes,
        labels: Collection[str] | None = None,
        internal_date: int | None = None,
        thread_id: str | None = None,
    ) -> Delivered:
        """Into INBOX and UNREAD, or with exactly these labels (ids or names); the date is epoch ms."""
        query: list[tuple[str, str]] = []
        if labels is not None:
            query += [("labels", label) for label in labels or ("",)]
        if internal_date is not None:
            query.append(("internal_date", str(internal_date)))
        if thread_id is not None:
            query.append(("thread_id", thread_id))
        return _delivered(self._json("POST", f"{_mailbox(mailbox)}/deliver?{urlencode(query)}", raw))

    def deliver_many(self, mails: Iterable[Mail]) -> list[Delivered]:
        """Many mails, to any mailboxes, in one request and in this order."""
        pieces: list[bytes] = []
        for mail in mails:
            head: Json = {"mailbox": mail.mailbox, "size": len(mail.raw), "internal_date": mail.internal_date}
            head |= {
                "labels": None if mail.labels is None else list(mail.labels),
                "thread_id": mail.thread_id,
            }
            pieces += (json.dumps(head).encode(), b"\n", mail.raw)
        return [_delivered(found) for found in self._json("POST", "deliver", b"".join(pieces))["delivered"]]

    def dump(self, mailbox: str) -> Dump:
        """The mailbox as it stands."""
        found = self._json("GET", _mailbox(mailbox))
        watch = found["watch"] or {"topic": None, "expiration": None}
        return Dump(
            address=found["address"],
            history_id=int(found["historyId"]),
            watched_topic=watch["topic"],
            watched_until=watch["expiration"],
            labels=found["labels"],
            messages=tuple(_dumped(message) for message in found["messages"]),
        )

    def raw(self, mailbox: str, message_id: str) -> bytes:
        """A mail as it was delivered."""
        return self._call("GET", f"{_mailbox(mailbox)}/messages/{message_id}/raw")

    def change_labels(
        self,
        mailbox: str,
        message_ids: Collection[str],
        add: Collection[str] = (),
        remove: Collection[str] = (),
    ) -> None:
        """As the user, by hand; labels by id or name, new names are created."""
        body = {"ids": list(message_ids), "add": list(add), "remove": list(remove)}
        self._json("POST", f"{_mailbox(mailbox)}/labels", body)

    def delete_label(self, mailbox: str, label_id: str) -> None:
        """As the user: the label is gone, from every message too."""
        self._json("POST", f"{_mailbox(mailbox)}/delete_label", {"id": label_id})

    def delete(self, mailbox: str, message_ids: Collection[str]) -> None:
        """As the user, for good."""
        self._json("POST", f"{_mailbox(mailbox)}/delete", {"ids": list(message_ids)})

    def add_filter(
        self, mailbox: str, sender: str, label: str | None = None, archive: bool = False
    ) -> str | None:
        """A user's rule for mail that arrives from now on; returns the label's id."""
        body = {"sender": sender, "label": label, "archive": archive}
        found: str | None = self._json("POST", f"{_mailbox(mailbox)}/filters", body)["label_id"]
        return found

    def expire_history(self, mailbox: str) -> int:
        """Every history id so far answers 404 from now on; returns the first good one."""
        return int(self._json("POST", f"{_mailbox(mailbox)}/expire_history")["historyId"])

    def expire_access_tokens(self, mailbox: str) -> None:
        """The next call answers 401; refreshing works."""
        self._json("POST", f"{_mailbox(mailbox)}/expire_access")

    def revoke(self, mailbox: str | None = None, refresh_token: str | None = None) -> None:
        """All consents of a mailbox, or the one with this refresh token."""
        body = {"refresh_token": refresh_token} if refresh_token else {"mailbox": mailbox}
        self._json("POST", "revoke", body)

    def fault(
        self,
        kind: str,
        methods: Collection[str] = (),
        *,
        mailbox: str = "",
        message_id: str = "",
        share: float = 1.0,
        times: int | None = None,
        seed: int = 0,
        retry_after: float = 1.0,
    ) -> int:
        """Switch trouble on (faults.KINDS and PASSIVE); returns its id. No methods means every one."""
        body: Json = {"kind": kind, "methods": list(methods), "mailbox": mailbox, "message_id": message_id}
        body |= {"share": share, "times": times, "seed": seed, "retry_after": retry_after}
        return int(self._json("POST", "faults", body)["id"])

    def poison(self, mailbox: str, message_id: str) -> int:
        """Every call that concerns this message answers 500; returns the fault's id."""
        return self.fault("500", mailbox=mailbox, message_id=message_id)

    def faults(self) -> list[dict[str, Any]]:
        """Those switched on, with how often each struck."""
        return list(self._json("GET", "faults")["faults"])

    def clear_faults(self, fault_id: int | None = None) -> None:
        """One by its id, or all."""
        self._json("DELETE", "faults", {} if fault_id is None else {"id": fault_id})

    def quota(
        self,
        *,
        enforced: bool | None = None,
        per_minute: int | None = None,
        table: str | None = None,
        refusal: int | None = None,
    ) -> None:
        """The limit on or off, its units a minute and mailbox, "new" or "old" costs, 403 or 429."""
        body = {"enforced": enforced, "per_minute": per_minute, "table": table, "refusal": refusal}
        self._json("PUT", "quota", {name: value for name, value in body.items() if value is not None})

    def push(self, *, interval: float | None = None, lost: bool | None = None) -> None:
        """Seconds between two notifications of a mailbox; `lost` loses them all."""
        body = {"interval": interval, "lost": lost}
        self._json("PUT", "push", {name: value for name, value in body.items() if value is not None})

    def counters(self) -> Counters:
        """What was called and what it cost."""
        return Counters(**self._json("GET", "counters"))

    def reset_counters(self) -> None:
        """Back to zero; empties the window of the limit too."""
        self._json("DELETE", "counters")

    def shutdown(self) -> None:
        """End the server."""
        self._json("POST", "shutdown")

    def _json(self, verb: str, path: str, body: Json | bytes | None = None) -> Json:
        found: Json = json.loads(self._call(verb, path, body))
        return found

    def _call(self, verb: str, path: str, body: Json | bytes | None = None) -> bytes:
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        with closing(HTTPConnection(self._netloc, timeout=TIMEOUT)) as connection:
            connection.request(verb, f"/control/{path}", content)
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            raise ControlError(response.status, answer.decode("utf-8", "replace"))
        return answer


def _mailbox(address: str) -> str:
    return f"mailboxes/{quote(address, safe='@')}"


def _delivered(found: Json) -> Delivered:
    return Delivered(found["id"], found["threadId"], int(found["historyId"]))


def _dumped(found: Json) -> DumpedMessage:
    return DumpedMessage(
        id=found["id"],
        thread_id=found["threadId"],
        label_ids=frozenset(found["labelIds"]),
        labels=frozenset(found["labels"]),
        internal_date=found["internalDate"],
        history_id=int(found["historyId"]),
        size=found["size"],
    )
