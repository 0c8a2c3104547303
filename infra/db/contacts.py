"""The CRM's records as the rules ask for them: who an address belongs to, and which deals somebody has."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, exists, or_, select, union_all

from domain.addresses import loose
from domain.connections import Sharing
from domain.contacts import Contact, ContactAddress, Kind
from domain.labels import LABEL_NAMES, Deal, DealCategory
from domain.organisations import Organisation, SharingPolicy, exclusions
from infra.db.aliases import counts
from infra.db.schema import (
    contact_addresses,
    contact_viewers,
    contacts,
    deal_contacts,
    deals,
    mailbox_addresses,
    organisation,
    user_addresses,
)
from infra.db.sql import chunks, upsert


class ContactRows:
    """The CRM within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def candidates(self, addresses: Collection[str]) -> tuple[ContactAddress, ...]:
        """Every address of a record that may be one of these, by D5's exact or loose form."""
        found: list[ContactAddress] = []
        for chunk in chunks(set(addresses)):
            keys = list({loose(address) for address in chunk})
            rows = self._db.execute(_CANDIDATES, {"addresses": chunk, "keys": keys})
            found += [
                ContactAddress(Contact(row.id, Kind(row.kind), row.created_at), row.address) for row in rows
            ]
        return tuple(found)

    def addresses_of(self, contact_id: str) -> tuple[str, ...] | None:
        """The addresses that the record has now, in their exact form (Z45); None when there is no such record."""
        rows = self._db.scalars(
            select(contact_addresses.c.address)
            .select_from(contacts.outerjoin(contact_addresses))
            .where(contacts.c.id == contact_id)
            .order_by(contact_addresses.c.address)
        ).all()
        return tuple(address for address in rows if address) if rows else None

    def may_open(self, contact_id: str, user_id: str) -> bool:
        """Whether the user may open the record (D13): it is his, he is named, or nobody is."""
        viewers = exists().where(contact_viewers.c.contact_id == contacts.c.id)
        allowed = or_(
            contacts.c.assigned_to == user_id, viewers.where(contact_viewers.c.user_id == user_id), ~viewers
        )
        found = self._db.scalar(select(contacts.c.id).where(contacts.c.id == contact_id, allowed))
        return found is not None

    def users_among(self, addresses: Collection[str]) -> frozenset[str]:
        """The login and mailbox addresses of the CRM's users that these are, in either form of D5 (D3 row 9, E13)."""
        found: set[str] = set()
        for chunk in chunks(set(map(loose, addresses))):
            found.update(self._db.scalars(_USERS, {"keys": chunk}))
        return frozenset(found)

    def deals_of(self, contact_ids: Collection[str]) -> Mapping[str, tuple[Deal, ...]]:
        """Deals in which the contact is the main contact or has a role (Part A), by contact."""
        found: dict[str, list[Deal]] = {}
        for chunk in chunks(set(contact_ids)):
            for row in self._db.execute(_DEALS, {"contact_ids": chunk}):
                deal = Deal(row.id, DealCategory(row.category), row.closing_date)
                found.setdefault(row.contact_id, []).append(deal)
        return {contact_id: tuple(those) for contact_id, those in found.items()}

    def organisation(self) -> Organisation:
        """The settings of Part I, at their defaults where none were set."""
        rows = {row.name: row.value for row in self._db.execute(_ORGANISATION)}
        return Organisation(
            time_zone=rows.get("time-zone"),
            internal_domains=frozenset(rows.get("internal-domain", ())),
            exclusions=exclusions(rows.get("exclude", ())),
            label_names=dict(zip(LABEL_NAMES, rows.get("label-names", LABEL_NAMES.values()), strict=True)),
            sharing=SharingPolicy(
                by_role={role: Sharing(option) for role, option in rows.get("sharing-roles", {}).items()},
                by_user={
                    user_id: Sharing(option) for user_id, option in rows.get("sharing-users", {}).items()
                },
                only_users=frozenset(rows.get("sharing-only", {}).get("users", ())),
                only_roles=frozenset(rows.get("sharing-only", {}).get("roles", ())),
                excluded_domains=frozenset(rows.get("sharing-exclude", ())),
            ),
            categories={word: DealCategory(name) for word, name in rows.get("category", {}).items()},
        )

    def set_organisation(self, name: str, value: object) -> None:
        """Set one by its name on the command line; handlers/settings.py knows their values."""
        upsert(self._db, organisation, [{"name": name, "value": value}])


# Built once, see ledger_statements.
_CANDIDATES = (
    select(contact_addresses.c.address, contacts.c.id, contacts.c.kind, contacts.c.created_at)
    .join(contacts, contacts.c.id == contact_addresses.c.contact_id)
    .where(
        or_(
            contact_addresses.c.address.in_(bindparam("addresses")),
            contact_addresses.c.loose.in_(bindparam("keys")),
        )
    )
)
_USERS = union_all(
    select(user_addresses.c.address).where(user_addresses.c.loose.in_(bindparam("keys"))),
    select(mailbox_addresses.c.address).where(mailbox_addresses.c.loose.in_(bindparam("keys")), counts()),
)
_DEALS = (
    select(deal_contacts.c.contact_id, deals.c.id, deals.c.category, deals.c.closing_date)
    .join(deals, deals.c.id == deal_contacts.c.deal_id)
    .where(deal_contacts.c.contact_id.in_(bindparam("contact_ids")))
)
_ORGANISATION = select(organisation)
