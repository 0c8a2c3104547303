"""The pipeline on one screen: which event wakes which actors."""

from domain.events import DeliveryDue, Event, MailAnnounced, MailboxChanged, MailFound, MailMatched, WatchDue

ROUTES: dict[type[Event], tuple[str, ...]] = {
    MailboxChanged: ("mailboxes.catch_up",),
    MailFound: ("contacts.match",),
    MailMatched: ("notifications.announce",),
    MailAnnounced: ("labels.sort",),
    WatchDue: ("mailboxes.renew_watch",),
    DeliveryDue: ("channels.deliver",),
}
