"""What a mail system reports of a mail of ours that did not arrive, or not yet (D16-5).

Read is what RFC 3464 and RFC 6522 lay down, and what systems without it write: the header of the mail under their own
words. Whoever likes can send us such a report, so all it can do is to mark a mail that it names.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final

from domain.mail.address_lists import read_list
from domain.mail.addresses import is_one_of
from domain.mail.composition import KEY_HEADER
from domain.mail.content import MimePart, numbered
from domain.mail.headers import Fields, by_name, filled, first_word, rfc_message_ids

MAX_PART: Final = 262_144
"""Bytes of a part that are read: thousands of recipients."""

MAX_PARTS: Final = 50
MAX_NAMED: Final = 500
"""Recipients of a report. One is on one mail, and on few there are more."""

_STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_MAILS = frozenset({"message/rfc822", "message/global"})
_HEADERS = frozenset({"text/rfc822-headers", "message/global-headers"})
_MAX_IDS = 20
_MAX_KEY = 100
_FIELD = re.compile(r"([!-9;-~]{1,76})[ \t]*:(.*)", re.DOTALL)
_BLOCK_END = re.compile(r"(?:\r?\n[ \t]*){2,}")
_NAMED_LINE = re.compile(
    rf"^[> \t]*(message-id|{KEY_HEADER})[ \t]*:[ \t]*(\S[^\r\n]{{0,998}})", re.IGNORECASE | re.MULTILINE
)
_COPY = re.compile(
    r"^[> \t]*(?:return-path|received|message-id|mime-version|from)[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_DELAYED = re.compile(r"\bdelay(?:ed)?\b|\bwarning\b|\bverz(?:ö|oe)gert", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"'|]{1,64}@[^\s<>()\[\]:;,\"'|]{3,255}")


class Action(StrEnum):
    """What became of a mail on its way to somebody, as far as it concerns us."""

    FAILED = "failed"
    DELAYED = "delayed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Reported:
    """Of one recipient. `addresses` in their exact form: to whom the mail was sent, and where that led. `status` is the
    code of RFC 3463, "" where there is none."""

    addresses: tuple[str, ...] = field(repr=False)
    action: Action
    status: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """`rfc_message_ids` and `keys` are what names the mail, `keys` being those of our own header. `recipients` is None
    where there is no delivery-status; then the report's words count: those who are `mentioned` in them, and whether it
    says of itself that it is of a mail `delayed`."""

    rfc_message_ids: tuple[str, ...] = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    recipients: tuple[Reported, ...] | None
    mentioned: frozenset[str] = field(repr=False, default=frozenset())
    delayed: bool = False


def wanted(body: MimePart) -> tuple[MimePart, ...]:
    """Parts that a report is read from and that have not come along, to be asked for by their `attachment_id`."""
    return tuple(
        part
        for part in islice(_parts(body), MAX_PARTS)
        if part.content is None and part.attachment_id and not part.parts and part.size <= MAX_PART
        if _kind(part) in _STATUS | _HEADERS | _MAILS
    )


def read_report(body: MimePart, fetched: Mapping[str, bytes]) -> DeliveryReport:
    """A mail of the class bounce (D16-5). `fetched` are the wanted parts by their `attachment_id`."""
    parts = list(islice(_parts(body), MAX_PARTS))
    status = [part for part in parts if _kind(part) in _STATUS]
    groups = (block for part in status for block in _blocks(_text(part, fetched)))
    blocks = [by_name(block) for block in islice(groups, 2 * MAX_NAMED)]
    names = [*_of_the_mail(parts, fetched), *blocks, _lines_that_name(body)]
    recipients = tuple(islice(_reported(blocks), MAX_NAMED))
    found = _first_of(names, ("message-id", "x-original-message-id")) or _answered(body.fields())
    return DeliveryReport(
        rfc_message_ids=found[:_MAX_IDS],
        keys=_keys(names)[:_MAX_IDS],
        recipients=recipients if status else None,
        mentioned=frozenset() if status else _mentioned(body),
        delayed=not status and _DELAYED.search(body.header("subject")) is not None,
    )


def outcomes(report: DeliveryReport, recipients: Sequence[str]) -> Mapping[str, Action]:
    """What it says of each of the mail's recipients, FAILED or DELAYED; it changes nothing for the others.

    An address that is none of them is one that the mail was redirected to: of a mail to one recipient it is his, of
    others nobody can tell whose. A report without delivery-status that mentions none of them means them all.
    """
    own = dict.fromkeys(recipients)
    if report.recipients is None:
        named = [one for one in own if is_one_of(one, report.mentioned)]
        return dict.fromkeys(named or own, Action.DELAYED if report.delayed else Action.FAILED)
    found: dict[str, Action] = {}
    for reported in report.recipients:
        if reported.action is Action.OTHER:
            continue
        meant = [one for one in own if is_one_of(one, frozenset(reported.addresses))]
        for one in meant or (own if len(own) == 1 else ()):
            if found.get(one) is not Action.FAILED:
                found[one] = reported.action
    return found


def _reported(blocks: Iterable[Fields]) -> Iterator[Reported]:
    for fields in blocks:
        for action in filled(fields, "action")[:1]:
            named = (*fields.get("original-recipient", ()), *fields.get("final-recipient", ()))
            addresses = (
                one for value in named for one in read_list(value.partition(";")[2] or value).addresses
            )
            status = "".join(filled(fields, "status")[:1]).split()[:1]
            yield Reported(tuple(dict.fromkeys(addresses)), _action(action), "".join(status)[:20])


def _action(value: str) -> Action:
    word = first_word(value)
    return Action(word) if word in (Action.FAILED, Action.DELAYED) else Action.OTHER


def _of_the_mail(parts: Sequence[MimePart], fetched: Mapping[str, bytes]) -> Iterator[Fields]:
    """The headers of the mail that is attached, whole or cut."""
    for part in parts:
        kind = _kind(part)
        if kind in _MAILS and part.parts:
            yield part.parts[0].fields()
        elif kind in _MAILS | _HEADERS:
            yield by_name(next(_blocks(_text(part, fetched)), ()))


def _first_of(names: Iterable[Fields], headers: Sequence[str]) -> tuple[str, ...]:
    """The ids by the first that names any: the attached mail knows better than the words of the report."""
    for fields in names:
        for header in headers:
            if found := tuple(one for value in fields.get(header, ()) for one in rfc_message_ids(value)):
                return found
    return ()


def _answered(fields: Fields) -> tuple[str, ...]:
    values = (*fields.get("in-reply-to", ()), *fields.get("references", ())[-1:])
    return tuple(dict.fromkeys(one for value in values for one in rfc_message_ids(value)[-1:]))


def _keys(names: Iterable[Fields]) -> tuple[str, ...]:
    values = (value.strip() for fields in names for value in fields.get(KEY_HEADER.lower(), ()))
    return tuple(
        dict.fromkeys(value for value in values if 0 < len(value) <= _MAX_KEY and value.isprintable())
    )


def _lines_that_name(body: MimePart) -> Fields:
    """Of its words, under which some systems write the mail's header, or all of the mail."""
    found = islice(_NAMED_LINE.finditer(body.text()[:MAX_PART]), _MAX_IDS)
    return by_name((line[1], line[2]) for line in found)


def _mentioned(body: MimePart) -> frozenset[str]:
    """Where the system names them in a header, these; else whoever stands in its words above the mail itself."""
    if failed := filled(body.fields(), "x-failed-recipients"):
        return frozenset(one for value in failed for one in read_list(value).addresses)
    said = body.text()[:MAX_PART]
    copy = _COPY.search(said)
    words = islice(_ADDRESS.finditer(said, 0, copy.start() if copy else len(said)), MAX_NAMED)
    return frozenset(one for word in words for one in read_list(word[0].strip(".")).addresses)


def _parts(body: MimePart) -> Iterator[MimePart]:
    """Not those of the attached mail: it may be a report itself."""
    inside = ""
    for place, part in numbered(body):
        if inside and place.startswith(inside):
            continue
        inside = f"{place}." if _kind(part) in _MAILS else ""
        yield part


def _kind(part: MimePart) -> str:
    return part.mime_type.strip().lower()


def _text(part: MimePart, fetched: Mapping[str, bytes]) -> str:
    """The status of some providers comes as parts of its own, a block each."""
    content = part.content if part.content is not None else fetched.get(part.attachment_id or "")
    if content is None and _kind(part) in _STATUS:
        content = b"\n\n".join(inner.content or b"" for inner in part.parts[:MAX_NAMED])
    return (content or b"")[:MAX_PART].decode("utf-8", "replace")


def _blocks(text: str) -> Iterator[list[tuple[str, str]]]:
    """Groups of header fields, as they are written; a group that holds none is left out."""
    for block in _BLOCK_END.split(text.lstrip("\r\n")):
        if found := list(_fields(block)):
            yield found


def _fields(block: str) -> Iterator[tuple[str, str]]:
    for line in re.split(r"\r?\n(?![ \t])", block):
        if matched := _FIELD.fullmatch(line):
            yield matched[1], matched[2].strip()
