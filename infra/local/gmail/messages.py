"""users.messages (FACTS §3): list, get, attachments, modify, batchModify, trash, untrash, delete."""

import math
import time
from collections.abc import Collection, Iterator
from itertools import islice

from infra.local.gmail.http.call import Call
from infra.local.gmail.http.errors import Json, failed_precondition, invalid, not_found
from infra.local.gmail.http.fields import Mask
from infra.local.gmail.http.params import is_number
from infra.local.gmail.labels import FIXED
from infra.local.gmail.mail import mime, payload, search
from infra.local.gmail.mail.terms import Given
from infra.local.gmail.mailbox import Message

MAX_MODIFIED_LABELS = 100
MAX_BATCH_IDS = 1_000
ID_DIGITS = 20


def list_messages(call: Call) -> Json:
    """A page, newest first. The page token is the place of the last message, so that new mail shifts no page."""
    page, more = found(call)
    answer: Json = {"messages": [{"id": m.id, "threadId": m.thread_id} for m in page]} if page else {}
    return {**answer, **more}


def found(call: Call, among: Collection[str] | None = None) -> tuple[list[Message], Json]:
    """A page of the found messages, and the answer's fields for its size and the next page."""
    with call.mailbox.lock:
        size = call.page_size()
        page = list(islice(_found(call, among), size + 1))
    more: Json = {"resultSizeEstimate": len(page)}
    if len(page) > size:
        last = page[size - 1]
        more["nextPageToken"] = f"{last.internal_date}{int(last.id, 16):0{ID_DIGITS}d}"
    return page[:size], more


def _found(call: Call, among: Collection[str] | None) -> Iterator[Message]:
    mailbox = call.mailbox
    given = Given(mailbox.labels, (mailbox.address, *mailbox.aliases), call.world.raw)
    wanted = search.parse(call.text("q"), given)
    for label_id in call.many("labelIds"):
        if label_id not in mailbox.labels:
            raise invalid(f"Invalid label: {label_id}")
        wanted.labels.add(label_id)
    wanted.anywhere = wanted.anywhere or call.flag("includeSpamTrash")
    lag = call.world.faults.struck("search_lag", mailbox.address, (call.method.name,))
    known = time.monotonic() - lag.delay if lag else math.inf
    for message in mailbox.newest(_before(call.text("pageToken"))):
        if message.internal_date < wanted.since:
            return
        there = message.arrived <= known and (among is None or message.id in among)
        if there and wanted.matches(message):
            yield message


def _before(token: str) -> tuple[int, str] | None:
    if not token:
        return None
    if not is_number(token) or len(token) <= ID_DIGITS:
        raise invalid("Invalid pageToken")
    return int(token[:-ID_DIGITS]), f"{int(token[-ID_DIGITS:]):016x}"


def get(call: Call) -> Json:
    """The message that the path names."""
    return shown(call, call.message(), call.mask)


def shown(call: Call, message: Message, mask: Mask) -> Json:
    """The message in the format of the call. Fields outside the mask are not read from the spool."""
    form = call.text("format", "full").lower()
    with call.mailbox.lock:
        answer = envelope(message, _labels_seen(call, message) if call.world.faults else message.labels)
        answer |= {
            "historyId": str(message.history_id),
            "internalDate": str(message.internal_date),
            "sizeEstimate": message.place.length,
        }
    in_payload = form in ("full", "metadata") and mask.wants("payload")
    if not (in_payload or mask.wants("snippet") or (form == "raw" and mask.wants("raw"))):
        return answer
    raw = call.world.raw(message)
    tree = mime.parse(raw)
    if mask.wants("snippet"):
        answer["snippet"] = payload.snippet(raw, tree)
    if form == "raw":
        answer["raw"] = payload.encoded(raw)
    elif form == "full" and in_payload:
        answer["payload"] = payload.full(raw, tree, bodies=mask.mentions("body"))
    elif form == "metadata" and in_payload:
        answer["payload"] = payload.metadata(tree, call.many("metadataHeaders"))
    return answer


def get_attachment(call: Call) -> Json:
    """A part by an attachment id of any get of its message."""
    content = payload.attachment(call.world.raw(call.mailbox.get(call.path["messageId"])), call.path["id"])
    if content is None:
        raise invalid("Invalid attachment token")
    return {"size": len(content), "data": payload.encoded(content)}


def _labels_seen(call: Call, message: Message) -> frozenset[str]:
    """Behind time while reads lag: 404 for a message that has just come, the labels of before a change."""
    now = time.monotonic()
    about = (call.mailbox.address, (call.method.name,), (message.id,), message.id)
    if call.world.faults.struck("read_lag", *about, age=now - message.arrived):
        raise not_found()
    lags = call.world.faults.struck("read_lag", *about, age=now - message.changed)
    return message.before if lags else message.labels


def modify(call: Call) -> Json:
    """Add and remove labels of one message. Raises 400 for an unknown label, too many labels, or a draft."""
    with call.mailbox.lock:
        message = call.message()
        add, remove = _changes(call)
        if "DRAFT" in message.labels:
            raise failed_precondition("Labels cannot be applied to drafts.")
        call.mailbox.relabel(message, add, remove)
        return envelope(message)


def batch_modify(call: Call) -> None:
    """The same for up to 1,000 ids. Drafts and ids of missing messages are skipped."""
    ids = call.listed("ids", MAX_BATCH_IDS, f"Number of ids cannot exceed {MAX_BATCH_IDS}")
    if not ids:
        raise invalid("No message ids specified")
    with call.mailbox.lock:
        add, remove = _changes(call)
        for message in filter(None, map(call.mailbox.find, ids)):
            if "DRAFT" not in message.labels:
                call.mailbox.relabel(message, add, remove)


def trash(call: Call) -> Json:
    """Add TRASH; remove INBOX and SPAM."""
    with call.mailbox.lock:
        message = call.message()
        call.mailbox.relabel(message, ("TRASH",), ("INBOX", "SPAM"))
        return envelope(message)


def untrash(call: Call) -> Json:
    """Remove TRASH. The message does not return to INBOX."""
    with call.mailbox.lock:
        message = call.message()
        call.mailbox.relabel(message, (), ("TRASH",))
        return envelope(message)


def delete(call: Call) -> None:
    """Delete the message for good, without the trash."""
    with call.mailbox.lock:
        call.mailbox.delete(call.message())


def envelope(message: Message, labels: frozenset[str] | None = None) -> Json:
    """The ids and labels, with which a change of a message is answered."""
    answer: Json = {"id": message.id, "threadId": message.thread_id}
    labels = message.labels if labels is None else labels
    if labels:  # an empty list is left out of Google's JSON
        answer["labelIds"] = sorted(labels)
    return answer


def _changes(call: Call) -> tuple[Collection[str], Collection[str]]:
    too_many = f"Cannot modify more than {MAX_MODIFIED_LABELS} labels"
    add = call.listed("addLabelIds", MAX_MODIFIED_LABELS, too_many)
    remove = call.listed("removeLabelIds", MAX_MODIFIED_LABELS, too_many)
    if not add and not remove:
        raise invalid("No label add or removes specified")
    if set(add) & set(remove):
        raise invalid("Cannot both add and remove the same label")
    for label_id in (*add, *remove):
        if label_id not in call.mailbox.labels or label_id in FIXED:
            raise invalid(f"Invalid label: {label_id}")
    return add, remove
