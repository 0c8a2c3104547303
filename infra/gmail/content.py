"""Reading mail for people: previews in batches, one mail whole, one attachment (Z1, Z17).

Nothing of it is kept here, and no error carries a word of it (D2).
"""

import binascii
import html
from base64 import urlsafe_b64decode
from typing import Any

from domain.errors import GiveUp, TryAgain
from domain.mail.composition import KEY_HEADER
from domain.mail.content import MailContent, MimePart
from domain.mail.headers import by_name
from infra.gmail.api import DEPTH, ME
from infra.gmail.client import Answer, Calls
from infra.gmail.errors import ODD_ANSWER
from infra.gmail.folders import SENT, folder_of
from infra.gmail.responses import from_epoch, sense, text, texts

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


def content(message_id: str, answer: Answer) -> MailContent | TryAgain:
    """A mail as it was asked for; an answer of another id is an odd one."""
    try:
        if answer["id"] == message_id:
            label_ids = texts(answer.get("labelIds", ()))
            body = _part(answer.get("payload", {}))
            return MailContent(
                message_id,
                text(answer["threadId"]),
                folder_of(label_ids),
                from_epoch(answer["internalDate"]),
                html.unescape(text(answer.get("snippet", ""))),
                body,
                SENT in label_ids,
                label_ids,
                _key(body) if SENT in label_ids else None,
                answer["threadId"] == message_id,
            )
    except _MALFORMED:
        return TryAgain(ODD_ANSWER, whole_mailbox=False)
    return TryAgain(ODD_ANSWER, whole_mailbox=False)


def _key(body: MimePart) -> str | None:
    """All who got the mail have read our key, so that it counts in sent mail alone."""
    keys = by_name(body.headers).get(KEY_HEADER.lower(), ())
    return next((one for one in keys if one.isprintable()), None)


def _part(node: dict[str, Any]) -> MimePart:
    body = node.get("body", {})
    data, attachment_id = body.get("data"), body.get("attachmentId")
    return MimePart(
        mime_type=text(node.get("mimeType", "")),
        headers=tuple(
            (text(header["name"]), text(header.get("value", ""))) for header in node.get("headers", ())
        ),
        filename=text(node.get("filename", "")),
        size=int(body.get("size", 0)),
        content=None if data is None else _data(data),
        attachment_id=None if attachment_id is None else text(attachment_id),
        parts=tuple(_part(part) for part in node.get("parts", ())),
    )


def _data(value: object) -> bytes:
    encoded = text(value)
    try:
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error:
        raise ValueError from None
