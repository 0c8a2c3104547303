"""Automated mail (D16)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from domain.headers import MAX_HEADER, Fields, by_name, filled, first_word, parameter


@dataclass(frozen=True, slots=True)
class Part:
    """A node of Gmail's payload tree: MIME type, headers in written order, nested parts. Never a body."""

    mime_type: str
    headers: tuple[tuple[str, str], ...]
    parts: tuple["Part", ...] = ()


class MailClass(StrEnum):
    """The classes of D16."""

    HUMAN = "human"
    AUTO_REPLY = "auto_reply"
    LIST = "list"
    CALENDAR = "calendar"
    BOUNCE = "bounce"
    RECEIPT = "receipt"


_REPORTS = {
    "disposition-notification": MailClass.RECEIPT,
    "global-disposition-notification": MailClass.RECEIPT,
    "delivery-status": MailClass.BOUNCE,
    "global-delivery-status": MailClass.BOUNCE,
}
_DAEMONS = frozenset({"mailer-daemon", "postmaster"})
_DAEMON_WORD = re.compile(r"(?<![\w-])(?:mailer-daemon|postmaster)(?![\w-])", re.IGNORECASE)
_AUTO_REPLY = frozenset({"auto_reply", "auto-reply"})
_BULK = frozenset({"bulk", "list", "junk"})


def classify(payload: Part, fields: Fields, from_addresses: tuple[str, ...]) -> MailClass:
    """The class that is shown most plainly, where several fit; D16 gives no order.

    Reports and mail from the mail system itself come first, because they carry Auto-Submitted too. An empty
    return path is the weakest sign of a bounce: vacation responders and calendars also send with one, by
    RFC 3834, and taken for a bounce an absence note would mark a mail that arrived as not delivered. So it
    counts only where neither an invitation nor an automatic *reply* is declared. A report of a successful
    delivery looks like a bounce without its body; in LIVE both have the same results.
    """
    if report := _report(payload):
        return report
    if _is_from_daemon(fields, from_addresses):
        return MailClass.BOUNCE
    if any(_is_invitation(part) for part in _own_parts(payload)):
        return MailClass.CALENDAR
    submitted = {first_word(value) for value in filled(fields, "auto-submitted")} - {"", "no"}
    if "auto-replied" in submitted or _is_marked_reply(fields):
        return MailClass.AUTO_REPLY
    if _is_return_path_empty(fields):
        return MailClass.BOUNCE
    if submitted:
        return MailClass.AUTO_REPLY
    if filled(fields, "list-id") or is_precedence_marked(fields):
        return MailClass.LIST
    return MailClass.HUMAN


def is_precedence_marked(fields: Fields) -> bool:
    return not _BULK.isdisjoint(_precedences(fields))


def _precedences(fields: Fields) -> set[str]:
    return {first_word(value) for value in fields.get("precedence", ())}


def _is_marked_reply(fields: Fields) -> bool:
    if "x-autoreply" in fields or "x-autorespond" in fields:
        return True
    return not _AUTO_REPLY.isdisjoint(_precedences(fields))


def _is_return_path_empty(fields: Fields) -> bool:
    """The topmost one: it is the last server's, those below came with redirected mail."""
    paths = fields.get("return-path", ())
    return bool(paths) and not paths[0].strip().strip("<>").strip()


def _is_from_daemon(fields: Fields, from_addresses: tuple[str, ...]) -> bool:
    """Mail systems also write a bare `MAILER-DAEMON`, which is no address."""
    if from_addresses:
        return any(address.rpartition("@")[0] in _DAEMONS for address in from_addresses)
    return any(_DAEMON_WORD.search(value, 0, MAX_HEADER) for value in fields.get("from", ()))


def _own_parts(payload: Part) -> Iterator[Part]:
    """Not those of an attached message: who forwards an invitation or a bounce has written a mail."""
    waiting = [payload]
    while waiting:
        part = waiting.pop()
        yield part
        if not _mime_type(part).startswith("message/"):
            waiting.extend(part.parts)


def _mime_type(part: Part) -> str:
    return part.mime_type.strip().lower()


def _content_type(part: Part) -> str:
    return next(iter(by_name(part.headers).get("content-type", ())), "")


def _is_invitation(part: Part) -> bool:
    """Only with a METHOD: a ticket shop's calendar file has none and is an attachment like any other."""
    return _mime_type(part) == "text/calendar" and bool(parameter(_content_type(part), "method"))


def _report(payload: Part) -> MailClass | None:
    for part in _own_parts(payload):
        if _mime_type(part) == "multipart/report":
            kinds = [parameter(_content_type(part), "report-type")]
            kinds += [_mime_type(child).removeprefix("message/") for child in part.parts]
            for kind in kinds:
                if kind in _REPORTS:
                    return _REPORTS[kind]
    return None
