"""Connections: which user uses which mailbox, with which features and which grant (D1, D12, W6, W15)."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    case,
    delete,
    exists,
    select,
    tuple_,
    update,
)
from sqlalchemy import Connection as Database

from domain.connections.connections import Connection, ConnectionState, Features, Mode, Sharing
from domain.crm.locations import Location
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.accounts import Grant
from infra.db import features as on
from infra.db.connections.disconnecting import DisconnectingRepository
from infra.db.crm.merges import is_merge_of, same_as, whose
from infra.db.sql import chunks, insert_new
from infra.db.tables.connections import connections, shared_contacts, sign_ins
from infra.db.tables.crm import merges
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import db_now
from infra.secrets import Cipher


class ConnectionRepository(DisconnectingRepository):
    """Connections within one transaction."""

    def __init__(self, db: Database, cipher: Cipher) -> None:
        super().__init__(db)
        self._cipher = cipher

    def working(self, mailbox_id: MailboxId, *, locked: bool = False) -> tuple[Connection, ...]:
        rows = self._db.execute(_WORKING[locked], {"of_mailbox": mailbox_id})
        return tuple(map(self._read, rows))

    def switched_on(self, mailbox_id: MailboxId, *, locked: bool = False) -> tuple[Connection, ...]:
        rows = self._db.execute(_SWITCHED_ON[locked], {"of_mailbox": mailbox_id})
        return tuple(map(self._read, rows))

    def get(self, connection_id: ConnectionId) -> Connection | None:
        row = self._db.execute(_EACH.where(connections.c.id == connection_id)).one_or_none()
        return self._read(row) if row else None

    def of_ids(self, connection_ids: Collection[ConnectionId]) -> Mapping[ConnectionId, Connection]:
        found = (self.those(connections.c.id.in_(chunk)) for chunk in chunks(connection_ids))
        return {connection.id: connection for those in found for connection in those}

    def of_mailbox(self, mailbox_id: MailboxId, *, locked: bool = False) -> tuple[Connection, ...]:
        return self.those(connections.c.mailbox_id == mailbox_id, locked=locked)

    def change(self, connection_id: ConnectionId, features: Features, *, dry_run: bool) -> None:
        self._update(
            connection_id,
            **on.values(features),
            dry_run=dry_run,
            sorting_trouble=None,
            leave_due_at=case((on.goes_off(features), db_now()), else_=connections.c.leave_due_at),
            version=connections.c.version + 1,
        )

    def sign_in_again(self, connection_id: ConnectionId, grant: Grant) -> None:
        self._update(
            connection_id,
            state=ConnectionState.ACTIVE.value,
            grant=self._cipher.seal(grant.text),
            access_trouble=None,
            signed_out_at=None,
            version=connections.c.version + 1,
        )

    def suspend(self, connection_id: ConnectionId) -> bool:
        return self._turn(connection_id, ConnectionState.ACTIVE, ConnectionState.PAUSED)

    def reinstate(self, connection_id: ConnectionId) -> bool:
        return self._turn(connection_id, ConnectionState.PAUSED, ConnectionState.ACTIVE)

    def keep_grant(self, connection: Connection, grant: Grant) -> None:
        self._update(
            connection.id, connections.c.version == connection.version, grant=self._cipher.seal(grant.text)
        )

    def need_sign_in(self, connection: Connection, trouble: str | None = None) -> bool:
        return self._update(
            connection.id,
            connections.c.version == connection.version,
            connections.c.state == ConnectionState.ACTIVE.value,
            state=ConnectionState.REAUTH_NEEDED.value,
            access_trouble=trouble,
            signed_out_at=db_now(),
            version=connections.c.version + 1,
        )

    def refuse(self, connection: Connection, reason: str | None) -> bool:
        known = connections.c.access_trouble
        is_new = known.is_(None) if reason else known.is_not(None)
        this = (connections.c.version == connection.version, is_new)
        return self._update(connection.id, *this, access_trouble=reason)

    def stop_sorting(self, connection: Connection, reason: str) -> bool:
        return self._update(
            connection.id,
            connections.c.version == connection.version,
            connections.c.sorting_trouble.is_(None),
            sorting_trouble=reason,
        )

    def switch_off(self, connection_id: ConnectionId) -> None:
        its = select(connections.c.location_id, connections.c.user_id).where(
            connections.c.id == connection_id
        )
        his = tuple_(sign_ins.c.location_id, sign_ins.c.user_id).in_(its)
        self._db.execute(delete(sign_ins).where(his))
        self._db.execute(delete(shared_contacts).where(shared_contacts.c.connection_id == connection_id))
        self._update(
            connection_id,
            state=ConnectionState.OFF.value,
            **on.values(Features()),
            dry_run=False,
            sharing=Sharing.PRIVATE.value,
            excluded_domains=[],
            leave_due_at=db_now(),
            version=connections.c.version + 1,
        )

    def drop_grant(self, connection_id: ConnectionId) -> None:
        self._update(connection_id, grant=None, version=connections.c.version + 1)

    def share(
        self,
        connection_id: ConnectionId,
        sharing: Sharing | None = None,
        excluded: Collection[str] | None = None,
    ) -> None:
        if sharing is not None:
            self._update(connection_id, sharing=sharing.value)
        if excluded is not None:
            self._update(connection_id, excluded_domains=sorted(excluded))

    def share_contact(self, connection: Connection, contact_id: str, *, shared: bool) -> None:
        tick = {
            "connection_id": connection.id,
            "contact_id": contact_id,
            "location_id": connection.location.id,
        }
        if shared:
            insert_new(self._db, shared_contacts, [tick])
        else:
            its = shared_contacts.c.contact_id.in_(same_as(connection.location.id, contact_id))
            self._db.execute(
                delete(shared_contacts).where(shared_contacts.c.connection_id == connection.id, its)
            )

    def shared_contacts(self, connection_id: ConnectionId) -> frozenset[str]:
        tick = shared_contacts.c
        ticks = select(whose(tick.contact_id)).where(tick.connection_id == connection_id)
        merged = shared_contacts.outerjoin(merges, is_merge_of(tick.location_id, tick.contact_id))
        return frozenset(self._db.scalars(ticks.select_from(merged)))

    def delete(self, connection: Connection) -> bool:
        this = (connections.c.id == connection.id, connections.c.version == connection.version)
        return self._db.execute(delete(connections).where(*this)).rowcount == 1

    def those(
        self, *where: ColumnElement[bool], locked: bool = False, limit: int | None = None
    ) -> tuple[Connection, ...]:
        """The connections that meet these conditions, in the order of their ids. For in_location.py."""
        found = _EACH.where(*where).order_by(connections.c.id).limit(limit)
        rows = self._db.execute(found.with_for_update() if locked else found)
        return tuple(map(self._read, rows))

    def _turn(self, connection_id: ConnectionId, old: ConnectionState, new: ConnectionState) -> bool:
        return self._update(
            connection_id,
            connections.c.state == old.value,
            state=new.value,
            version=connections.c.version + 1,
        )

    def _update(self, connection_id: ConnectionId, *where: ColumnElement[bool], **values: Any) -> bool:
        these = (connections.c.id == connection_id, *where)
        return self._db.execute(update(connections).where(*these).values(**values)).rowcount == 1

    def _read(self, row: Any) -> Connection:
        return Connection(
            id=row.id,
            location=Location(row.location_id, row.organisation_id),
            user_id=row.user_id,
            mailbox_id=row.mailbox_id,
            mode=Mode(row.mode),
            state=ConnectionState(row.state),
            version=row.version,
            features=on.read(row),
            dry_run=row.dry_run,
            grant=Grant(row.provider, self._cipher.unseal(row.grant)) if row.grant else None,
            sorting_trouble=row.sorting_trouble,
            sharing=Sharing(row.sharing),
            excluded_domains=frozenset(row.excluded_domains),
            access_trouble=row.access_trouble,
            signed_out_at=row.signed_out_at,
        )


_EACH = select(
    connections,
    select(mailboxes.c.provider)
    .where(mailboxes.c.id == connections.c.mailbox_id)
    .scalar_subquery()
    .label("provider"),
)
"""Connections with the provider of each one's mailbox, which its grant is for."""


def _switched_on(*where: ColumnElement[bool]) -> Mapping[bool, Select[Any]]:
    """The query, without and with its rows locked. Built once, see infra/db/ledger/statements.py."""
    its = connections.c.mailbox_id == bindparam("of_mailbox")
    these = _EACH.where(its, on.works(), *where)
    query = these.order_by(connections.c.id)
    return {False: query, True: query.with_for_update()}


_SWITCHED_ON = _switched_on()
_WORKING = _switched_on(
    ~exists().where(mailboxes.c.id == bindparam("of_mailbox"), mailboxes.c.paused_at.is_not(None))
)
