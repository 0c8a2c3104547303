"""The CRM's records as the rules ask for them: whose an address is, and which deals a contact has."""

from collections.abc import Collection, Mapping

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    true,
    union,
    union_all,
)

from domain.crm.contacts import Contact, ContactAddress, ContactKind
from domain.crm.deals import Deal, DealCategory
from domain.crm.locations import Location
from domain.mail.addresses import loose
from infra.db.connections.aliases import counts
from infra.db.crm.merges import is_merge_of, is_merged, same_as, whose
from infra.db.sql import chunks
from infra.db.tables.connections import connections
from infra.db.tables.crm import (
    contact_addresses,
    contact_viewers,
    contacts,
    deal_contacts,
    deals,
    merges,
    user_addresses,
)
from infra.db.tables.mailboxes import mailbox_addresses


def may_be_opened_by(user_id: str) -> ColumnElement[bool]:
    """Condition on `contacts`: the user may open the record (D13)."""
    viewers = exists().where(
        contact_viewers.c.location_id == contacts.c.location_id, contact_viewers.c.contact_id == contacts.c.id
    )
    return or_(
        contacts.c.assigned_to == user_id, viewers.where(contact_viewers.c.user_id == user_id), ~viewers
    )


class ContactRepository:
    """The contacts of one location, and the users of its organisation (T2), within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location
        self._here = {"here": location.id}

    def candidates(self, addresses: Collection[str]) -> tuple[ContactAddress, ...]:
        found: list[ContactAddress] = []
        for chunk in chunks(set(addresses)):
            keys = list({loose(address) for address in chunk})
            rows = self._db.execute(_CANDIDATES, self._here | {"addresses": chunk, "keys": keys})
            found += [
                ContactAddress(
                    Contact(row.id, ContactKind(row.kind), row.created_at, row.assigned_to), row.address
                )
                for row in rows
            ]
        return tuple(found)

    def addresses_of(self, contact_id: str) -> tuple[str, ...] | None:
        this = (contacts.c.location_id == self._location.id, contacts.c.id == contact_id, ~is_merged())
        same = same_as(self._location.id, contact_id, ~merges.c.outlived).subquery("same")
        its = (contact_addresses.c.location_id == contacts.c.location_id) & (
            contact_addresses.c.contact_id == same.c.id
        )
        found = self._db.scalars(
            select(contact_addresses.c.address)
            .select_from(contacts.join(same, true()).outerjoin(contact_addresses, its))
            .where(*this)
            .distinct()
            .order_by(contact_addresses.c.address)
        ).all()
        return tuple(address for address in found if address is not None) if found else None

    def may_open(self, contact_id: str, user_id: str) -> bool:
        this = (contacts.c.location_id == self._location.id, contacts.c.id == contact_id, ~is_merged())
        return self._db.scalar(select(contacts.c.id).where(*this, may_be_opened_by(user_id))) is not None

    def users_among(self, addresses: Collection[str]) -> frozenset[str]:
        found: set[str] = set()
        for chunk in chunks(set(map(loose, addresses))):
            found.update(
                self._db.scalars(_USERS, {"organisation": self._location.organisation_id, "keys": chunk})
            )
        return frozenset(found)

    def deals_of(self, contact_ids: Collection[str]) -> Mapping[str, tuple[Deal, ...]]:
        found: dict[str, list[Deal]] = {}
        for chunk in chunks(set(contact_ids)):
            for row in self._db.execute(_DEALS, self._here | {"contact_ids": chunk}):
                if row.id is None:
                    continue
                deal = Deal(row.id, DealCategory(row.category), row.closing_date)
                found.setdefault(row.contact_id, []).append(deal)
        return {contact_id: tuple(those) for contact_id, those in found.items()}


# Built once, see infra/db/ledger/statements.py.
_HERE = bindparam("here", type_=BigInteger())
_ORGANISATION = bindparam("organisation", type_=BigInteger())
_CANDIDATES = (
    select(
        contact_addresses.c.address,
        contacts.c.id,
        contacts.c.kind,
        contacts.c.created_at,
        contacts.c.assigned_to,
    )
    .select_from(contact_addresses)
    .outerjoin(merges, is_merge_of(contact_addresses.c.location_id, contact_addresses.c.contact_id))
    .join(
        contacts,
        (contacts.c.location_id == contact_addresses.c.location_id)
        & (contacts.c.id == whose(contact_addresses.c.contact_id)),
    )
    .where(
        ~func.coalesce(merges.c.outlived, false()),
        or_(  # the location is in both: so SQLite uses an index for each
            and_(
                contact_addresses.c.location_id == _HERE,
                contact_addresses.c.address.in_(bindparam("addresses")),
            ),
            and_(contact_addresses.c.location_id == _HERE, contact_addresses.c.loose.in_(bindparam("keys"))),
        ),
    )
)
_USERS = union_all(
    select(user_addresses.c.address).where(
        user_addresses.c.organisation_id == _ORGANISATION, user_addresses.c.loose.in_(bindparam("keys"))
    ),
    select(mailbox_addresses.c.address).where(
        mailbox_addresses.c.loose.in_(bindparam("keys")),
        exists().where(
            connections.c.mailbox_id == mailbox_addresses.c.mailbox_id,
            connections.c.organisation_id == _ORGANISATION,
        ),
        counts(),
    ),
)
_OF_DEAL = (deals.c.location_id == deal_contacts.c.location_id) & (deals.c.id == deal_contacts.c.deal_id)
_DEAL = (deals.c.id, deals.c.category, deals.c.closing_date)
_DEALS = union(
    select(deal_contacts.c.contact_id, *_DEAL)
    .join(deals, _OF_DEAL)
    .where(deal_contacts.c.location_id == _HERE, deal_contacts.c.contact_id.in_(bindparam("contact_ids"))),
    select(merges.c.counts_for, *_DEAL)
    .select_from(merges)
    .outerjoin(deal_contacts, is_merge_of(deal_contacts.c.location_id, deal_contacts.c.contact_id))
    .outerjoin(deals, _OF_DEAL)
    .where(merges.c.location_id == _HERE, merges.c.counts_for.in_(bindparam("contact_ids"))),
)
"""The deals that name the contact, and those that name a record which counts for it. Outer joins, so that SQLite begins
with the few merges and not with all deals."""
