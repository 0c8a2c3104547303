"""The records of the CRM, and whose they are."""

from collections.abc import Collection, Mapping
from typing import Protocol

from domain.crm.contacts import ContactAddress
from domain.crm.deals import Deal
from domain.crm.locations import Location, LocationSettings, NamedLocation
from domain.crm.merges import Merge
from domain.crm.organisations import Organisation
from domain.crm.records import Change, Record, RecordKind
from domain.crm.users import User


class UserRepository(Protocol):
    def get(self, user_id: str, *, locked: bool = False) -> User | None:
        """The user as the CRM has told of him, None when it has told nothing.

        `locked` keeps him as he is until the commit: who connects a mailbox and who withdraws the permission
        see each other.
        """

    def reserve(self, user_id: str) -> None:
        """One at a time may connect a mailbox for this user, until the commit (Z15): his row may be missing. Before
        a mailbox is reserved."""

    def has_role(self, role: str) -> bool:
        """Whether anybody has it."""

    def knows(self, user_id: str) -> bool:
        """Whether the CRM has such a user, or one is connected."""


class SettingRepository(Protocol):
    def get(self) -> Organisation:
        """The settings of Part I, at their defaults where none were set."""

    def set(self, name: str, value: object) -> None:
        """Set one by its name on the command line; handlers/settings.py knows their values."""


class LocationSettingRepository(Protocol):
    def get(self) -> LocationSettings:
        """At their defaults where none were set."""

    def set(self, name: str, value: object) -> None:
        """Set one by its name on the command line."""


class BelongingRepository(Protocol):
    def delete_some(self, limit: int, *, organisation: bool) -> Mapping[str, int]:
        """So many rows of each table at most, with what belongs to them; of the `organisation` too, where it ends with
        the location. Returns how many, by table: nothing where nothing is left."""


class ContactRepository(Protocol):
    def candidates(self, addresses: Collection[str]) -> tuple[ContactAddress, ...]:
        """Every address of a record that may be one of these, by D5's exact or loose form."""

    def users_among(self, addresses: Collection[str]) -> frozenset[str]:
        """The login and mailbox addresses of the organisation's users that these are, in either form of D5 (D3 row 9,
        E13, T2)."""

    def deals_of(self, contact_ids: Collection[str]) -> Mapping[str, tuple[Deal, ...]]:
        """Deals in which the contact is the main contact or has a role (Part A), by contact."""

    def addresses_of(self, contact_id: str) -> tuple[str, ...] | None:
        """The addresses that the record has now, in their exact form (Z45); None when there is no such record."""

    def may_open(self, contact_id: str, user_id: str) -> bool:
        """Whether the user may open the record (D13): it is his, he is named, or nobody is."""


class CrmRepository(Protocol):
    def put(self, records: Collection[Record]) -> None:
        """New records, and known ones as they are now: a contact's addresses and a deal's contacts are replaced
        as a set. Of two with one id the later counts."""

    def ids_after(self, kind: RecordKind, last: str, limit: int) -> tuple[str, ...]:
        """The ids of a kind in the database's order, a page at a time; "" begins."""

    def ids_with_separator(self, kind: RecordKind, last: str, limit: int) -> tuple[str, ...]:
        """The same of ids that look like several in a cell (E107)."""

    def roles_with_separator(self) -> frozenset[str]:
        """Roles that look like several in a cell."""

    def known(self, kind: RecordKind, ids: Collection[str]) -> frozenset[str]:
        """Which of these there are."""

    def delete(self, kind: RecordKind, ids: Collection[str]) -> int:
        """Forget these records; returns how many there were."""

    def change(self, change: Change) -> bool:
        """Make it so; False when it, or a newer change of the record, is known already.

        The version comes first: its row makes two changes of one record wait for each other.
        """

    def merge(self, merge: Merge) -> bool:
        """Make them one; False when it, or newer merges of all that it names, are known already (E71)."""

    def outsiders(self, user_ids: Collection[str]) -> frozenset[str]:
        """Which of these users are members of other locations only. Of whom nothing is said, he is a member of all."""

    def mark_outdated(self, kind: RecordKind, refused: Mapping[str, str], version: int | None) -> None:
        """A change of these records was refused, for these reasons (E9). Nothing for records that are not known, nor
        where a newer change than the refused one is."""


class OrganisationRepository(Protocol):
    def named(self, organisation: str, name: str) -> tuple[NamedLocation, ...]:
        """The location of these names, or none."""

    def first(self, limit: int) -> tuple[NamedLocation, ...]:
        """So many at most, the first made first."""

    def all(self) -> tuple[NamedLocation, ...]:
        """By their names."""

    def name_of(self, location: Location) -> NamedLocation:
        """It as people call it."""

    def add(self, organisation: str, name: str) -> bool:
        """A new location, in a new organisation where there is none of its name; False when there is one already."""

    def is_last(self, location: Location) -> bool:
        """Whether its organisation has no other one. Whoever adds one meanwhile waits until the commit, and so does
        whoever adds anything to this one."""

    def delete(self, location: Location, *, organisation: bool) -> None:
        """The location, and the organisation where this is its last. Nothing may belong to it any more."""
