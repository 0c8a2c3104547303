"""What was decided about a mail, and the notifications: once, in order, and no more than D2 allows."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Table, insert, make_url, select

from domain.connections.connections import Mode
from domain.crm.categories import Category, ContactCategory
from domain.crm.contacts import MatchedBy
from domain.ids import ConnectionId
from domain.ledger import Claim, Link, Planned, State, Step
from domain.outcomes import Outcome
from domain.retention import Admission, Data, kept
from domain.sorting.label_changes import LabelChange
from infra.db.mail.details import COLUMNS
from infra.db.store import Store
from infra.db.tables.ledger import outbox, steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.db.tables.mailboxes import judged
from infra.db.tables.schema import metadata
from infra.secrets import Cipher
from tests.worlds import KEPT, START, World, arrive, connection_of, link, make_world, match

THREE_DETAILS = {"message_id", "author", "received_at"}


def skip(world: World, **outcomes: Outcome) -> None:
    with world.store.begin("contacts.record") as tx:
        tx.decisions.skip(world.mailbox_id, outcomes, [world.connection_id])


def join(world: World, message_id: str, link: Link, kept: frozenset[Data] = KEPT) -> Claim:
    with world.store.begin("contacts.record") as tx:
        tx.decisions.link(world.mailbox_id, [(message_id, world.connection_id, link, None)], kept)
    return Claim(message_id, world.connection_id, 1)


def notify(world: World, *claims: Claim) -> list[str]:
    with world.store.begin("notifications.record") as tx:
        links = tx.decisions.links(claims)
        return list(tx.notifications.notify(connection_of(tx, world), claims, links, KEPT).message_ids)


def row_of(world: World, message_id: str) -> dict[str, object]:
    with world.store.begin("tests.look") as tx:
        query = select(decisions).where(decisions.c.message_id == message_id)
        return dict(tx.db.execute(query).mappings().one())


def told(store: Store) -> list[str]:
    """The user's list, oldest notification first."""
    with store.begin("tests.told") as tx:
        return list(tx.db.scalars(select(notifications.c.message_id).order_by(notifications.c.id)))


@pytest.mark.rule("D2", "Z3", "I3")
def test_of_mail_that_ends_here_only_the_id_and_the_outcome_are_kept(world: World) -> None:
    skip(world, a=Outcome.SKIP_NO_CONTACT)

    kept = {name for name, value in row_of(world, "a").items() if value not in (None, False)}

    assert kept == {"connection_id", "message_id", "mailbox_id", "outcome", "decided_at"}


@pytest.mark.rule("I2", "E80")
def test_the_first_decision_stands(world: World) -> None:
    skip(world, a=Outcome.SKIP_NO_CONTACT)
    skip(world, a=Outcome.SKIP_SELF)
    join(world, "a", link())

    assert row_of(world, "a")["outcome"] == "skip.no_contact"
    assert row_of(world, "a")["author"] is None


def test_one_mail_may_end_differently_for_two_connections(store: Store) -> None:
    here = make_world(store)
    there = make_world(store, "eva@firm.example", "eva")
    skip(here, a=Outcome.SKIP_SELF)
    skip(there, a=Outcome.SKIP_EXCLUDED)

    with store.begin("tests.look") as tx:
        rows = tx.db.execute(select(decisions)).all()
    assert {row.connection_id: row.outcome for row in rows} == {
        here.connection_id: "skip.self",
        there.connection_id: "skip.excluded",
    }


@pytest.mark.rule("D2-5", "D2", "Z3", "Z5")
def test_a_link_comes_back_as_it_was(world: World) -> None:
    moment = START.replace(microsecond=123_000)
    known = Link(
        "1007",
        "ann@example.com",
        MatchedBy.PLUS_TAG,
        "ann+shop@example.com",
        moment,
        in_inbox=False,
        via_list=True,
    )
    claim = join(world, "18c2f00ba4", known)

    with world.store.begin("tests.links") as tx:
        assert tx.decisions.links([claim]) == {("18c2f00ba4", world.connection_id): known}
        assert tx.decisions.links([Claim("18c2f00ba4", ConnectionId(world.connection_id + 1), 1)]) == {}


@pytest.mark.rule("D2", "D2-1", "D2-2", "D2-3", "I3")
@pytest.mark.parametrize(
    ("mode", "magnet", "details"),
    [
        pytest.param(Mode.LIVE, True, (True, "ann@example.com", START), id="with MailMagnet"),
        pytest.param(Mode.SYNC_GMAIL, False, (True, None, None), id="what two-way sync does not admit"),
        pytest.param(Mode.LIVE, False, None, id="nothing at all without MailMagnet"),
    ],
)
def test_what_may_not_be_kept_is_not_written(
    world: World, mode: Mode, magnet: bool, details: tuple[object, ...] | None
) -> None:
    allowed = kept(mode, Admission.REFUSED, magnet=magnet)
    claim = join(world, "a", link(), allowed)
    with world.store.begin("notifications.record") as tx:
        tx.notifications.notify(connection_of(tx, world), [claim], {claim.key: link()}, allowed)
        rows = [
            tx.db.execute(select(table).where(table.c.message_id == "a")).one_or_none()
            for table in (decisions, notifications)
        ]

    assert [row and (bool(row.contact_id), row.author, row.received_at) for row in rows] == [details] * 2


@pytest.mark.rule("D2", "I3")
def test_each_column_that_tells_of_a_mail_is_a_row_of_d2() -> None:
    """A new one fails here until infra/db/mail/details.py says what it is, or this list that it holds ids and facts."""
    told = {name for table in (decisions, notifications) for name in _names(table)}
    facts: dict[Table, set[str]] = {
        messages: {
            *("mailbox_id", "message_id", "came_by", "seen_at", "missing", "missing_since", "reopened_at"),
            "touched",
        },
        steps: {
            *("mailbox_id", "message_id", "step", "connection_id", "state", "outcome", "attempts", "owner"),
            *("ready_at", "units", "seconds", "shared_by"),
        },
        judged: {"mailbox_id", "record_id", "message_id", "label_id", "added", "judged_at"},
        outbox: {
            *("id", "mailbox_id", "connection_id", "contact_id", "key", "draft_id", "sent_id", "state"),
            *("reason", "attempts", "looks", "owner", "ready_at", "redrive_at", "created_at", "ended_at"),
        },
    }

    assert told == set(COLUMNS)
    assert {table.name: _names(table) for table in facts} == {
        table.name: columns for table, columns in facts.items()
    }
    assert {table.name for table in metadata.tables.values() if "message_id" in table.c} == {
        *(table.name for table in facts if table is not outbox),
        *("decisions", "notifications", "mail_sources"),
    }


def _names(table: Table) -> set[str]:
    return {column.name for column in table.columns}


@pytest.mark.rule("W5", "I9")
def test_an_intent_is_kept_before_the_outcome_and_stays_beside_it(world: World) -> None:
    ann, bob, cid = (join(world, i, link()) for i in ("a", "b", "c"))
    with world.store.begin("labels.intend") as tx:
        tx.decisions.intend(
            {ann: ContactCategory(Category.CTM, "7"), bob: ContactCategory(Category.OPEN, "8")}
        )

    assert (row_of(world, "a")["category"], row_of(world, "a")["deal_id"]) == ("CTM", "7")
    assert row_of(world, "a")["outcome"] is None

    change = LabelChange(frozenset({"Label_1"}), frozenset({"Label_3"}), leave_inbox=True)
    with world.store.begin("labels.record") as tx:
        outcomes = {ann: Outcome.LABEL_CTM, bob: Outcome.LABEL_USER_CHOICE, cid: Outcome.LABEL_NONE}
        tx.decisions.conclude(outcomes, {ann: change})

    assert [row_of(world, i)["outcome"] for i in "abc"] == ["label.ctm", "label.user_choice", "label.none"]
    assert row_of(world, "a")["changed"] == {"added": ["Label_1"], "removed": ["INBOX", "Label_3"]}
    assert row_of(world, "a")["changed_at"] is not None
    assert (row_of(world, "b")["changed"], row_of(world, "b")["changed_at"]) == (None, None)


@pytest.mark.rule("I9")
@pytest.mark.parametrize(
    ("sorting", "outcome"),
    [
        pytest.param(Planned(Step.SORT, State.DONE, Outcome.LABEL_NONE), "label.none", id="a lead"),
        pytest.param(Planned(Step.SORT, State.DONE, Outcome.LABEL_OFF), "label.off", id="sorting off"),
        pytest.param(Planned(Step.SORT, State.BLOCKED), None, id="sorting is still to come"),
    ],
)
def test_announced_mail_ends_when_nothing_is_left_to_sort(
    world: World, sorting: Planned, outcome: str | None
) -> None:
    arrive(world, "a", "b")
    match(world, "a", "b", steps=[Planned(Step.ANNOUNCE, State.WAITING), sorting])
    announced = Claim("a", world.connection_id, 1)
    with world.store.begin("notifications.record") as tx:
        known = tx.decisions.links([announced])[announced.key].labelled
        tx.decisions.conclude({announced: known} if known else {}, {})

    assert known == outcome
    assert row_of(world, "a")["outcome"] == outcome
    assert row_of(world, "b")["outcome"] is None


@pytest.mark.rule("D2-1", "D2-2", "D2-3", "Z3", "Z21", "D2", "X1")
def test_a_notification_holds_three_details_of_the_mail_and_whose_it_is(world: World) -> None:
    notify(world, join(world, "a", link("ann+shop@example.com", minute=3)))

    with world.store.begin("tests.look") as tx:
        kept = dict(tx.db.execute(select(notifications)).mappings().one())
    assert kept.keys() - THREE_DETAILS == {
        "id",
        "kind",
        "connection_id",
        "organisation_id",
        "location_id",
        "user_id",
        "contact_id",
        "late",
        "via_list",
        "created_at",
    }
    assert (kept["message_id"], kept["author"]) == ("a", "ann+shop@example.com")
    assert kept["received_at"] == link(minute=3).received_at


@pytest.mark.rule("I2", "E80", "D11-8")
def test_the_same_mail_is_announced_once(world: World) -> None:
    ann, bob = join(world, "a", link()), join(world, "b", link(minute=1))

    assert notify(world, ann) == ["a"]
    assert notify(world, ann, bob) == ["b"]
    assert notify(world, ann, bob) == []
    assert told(world.store) == ["a", "b"]


@pytest.mark.rule("I2", "E80")
def test_two_workers_announce_it_once(world: World, second_store: Store) -> None:
    claim = join(world, "a", link())
    processes = 2 * (world, replace(world, store=second_store))
    with ThreadPoolExecutor(4) as pool:
        new = [
            message_id
            for found in pool.map(lambda one: notify(one, claim), processes)
            for message_id in found
        ]

    assert new == ["a"]
    assert told(world.store) == ["a"]


@pytest.mark.rule("D11-6")
def test_notifications_stand_in_the_order_the_mail_was_received(world: World) -> None:
    claims = [
        join(world, message_id, link(minute=minute))
        for message_id, minute in zip("abc", (9, 1, 5), strict=True)
    ]

    notify(world, *claims)

    assert told(world.store) == ["b", "c", "a"]


def test_a_reader_who_asks_for_what_came_after_misses_nothing(world: World, second_store: Store) -> None:
    """Numbers are given in the order of the commits: who holds the connection's row goes first."""
    first, second = join(world, "first", link()), join(world, "second", link(minute=1))
    holding, may_commit = threading.Event(), threading.Event()

    def announce_slowly() -> None:
        with world.store.begin("notifications.record") as tx:
            tx.connections.working(world.mailbox_id, locked=True)
            tx.notifications.notify(connection_of(tx, world), [first], tx.decisions.links([first]), KEPT)
            holding.set()
            assert may_commit.wait(60)

    def announce() -> None:
        assert holding.wait(60)
        with second_store.begin("notifications.record") as tx:
            tx.connections.working(world.mailbox_id, locked=True)
            tx.notifications.notify(connection_of(tx, world), [second], tx.decisions.links([second]), KEPT)

    with ThreadPoolExecutor(2) as pool:
        slow, quick = pool.submit(announce_slowly), pool.submit(announce)
        assert holding.wait(60)
        time.sleep(0.1)
        assert not quick.done(), "the second waits for the first's commit"
        may_commit.set()
        slow.result(60)
        quick.result(60)

    assert told(world.store) == ["first", "second"]


@pytest.mark.rule("D2", "I3")
def test_purged_decisions_leave_nothing_of_the_author(world: World) -> None:
    labelled = join(world, "labelled", replace(link(), via_list=True))
    unlabelled = join(world, "unlabelled", link())
    skip(world, skipped=Outcome.SKIP_SELF)
    with world.store.begin("labels.record") as tx:
        tx.decisions.intend({labelled: ContactCategory(Category.OPEN, "8")})
        tx.decisions.conclude({labelled: Outcome.LABEL_OPEN, unlabelled: Outcome.LABEL_NONE}, {})

    with world.store.begin("sweep.purge") as tx:
        seen = {
            "mailbox_id": world.mailbox_id,
            "came_by": "push",
            "seen_at": datetime(2020, 1, 1, tzinfo=UTC),
        }
        ids = ("labelled", "unlabelled", "skipped")
        tx.db.execute(insert(messages), [seen | {"message_id": message_id} for message_id in ids])
        assert tx.retention.mails(35, 10, ()).rows == len(ids)
        left = tx.db.execute(select(decisions)).mappings().all()

    assert [(row["message_id"], row["category"], row["author"]) for row in left] == [
        ("labelled", "OPEN", None)
    ]
    assert (left[0]["in_inbox"], left[0]["via_list"]) == (None, False)


@pytest.mark.rule("I3", "D2")
@pytest.mark.parametrize("settled", [True, False], ids=["in the file", "in the log"])
def test_of_a_deleted_author_no_byte_is_left_in_sqlite_s_files(
    sqlite_url: str, cipher: Cipher, settled: bool
) -> None:
    """The database stays open, as in a worker that runs for months."""
    store = Store(sqlite_url, cipher)
    world = make_world(store)
    arrive(world, "a")
    match(world, "a")
    notify(world, Claim("a", world.connection_id, 1))
    if settled:
        _checkpoint(store)
    before = _bytes_of(sqlite_url)

    with store.begin("connections.switch_off") as tx:
        tx.connections.switch_off(world.connection_id)
        tx.connections.delete_mail(connection_of(tx, world), 100, (), alone=True)
    store.scrub()
    after = _bytes_of(sqlite_url)
    store.engine.dispose()

    assert b"ann@example.com" in before
    assert b"ann@example.com" not in after


def _checkpoint(store: Store) -> None:
    with closing(store.engine.raw_connection()) as db:
        db.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _bytes_of(url: str) -> bytes:
    file = Path(make_url(url).database or "")
    return b"".join(part.read_bytes() for part in sorted(file.parent.glob(f"{file.name}*")))
