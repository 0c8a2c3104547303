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

        `locked` keeps the row until the commit, so that connecting a mailbox and withdrawing the permission cannot
        miss each other.
        """

    def reserve(self, user_id: str) -> None:
        """Until the commit no other transaction connects a mailbox for this user, whose row may be missing (Z15).

        To be called before a mailbox is reserved.
        """

    def has_role(self, role: str) -> bool:
        """Whether any user has this role."""

    def knows(self, user_id: str) -> bool:
        """Whether the CRM has such a user, or one is connected."""


class SettingRepository(Protocol):
    def get(self) -> Organisation:
        """The settings of Part I, with defaults for those that were not set."""

    def set(self, name: str, value: object) -> None:
        """Set one by its name on the command line; workers/cli/settings_words.py reads its value."""


class LocationSettingRepository(Protocol):
    def get(self) -> LocationSettings:
        """The location's settings, with defaults for those that were not set."""

    def set(self, name: str, value: object) -> None:
        """Set one by its name on the command line."""


class BelongingRepository(Protocol):
    def delete_some(self, limit: int, *, organisation: bool) -> Mapping[str, int]:
        """Delete up to `limit` rows of each table with what belongs to them; returns how many by table.

        `organisation`: those of the organisation too, because this is its last location. Empty when nothing is left.
        """


class ContactRepository(Protocol):
    def candidates(self, addresses: Collection[str]) -> tuple[ContactAddress, ...]:
        """Addresses of records that are one of these in D5's exact or loose form."""

    def users_among(self, addresses: Collection[str]) -> frozenset[str]:
        """Which of these are login or mailbox addresses of the organisation's users, in either form of D5.

        (D3 row 9, E13, T2)
        """

    def deals_of(self, contact_ids: Collection[str]) -> Mapping[str, tuple[Deal, ...]]:
        """By contact, the deals in which it is the main contact or has a role (Part A)."""

    def addresses_of(self, contact_id: str) -> tuple[str, ...] | None:
        """The addresses that the record has now, in their exact form (Z45); None when there is no such record."""

    def may_open(self, contact_id: str, user_id: str) -> bool:
        """Whether the user may open the record (D13): it is assigned to him, or it names him or no user."""


class CrmRepository(Protocol):
    def put(self, records: Collection[Record]) -> None:
        """Add or replace records; a contact's addresses and a deal's contacts are replaced as a whole.

        Of two records with one id the later counts.
        """

    def ids_after(self, kind: RecordKind, last: str, limit: int) -> tuple[str, ...]:
        """Up to `limit` ids of a kind after `last`, in the database's order; "" for the first page."""

    def ids_with_separator(self, kind: RecordKind, last: str, limit: int) -> tuple[str, ...]:
        """The same for ids that look like several values in a cell (E107)."""

    def roles_with_separator(self) -> frozenset[str]:
        """Roles that look like several values in a cell."""

    def known(self, kind: RecordKind, ids: Collection[str]) -> frozenset[str]:
        """Which of these ids exist."""

    def delete(self, kind: RecordKind, ids: Collection[str]) -> int:
        """Delete these records; returns how many existed."""

    def change(self, change: Change) -> bool:
        """Make the change; False when it, or a newer change of the record, was made before.

        Writes the version first: its row makes two changes of one record wait for each other.
        """

    def merge(self, merge: Merge) -> bool:
        """Make the records one; False when this, or newer merges of all its records, were made before (E71)."""

    def outsiders(self, user_ids: Collection[str]) -> frozenset[str]:
        """Which of these users are members of other locations only; a user who names none is a member of all."""

    def mark_outdated(self, kind: RecordKind, refused: Mapping[str, str], version: int | None) -> None:
        """Note that a change of these records was refused, with the reason of each (E9).

        Skips records that do not exist, and those of which a newer change than the refused one was made.
        """


class OrganisationRepository(Protocol):
    def named(self, organisation: str, name: str) -> tuple[NamedLocation, ...]:
        """The location of these names; empty when there is none."""

    def first(self, limit: int) -> tuple[NamedLocation, ...]:
        """Up to `limit` locations, the oldest first."""

    def all(self) -> tuple[NamedLocation, ...]:
        """All locations, ordered by their names."""

    def name_of(self, location: Location) -> NamedLocation:
        """The location with its names."""

    def add(self, organisation: str, name: str) -> bool:
        """Add a location, and its organisation when that is new; False when the location exists."""

    def is_last(self, location: Location) -> bool:
        """Whether its organisation has no other location.

        Until the commit, transactions that add a location there, or anything to this one, wait.
        """

    def delete(self, location: Location, *, organisation: bool) -> None:
        """Delete the location, and with `organisation` that too. Nothing may belong to it any more."""
