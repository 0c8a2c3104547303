"""What a mail costs the database, however much the ledger holds of its mailbox, its contact and everybody else."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from statistics import median

from sqlalchemy import text

from domain.crm.categories import Category, ContactCategory
from domain.crm.contacts import ContactKind, MatchedBy
from domain.crm.merges import Merge
from domain.crm.records import ContactRecord
from domain.ids import ConnectionId, MailboxId
from domain.ledger import Claim, Cost, Link, Planned, State, Step
from domain.mailboxes.history import Found
from domain.outcomes import Outcome
from domain.sorting.label_changes import LabelChange
from infra.db.migrate import migrate
from infra.db.store import Store
from infra.local.postgres import fresh_database
from tests.scale.frame import Ask, Figure, Place, buffers
from tests.scale.load import load, of_mailboxes
from tests.worlds import HERE as LOCATION
from tests.worlds import KEPT, LABELS

HERE = 1
"""The mailbox and its one connection, in which everything is measured."""

ROUNDS = 30
NEVER_SLOWER = 1.2


def contact(place: Place) -> Iterator[Figure]:
    """A contact with 100 labelled mails, and one with 100,000; and one that such a one was merged into."""
    with place.copy() as other:
        labelled(other.store, 100, "few")
        labelled(other.store, 100_000, "many")
        cost, unit = (_cpu, "x CPU") if other.is_sqlite else (buffers, "x buffers")
        for wanted in (Category.OPEN, Category.CUSTOMER):
            few, many = (_looked_at(other.store, name, wanted, cost) for name in ("few", "many"))
            what = f"{wanted.lower()} mail, 100,000 labelled of 100"
            yield Figure(f"labelled_before, {what}", many / few, unit, NEVER_SLOWER)
        for name in ("few", "many"):
            _merge(other.store, f"more than {name}", name)
        few, many = (
            _looked_at(other.store, f"more than {n}", Category.CUSTOMER, cost) for n in ("few", "many")
        )
        yield Figure("labelled_before, merged, 100,000 labelled of 100", many / few, unit, NEVER_SLOWER)


def _looked_at(store: Store, contact_id: str, wanted: Category, cost: Callable[[Store, Ask], float]) -> float:
    claim = _claimed(store, contact_id, wanted)
    return cost(store, lambda tx: tx.of(LOCATION).sorting.labelled_before([claim]))


def _merge(store: Store, survivor: str, loser: str) -> None:
    with store.begin("scale.merge") as tx:
        here = tx.of(LOCATION).crm
        here.put([ContactRecord(survivor, ContactKind.CONTACT, "", (), None, datetime.now(UTC))])
        here.merge(Merge(survivor, (loser,), 1))


def _cpu(store: Store, ask: Ask) -> float:
    """Seconds, the least of many rounds. SQLite works in our own thread."""
    taken = []
    for _ in range(ROUNDS):
        with store.begin("scale.measure") as tx:
            began = time.thread_time()
            ask(tx)
            taken.append(time.thread_time() - began)
    return min(taken)


def ledger(place: Place) -> Iterator[Figure]:
    """A small ledger, and one with a million mails more of which 100,000 lie in the same mailbox, in turn."""
    with _small(place) as small, place.copy() as large:
        labelled(large.store, 100_000, "somebody else")
        for what, mails in (("a lone mail", 1), ("a mail of 25", 25)):
            taken = [(_taken(small, f"{n}", mails), _taken(large, f"{n}", mails)) for n in range(ROUNDS)]
            few, many = (median(those) for those in zip(*taken, strict=True))
            yield Figure(f"{what}, 4 M rows of 30,000", many / few, "x", NEVER_SLOWER)


@contextmanager
def _small(place: Place) -> Iterator[Place]:
    """A database of its own, beside the other on PostgreSQL's server."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        url = (
            f"sqlite:///{folder}/small.db"
            if place.is_sqlite
            else opened.enter_context(fresh_database(place.url))
        )
        small = Place(url, place.say)
        opened.callback(small.store.engine.dispose)
        migrate(small.store.engine)
        load(small.store.engine, of_mailboxes(1_000), place.say)
        yield small


_NUMBERS = (
    "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :mails) SELECT n FROM c) x"
)
_STEP = "INSERT INTO steps (mailbox_id, message_id, step, connection_id, state, ready_at) SELECT :here, :who || n,"
_LABELLED = (
    "INSERT INTO messages (mailbox_id, message_id, came_by, seen_at) SELECT :here, :who || n, 'push', :now FROM",
    f"{_STEP} 'match', 0, 'done', :now FROM",
    f"{_STEP} 'announce', :here, 'done', :now FROM",
    f"{_STEP} 'sort', :here, 'done', :now FROM",
    """INSERT INTO decisions
         (mailbox_id, connection_id, message_id, outcome, contact_id, contact_address, matched_by, author,
          received_at, in_inbox, category, changed, changed_at, decided_at)
       SELECT :here, :here, :who || n, 'label.open', :who, 'ann@example.com', 'exact', 'ann@example.com',
         :now, TRUE, 'OPEN', '{"added": ["Label_2"], "removed": ["INBOX"]}', :now, :now FROM""",
)


def labelled(store: Store, mails: int, contact_id: str) -> None:
    """So many mails of a contact have come, been announced and got a label."""
    known = {"mails": mails, "who": contact_id, "now": round(1000 * time.time()), "here": HERE}
    with store.begin("scale.label") as tx:
        for rows in _LABELLED:
            statement = f"{rows} {_NUMBERS}"
            tx.db.execute(text(statement), {name: v for name, v in known.items() if f":{name}" in statement})
        tx.db.exec_driver_sql("ANALYZE")


def _claimed(store: Store, contact_id: str, wanted: Category) -> Claim:
    """One more mail of the contact, meant to have this label."""
    message_id = f"{contact_id} now {wanted}"
    with store.begin("scale.link") as tx:
        tx.decisions.link(MailboxId(HERE), [(message_id, HERE, _link(contact_id), None)], KEPT)
        claim = Claim(message_id, ConnectionId(HERE), 1)
        tx.decisions.intend({claim: ContactCategory(wanted, None)})
    return claim


def _link(contact_id: str) -> Link:
    address = "ann@example.com"
    return Link(contact_id, address, MatchedBy.EXACT, address, datetime.now(UTC))


def _taken(place: Place, name: str, mails: int) -> float:
    """Seconds for so many mails that come together; of CPU on SQLite, which works in our own thread."""
    clock = time.thread_time if place.is_sqlite else time.perf_counter
    began = clock()
    way_of_mail(place.store, [f"{name}.{n} of {mails}" for n in range(mails)], f"contact {name}")
    return clock() - began


def way_of_mail(store: Store, message_ids: Sequence[str], contact_id: str) -> None:
    """What the handlers ask of the ledger, in their transactions."""
    with store.begin("scale.arrive") as tx:
        tx.messages.record(
            MailboxId(HERE), Found(tuple(message_ids), (), (), (), ()), "push", [ConnectionId(HERE)], LABELS
        )
        tx.ledger.redrive_within(MailboxId(HERE), 60)
    claims = _claim(store, Step.MATCH, ConnectionId(0))
    with store.begin("scale.match") as tx:
        tx.ledger.held(MailboxId(HERE), Step.MATCH, claims, "me")
        cost = dict.fromkeys(message_ids, Cost(20, 0.1, len(message_ids)))
        tx.ledger.finish(MailboxId(HERE), Step.MATCH, dict.fromkeys(claims), "me", cost)
        tx.decisions.link(MailboxId(HERE), [(i, HERE, _link(contact_id), None) for i in message_ids], KEPT)
        due = (Planned(Step.ANNOUNCE, State.WAITING), Planned(Step.SORT, State.BLOCKED))
        tx.ledger.plan(MailboxId(HERE), [(i, HERE, step) for i in message_ids for step in due])
        tx.ledger.ahead(MailboxId(HERE))
    with store.begin("scale.look", reads_only=True) as tx:
        connection = tx.connections.of_ids([ConnectionId(HERE)])[ConnectionId(HERE)]
    with store.begin("scale.announce") as tx:
        claims = tx.ledger.claim(MailboxId(HERE), Step.ANNOUNCE, 500, "me", 60, [ConnectionId(HERE)])
        tx.notifications.notify(connection, claims, tx.decisions.links(claims), KEPT)
        told = dict.fromkeys(claims, Outcome.MAGNET_NOTIFIED)
        tx.ledger.finish(MailboxId(HERE), Step.ANNOUNCE, told, "me", {})
        tx.ledger.unblock_sorting(MailboxId(HERE), claims)
        tx.ledger.ahead(MailboxId(HERE))
    with store.begin("scale.intend") as tx:
        claims = tx.ledger.claim(MailboxId(HERE), Step.SORT, 1_000, "me", 60, [ConnectionId(HERE)])
        tx.of(LOCATION).sorting.sortable(claims)
        tx.decisions.intend(dict.fromkeys(claims, ContactCategory(Category.OPEN, None)))
        tx.of(LOCATION).sorting.labelled_before(claims)
    with store.begin("scale.sorted") as tx:
        tx.ledger.held(MailboxId(HERE), Step.SORT, claims, "me")
        outcomes = dict.fromkeys(claims, Outcome.LABEL_OPEN)
        tx.ledger.finish(MailboxId(HERE), Step.SORT, outcomes, "me", cost)
        change = LabelChange(frozenset({"Label_2"}), frozenset(), leave_inbox=True)
        tx.decisions.conclude(outcomes, dict.fromkeys(claims, change))
    if len(claims) != len(message_ids):
        raise AssertionError(f"{len(claims)} of {len(message_ids)} mails went all the way")


def _claim(store: Store, step: Step, connection_id: ConnectionId) -> tuple[Claim, ...]:
    with store.begin("scale.claim") as tx:
        return tx.ledger.claim(MailboxId(HERE), step, 25, "me", 60, [connection_id])
