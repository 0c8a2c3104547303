"""Conditions on what may be shown of mail: it is kept for a feature that is on, and does not wait to be deleted (D2,
D12).

Switching a feature or a connection off hides all of its mail at once, by one row; the mail is deleted in stretches
after. So every query that shows mail has the condition of its table.
"""

from sqlalchemy import ColumnElement, Exists, and_, exists, or_

from domain.crm.locations import Location
from domain.notifications import NotificationKind
from infra.db.features import keeps_labelled, keeps_mail, keeps_notifications
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications

_keeping = connections.alias("keeping")


def _kept(*where: ColumnElement[bool]) -> Exists:
    return exists().where(keeps_mail(_keeping), *where)


FOR_SORTING = and_(decisions.c.author.is_(None), decisions.c.category.is_not(None))
"""A decision of old mail of which id and category are kept while sorting is on, so that it is never labelled twice."""

MESSAGES = _kept(_keeping.c.mailbox_id == messages.c.mailbox_id)
_OF_STEP = and_(
    _keeping.c.mailbox_id == steps.c.mailbox_id,
    or_(steps.c.connection_id == 0, steps.c.connection_id == _keeping.c.id),
)
STEPS = _kept(_OF_STEP)
DECISIONS = _kept(_keeping.c.id == decisions.c.connection_id, or_(keeps_labelled(_keeping), ~FOR_SORTING))
NOTIFICATIONS = or_(
    notifications.c.kind != NotificationKind.MAIL.value,
    exists().where(keeps_notifications(_keeping), _keeping.c.id == notifications.c.connection_id),
)


def messages_of(location: Location) -> ColumnElement[bool]:
    """Condition on `messages`: kept for a connection of this location. Mail kept for another location's is not shown
    (T2)."""
    return _kept(_keeping.c.mailbox_id == messages.c.mailbox_id, _keeping.c.location_id == location.id)


def steps_of(location: Location) -> ColumnElement[bool]:
    """Condition on `steps`: kept for a connection of this location."""
    return _kept(_OF_STEP, _keeping.c.location_id == location.id)


DELIVERIES = exists().where(notifications.c.id == deliveries.c.notification_id, NOTIFICATIONS)
