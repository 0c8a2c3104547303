"""Connections: who uses which mailbox, by which settings, with which grant (D1, D12, W6, W15)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, select, update
from sqlalchemy import Connection as Database

from domain.connections import Connection, ConnectionState, Sharing
from domain.mailboxes import Grant
from infra.db.schema import connections, decisions, mailboxes, messages, notifications, steps
from infra.db.types import db_now
from infra.secrets import Cipher


class ConnectionRows:
    """Connections within one transaction."""

    def __init__(self, db: Database, cipher: Cipher) -> None:
        self._db = db
        self._cipher = cipher

    def working(self, mailbox_id: int, *, locked: bool = False) -> tuple[Connection, ...]:
        """Those that are switched on; nobody while the mailbox is paused (D3 row 1)."""
        paused = exists().where(mailboxes.c.id == mailbox_id, mailboxes.c.paused_at.is_not(None))
        return self._switched_on(mailbox_id, ~paused, locked=locked)

    def switched_on(self, mailbox_id: int, *, locked: bool = False) -> tuple[Connection, ...]:
        """Active connections of the mailbox with MailMagnet on, paused or not, the first made first.

        `locked` keeps their settings as they are until the commit (W6), and puts the notifications of one
        connection into the order of their commits, so that a reader who asks for "after" misses none.
        """
        return self._switched_on(mailbox_id, locked=locked)

    def _switched_on(
        self, mailbox_id: int, *where: ColumnElement[bool], locked: bool
    ) -> tuple[Connection, ...]:
        query = (
            select(connections)
            .where(
                connections.c.mailbox_id == mailbox_id,
                connections.c.state == ConnectionState.ACTIVE.value,
                connections.c.magnet_since.is_not(None),
                *where,
            )
            .order_by(connections.c.id)
        )
        rows = self._db.execute(query.with_for_update() if locked else query)
        return tuple(self._read(row) for row in rows)

    def get(self, connection_id: int) -> Connection | None:
        """One connection, whatever its state."""
        row = self._db.execute(select(connections).where(connections.c.id == connection_id)).one_or_none()
        return self._read(row) if row else None

    def of_user(self, user_id: str) -> tuple[Connection, ...]:
        """All connections of the user, whatever their state."""
        rows = self._db.execute(
            select(connections).where(connections.c.user_id == user_id).order_by(connections.c.id)
        )
        return tuple(self._read(row) for row in rows)

    def of_mailbox(self, mailbox_id: int) -> tuple[Connection, ...]:
        """All connections of the mailbox, whatever their state."""
        rows = self._db.execute(
            select(connections).where(connections.c.mailbox_id == mailbox_id).order_by(connections.c.id)
        )
        return tuple(self._read(row) for row in rows)

    def add(self, user_id: str, mailbox_id: int, grant: Grant) -> int:
        """A new LIVE connection with both features off (Z11)."""
        added = self._db.scalars(
            insert(connections)
            .values(
                user_id=user_id,
                mailbox_id=mailbox_id,
                mode="LIVE",
                state=ConnectionState.ACTIVE.value,
                grant=self._cipher.seal(grant),
                created_at=db_now(),
            )
            .returning(connections.c.id)
        )
        return int(added.one())

    def change(
        self,
        connection_id: int,
        *,
        magnet_since: datetime | None,
        sorting_since: datetime | None,
        dry_run: bool,
    ) -> None:
        """New settings, at once also for jobs in flight: the version grows (W6). Sorting begins afresh (E67).

        With sorting goes what is kept for it alone: old mail's id and category.
        """
        if sorting_since is None:
            old = (decisions.c.connection_id == connection_id, decisions.c.author.is_(None))
            self._db.execute(delete(decisions).where(*old, decisions.c.category.is_not(None)))
        self._update(
            connection_id,
            magnet_since=magnet_since,
            sorting_since=sorting_since,
            dry_run=dry_run,
            sorting_trouble=None,
            version=connections.c.version + 1,
        )

    def sign_in_again(self, connection_id: int, grant: Grant) -> None:
        """The user has signed in with the same account: what waited goes on (D12)."""
        self._update(
            connection_id,
            state=ConnectionState.ACTIVE.value,
            grant=self._cipher.seal(grant),
            version=connections.c.version + 1,
        )

    def keep_grant(self, connection: Connection, grant: Grant) -> None:
        """A refreshed access token, so that other processes need no refresh of their own.

        Not if the connection has changed since it was read: its user may have signed in again.
        """
        self._update(
            connection.id, connections.c.version == connection.version, grant=self._cipher.seal(grant)
        )

    def need_sign_in(self, connection: Connection) -> bool:
        """The grant that the connection was read with is gone (E86); True for the one who noticed first."""
        return self._update(
            connection.id,
            connections.c.version == connection.version,
            connections.c.state == ConnectionState.ACTIVE.value,
            state=ConnectionState.REAUTH_NEEDED.value,
            version=connections.c.version + 1,
        )

    def stop_sorting(self, connection: Connection, reason: str) -> bool:
        """Sorting is in state "error" until the settings are saved again (E67); True for the one who noticed
        first. Not if they have been since."""
        return self._update(
            connection.id,
            connections.c.version == connection.version,
            connections.c.sorting_trouble.is_(None),
            sorting_trouble=reason,
        )

    def switch_off(self, connection_id: int) -> None:
        """Nothing more is done for it; the row stays until the grant is ended at the provider."""
        self._update(connection_id, state=ConnectionState.OFF.value, version=connections.c.version + 1)

    def delete_mail(self, connection: Connection) -> None:
        """All that was kept of mail for this connection (D12, Z44)."""
        for table in (notifications, decisions):
            self._db.execute(delete(table).where(table.c.connection_id == connection.id))
        theirs = (steps.c.mailbox_id == connection.mailbox_id, steps.c.connection_id == connection.id)
        self._db.execute(delete(steps).where(*theirs))

    def delete_mailbox_mail(self, mailbox_id: int) -> None:
        """The rows of mail that no connection waits for any more."""
        for table in (steps, messages):
            self._db.execute(delete(table).where(table.c.mailbox_id == mailbox_id))

    def delete(self, connection_id: int) -> None:
        """The connection and its grant."""
        self._db.execute(delete(connections).where(connections.c.id == connection_id))

    def _update(self, connection_id: int, *where: ColumnElement[bool], **values: Any) -> bool:
        these = (connections.c.id == connection_id, *where)
        return self._db.execute(update(connections).where(*these).values(**values)).rowcount == 1

    def _read(self, row: Any) -> Connection:
        return Connection(
            id=row.id,
            user_id=row.user_id,
            mailbox_id=row.mailbox_id,
            state=ConnectionState(row.state),
            version=row.version,
            magnet_since=row.magnet_since,
            sorting_since=row.sorting_since,
            dry_run=row.dry_run,
            grant=row.grant and self._cipher.unseal(row.grant),
            sorting_trouble=row.sorting_trouble,
            sharing=Sharing(row.sharing),
            excluded_domains=frozenset(row.excluded_domains),
        )
