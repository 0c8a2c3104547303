"""The mailboxes whose mail a viewer may be shown: the connections that the rules of D13 decide on, without grants."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, false, func, literal_column, select, union

from domain.connections.connections import ConnectionState, Sharing
from domain.connections.sharing import Share, SharedMailbox
from domain.crm.locations import Location
from domain.crm.organisations import SharingPolicy
from domain.crm.users import User
from infra.db.crm.merges import same_as
from infra.db.tables.connections import connections, shared_contacts
from infra.db.tables.crm import users
from infra.db.tables.mailboxes import mailboxes

_PUBLIC = connections.c.sharing == literal_column("'public'")
"""Written out for its index, see IS_WAITING in infra/db/tables/ledger.py."""

_SHOWN = (ConnectionState.ACTIVE.value, ConnectionState.REAUTH_NEEDED.value)


class SharingRepository:
    """Sharing in one location, within one transaction; nothing here writes."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location
        self._here = connections.c.location_id == location.id

    def mailboxes(
        self, viewer_id: str, contact_id: str | None, policy: SharingPolicy
    ) -> tuple[SharedMailbox, ...]:
        these: list[ColumnElement[bool]] = [connections.c.user_id == viewer_id]
        ticked: ColumnElement[bool] = false()
        if contact_id is not None:
            same = shared_contacts.c.contact_id.in_(same_as(self._location.id, contact_id))
            its = exists().where(shared_contacts.c.connection_id == connections.c.id, same)
            ticked = its.correlate(connections)
            roles = [role for role, option in policy.by_role.items() if option is Sharing.PUBLIC]
            user_ids = [user_id for user_id, option in policy.by_user.items() if option is Sharing.PUBLIC]
            these += [
                _PUBLIC,
                connections.c.id.in_(
                    select(shared_contacts.c.connection_id).where(
                        shared_contacts.c.location_id == self._location.id, same
                    )
                ),
                connections.c.user_id.in_(
                    select(users.c.id).where(
                        users.c.organisation_id == self._location.organisation_id, users.c.role.in_(roles)
                    )
                ),
                connections.c.user_id.in_(user_ids),
            ]
        # One query for each condition, by its index: for all in one the database would read every connection.
        found = union(*(select(connections.c.id).where(self._here, condition) for condition in these)).cte(
            "found"
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
            .select_from(found.join(connections, connections.c.id == found.c.id))
            .join(mailboxes, mailboxes.c.id == connections.c.mailbox_id)
            .join(
                users,
                (users.c.organisation_id == connections.c.organisation_id)
                & (users.c.id == connections.c.user_id),
                isouter=True,
            )
            .where(self._here, connections.c.state.in_(_SHOWN))
            .order_by(mailboxes.c.id, connections.c.id)
        )
        return tuple(_read(row) for row in rows)

    def users(self) -> tuple[str, ...]:
        ends = select(func.min(connections.c.user_id), func.max(connections.c.user_id))
        first, last = self._db.execute(ends.where(self._here, connections.c.state.in_(_SHOWN))).one()
        return tuple(sorted({first, last} - {None}))


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
