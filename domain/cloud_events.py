"""The events that channels send: CloudEvents 1.0, with the three details of a mail that D2 allows or, of a
conversation, with ids and facts of ours; and a line for people."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from domain.conversations.events import ConversationEvent
from domain.notifications import NotificationKind
from domain.parcels import AnyParcel, ChannelNotification, EventParcel, Parcel, event_id

SOURCE = "urn:lodestone"
SUMMARISED = "lodestone.mail.summarised"
TESTED = "lodestone.channel.tested"
TYPES = {
    NotificationKind.MAIL: "lodestone.mail.received",
    NotificationKind.SIGN_IN_NEEDED: "lodestone.connection.expired",
    NotificationKind.SORTING_FAILED: "lodestone.sorting.failed",
    NotificationKind.ACCESS_REFUSED: "lodestone.connection.refused",
}

_SENTENCES = {
    NotificationKind.SIGN_IN_NEEDED: "The mailbox of {user} no longer lets the CRM in: please sign in again",
    NotificationKind.SORTING_FAILED: "Mail of {user} is no longer sorted: no more labels can be made in this mailbox",
    NotificationKind.ACCESS_REFUSED: "The CRM is not let into the mailbox of {user}: its administrator can change that",
}
_MEANINGFUL = str.maketrans("", "", "<>@*_`|[]")
"""Characters that chat services read as mentions, links or style. Names come from web forms."""


def event(parcel: AnyParcel) -> Mapping[str, Any]:
    """The event as a JSON object in CloudEvents' structured mode."""
    if isinstance(parcel, EventParcel):
        return _of_conversation(parcel)
    if parcel.summary:
        return _summary(parcel)
    [item] = parcel.items
    of_mail = item.kind is NotificationKind.MAIL
    subject = {"subject": item.message_id} if of_mail else {}
    data: dict[str, Any] = {
        "user_id": item.user_id,
        "connection_id": item.connection_id,
        "notification_id": item.id,
    }
    if of_mail:
        data |= {
            "contact_id": item.contact_id,
            "name": item.name,
            "from": item.author,
            "via_list": item.via_list,
            "received_at": item.received_at and moment(item.received_at),
            "message_id": item.message_id,
        }
    at = item.received_at or item.created_at
    return envelope(event_id(parcel), TYPES[item.kind], item.location, at, data, **subject)


def envelope(
    event_id: str, kind: str, location: str, at: datetime, data: Mapping[str, Any], **subject: str | None
) -> Mapping[str, Any]:
    """An event with the attributes that all have.

    `location` is an extension attribute of ours. It is there also while there is only one location, so that a
    receiver need not change for the second (T1).
    """
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        **subject,
        "location": location,
        "time": moment(at),
        "datacontenttype": "application/json",
        "data": data,
    }


def line(parcel: AnyParcel) -> str:
    """The event in one line for people."""
    if isinstance(parcel, EventParcel):
        return f"{parcel.event.kind.value} {parcel.event.conversation_id}"
    if parcel.summary:
        times = _times(parcel)
        many = len(parcel.items)
        return (
            f"{many} {'mail' if many == 1 else 'mails'} of your leads and contacts came between "
            f"{_said(min(times))} and {_said(max(times))}"
        )
    [item] = parcel.items
    if item.kind is not NotificationKind.MAIL:
        return _SENTENCES[item.kind].format(user=_plain(item.user_id))
    name = _plain(item.name or "")
    author = "".join(char for char in item.author or "" if char.isprintable() and char not in "<>")
    who = f"{name} ({author})" if name else author
    how = " via a list" if item.via_list else ""
    return f"{who} has written{how}" + (f", {_said(item.received_at)}" if item.received_at else "")


def moment(at: datetime) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def facts(its: ConversationEvent) -> dict[str, Any]:
    """What an event of a conversation says, the same wherever it is told."""
    return {
        "event_id": its.id,
        "conversation_id": its.conversation_id,
        "sequence": its.sequence,
        "contact_id": its.contact_id,
        "mail_id": its.mail_id,
        "direction": its.direction and its.direction.value,
        "user_id": its.user_id,
        "sending_id": its.sending_id,
        "reason": its.reason,
    }


def _of_conversation(parcel: EventParcel) -> Mapping[str, Any]:
    its = parcel.event
    kind = f"lodestone.{its.kind.value}"
    return envelope(
        event_id(parcel), kind, its.location, its.created_at, facts(its), subject=its.conversation_id
    )


def _summary(parcel: Parcel) -> Mapping[str, Any]:
    times = _times(parcel)
    data = {
        "user_id": parcel.items[0].user_id,
        "count": len(parcel.items),
        "message_ids": [item.message_id for item in parcel.items],
        "oldest_received_at": moment(min(times)),
        "newest_received_at": moment(max(times)),
    }
    return envelope(event_id(parcel), SUMMARISED, parcel.items[0].location, max(times), data)


def _times(parcel: Parcel) -> list[datetime]:
    return [_time(item) for item in parcel.items]


def _time(item: ChannelNotification) -> datetime:
    return item.received_at or item.created_at


def _said(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B %H:%M} UTC"


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).translate(_MEANINGFUL).split())
