"""Reading mail for people: searching by address, previews in batches, one mail whole, one attachment (Z1, Z17).

Nothing of it is kept here, and no error carries a word of it (D2).
"""

import binascii
import html
from base64 import urlsafe_b64decode
from dataclasses import replace
from typing import Any

from domain.errors import GiveUp, TryAgain
from domain.mail.addresses import spellings
from domain.mail.content import MailContent, MailQuery, MimePart
from infra.gmail.api import DEPTH, ME
from infra.gmail.client import Answer, Calls
from infra.gmail.errors import ODD_ANSWER
from infra.gmail.folders import SENT, folder_of
from infra.gmail.responses import from_epoch, list_page, sense

LONGEST = 6_000
"""Characters of one search: with more Gmail's own way in may refuse the request before anybody has read it."""

PAGE = 100
"""Ids of one search; more come a page at a time, each at the price of a search."""

_FIELDS = ("from", "to", "cc", "bcc")
_NOT_SHOWN = "-in:drafts -in:spam -in:trash -in:chats"
_NOT_IN_WORDS = str.maketrans(dict.fromkeys('"{}()\\', " "))
_MALFORMED = (LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)


def _tree(leaf: str) -> str:
    mask = leaf
    for _ in range(DEPTH - 1):
        mask = f"{leaf},parts({mask})"
    return mask


_ENVELOPE = "id,threadId,labelIds,internalDate,snippet"
PREVIEW = f"{_ENVELOPE},payload(headers,{_tree('mimeType,filename')})"
"""The header of the mail, and of its parts what tells an attachment."""

WHOLE = f"{_ENVELOPE},payload({_tree('mimeType,filename,headers,body')})"


def searches(sought: MailQuery) -> tuple[MailQuery, ...]:
    """The same in as many searches as it takes for none to be longer than LONGEST. The owner's words are one."""
    if not sought.addresses:
        return (sought,)
    room = LONGEST - len(query(replace(sought, addresses=("",)))) + len(_of_address(""))
    groups: list[list[str]] = []
    left = 0
    for address in sought.addresses:
        needed = len(_of_address(address)) + 1
        if needed > left:
            groups.append([])
            left = room
        groups[-1].append(address)
        left -= needed
    return tuple(replace(sought, addresses=tuple(group)) for group in groups)


def query(sought: MailQuery) -> str:
    """In Gmail's search language. For a record's addresses drafts, Spam, Trash and chats are left out (Z18);
    the owner's own words are passed on as they are (Z17a).

    Gmail finds an address by its words: quoted they stand next to each other, else a `+tag` may stand between
    them (D5 step 3). What it finds besides is left out when it has been read.
    """
    terms: list[str] = []
    if sought.addresses:
        terms = [f"{{{' '.join(_of_address(address) for address in sought.addresses)}}}", _NOT_SHOWN]
    elif sought.words:
        terms = [f"({sought.words})" if sought.before is not None else sought.words]
    if sought.before is not None:
        terms.append(f"before:{sought.before}")
    return " ".join(terms)


def _of_address(address: str) -> str:
    phrases = [f'"{_plain(address)}"']
    for local, _, domain in (one.rpartition("@") for one in spellings(address)):
        phrases.append(f'("{_plain(local)}" "{_plain(domain)}")')
    return " ".join(f"{name}:{phrase}" for name in _FIELDS for phrase in phrases)


def _plain(text: str) -> str:
    """Without what the search language itself uses."""
    return " ".join(text.translate(_NOT_IN_WORDS).split())


def found(calls: Calls, sought: MailQuery, page: str | None) -> tuple[tuple[str, ...], str | None]:
    """A page of ids, newest first, and the token of the next one."""
    threads, token = list_page(calls, page, PAGE, q=query(sought) or None)
    return tuple(threads), token


def attachment(calls: Calls, message_id: str, attachment_id: str) -> bytes | None:
    """What a part holds, None when Gmail no longer has it."""
    request = calls.api.attachments.get(
        userId=ME, messageId=message_id, id=attachment_id, fields="data", prettyPrint=False
    )
    try:
        answer = calls.one(request)
    except LookupError:
        return None
    except FileExistsError as error:
        raise GiveUp(str(error)) from None
    with sense():
        return _data(answer["data"])


def letter(message_id: str, answer: Answer) -> MailContent | TryAgain:
    """A mail as it was asked for; of another id it is nobody's."""
    try:
        if answer["id"] == message_id:
            label_ids = frozenset(map(_text, answer.get("labelIds", ())))
            return MailContent(
                message_id,
                _text(answer["threadId"]),
                folder_of(label_ids),
                from_epoch(answer["internalDate"]),
                html.unescape(_text(answer.get("snippet", ""))),
                _piece(answer.get("payload", {})),
                SENT in label_ids,
            )
    except _MALFORMED:
        return TryAgain(ODD_ANSWER, whole_mailbox=False)
    return TryAgain(ODD_ANSWER, whole_mailbox=False)


def _piece(node: dict[str, Any]) -> MimePart:
    body = node.get("body", {})
    data, attachment_id = body.get("data"), body.get("attachmentId")
    return MimePart(
        mime_type=_text(node.get("mimeType", "")),
        headers=tuple(
            (_text(header["name"]), _text(header.get("value", ""))) for header in node.get("headers", ())
        ),
        filename=_text(node.get("filename", "")),
        size=int(body.get("size", 0)),
        content=None if data is None else _data(data),
        attachment_id=None if attachment_id is None else _text(attachment_id),
        parts=tuple(_piece(part) for part in node.get("parts", ())),
    )


def _data(value: object) -> bytes:
    text = _text(value)
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
