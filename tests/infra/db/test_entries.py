"""The ledger read line by line: what it shows, in which order, and by which index."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from domain.ids import MailboxId
from domain.ledger import State, Step
from domain.outcomes import Outcome
from domain.reports import Bookmark, LedgerEntry, LedgerQuery
from infra.db.mail.entries import page
from infra.db.store import Store
from infra.db.tables.ledger import steps
from tests.worlds import HERE, START, World, arrive, connect, let_pass, make_world, match

CARLA = "carla@firm.example"


ALL = LedgerQuery()


def read(store: Store, query: LedgerQuery = ALL, mails: int = 100) -> list[LedgerEntry]:
    """All that is asked for, page by page."""
    found: list[LedgerEntry] = []
    with store.begin("tests.read", reads_only=True) as tx:
        while page := tx.of(HERE).reports.entries(query, found[-1].bookmark if found else None, mails):
            found += page
    return found


def ids(entries: Sequence[LedgerEntry]) -> list[str]:
    return [entry.message_id for entry in entries]


def skip(world: World, message_id: str, outcome: Outcome) -> None:
    """The mail matched nobody."""
    with world.store.begin("tests.skip") as tx:
        claims = tx.ledger.claim(world.mailbox_id, Step.MATCH, 1, "matcher", 60)
        tx.ledger.finish(world.mailbox_id, Step.MATCH, dict.fromkeys(claims), "matcher", {})
        tx.decisions.skip(world.mailbox_id, {message_id: outcome}, [world.connection_id])


@pytest.mark.rule("I9", "D2")
def test_a_line_says_what_became_of_a_mail_or_what_it_hangs_on(world: World) -> None:
    arrive(world, "m1")
    match(world, "m1")
    arrive(world, "m2")
    skip(world, "m2", Outcome.SKIP_NO_CONTACT)
    arrive(world, "m3")
    lines = {entry.message_id: entry for entry in read(world.store)}
    known = {
        message_id: (one.user_id, one.outcome, one.author, one.unfinished and one.unfinished.step)
        for message_id, one in lines.items()
    }
    assert known == {
        "m1": ("uwe", None, "ann@example.com", Step.ANNOUNCE),
        "m2": ("uwe", Outcome.SKIP_NO_CONTACT, None, None),
        "m3": (None, None, None, Step.MATCH),
    }
    assert (lines["m1"].received_at, lines["m2"].received_at) == (START, None)
    assert (lines["m1"].came_by, lines["m1"].mailbox) == ("push", "uwe@firm.example")


@pytest.mark.rule("W15")
def test_a_mail_of_two_connections_has_a_line_for_each(world: World) -> None:
    with world.store.begin("tests.second") as tx:
        second = connect(tx, world.mailbox_id, "carla")
    arrive(world, "m1")
    with world.store.begin("tests.skip") as tx:
        tx.decisions.skip(world.mailbox_id, {"m1": Outcome.SKIP_SPAM}, [world.connection_id, second])
    assert [(one.message_id, one.user_id) for one in read(world.store)] == [("m1", "uwe"), ("m1", "carla")]


@pytest.mark.parametrize("mails", [1, 2, 100])
def test_pages_join_without_a_gap_newest_first(world: World, mails: int) -> None:
    other = make_world(world.store, CARLA, "carla")
    for number in range(3):
        arrive(world, f"a{number}", f"b{number}")
        arrive(other, f"c{number}")
        let_pass(world.store, 60)
    found = read(world.store, mails=mails)
    assert ids(found) == ["c2", "b2", "a2", "c1", "b1", "a1", "c0", "b0", "a0"]
    assert ids(read(world.store, LedgerQuery(mailbox=CARLA), mails)) == ["c2", "c1", "c0"]
    assert read(world.store, LedgerQuery(mailbox="nobody@firm.example")) == []
    middle = found[5].seen_at
    assert ids(read(world.store, LedgerQuery(since=middle), mails))[-1] == "a1"
    assert ids(read(world.store, LedgerQuery(until=middle - timedelta(seconds=1)), mails))[0] == "c0"


def test_only_the_outcomes_and_states_that_are_asked_for(world: World) -> None:
    for number, outcome in enumerate((Outcome.SKIP_SPAM, Outcome.SKIP_SELF, Outcome.SKIP_SPAM)):
        arrive(world, f"m{number}")
        skip(world, f"m{number}", outcome)
    arrive(world, "m3", "m4")
    match(world, "m3", "m4")
    with world.store.begin("tests.fail") as tx:
        failed = (steps.c.message_id == "m4", steps.c.step == Step.ANNOUNCE.value)
        tx.db.execute(update(steps).where(*failed).values(state=State.SET_ASIDE.value))
    spam = LedgerQuery(outcomes=frozenset({Outcome.SKIP_SPAM}))
    assert sorted(ids(read(world.store, spam, 1))) == ["m0", "m2"]
    aside = read(world.store, LedgerQuery(states=frozenset({State.SET_ASIDE})))
    assert [(one.message_id, one.unfinished and one.unfinished.state) for one in aside] == [
        ("m4", State.SET_ASIDE)
    ]
    assert sorted(ids(read(world.store, LedgerQuery(states=frozenset({State.WAITING}))))) == ["m3"]


UWE = LedgerQuery(mailbox="uwe@firm.example")
BY_INDEX = (
    (UWE, False, "messages_of_mailbox"),
    (UWE, True, "messages_of_mailbox"),
    (replace(UWE, since=START, outcomes=frozenset({Outcome.SKIP_SPAM})), True, "messages_of_mailbox"),
    (LedgerQuery(since=START), True, "messages_seen"),
    (LedgerQuery(states=frozenset({State.SET_ASIDE})), False, "steps_undone"),
)
"""What people ask for, on the first page or a later one, and the index that is to find it."""


def test_no_page_reads_the_whole_ledger(store: Store) -> None:
    """PostgreSQL reads a small table as a whole on purpose, and guesses without statistics."""
    world = make_world(store)
    mails = [f"m{number}" for number in range(5_000)]
    arrive(world, *mails)
    with store.begin("tests.done") as tx:
        tx.decisions.skip(world.mailbox_id, dict.fromkeys(mails, Outcome.SKIP_SPAM), [world.connection_id])
        tx.db.execute(update(steps).values(state=State.DONE.value))
        tx.db.execute(update(steps).where(steps.c.message_id == "m7").values(state=State.SET_ASIDE.value))
        if store.engine.dialect.name == "postgresql":
            tx.db.exec_driver_sql("ANALYZE")
    for query, after, index in BY_INDEX:
        plan = explained(
            store, query, Bookmark(START + timedelta(days=3_650), MailboxId(1), "m1") if after else None
        )
        assert index in plan, plan
        assert "Seq Scan on messages" not in plan
        assert "SCAN messages\n" not in plan


def explained(store: Store, query: LedgerQuery, after: Bookmark | None) -> str:
    """How the database would read a page."""
    how = "EXPLAIN " if store.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    with store.engine.connect() as db:
        text = page(HERE, query, after, 50).compile(db, compile_kwargs={"literal_binds": True})
        rows = db.exec_driver_sql(how + str(text).replace("%", "%%"))
        return "".join(" ".join(map(str, row)) + "\n" for row in rows)
