"""What the ledger holds of one mail, and what its mailbox shows of it now: the material of an explanation."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.connections.connections import Mode
from domain.crm.categories import ByCategory, Category
from domain.crm.contacts import ContactKind, Hit, MatchedBy
from domain.crm.deals import Deal
from domain.crm.records import Outdated
from domain.ids import ConnectionId, MailboxId
from domain.ledger import State, Step
from domain.mail.messages import Direction, Message
from domain.outcomes import Outcome
from domain.sorting.label_changes import LabelChange
from domain.sorting.label_names import LABEL_NAMES


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step as the ledger has it: what became of it and what it cost. `connection_id` is 0 for MATCH."""

    step: Step
    connection_id: ConnectionId
    state: State
    outcome: Outcome | None
    tries: int
    units: float
    seconds: float
    shared_by: int
    ready_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """The record a mail belongs to, as the CRM has it now; kind and name are None when it is gone."""

    id: str
    kind: ContactKind | None
    name: str | None


@dataclass(frozen=True, slots=True)
class DecidingDeal:
    """The deal that decided the category; `now` is None when the CRM has it no more. `contact_id` is the
    contact it was found by, which may be another one with the same address (E11)."""

    id: str
    contact_id: str | None
    now: Deal | None


@dataclass(frozen=True, slots=True)
class ConnectionDecision:
    """What the ledger holds of one mail for one connection. `category` is that of the label it was given last;
    `sorting_trouble` is the connection's, while its sorting is stopped (E67); `outdated` are records it was decided
    by, of which a change was refused (E9). `mode` is the connection's, `conversation_id` the conversation that the mail
    is kept in, and `owner_id` the contact under whom that is shown."""

    connection_id: ConnectionId
    user_id: str
    dry_run: bool
    outcome: Outcome | None
    person: Person | None
    address: str | None
    matched_by: MatchedBy | None
    author: str | None
    via_list: bool
    received_at: datetime | None
    category: Category | None
    deal: DecidingDeal | None
    changed: LabelChange | None
    notification_id: int | None
    undone_at: datetime | None = None
    sorting_trouble: str | None = None
    outdated: tuple[Outdated, ...] = ()
    mode: Mode = Mode.LIVE
    conversation_id: str | None = None
    owner_id: str | None = None

    @property
    def kept_nothing(self) -> bool:
        """Whether the ledger holds the id and the outcome alone, as for mail that belongs to no record (D2)."""
        return self.person is None and self.category is None


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """Everything the ledger holds of one mail in one mailbox. `label_names` are by label id; `names` are what the CRM
    labels are called there, or would be."""

    mailbox_id: MailboxId
    mailbox: str
    message_id: str
    label_names: dict[str, str]
    came_by: str | None
    seen_at: datetime | None
    touched: bool
    missing: int
    steps: tuple[StepRecord, ...]
    decided: tuple[ConnectionDecision, ...]
    paused_at: datetime | None = None
    names: ByCategory = field(default_factory=lambda: LABEL_NAMES)

    def step(self, step: Step, connection_id: ConnectionId) -> StepRecord | None:
        """The step, None when it was never planned."""
        where = 0 if step is Step.MATCH else connection_id
        return next((one for one in self.steps if one.step is step and one.connection_id == where), None)


@dataclass(frozen=True, slots=True)
class MessageNow:
    """A mail as its mailbox shows it now, and what would be decided of it. Nothing of this is kept.

    `problem` says why the mailbox could not be asked. `message` is None when the mailbox has it no more.
    """

    problem: str | None = None
    message: Message | None = None
    direction: Direction | None = None
    outcome: Outcome | None = None
    hit: Hit | None = None
    by_alias: bool = False
