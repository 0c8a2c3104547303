"""Own addresses that the provider does not list (E14): rows of the mailbox's addresses, with their connection."""

from collections.abc import Collection, Mapping
from typing import TypeVar

from sqlalchemy import Column, ColumnElement, and_, delete, exists, or_, select
from sqlalchemy import Connection as Database

from domain.connections.aliases import Alias, Holders, held_by
from domain.connections.connections import Connection
from domain.crm.locations import Location
from domain.mail.addresses import loose
from infra.db.crm.organisations import locations_of
from infra.db.sql import chunks, insert_returning, take_turn
from infra.db.tables.connections import connections
from infra.db.tables.crm import contact_addresses, locations, user_addresses
from infra.db.tables.mailboxes import mailbox_addresses, mailboxes

T = TypeVar("T")
REGISTERED = mailbox_addresses.c.alias_of.is_not(None)


def counts() -> ColumnElement[bool]:
    """Condition on a mailbox's address: the provider lists it, or it is registered and nobody else in its connection's
    organisation has it (domain.connections.aliases.held_by).

    Each table is asked for one row by its index: for EXISTS PostgreSQL would read all contacts.
    """
    here, other = mailbox_addresses.c, mailbox_addresses.alias("other")
    whose, theirs = connections.alias("whose"), connections.alias("theirs")
    user, organisation = (
        select(column).where(whose.c.id == here.alias_of).correlate(mailbox_addresses).scalar_subquery()
        for column in (whose.c.user_id, whose.c.organisation_id)
    )
    held = (
        select(contact_addresses.c.loose).where(
            contact_addresses.c.location_id.in_(
                select(locations.c.id).where(locations.c.organisation_id == organisation)
            ),
            contact_addresses.c.loose == here.loose,
        ),
        select(user_addresses.c.loose).where(
            user_addresses.c.organisation_id == organisation,
            user_addresses.c.loose == here.loose,
            user_addresses.c.user_id != user,
        ),
        select(other.c.loose).where(
            other.c.loose == here.loose,
            other.c.mailbox_id != here.mailbox_id,
            other.c.alias_of.is_(None),
            exists().where(
                theirs.c.mailbox_id == other.c.mailbox_id, theirs.c.organisation_id == organisation
            ),
        ),
    )
    nobody = (one.limit(1).scalar_subquery().is_(None) for one in held)
    return or_(here.alias_of.is_(None), and_(*nobody))


class AliasRepository:
    """Registered aliases of one location's connections, within one transaction."""

    def __init__(self, db: Database, location: Location) -> None:
        self._db = db
        self._location = location
        self._here = connections.c.location_id == location.id

    def reserve(self, address: str) -> None:
        take_turn(self._db, f"alias {self._location.organisation_id} {loose(address)}")

    def add(self, connection: Connection, address: str) -> bool:
        row = {"mailbox_id": connection.mailbox_id, "address": address, "loose": loose(address)}
        column = mailbox_addresses.c.address
        return bool(
            insert_returning(self._db, mailbox_addresses, [row | {"alias_of": connection.id}], column)
        )

    def remove(self, connection: Connection, address: str) -> bool:
        this = (
            mailbox_addresses.c.mailbox_id == connection.mailbox_id,
            mailbox_addresses.c.alias_of == connection.id,
            mailbox_addresses.c.loose == loose(address),
        )
        return self._db.execute(delete(mailbox_addresses).where(*this)).rowcount > 0

    def end(self, connection: Connection) -> None:
        here = mailbox_addresses.c
        its = (here.mailbox_id == connection.mailbox_id, here.alias_of == connection.id)
        self._db.execute(delete(mailbox_addresses).where(*its))

    def of_users(self, user_ids: Collection[str] | None = None) -> tuple[Alias, ...]:
        named: tuple[ColumnElement[bool], ...] = ()
        if user_ids is not None:
            theirs = connections.c.user_id.in_(user_ids)
            found = self._db.scalars(select(connections.c.mailbox_id).where(self._here, theirs)).all()
            named = (theirs, mailbox_addresses.c.mailbox_id.in_(found))  # by its index
        rows = self._db.execute(
            select(
                connections.c.user_id,
                mailboxes.c.id,
                mailboxes.c.address.label("mailbox"),
                mailbox_addresses.c.address,
            )
            .join(
                connections,
                (connections.c.mailbox_id == mailbox_addresses.c.mailbox_id)
                & (connections.c.id == mailbox_addresses.c.alias_of),
            )
            .join(mailboxes, mailboxes.c.id == mailbox_addresses.c.mailbox_id)
            .where(REGISTERED, self._here, *named)
            .order_by(connections.c.user_id, mailbox_addresses.c.address)
        ).all()
        holders = self.holders([row.address for row in rows])
        return tuple(
            Alias(
                row.user_id,
                row.mailbox,
                row.address,
                held_by(holders[loose(row.address)], row.user_id, row.id),
            )
            for row in rows
        )

    def holders(self, addresses: Collection[str]) -> Mapping[str, Holders]:
        keys = sorted(set(map(loose, addresses)))
        organisation_id = self._location.organisation_id
        everywhere = contact_addresses.c.location_id.in_(locations_of(organisation_id))
        contacts = self._by_key(contact_addresses.c.loose, contact_addresses.c.contact_id, keys, everywhere)
        its = user_addresses.c.organisation_id == organisation_id
        users = self._by_key(user_addresses.c.loose, user_addresses.c.user_id, keys, its)
        here = mailbox_addresses.c
        connected = exists().where(
            connections.c.mailbox_id == here.mailbox_id, connections.c.organisation_id == organisation_id
        )
        listed = self._by_key(here.loose, here.mailbox_id, keys, ~REGISTERED, connected)
        registered = self._by_key(here.loose, here.mailbox_id, keys, REGISTERED, connected)
        return {
            key: Holders(
                frozenset(contacts.get(key, ())),
                frozenset(users.get(key, ())),
                frozenset(listed.get(key, ())),
                frozenset(registered.get(key, ())),
            )
            for key in keys
        }

    def _by_key(
        self, key: Column[str], whose: Column[T], keys: Collection[str], *where: ColumnElement[bool]
    ) -> dict[str, set[T]]:
        found: dict[str, set[T]] = {}
        for chunk in chunks(keys):
            for row in self._db.execute(select(key, whose).where(key.in_(chunk), *where)):
                found.setdefault(row[0], set()).add(row[1])
        return found
