"""The pipeline on one screen: which event wakes which actors."""

from domain.events import (
    ComparisonDue,
    ConnectionEnded,
    DeliveryDue,
    Event,
    MailAnnounced,
    MailboxChanged,
    MailFound,
    MailMatched,
    SendingDue,
    WatchDue,
)

ROUTES: dict[type[Event], tuple[str, ...]] = {
    MailboxChanged: ("mailboxes.catch_up",),
    MailFound: ("contacts.match",),
    MailMatched: ("notifications.announce",),
    MailAnnounced: ("labels.sort",),
    ConnectionEnded: ("mailboxes.leave",),
    WatchDue: ("mailboxes.renew_watch",),
    ComparisonDue: ("mailboxes.compare",),
    DeliveryDue: ("channels.deliver",),
    SendingDue: ("sending.deliver",),
}
