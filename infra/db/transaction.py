"""One transaction and its repositories."""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection, select

from domain.crm.locations import Location
from infra.db import walls
from infra.db.channels import ChannelRepository
from infra.db.connections.connections import ConnectionRepository
from infra.db.crm.organisations import OrganisationRepository
from infra.db.in_location import InLocation, InOrganisation
from infra.db.ledger.deliveries import DeliveryRepository
from infra.db.ledger.outbox import OutboxRepository
from infra.db.ledger.steps import LedgerRepository
from infra.db.mail.decisions import DecisionRepository
from infra.db.mail.messages import MessageRepository
from infra.db.mail.notifications import NotificationRepository
from infra.db.mailboxes.history import HistoryRepository
from infra.db.mailboxes.mailboxes import MailboxRepository
from infra.db.mailboxes.units import UnitRepository
from infra.db.objects import UnusedObjectRepository
from infra.db.reports import ReportRepository
from infra.db.retention import RetentionRepository
from infra.db.types import NOW
from infra.db.walls import LEDGER, OPERATOR, Scope
from infra.secrets import Cipher

R = TypeVar("R")

_NOW = select(NOW)


def _opened(scope: str, made: Callable[["Transaction"], R]) -> "cached_property[R]":
    """A repository that is made when it is first used: most transactions need two or three. Where there is row level
    security, that use adds `scope` to what the transaction sees."""

    def opened(tx: "Transaction") -> R:
        tx.scope.add(scope)
        return made(tx)

    return cached_property(opened)


class Transaction:
    """The repositories of one transaction, each made when it is first used."""

    def __init__(self, db: Connection, cipher: Cipher, redrive_after: float, gather: float) -> None:
        self.db = db
        self.scope = Scope(db)
        self.cipher = cipher
        self.redrive_after = redrive_after
        self.gather = gather

    mailboxes = _opened(LEDGER, lambda tx: MailboxRepository(tx.db))
    connections = _opened(LEDGER, lambda tx: ConnectionRepository(tx.db, tx.cipher))
    decisions = _opened(LEDGER, lambda tx: DecisionRepository(tx.db))
    notifications = _opened(LEDGER, lambda tx: NotificationRepository(tx.db, tx.redrive_after, tx.gather))
    channels = _opened(LEDGER, lambda tx: ChannelRepository(tx.db, tx.cipher))
    deliveries = _opened(OPERATOR, lambda tx: DeliveryRepository(tx.db, tx.channels, tx.redrive_after))
    history = _opened(LEDGER, lambda tx: HistoryRepository(tx.db))
    ledger = _opened(LEDGER, lambda tx: LedgerRepository(tx.db, tx.redrive_after))
    messages = _opened(LEDGER, lambda tx: MessageRepository(tx.db, tx.ledger, tx.decisions))
    organisations = cached_property(lambda tx: OrganisationRepository(tx.db))
    outbox = _opened(LEDGER, lambda tx: OutboxRepository(tx.db, tx.redrive_after))
    reports = _opened(OPERATOR, lambda tx: ReportRepository(tx.db))
    retention = _opened(OPERATOR, lambda tx: RetentionRepository(tx.db))
    unused_objects = _opened(OPERATOR, lambda tx: UnusedObjectRepository(tx.db))
    units = _opened(LEDGER, lambda tx: UnitRepository(tx.db))

    def of(self, location: Location) -> InLocation:
        """The repositories of the location and its organisation; rows of another organisation are out of reach (T2)."""
        self.scope.add(*walls.location(location))
        return InLocation(self.db, location, self.cipher, self.redrive_after)

    def of_organisation(self, organisation_id: int) -> InOrganisation:
        """The repositories of the organisation."""
        self.scope.add(walls.organisation(organisation_id))
        return InOrganisation(self.db, organisation_id, self.cipher)

    def now(self) -> datetime:
        """The time by the database's clock (W14)."""
        return self.db.execute(_NOW).scalar_one()
