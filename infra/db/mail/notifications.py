"""Put notifications on users' lists, and deliveries on their way from there (D11, E86, I5)."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection as Database
from sqlalchemy import bindparam, insert, or_, select

from domain.connections.connections import Connection
from domain.ids import ChannelId
from domain.ledger import Claim, Link, State, StepKey
from domain.notifications import NotificationKind, Told, is_late
from domain.retention import Data
from infra.db.channels import to_add_to
from infra.db.mail.details import only
from infra.db.sql import insert_new, insert_returning
from infra.db.tables.channels import channels, deliveries
from infra.db.tables.mail import notifications
from infra.db.types import NOW, db_now, seconds


class NotificationRepository:
    """Notifications within one transaction. `redrive_after`: seconds (W2). `gather`: seconds for which late mail waits
    for others to become one summary (E91)."""

    def __init__(self, db: Database, redrive_after: float, gather: float) -> None:
        self._db = db
        self._redrive_after = redrive_after
        self._gather = gather

    def notify(
        self,
        connection: Connection,
        claims: Collection[Claim],
        links: Mapping[StepKey, Link],
        kept: Collection[Data],
    ) -> Told:
        if not claims:
            return Told((), frozenset())
        now = self._db.scalars(_NOW).one()
        rows = []
        for claim in sorted(claims, key=lambda claim: links[claim.key].received_at):
            link = links[claim.key]
            rows.append(
                {
                    **_whose(connection),
                    "message_id": claim.message_id,
                    "contact_id": link.contact_id,
                    "author": link.author,
                    "via_list": link.via_list,
                    "received_at": link.received_at,
                    "late": is_late(link.received_at, now),
                }
            )
        added = notifications.c
        told = insert_returning(
            self._db, notifications, only(kept, rows), added.id, added.message_id, added.late, created_at=NOW
        )
        told.sort(key=lambda row: int(row.id))
        return Told(
            tuple(row.message_id for row in told),
            self._send_out(connection, {row.id: row.late for row in told}),
        )

    def tell(self, connection: Connection, kind: NotificationKind) -> frozenset[ChannelId]:
        [new] = self._db.scalars(
            insert(notifications)
            .values(kind=kind.value, created_at=db_now(), **_whose(connection))
            .returning(notifications.c.id)
        )
        return self._send_out(connection, {new: False})

    def _send_out(self, connection: Connection, new: Mapping[int, bool]) -> frozenset[ChannelId]:
        """Add a delivery to each active channel for each new notification, given by id with whether it is late. Returns
        the channels."""
        if not new:
            return frozenset()
        found = self._db.scalars(_CHANNELS, _of(connection)).all()
        rows: list[dict[str, Any]] = [
            {
                "channel_id": channel_id,
                "notification_id": notification_id,
                "user_id": connection.user_id,
                "state": State.WAITING.value,
                "ready_after": self._gather if late else 0,
                "redrive_after": self._gather if late else self._redrive_after,
            }
            for channel_id in found
            for notification_id, late in new.items()
        ]
        insert_new(self._db, deliveries, rows, ready_at=_READY_AT, redrive_at=_REDRIVE_AT)
        return frozenset(found)


# Built once, see infra/db/ledger/statements.py.
_NOW = select(NOW)
_READY_AT, _REDRIVE_AT = db_now(seconds("ready_after")), db_now(seconds("redrive_after"))
_CHANNELS = to_add_to(or_(channels.c.user_id.is_(None), channels.c.user_id == bindparam("of_user")))


def _of(connection: Connection) -> dict[str, Any]:
    return {"organisation": connection.location.organisation_id, "of_user": connection.user_id}


def _whose(connection: Connection) -> dict[str, Any]:
    return {
        "connection_id": connection.id,
        "organisation_id": connection.location.organisation_id,
        "location_id": connection.location.id,
        "user_id": connection.user_id,
    }
