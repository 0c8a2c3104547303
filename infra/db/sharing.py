"""Whose mail a viewer may come to see: the connections that D13 is asked about, without their grants."""

from typing import Any

from sqlalchemy import Connection, exists, or_, select

from domain.connections import ConnectionState, Sharing
from domain.organisations import SharingPolicy
from domain.sharing import Share, SharedMailbox
from domain.users import User
from infra.db.schema import connections, mailboxes, shared_contacts, users

_SHOWN = (ConnectionState.ACTIVE.value, ConnectionState.REAUTH_NEEDED.value)


class SharingRows:
    """Sharing within one transaction; nothing here writes."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def mailboxes(
        self, viewer_id: str, contact_id: str | None, policy: SharingPolicy
    ) -> tuple[SharedMailbox, ...]:
        """The viewer's own mailbox, and for a record those that somebody may share with him: all that D13 can
        allow, and few besides. Nothing of a connection that is off or whose user lost the permission."""
        ticked = (
            exists()
            .where(
                shared_contacts.c.connection_id == connections.c.id,
                shared_contacts.c.contact_id == contact_id,
            )
            .correlate(connections)
        )
        mine = connections.c.user_id == viewer_id
        public = {
            "role": [role for role, option in policy.by_role.items() if option is Sharing.PUBLIC],
            "id": [user_id for user_id, option in policy.by_user.items() if option is Sharing.PUBLIC],
        }
        shared = or_(
            connections.c.sharing == Sharing.PUBLIC.value,
            ticked,
            users.c.role.in_(public["role"]),
            connections.c.user_id.in_(public["id"]),
        )
        rows = self._db.execute(
            select(
                connections.c.id.label("connection_id"),
                connections.c.mailbox_id,
                connections.c.user_id,
                connections.c.state,
                connections.c.sharing,
                connections.c.excluded_domains,
                mailboxes.c.address,
                mailboxes.c.paused_at,
                users.c.name,
                users.c.role,
                users.c.roles_above,
                users.c.may_connect,
                users.c.active,
                ticked.label("ticked"),
            )
            .join(mailboxes, mailboxes.c.id == connections.c.mailbox_id)
            .join(users, users.c.id == connections.c.user_id, isouter=True)
            .where(connections.c.state.in_(_SHOWN), mine if contact_id is None else or_(mine, shared))
            .order_by(mailboxes.c.id, connections.c.id)
        )
        return tuple(_read(row) for row in rows)

    def users(self) -> tuple[str, ...]:
        """The users who have a connection, two of them at most: for a setup that has only one."""
        found = select(connections.c.user_id).where(connections.c.state.in_(_SHOWN)).distinct().limit(2)
        return tuple(self._db.scalars(found))


def _read(row: Any) -> SharedMailbox:
    known = row.active is not None
    owner = User(
        row.user_id,
        row.name or "",
        row.role,
        frozenset(row.roles_above or ()),
        may_connect=row.may_connect if known else True,
        active=row.active if known else True,
    )
    share = Share(owner, Sharing(row.sharing), frozenset(row.excluded_domains), bool(row.ticked))
    return SharedMailbox(
        row.connection_id,
        row.mailbox_id,
        row.address,
        ConnectionState(row.state),
        row.paused_at is not None,
        share,
    )
