"""The lists of notifications as an organisation's users read them (Z25, Z27)."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, select

from domain.connections.connections import ConnectionState
from domain.crm.locations import Location
from domain.notifications import NotificationKind
from domain.reports import Notification
from infra.db.crm.merges import is_merge_of, person_of, whose
from infra.db.mail.kept import NOTIFICATIONS
from infra.db.tables.connections import connections
from infra.db.tables.crm import contacts, merges
from infra.db.tables.mail import notifications


class NotificationListRepository:
    """The lists of one organisation's users, within one transaction."""

    def __init__(self, db: Connection, organisation_id: int) -> None:
        self._db = db
        self._here = notifications.c.organisation_id == organisation_id

    def of_user(self, user_id: str, after: int, limit: int | None = None) -> tuple[Notification, ...]:
        withdrawn = exists().where(
            connections.c.id == notifications.c.connection_id,
            connections.c.state == ConnectionState.PAUSED.value,
        )
        shown = (notifications.c.kind != NotificationKind.MAIL.value) | ~withdrawn
        his = (self._here, notifications.c.user_id == user_id, notifications.c.id > after)
        page = _NAMED.where(*his, shown, NOTIFICATIONS).order_by(notifications.c.id).limit(limit)
        return tuple(map(_read, self._db.execute(page)))

    def get(self, notification_id: int, user_id: str) -> Notification | None:
        row = self._db.execute(_NAMED.where(*self._his(notification_id, user_id))).one_or_none()
        return None if row is None else _read(row)

    def remove(self, notification_id: int, user_id: str) -> bool:
        removed = self._db.execute(delete(notifications).where(*self._his(notification_id, user_id)))
        return removed.rowcount == 1

    def _his(self, notification_id: int, user_id: str) -> tuple[ColumnElement[bool], ...]:
        return (
            self._here,
            notifications.c.id == notification_id,
            notifications.c.user_id == user_id,
            NOTIFICATIONS,
        )


_WHOSE = whose(notifications.c.contact_id)
_NAMED: Select[Any] = (
    select(notifications, contacts.c.name, _WHOSE.label("whose"))
    .select_from(notifications)
    .outerjoin(merges, is_merge_of(notifications.c.location_id, notifications.c.contact_id))
    .outerjoin(contacts, person_of(notifications.c.location_id, notifications.c.contact_id))
)


def _read(row: Any) -> Notification:
    return Notification(
        row.id,
        NotificationKind(row.kind),
        row.late,
        row.name,
        row.author,
        row.received_at,
        row.message_id,
        row.whose,
        row.via_list,
        Location(row.location_id, row.organisation_id),
    )
