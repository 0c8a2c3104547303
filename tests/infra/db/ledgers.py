"""Steps, both kinds of deliveries and outbox behind one face: rows are numbers, owners are names (W2, W3)."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Table, delete, select, text, update

from domain.channels import ChannelKind, Target
from domain.conversations.events import EventKind, NewEvent
from domain.ledger import Claim, Planned, State, Step
from domain.outbox import NewItem, OutboxItem, SendState
from domain.parcels import AnyParcel, EventParcel, Parcel
from infra.db.ledger.claims import DELIVERIES, EVENT_DELIVERIES, OUTBOX, STEPS, Claims
from infra.db.store import Store, Transaction
from infra.db.tables.channels import deliveries
from infra.db.tables.conversations import conversations
from infra.db.tables.events import event_deliveries, events
from infra.db.tables.ledger import outbox, steps
from infra.db.tables.mail import decisions, notifications
from infra.db.tables.mailboxes import mailboxes
from tests.conversations import conversation
from tests.worlds import HERE, KEPT, World, connection_of, link


class Died(Exception):
    """Whoever was at work is gone."""


@dataclass(frozen=True, slots=True)
class Row:
    """`waits`: it is neither finished nor set aside."""

    waits: bool
    owner: str | None
    attempts: int


class Ledger(ABC):
    """One of the four. What an owner was handed out he keeps, whoever has it by then."""

    claims: Claims
    forgives = True
    """A try can be taken back."""
    hastens = False
    """A retry ends all waits."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.had: dict[tuple[str, int], Any] = {}

    def in_another_process(self, store: Store) -> "Ledger":
        """The same one, as somebody else opens it."""
        other = type(self).__new__(type(self))
        other.__dict__ |= self.__dict__ | {"world": replace(self.world, store=store)}
        return other

    def begin(self) -> AbstractContextManager[Transaction]:
        """Each verb has a transaction of its own, as for the handlers."""
        return self.world.store.begin("tests.ledger")

    @abstractmethod
    def add(self, number: int) -> None:
        """It waits, and nobody has tried it."""

    def claim(self, owner: str, *, limit: int = 3, lease: float = 60) -> dict[int, int]:
        """Returns the tries by number, this one included."""
        with self.begin() as tx:
            found = self.claim_in(tx, owner, limit, lease)
        self.had |= {(owner, number): one for number, one in found.items()}
        return {number: _attempts(one) for number, one in found.items()}

    def claim_and_die(self, owner: str) -> list[int]:
        """Before it is committed. Returns what he would have had."""
        got: list[int] = []
        with suppress(Died), self.begin() as tx:
            got += self.claim_in(tx, owner, 3, 60)
            raise Died
        return got

    @abstractmethod
    def claim_in(self, tx: Transaction, owner: str, limit: int, lease: float) -> Mapping[int, Any]: ...

    @abstractmethod
    def extend(self, owner: str, lease: float) -> None:
        """All that he has."""

    @abstractmethod
    def release(
        self, owner: str, numbers: Collection[int], *, after: float = 0, counted: bool = True
    ) -> None: ...

    @abstractmethod
    def finish(self, owner: str, numbers: Collection[int]) -> None: ...

    @abstractmethod
    def redrive(self) -> bool:
        """Whether something is named."""

    def rows(self) -> dict[int, Row]:
        """Those that are kept."""
        with self.begin() as tx:
            table = self.claims.table
            found = tx.db.execute(
                select(self._number(), self.claims.waits.label("waits"), table.c.owner, table.c.attempts)
            )
            return {
                int(number): Row(bool(waits), owner, attempts) for number, waits, owner, attempts in found
            }

    @abstractmethod
    def _number(self) -> Any:
        """What a row's number is kept in."""

    def let_pass(self, seconds: float) -> None:
        """As if so many seconds had passed."""
        with self.begin() as tx:
            for column in self._moments():
                moved = f"UPDATE {column.table} SET {column.name} = {column.name} - :back"  # noqa: S608 - our own names
                tx.db.execute(text(moved), {"back": round(1000 * seconds)})

    def _moments(self) -> list[Column[Any]]:
        return [self.claims.table.c[name] for name in self.claims.moments]

    def empty(self) -> None:
        """Nothing is there any more."""
        with self.begin() as tx:
            tables: tuple[Table, ...] = (steps, decisions, deliveries, notifications, outbox)
            tables += (event_deliveries, events, conversations)
            for table in tables:
                tx.db.execute(delete(table))
            tx.db.execute(update(mailboxes).values(redrive_at=None))
        self.had.clear()

    def _its(self, owner: str, numbers: Collection[int]) -> list[Any]:
        return [self.had[owner, number] for number in sorted(numbers) if (owner, number) in self.had]


class SetsAside(Ledger):
    """What has used up its tries stays, and a person may have it tried again."""

    @abstractmethod
    def set_aside(self, owner: str, numbers: Collection[int]) -> None: ...

    @abstractmethod
    def retry(self) -> None:
        """All that is set aside."""


class Steps(SetsAside):
    claims = STEPS

    def add(self, number: int) -> None:
        with self.begin() as tx:
            tx.ledger.redrive_within(self.world.mailbox_id, 60)
            tx.ledger.plan(self.world.mailbox_id, [(str(number), 0, Planned(Step.MATCH, State.WAITING))])

    def claim_in(self, tx: Transaction, owner: str, limit: int, lease: float) -> Mapping[int, Claim]:
        found = tx.ledger.claim(self.world.mailbox_id, Step.MATCH, limit, owner, lease)
        return {int(claim.message_id): claim for claim in found}

    def extend(self, owner: str, lease: float) -> None:
        with self.begin() as tx:
            tx.ledger.extend(self.world.mailbox_id, Step.MATCH, owner, lease)

    def release(
        self, owner: str, numbers: Collection[int], *, after: float = 0, counted: bool = True
    ) -> None:
        with self.begin() as tx:
            its = self._its(owner, numbers)
            tx.ledger.release(self.world.mailbox_id, Step.MATCH, its, owner, after, counted=counted)

    def finish(self, owner: str, numbers: Collection[int]) -> None:
        with self.begin() as tx:
            done = dict.fromkeys(self._its(owner, numbers))
            tx.ledger.finish(self.world.mailbox_id, Step.MATCH, done, owner, {})

    def set_aside(self, owner: str, numbers: Collection[int]) -> None:
        with self.begin() as tx:
            its = self._its(owner, numbers)
            tx.ledger.set_aside(self.world.mailbox_id, Step.MATCH, its, owner, [self.world.connection_id])

    def retry(self) -> None:
        with self.begin() as tx:
            mails = [message_id for _, message_id in tx.ledger.aside(None, 100)]
            tx.ledger.retry(self.world.mailbox_id, mails)

    def redrive(self) -> bool:
        with self.begin() as tx:
            return any(tx.ledger.redrive(100).values())

    def _number(self) -> Any:
        return steps.c.message_id

    def _moments(self) -> list[Column[Any]]:
        return [*super()._moments(), mailboxes.c.redrive_at]


class Deliveries(SetsAside):
    claims = DELIVERIES
    hastens = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        with world.store.begin("tests.channel") as tx:
            self.channel_id = tx.of(HERE).channels.add(
                None, ChannelKind.WEBHOOK, Target("https://hooks.example.com/x")
            )

    def add(self, number: int) -> None:
        with self.begin() as tx:
            claim = Claim(str(number), self.world.connection_id, 1)
            links = {claim.key: replace(link(), received_at=datetime.now(UTC))}
            tx.notifications.notify(connection_of(tx, self.world), [claim], links, KEPT)

    def claim_in(self, tx: Transaction, owner: str, limit: int, lease: float) -> Mapping[int, AnyParcel]:
        parcels, more = tx.deliveries.claim(self.channel_id, owner, lease, limit)
        while more and not parcels:
            parcels, more = tx.deliveries.claim(self.channel_id, owner, lease, limit)
        told = [parcel for parcel in parcels if isinstance(parcel, Parcel)]
        return {int(item.message_id or 0): parcel for parcel in told for item in parcel.items}

    def extend(self, owner: str, lease: float) -> None:
        with self.begin() as tx:
            self.claims.extend(tx.db, owner, lease, self.claims.table.c.channel_id == self.channel_id)

    def release(
        self, owner: str, numbers: Collection[int], *, after: float = 0, counted: bool = True
    ) -> None:
        with self.begin() as tx:
            its = self._its(owner, numbers)
            tx.deliveries.release(its, owner, after, "http 503", counted=counted, untouched=not counted)

    def finish(self, owner: str, numbers: Collection[int]) -> None:
        with self.begin() as tx:
            tx.deliveries.finish(self._its(owner, numbers), owner)

    def set_aside(self, owner: str, numbers: Collection[int]) -> None:
        with self.begin() as tx:
            tx.deliveries.set_aside(self._its(owner, numbers), owner, "http 400")

    def retry(self) -> None:
        with self.begin() as tx:
            tx.of(HERE).channels.retry(self.channel_id)

    def redrive(self) -> bool:
        with self.begin() as tx:
            return tx.deliveries.redrive(100) == (self.channel_id,)

    def _number(self) -> Any:
        mail = select(notifications.c.message_id).where(notifications.c.id == deliveries.c.notification_id)
        return mail.scalar_subquery()


class EventDeliveries(Deliveries):
    """Each number is a conversation of its own, so that none waits for another."""

    claims = EVENT_DELIVERIES

    def add(self, number: int) -> None:
        conversation(self.world.store, str(number), "ann")
        with self.begin() as tx:
            assert tx.of(HERE).events.add(NewEvent(EventKind.STARTED, str(number))) == {self.channel_id}

    def claim_in(self, tx: Transaction, owner: str, limit: int, lease: float) -> Mapping[int, EventParcel]:
        parcels, _ = tx.deliveries.claim(self.channel_id, owner, lease, limit)
        its = [parcel for parcel in parcels if isinstance(parcel, EventParcel)]
        return {int(parcel.event.conversation_id): parcel for parcel in its}

    def _number(self) -> Any:
        return event_deliveries.c.conversation_id


class Outbox(Ledger):
    """What cannot be sent is finished as failed."""

    claims = OUTBOX
    forgives = False

    def add(self, number: int) -> None:
        with self.begin() as tx:
            asked = NewItem(self.world.mailbox_id, self.world.connection_id, None, str(number))
            sending = tx.outbox.add(asked, "asker", 60)
            assert sending
            assert tx.outbox.drafted(sending, "asker", "r1")

    def claim_in(self, tx: Transaction, owner: str, limit: int, lease: float) -> Mapping[int, OutboxItem]:
        one = tx.outbox.claim(self.world.mailbox_id, owner, lease)
        return {int(one.key): one} if one else {}

    def extend(self, owner: str, lease: float) -> None:
        with self.begin() as tx:
            for (whose, _), sending in self.had.items():
                if whose == owner:
                    tx.outbox.extend(sending, owner, lease)

    def release(
        self, owner: str, numbers: Collection[int], *, after: float = 0, counted: bool = True
    ) -> None:
        with self.begin() as tx:
            for sending in self._its(owner, numbers):
                tx.outbox.release(sending, owner, after, SendState.WAITING, "limit", 0)

    def finish(self, owner: str, numbers: Collection[int]) -> None:
        with self.begin() as tx:
            for sending in self._its(owner, numbers):
                tx.outbox.finish(sending, owner, SendState.SENT, sent_id="s1", reason=None)

    def redrive(self) -> bool:
        with self.begin() as tx:
            return tx.outbox.redrive(100) == (self.world.mailbox_id,)

    def _number(self) -> Any:
        return outbox.c.key


LEDGERS: tuple[type[Ledger], ...] = (Steps, Deliveries, EventDeliveries, Outbox)


def _attempts(one: Claim | AnyParcel | OutboxItem) -> int:
    return one.attempts
