"""Transactions: what they see and change, by noun."""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from domain.crm.locations import Location
from handlers.ports.channels import ChannelRows, OwnChannelRows
from handlers.ports.claims import DeliveryRows, LedgerRows, OutboxRows
from handlers.ports.connections import (
    AliasRows,
    ConnectionRows,
    OwnConnectionRows,
    SharingRows,
    SignInRows,
    UserConnectionRows,
)
from handlers.ports.crm import (
    BelongingRows,
    ContactRows,
    CrmRows,
    LocationSettingRows,
    OrganisationRows,
    SettingRows,
    UserRows,
)
from handlers.ports.mail import (
    DecisionRows,
    MailReportRows,
    MessageRows,
    NoticeRows,
    NotificationRows,
    SortingRows,
)
from handlers.ports.mailboxes import HistoryRows, MailboxRows
from handlers.ports.operations import ReportRows, RetentionRows, UnitRows


class InOrganisation(Protocol):
    """What belongs to an organisation: the locations that it has share it (T2, T3)."""

    @property
    def organisation_id(self) -> int: ...
    @property
    def users(self) -> UserRows: ...
    @property
    def settings(self) -> SettingRows: ...
    @property
    def channels(self) -> OwnChannelRows: ...
    @property
    def notices(self) -> NoticeRows: ...
    @property
    def connections(self) -> UserConnectionRows: ...


class InLocation(InOrganisation, Protocol):
    """What belongs to a location, and to its organisation."""

    @property
    def location(self) -> Location: ...
    @property
    def aliases(self) -> AliasRows: ...
    @property
    def belongings(self) -> BelongingRows: ...
    @property
    def connections(self) -> OwnConnectionRows: ...
    @property
    def contacts(self) -> ContactRows: ...
    @property
    def crm(self) -> CrmRows: ...
    @property
    def own_settings(self) -> LocationSettingRows: ...
    @property
    def reports(self) -> MailReportRows: ...
    @property
    def sharing(self) -> SharingRows: ...
    @property
    def sign_ins(self) -> SignInRows: ...
    @property
    def sorting(self) -> SortingRows: ...


class Transaction(Protocol):
    """One short transaction, by noun; what each method means stands at infra/db, or at claim_rows.py."""

    @property
    def mailboxes(self) -> MailboxRows: ...
    @property
    def history(self) -> HistoryRows: ...
    @property
    def connections(self) -> ConnectionRows: ...
    @property
    def decisions(self) -> DecisionRows: ...
    @property
    def notifications(self) -> NotificationRows: ...
    @property
    def channels(self) -> ChannelRows: ...
    @property
    def deliveries(self) -> DeliveryRows: ...
    @property
    def messages(self) -> MessageRows: ...
    @property
    def outbox(self) -> OutboxRows: ...
    @property
    def ledger(self) -> LedgerRows: ...
    @property
    def reports(self) -> ReportRows: ...
    @property
    def retention(self) -> RetentionRows: ...
    @property
    def units(self) -> UnitRows: ...

    @property
    def organisations(self) -> OrganisationRows: ...

    def of(self, location: Location) -> InLocation:
        """What belongs to the location, and to its organisation."""

    def of_organisation(self, organisation_id: int) -> InOrganisation:
        """What belongs to the organisation."""

    def now(self) -> datetime:
        """The database's clock (W14)."""


class Store(Protocol):
    def begin(self, name: str, *, reads_only: bool = False) -> AbstractContextManager[Transaction]:
        """Commit at the end, roll back on any error. Never held open across the network (I8).

        Raises DatabaseAway, also when others hold what it needs for longer than is waited.
        """

    def scrub(self, within: float | None = None) -> None:
        """What was deleted leaves the disk too, as far as the database leaves that to us (D12), and as can be done in
        so many seconds."""
