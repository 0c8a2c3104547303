"""Work that is left after a connection or a feature was switched off: rows to delete, the provider to tell.

`leave_due_at` is set in the transaction that switches it off, and says that work is left. So if a process is killed
meanwhile, another one goes on (D12).
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    case,
    delete,
    exists,
    func,
    select,
    union_all,
    update,
)

from domain.connections.connections import Connection as Left
from domain.connections.connections import ConnectionState
from domain.ids import ConnectionId, MailboxId
from domain.retention import After, Forgotten
from infra.db.ledger.claims import redrive
from infra.db.mail.kept import FOR_SORTING
from infra.db.sql import lock
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.db.types import db_now

_OFF = connections.c.state == ConnectionState.OFF.value


class DisconnectingRepository:
    """Connections that are being ended, within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def is_ending(self, mailbox_id: MailboxId) -> bool:
        left = (connections.c.mailbox_id == mailbox_id, _OFF, connections.c.leave_due_at > db_now())
        return self._db.scalar(select(exists().where(*left))) or False

    def claim_ending(self, connection_id: ConnectionId, seconds: float) -> bool:
        return self._due(connection_id, seconds, _OFF)

    def claim_clearing(self, connection_id: ConnectionId, seconds: float) -> bool:
        return self._due(connection_id, seconds, connections.c.leave_due_at.is_not(None))

    def cleared(self, connection_id: ConnectionId) -> None:
        done = update(connections).where(connections.c.id == connection_id)
        self._db.execute(done.values(leave_due_at=case((_OFF, db_now()))))

    def disconnecting_in(self, mailbox_id: MailboxId) -> tuple[ConnectionId, ...]:
        left = (connections.c.mailbox_id == mailbox_id, connections.c.leave_due_at.is_not(None))
        return tuple(self._db.scalars(select(connections.c.id).where(*left).order_by(connections.c.id)))

    def redrive_disconnecting(self, limit: int, again_after: float) -> tuple[ConnectionId, ...]:
        return redrive(self._db, connections.c.leave_due_at, limit, again_after)

    def delete_own_notifications(self, connection_id: ConnectionId) -> None:
        self._delete_notifications(
            notifications.c.connection_id == connection_id, notifications.c.message_id.is_(None)
        )

    def delete_mail(self, connection: Left, limit: int, after: After, *, alone: bool) -> Forgotten:
        of_mailbox = steps.c.mailbox_id == connection.mailbox_id
        theirs = (of_mailbox,) if alone else (of_mailbox, steps.c.connection_id == connection.id)
        its = decisions.c.connection_id == connection.id
        told = notifications.c.connection_id == connection.id
        whole = messages.c.mailbox_id == connection.mailbox_id
        looked_at = {decisions: its}
        if not connection.keeps_mail:
            looked_at[steps] = of_mailbox
        if not connection.keeps_notifications:
            looked_at[notifications] = told
        if alone:
            looked_at |= {messages: whole}
        last: str | None = self._db.scalar(_last(looked_at, limit, after))
        if not connection.keeps_mail:
            self._delete(steps, *theirs, *_between(steps, after, last))
        kept = (FOR_SORTING,) if connection.keeps_mail else ()
        rows = self._delete(decisions, its, *kept, *_between(decisions, after, last))
        if alone:
            self._delete(messages, whole, *_between(messages, after, last))
        if not connection.keeps_notifications:
            self._delete_notifications(told, *_between(notifications, after, last))
        return Forgotten(rows, None if last is None else (last,))

    def _due(self, connection_id: ConnectionId, seconds: float, *where: ColumnElement[bool]) -> bool:
        due = update(connections).where(connections.c.id == connection_id, *where)
        return self._db.execute(due.values(leave_due_at=db_now(seconds))).rowcount == 1

    def _delete(self, table: Table, *these: ColumnElement[bool]) -> int:
        """The rows are locked first, by a statement of their own: in one statement PostgreSQL compares each row that it
        deletes with all that it has locked."""
        lock(self._db, table, *these)
        return self._db.execute(delete(table).where(*these)).rowcount

    def _delete_notifications(self, *these: ColumnElement[bool]) -> None:
        lock(self._db, notifications, *these)
        ids = select(notifications.c.id).where(*these)
        lock(self._db, deliveries, deliveries.c.notification_id.in_(ids))  # the cascade deletes them
        self._db.execute(delete(notifications).where(*these))


def _between(table: Table, after: After, last: str | None) -> tuple[ColumnElement[bool], ...]:
    """Rows of mail after the last stretch, up to the end of this one. Rows that are not of mail have no message id."""
    behind = table.c.message_id > (after[0] if after else "")
    return (behind,) if last is None else (behind, table.c.message_id <= last)


def _last(looked_at: dict[Table, ColumnElement[bool]], limit: int, after: After) -> Select[Any]:
    """The message id that ends the stretch, so that no table has more than `limit` rows in it; NULL where none has so
    many left."""
    ends = union_all(
        *(
            select(
                select(table.c.message_id)
                .where(its, *_between(table, after, None))
                .order_by(table.c.message_id)
                .offset(limit - 1)
                .limit(1)
                .scalar_subquery()
                .label("message_id")
            )
            for table, its in looked_at.items()
        )
    ).subquery()
    return select(func.min(ends.c.message_id))
