"""Transactions and their repositories."""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from domain.crm.locations import Location
from handlers.ports.channels import ChannelRepository, OrganisationChannelRepository
from handlers.ports.claims import DeliveryRepository, LedgerRepository, OutboxRepository
from handlers.ports.connections import (
    AliasRepository,
    ConnectionRepository,
    LocationConnectionRepository,
    OrganisationConnectionRepository,
    SharingRepository,
    SignInRepository,
)
from handlers.ports.conversation_reading import ConversationReadRepository
from handlers.ports.conversations import ConversationRepository
from handlers.ports.crm import (
    BelongingRepository,
    ContactRepository,
    CrmRepository,
    LocationSettingRepository,
    OrganisationRepository,
    SettingRepository,
    UserRepository,
)
from handlers.ports.events import EventRepository
from handlers.ports.mail import (
    DecisionRepository,
    MailReportRepository,
    MessageRepository,
    NotificationListRepository,
    NotificationRepository,
    SortingRepository,
)
from handlers.ports.mailboxes import HistoryRepository, MailboxRepository
from handlers.ports.objects import ObjectRepository, UnusedObjectRepository
from handlers.ports.operations import ReportRepository, RetentionRepository, UnitRepository
from handlers.ports.sent_mails import SentMailRepository


class InOrganisation(Protocol):
    """The repositories of an organisation, whose locations share what they hold (T2, T3)."""

    @property
    def organisation_id(self) -> int: ...
    @property
    def users(self) -> UserRepository: ...
    @property
    def settings(self) -> SettingRepository: ...
    @property
    def channels(self) -> OrganisationChannelRepository: ...
    @property
    def notification_list(self) -> NotificationListRepository: ...
    @property
    def objects(self) -> ObjectRepository: ...
    @property
    def connections(self) -> OrganisationConnectionRepository: ...


class InLocation(InOrganisation, Protocol):
    """The repositories of a location and of its organisation."""

    @property
    def location(self) -> Location: ...
    @property
    def aliases(self) -> AliasRepository: ...
    @property
    def belongings(self) -> BelongingRepository: ...
    @property
    def connections(self) -> LocationConnectionRepository: ...
    @property
    def contacts(self) -> ContactRepository: ...
    @property
    def conversations(self) -> ConversationRepository: ...
    @property
    def conversation_reading(self) -> ConversationReadRepository: ...
    @property
    def crm(self) -> CrmRepository: ...
    @property
    def events(self) -> EventRepository: ...
    @property
    def location_settings(self) -> LocationSettingRepository: ...
    @property
    def reports(self) -> MailReportRepository: ...
    @property
    def sent_mails(self) -> SentMailRepository: ...
    @property
    def sharing(self) -> SharingRepository: ...
    @property
    def sign_ins(self) -> SignInRepository: ...
    @property
    def sorting(self) -> SortingRepository: ...


class Transaction(Protocol):
    """The repositories of one short transaction."""

    @property
    def mailboxes(self) -> MailboxRepository: ...
    @property
    def history(self) -> HistoryRepository: ...
    @property
    def connections(self) -> ConnectionRepository: ...
    @property
    def decisions(self) -> DecisionRepository: ...
    @property
    def notifications(self) -> NotificationRepository: ...
    @property
    def channels(self) -> ChannelRepository: ...
    @property
    def deliveries(self) -> DeliveryRepository: ...
    @property
    def messages(self) -> MessageRepository: ...
    @property
    def outbox(self) -> OutboxRepository: ...
    @property
    def ledger(self) -> LedgerRepository: ...
    @property
    def reports(self) -> ReportRepository: ...
    @property
    def retention(self) -> RetentionRepository: ...
    @property
    def unused_objects(self) -> UnusedObjectRepository: ...
    @property
    def units(self) -> UnitRepository: ...

    @property
    def organisations(self) -> OrganisationRepository: ...

    def of(self, location: Location) -> InLocation:
        """The repositories of the location and of its organisation."""

    def of_organisation(self, organisation_id: int) -> InOrganisation:
        """The repositories of the organisation."""

    def now(self) -> datetime:
        """The time by the database's clock (W14)."""


class Store(Protocol):
    """The database. One per process, for all threads."""

    def begin(self, name: str, *, reads_only: bool = False) -> AbstractContextManager[Transaction]:
        """Commit at the end, roll back on any error. Must not be open during a call to the network (I8).

        `name` is a fault point. Raises DatabaseAway, also when locks are not free in time.
        """

    def scrub(self, within: float | None = None) -> None:
        """Remove what was deleted from the disk, as far as the database lets us (D12), for at most `within` seconds."""
