"""What control does with one mailbox: the user's own hand on mails and labels, its history, its dump."""

from collections.abc import Callable, Mapping

from infra.local.gmail.http.errors import Json
from infra.local.gmail.labels import MAX_LABELS
from infra.local.gmail.mailbox import Mailbox, Message, Rule


def dump(mailbox: Mailbox, _: Json) -> Json:
    """The mailbox at one moment, oldest message first, no mail content."""
    with mailbox.lock:
        names = {label.id: label.name for label in mailbox.labels.all()}
        watch = mailbox.watch
        return {
            "address": mailbox.address,
            "aliases": list(mailbox.aliases),
            "drafts": dict(mailbox.drafts),
            "historyId": str(mailbox.history_id),
            "watch": {"topic": watch.topic, "expiration": watch.expiration} if watch else None,
            "labels": names,
            "messages": [_shown(message, names) for message in mailbox.messages()],
        }


def _shown(message: Message, names: Mapping[str, str]) -> Json:
    return {
        "id": message.id,
        "threadId": message.thread_id,
        "labelIds": sorted(message.labels),
        "labels": sorted(names.get(label, label) for label in message.labels),
        "internalDate": message.internal_date,
        "historyId": str(message.history_id),
        "size": message.place.length,
    }


def change_labels(mailbox: Mailbox, body: Json) -> Json:
    """Labels by id or name, new names are created; all the mails at one moment."""
    with mailbox.lock:
        messages = [mailbox.get(message_id) for message_id in body["ids"]]
        add = [mailbox.label_for(label).id for label in body.get("add", ())]
        remove = [mailbox.label_for(label).id for label in body.get("remove", ())]
        for message in messages:
            mailbox.relabel(message, add, remove)
    return {}


def delete_messages(mailbox: Mailbox, body: Json) -> Json:
    """The user empties the trash."""
    for message_id in body["ids"]:
        mailbox.delete(mailbox.get(message_id))
    return {}


def rename_label(mailbox: Mailbox, body: Json) -> Json:
    """The label keeps its id; no history tells of it, as in Gmail."""
    with mailbox.lock:
        mailbox.labels.change(str(body["id"]), {"name": str(body["name"])}, replace=False)
    return {}


def delete_label(mailbox: Mailbox, body: Json) -> Json:
    """The user throws a label away; it leaves every message."""
    mailbox.delete_label(str(body["id"]))
    return {}


def limit_labels(mailbox: Mailbox, body: Json) -> Json:
    """How many labels there may be, the system's among them."""
    mailbox.labels.most = int(body.get("most", MAX_LABELS))
    return {}


def limit_sending(mailbox: Mailbox, body: Json) -> Json:
    """How many mails may leave within a day; those of today count."""
    mailbox.sending.most = int(body["most"])
    return {}


def add_filter(mailbox: Mailbox, body: Json) -> Json:
    """From address → label and/or archive, for mail that arrives from now on."""
    label = mailbox.label_for(body["label"]).id if body.get("label") else None
    mailbox.rules.append(Rule(body["sender"].lower(), label, bool(body.get("archive"))))
    return {"label_id": label}


def expire_history(mailbox: Mailbox, _: Json) -> Json:
    """Every history id so far answers 404 from now on."""
    return {"historyId": str(mailbox.expire_history())}


COMMANDS: Mapping[str, Callable[[Mailbox, Json], Json]] = {
    "GET ": dump,
    "POST labels": change_labels,
    "POST delete": delete_messages,
    "POST rename_label": rename_label,
    "POST delete_label": delete_label,
    "POST limit_labels": limit_labels,
    "POST limit_sending": limit_sending,
    "POST filters": add_filter,
    "POST expire_history": expire_history,
}
