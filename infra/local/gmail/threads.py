"""users.threads: the mails of one thread, those in Spam and Trash and the drafts among them."""

from infra.local.gmail.http.call import Call
from infra.local.gmail.http.errors import ApiError, Json, not_found
from infra.local.gmail.mailbox import Message
from infra.local.gmail.messages import shown


def get(call: Call) -> Json:
    """The thread, oldest message first, each in the format of the call. Raises 404 where reads lag behind them all."""
    with call.mailbox.lock:
        messages = call.mailbox.thread(call.path["id"])
        seen = [answer for answer in (_seen(call, message) for message in messages) if answer]
        if not seen:
            raise not_found()
        newest = max(message.history_id for message in messages)
        return {"id": call.path["id"], "historyId": str(newest), "messages": seen}


def _seen(call: Call, message: Message) -> Json | None:
    try:
        return shown(call, message, call.mask.below("messages"))
    except ApiError:  # behind time
        return None
