"""users.drafts: mails that are not sent yet. A draft keeps its id; every save gives it a new message."""

import time

from infra.local.gmail import sending
from infra.local.gmail.http.call import Call
from infra.local.gmail.http.errors import Json, not_found
from infra.local.gmail.http.fields import ALL
from infra.local.gmail.mailbox import Message
from infra.local.gmail.messages import envelope, found, shown

LABELS = ("DRAFT",)


def create(call: Call) -> Json:
    """Create a draft; it may have no recipients."""
    inner: Json = call.body.get("message", {})
    raw = sending.brought(call, inner)
    with call.mailbox.lock:
        message = call.world.put(call.mailbox, raw, LABELS, thread_id=sending.thread(call, raw, inner))
        return {"id": call.mailbox.draft_of(message), "message": envelope(message)}


def update(call: Call) -> Json:
    """Replace the content under the same id. The thread stays unless the call names another."""
    inner: Json = call.body.get("message", {})
    raw = sending.brought(call, inner)
    with call.mailbox.lock:
        draft_id, message = _draft(call, call.path["id"])
        thread_id = sending.thread(call, raw, inner) if "threadId" in inner else message.thread_id
        call.mailbox.delete(message)
        message = call.world.put(call.mailbox, raw, LABELS, thread_id=thread_id, draft_id=draft_id)
        return {"id": draft_id, "message": envelope(message)}


def get(call: Call) -> Json:
    """The draft; while reads lag, also as it was before it was sent or deleted."""
    draft_id = call.path["id"]
    message = _lagging(call, draft_id) if call.world.faults else None
    if message is None:
        draft_id, message = _draft(call, draft_id)
    return {"id": draft_id, "message": shown(call, message, ALL)}


def list_drafts(call: Call) -> Json:
    """The drafts, newest first."""
    with call.mailbox.lock:
        ids = {message_id: draft_id for draft_id, message_id in call.mailbox.drafts.items()}
        page, more = found(call, ids)
    drafts = [{"id": ids[m.id], "message": {"id": m.id, "threadId": m.thread_id}} for m in page]
    return {**({"drafts": drafts} if drafts else {}), **more}


def delete(call: Call) -> None:
    """Delete the draft for good, without the trash."""
    with call.mailbox.lock:
        call.mailbox.delete(_draft(call, call.path["id"])[1])


def send(call: Call) -> Json:
    """Send the draft: it is removed and the sent message added in one step. Content in the call is saved before."""
    inner: Json = call.body.get("message", {})
    with call.mailbox.lock:
        _, draft = _draft(call, str(call.body.get("id", "")))
        given = call.media is not None or "raw" in inner
        raw = sending.brought(call, inner) if given else call.world.raw(draft)
        sent, copies = sending.posted(call.world, call.mailbox, raw, draft.thread_id)
        call.mailbox.delete(draft)
    sending.deliver(call.world, call.mailbox, sent, copies)
    return envelope(sent)


def _draft(call: Call, draft_id: str) -> tuple[str, Message]:
    with call.mailbox.lock:
        message_id = call.mailbox.drafts.get(draft_id)
        if message_id is None:
            raise not_found()
        return draft_id, call.mailbox.get(message_id)


def _lagging(call: Call, draft_id: str) -> Message | None:
    gone = call.mailbox.gone.get(draft_id)
    if gone is None:
        return None
    about = (call.mailbox.address, (call.method.name,), (draft_id,), draft_id)
    lags = call.world.faults.struck("read_lag", *about, age=time.monotonic() - gone.when)
    return gone.message if lags else None
