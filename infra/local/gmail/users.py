"""users.getProfile, watch, stop, history.list, labels and settings.sendAs (FACTS §1-§3)."""

import re
import time
from collections.abc import Callable

from infra.local.gmail.history import Record
from infra.local.gmail.http.call import Call
from infra.local.gmail.http.errors import Json, invalid, not_found, other_project
from infra.local.gmail.http.params import is_number
from infra.local.gmail.mailbox import Mailbox, Watch
from infra.local.gmail.world import WATCH_LIFE

AFTER_EMPTY = "0"
"""Begins the page token of an empty page: the next one is not empty, or nobody would ever get to the end."""

TOPIC = re.compile(r"projects/[^/\s]+/topics/[^/\s]+")


def get_profile(call: Call) -> Json:
    """The address and the newest history id."""
    mailbox = call.mailbox
    with mailbox.lock:
        return {
            "emailAddress": mailbox.address,
            "messagesTotal": len(mailbox),
            "threadsTotal": mailbox.threads,
            "historyId": str(mailbox.history_id),
        }


def watch(call: Call) -> Json:
    """Start notifications for seven days, the first one at once.

    Refused when Pub/Sub has no such topic, when Gmail may not publish to it, and while another topic is watched.
    Without Pub/Sub the topic is not checked.
    """
    topic = str(call.body.get("topicName", ""))
    if not TOPIC.fullmatch(topic):
        raise other_project("*")
    refused = call.world.push.refusal(topic)
    if refused is not None:
        raise refused(topic)
    mailbox = call.mailbox
    now = int(time.time() * 1000)
    behaviour = call.body.get("labelFilterBehavior") or call.body.get("labelFilterAction", "include")
    with mailbox.lock:
        active = mailbox.watch is not None and mailbox.watch.expiration > now
        if active and mailbox.watch is not None and mailbox.watch.topic != topic:
            raise invalid(
                "Only one user push notification client allowed per developer (call /stop then try again)"
            )
        labels = frozenset(call.body.get("labelIds", ()))
        for label_id in labels:
            if label_id not in mailbox.labels:
                raise invalid(f"Invalid label: {label_id}")
        mailbox.watch = Watch(topic, now + WATCH_LIFE, labels, str(behaviour).lower() == "exclude")
        call.world.announce(mailbox, mailbox.watch)
        return {"historyId": str(mailbox.history_id), "expiration": str(mailbox.watch.expiration)}


def stop(call: Call) -> None:
    """End notifications; no error when there is no watch."""
    call.mailbox.watch = None


def list_history(call: Call) -> Json:
    """The changes after startHistoryId, oldest first. Raises 404 when it is too old or unknown."""
    mailbox = call.mailbox
    start = call.text("startHistoryId")
    if not start:
        raise invalid("Missing required parameter: startHistoryId")
    token = call.text("pageToken")
    if token and not is_number(token):
        raise invalid("Invalid pageToken")
    with mailbox.lock:
        if not mailbox.history.floor <= int(start) <= mailbox.history_id or _refused(call):
            raise not_found()
        after = max(int(start), int(token or 0))
        answer: Json = {"historyId": str(mailbox.history_id)}
        if not token.startswith(AFTER_EMPTY) and _struck(call, "empty_page"):
            return {**answer, "nextPageToken": f"{AFTER_EMPTY}{after}"}
        wanted = (call.many("historyTypes"), call.text("labelId"), _hidden(call))
        records, more = mailbox.history.page(after, call.page_size(), *wanted)
        shown = records
        if _struck(call, "repeat_page"):  # the last one of the page before, and each of this one twice
            earlier, _ = mailbox.history.page(int(start), after, *wanted)
            shown = [record for record in earlier if record.id <= after][-1:]
            shown += [record for record in records for _ in range(2)]
    if shown:
        label_ids = not _struck(call, "omit_label_ids")
        answer["history"] = [record.as_json(label_ids=label_ids) for record in shown]
    if more:
        answer["nextPageToken"] = str(records[-1].id)
    return answer


def _refused(call: Call) -> bool:
    """Whether this start id is too old by a fault: this once, or whatever it is, as in some mailboxes."""
    refusal = call.world.faults.struck("refuse_history", call.mailbox.address, thing=call.mailbox.address)
    return refusal is not None or _struck(call, "expire_history")


def _hidden(call: Call) -> Callable[[Record], bool]:
    """Which records an answer leaves out although its historyId is ahead of them: for some time, or for good."""
    faults, mailbox, now = call.world.faults, call.mailbox, time.monotonic()

    def hidden(record: Record) -> bool:
        about = str(record.id)
        if faults.struck("history_drop", mailbox.address, thing=about, born=record.made):
            mailbox.history.lose(record)
            return True
        age = now - record.made
        return faults.struck("history_lag", mailbox.address, thing=about, age=age) is not None

    return hidden


def _struck(call: Call, kind: str) -> bool:
    return call.world.faults.struck(kind, call.mailbox.address, ("history.list",)) is not None


def list_labels(call: Call) -> Json:
    """All labels, without counts."""
    with call.mailbox.lock:
        return {"labels": [label.as_json() for label in call.mailbox.labels.all()]}


def get_label(call: Call) -> Json:
    """One label with its counts."""
    with call.mailbox.lock:
        label = call.mailbox.labels.get(call.path["id"])
        return {**label.as_json(), **call.mailbox.count(label.id)}


def create_label(call: Call) -> Json:
    """Create a label. Raises 409 for a name that exists, 400 for a reserved one."""
    with call.mailbox.lock:
        return call.mailbox.labels.create(call.body).as_json()


def update_label(call: Call) -> Json:
    """PUT: fields that are not sent return to their defaults."""
    with call.mailbox.lock:
        return call.mailbox.labels.change(call.path["id"], call.body, replace=True).as_json()


def patch_label(call: Call) -> Json:
    """PATCH: fields that are not sent stay."""
    with call.mailbox.lock:
        return call.mailbox.labels.change(call.path["id"], call.body, replace=False).as_json()


def delete_label(call: Call) -> None:
    """Remove the label from the mailbox and from every message."""
    call.mailbox.delete_label(call.path["id"])


def list_send_as(call: Call) -> Json:
    """The primary address and the aliases, verified or not yet."""
    return {"sendAs": _send_as(call)}


def get_send_as(call: Call) -> Json:
    """One sendAs address. Raises 404."""
    wanted = call.path["sendAsEmail"].lower()
    for one in _send_as(call):
        if str(one["sendAsEmail"]).lower() == wanted:
            return one
    raise not_found()


def _send_as(call: Call) -> list[Json]:
    """What Google leaves out is left out here: a status and `treatAsAlias` are of custom "from" addresses alone,
    not of the primary nor of aliases of its domain (FACTS §5), and an address without a name has none."""
    mailbox = call.mailbox
    domain = mailbox.address.lower().rpartition("@")[2]
    found = [_one(mailbox, mailbox.address) | {"isPrimary": True, "isDefault": True}]
    for alias in mailbox.aliases:
        is_custom = alias.lower().rpartition("@")[2] != domain
        found.append(_one(mailbox, alias) | (_custom("accepted") if is_custom else {}))
    return found + [_one(mailbox, alias) | _custom("pending") for alias in mailbox.pending]


def _one(mailbox: Mailbox, address: str) -> Json:
    name = mailbox.names.get(address.lower())
    return {"sendAsEmail": address, "replyToAddress": "", "signature": ""} | (
        {"displayName": name} if name else {}
    )


def _custom(status: str) -> Json:
    return {"treatAsAlias": True, "verificationStatus": status}
