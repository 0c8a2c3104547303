"""The client of /control, for tests, the demo and benchmarks. It needs the standard library only."""

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from infra.local.gmail.control.client_writing import WritingControl
from infra.local.gmail.control.shapes import (
    Counters,
    Delivered,
    Dump,
    DumpedMessage,
    Json,
    Mail,
    delivered,
    dumped,
)
from infra.local.gmail.sign_in.control import SignInControl

__all__ = ["ControlError", "Counters", "Delivered", "Dump", "DumpedMessage", "GmailControl", "Mail"]

TIMEOUT = 60.0


class ControlError(Exception):
    """The server refused a control command; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class GmailControl(SignInControl, WritingControl):
    """Sends commands to the server at `base_url`, each on a connection of its own. Safe for many threads."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._netloc = urlsplit(self.base_url).netloc

    def create_mailbox(
        self, address: str, aliases: Collection[str] = (), scopes: Collection[str] = ()
    ) -> dict[str, Any]:
        """Create a mailbox, or one more consent for it; returns an authorized user as google-auth reads it:
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
        """Deliver a mail into INBOX and UNREAD, or with exactly these labels (ids or names). The date is epoch ms."""
        query: list[tuple[str, str]] = []
        if labels is not None:
            query += [("labels", label) for label in labels or ("",)]
        if internal_date is not None:
            query.append(("internal_date", str(internal_date)))
        if thread_id is not None:
            query.append(("thread_id", thread_id))
        return delivered(self._json("POST", f"{_mailbox(mailbox)}/deliver?{urlencode(query)}", raw))

    def deliver_many(self, mails: Iterable[Mail]) -> list[Delivered]:
        """Deliver mails to any mailboxes in one request, in this order."""
        pieces: list[bytes] = []
        for mail in mails:
            head: Json = {"mailbox": mail.mailbox, "size": len(mail.raw), "internal_date": mail.internal_date}
            head |= {
                "labels": None if mail.labels is None else list(mail.labels),
                "thread_id": mail.thread_id,
            }
            pieces += (json.dumps(head).encode(), b"\n", mail.raw)
        return [delivered(found) for found in self._json("POST", "deliver", b"".join(pieces))["delivered"]]

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
            messages=tuple(dumped(message) for message in found["messages"]),
            drafts=found["drafts"],
        )

    def raw(self, mailbox: str, message_id: str) -> bytes:
        """A mail as it was delivered."""
        return self._call("GET", f"{_mailbox(mailbox)}/messages/{message_id}/raw")

    def change_labels(
        self,
        mailbox: str,
        message_ids: str | Collection[str],
        add: Collection[str] = (),
        remove: Collection[str] = (),
    ) -> None:
        """Add and remove labels as the user. Labels are ids or names; a new name makes a label."""
        self._by_hand(mailbox, "labels", message_ids, add=list(add), remove=list(remove))

    def archive(self, mailbox: str, message_ids: str | Collection[str]) -> None:
        """As the user: out of the Inbox."""
        self.change_labels(mailbox, message_ids, remove=("INBOX",))

    def unarchive(self, mailbox: str, message_ids: str | Collection[str]) -> None:
        """As the user: back into the Inbox."""
        self.change_labels(mailbox, message_ids, add=("INBOX",))

    def spam(self, mailbox: str, message_ids: str | Collection[str]) -> None:
        """As the user: reported as spam."""
        self.change_labels(mailbox, message_ids, add=("SPAM",), remove=("INBOX",))

    def unspam(self, mailbox: str, message_ids: str | Collection[str]) -> None:
        """As the user: not spam, back into the Inbox."""
        self.change_labels(mailbox, message_ids, add=("INBOX",), remove=("SPAM",))

    def trash(self, mailbox: str, message_ids: str | Collection[str]) -> None:
        """As the user: into the trash."""
        self.change_labels(mailbox, message_ids, add=("TRASH",), remove=("INBOX", "SPAM"))

    def untrash(self, mailbox: str, message_ids: str | Collection[str]) -> None:
        """As the user: out of the trash, which puts nothing back into the Inbox."""
        self.change_labels(mailbox, message_ids, remove=("TRASH",))

    def delete(self, mailbox: str, message_ids: str | Collection[str]) -> None:
        """As the user, for good."""
        self._by_hand(mailbox, "delete", message_ids)

    def rename_label(self, mailbox: str, label_id: str, name: str) -> None:
        """As the user: rename a label. It keeps its id and its messages."""
        self._json("POST", f"{_mailbox(mailbox)}/rename_label", {"id": label_id, "name": name})

    def delete_label(self, mailbox: str, label_id: str) -> None:
        """As the user: delete a label, also from every message."""
        self._json("POST", f"{_mailbox(mailbox)}/delete_label", {"id": label_id})

    def limit_labels(self, mailbox: str, most: int | None = None) -> None:
        """Limit the labels of the mailbox, its 14 system labels included; 10,000 by default, as at Gmail."""
        self._json("POST", f"{_mailbox(mailbox)}/limit_labels", {} if most is None else {"most": most})

    def limit_sending(self, mailbox: str, most: int) -> None:
        """Limit the mails sent within a day, today's included. The limit is 2,000 at the start."""
        self._json("POST", f"{_mailbox(mailbox)}/limit_sending", {"most": most})

    def set_aliases(
        self,
        mailbox: str,
        aliases: Collection[str] = (),
        pending: Collection[str] = (),
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Set the other sendAs addresses, the unverified ones, and display names, also of the primary address."""
        body: Json = {"aliases": list(aliases), "pending": list(pending), "names": dict(names or {})}
        self._json("POST", f"{_mailbox(mailbox)}/aliases", body)

    def rename_mailbox(self, mailbox: str, address: str) -> None:
        """As an administrator: rename it. It keeps consents and mails; the old address becomes an alias."""
        self._json("POST", f"{_mailbox(mailbox)}/rename", {"address": address})

    def add_filter(
        self, mailbox: str, sender: str, label: str | None = None, archive: bool = False
    ) -> str | None:
        """Add a user's filter for mail that arrives from now on; returns the label's id."""
        body = {"sender": sender, "label": label, "archive": archive}
        found: str | None = self._json("POST", f"{_mailbox(mailbox)}/filters", body)["label_id"]
        return found

    def expire_history(self, mailbox: str) -> int:
        """Make every history id so far answer 404; returns the first good one."""
        return int(self._json("POST", f"{_mailbox(mailbox)}/expire_history")["historyId"])

    def expire_access_tokens(self, mailbox: str) -> None:
        """Let the next call answer 401. Refreshing still works."""
        self._json("POST", f"{_mailbox(mailbox)}/expire_access")

    def revoke(self, mailbox: str | None = None, refresh_token: str | None = None) -> None:
        """Revoke all consents of a mailbox, or the one with this refresh token."""
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
        retry_after: float | None = None,
        seconds: float | None = None,
        delay: float | None = None,
        after: bool | None = None,
        half: str | None = None,
    ) -> int:
        """Switch a fault on (faults.KINDS and PASSIVE); returns its id. Without methods it is for all methods.

        It ends after `times` strikes or `seconds`. `delay` is the delay of late things, in seconds. `after`: a "cut" or
        "timeout" call has its effect. `half` is one of faults.HALVES, any of them by default.
        """
        given: Json = {"times": times, "retry_after": retry_after, "seconds": seconds, "delay": delay}
        given |= {"after": after, "half": half}
        body: Json = {"kind": kind, "methods": list(methods), "mailbox": mailbox, "message_id": message_id}
        body |= {"share": share, "seed": seed}
        body |= {name: value for name, value in given.items() if value is not None}
        return int(self._json("POST", "faults", body)["id"])

    def poison(self, mailbox: str, message_id: str) -> int:
        """Every call that concerns this message answers 500; returns the fault's id."""
        return self.fault("500", mailbox=mailbox, message_id=message_id)

    def faults(self) -> list[dict[str, Any]]:
        """The faults that are on, each with its number of strikes."""
        return list(self._json("GET", "faults")["faults"])

    def clear_faults(self, fault_id: int | None = None) -> None:
        """Switch one fault off by its id, or all."""
        self._json("DELETE", "faults", {} if fault_id is None else {"id": fault_id})

    def quota(
        self,
        *,
        enforced: bool | None = None,
        per_minute: int | None = None,
        per_project: int | None = None,
        table: str | None = None,
        refusal: int | None = None,
        window: float | None = None,
    ) -> None:
        """Set the limits: on or off, units a minute of a mailbox and of all mailboxes, "new" or "old" costs, 403 or
        429, and the seconds of a minute. A cost table brings its own limits; given limits replace them."""
        body: Json = {
            "enforced": enforced,
            "per_minute": per_minute,
            "per_project": per_project,
            "table": table,
        }
        body |= {"refusal": refusal, "window": window}
        self._json("PUT", "quota", {name: value for name, value in body.items() if value is not None})

    def push(self, *, interval: float | None = None, lost: bool | None = None) -> None:
        """Set the seconds between two notifications of a mailbox; `lost` drops all notifications."""
        body = {"interval": interval, "lost": lost}
        self._json("PUT", "push", {name: value for name, value in body.items() if value is not None})

    def counters(self) -> Counters:
        """The calls so far and their cost."""
        return Counters(**self._json("GET", "counters"))

    def reset_counters(self) -> None:
        """Set all counters to zero, and empty the minutes of the limits."""
        self._json("DELETE", "counters")

    def shutdown(self) -> None:
        """End the server."""
        self._json("POST", "shutdown")

    def _by_hand(self, mailbox: str, what: str, ids: str | Collection[str], **more: list[str]) -> None:
        body: Json = {"ids": [ids] if isinstance(ids, str) else list(ids), **more}
        self._json("POST", f"{_mailbox(mailbox)}/{what}", body)

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
