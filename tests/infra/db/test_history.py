"""Where mailboxes stand in their history, what of it has been judged, and when it is compared (E84, E108, W5, W8)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from domain.mail.folders import Folder
from domain.mailboxes.comparisons import Compared, Missing
from domain.mailboxes.history import Change, ChangeKind, Cursors, Touch
from domain.outcomes import Outcome
from infra.db.tables.mailboxes import judged, mailboxes
from tests.worlds import LABELS, World, arrive, connection_of, found, make_world

CRM = frozenset(LABELS.values())
OPEN, CUSTOMERS = "Label_2", "Label_3"


def added(message_id: str, position: int = 0) -> Change:
    return Change(ChangeKind.ARRIVED, message_id, Folder.INBOX, position=position)


def labelled(message_id: str, position: int, *labels: str, on: bool = True) -> Change:
    kind = ChangeKind.LABELLED if on else ChangeKind.UNLABELLED
    return Change(kind, message_id, None, frozenset(labels), position)


def moved(folder: Folder, *, away: bool) -> Change:
    return Change(ChangeKind.PUT_AWAY if away else ChangeKind.CAME_BACK, "a", folder, position=201)


def news(world: World, *changes: Change) -> tuple[Change, ...]:
    with world.store.begin("mailboxes.advance") as tx:
        return tx.history.news(world.mailbox_id, changes, CRM)


def cursors(world: World) -> Cursors:
    with world.store.begin("tests.state") as tx:
        mailbox = tx.mailboxes.get(world.mailbox_id)
    assert mailbox
    assert mailbox.cursors
    return mailbox.cursors


def records(world: World) -> set[str]:
    with world.store.begin("tests.judged") as tx:
        return set(tx.db.scalars(select(judged.c.record_id)))


@pytest.mark.rule("E108", "W8")
def test_all_that_is_known_of_the_place_in_history_is_kept(world: World) -> None:
    assert (cursors(world).at, cursors(world).settled) == ("100", "100")
    with world.store.begin("mailboxes.advance") as tx:
        now = tx.now()
        whole = Cursors(str(2**70), "90", now, "300", now, now, now)
        tx.history.advance(world.mailbox_id, whole)
    assert cursors(world) == whole
    with world.store.begin("connections.switch_off") as tx:
        tx.mailboxes.forget(world.mailbox_id)
        mailbox = tx.mailboxes.get(world.mailbox_id)
    assert mailbox
    assert mailbox.cursors is None


@pytest.mark.rule("E108", "I2")
def test_mail_that_the_ledger_has_is_no_news(world: World) -> None:
    arrive(world, "a")
    late = (added("a", 201), added("b", 202))
    assert news(world, *late) == (added("b", 202),)
    assert news(world, *late) == (added("b", 202),), "not before it is in the ledger"


@pytest.mark.rule("E108", "W5", "I6", "W9")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(labelled("a", 201, OPEN), id="a CRM label on"),
        pytest.param(labelled("a", 201, OPEN, on=False), id="a CRM label off"),
        pytest.param(moved(Folder.SPAM, away=True), id="into Spam"),
        pytest.param(moved(Folder.TRASH, away=False), id="out of the Trash"),
        pytest.param(moved(Folder.DRAFTS, away=False), id="sent"),
    ],
)
def test_a_record_is_judged_once_and_a_late_one_too(world: World, change: Change) -> None:
    younger, late = replace(change, position=1005), replace(change, position=99)
    assert news(world, younger, younger) == (younger, younger), (
        "the same twice in a page is the page's to see"
    )
    assert news(world, younger) == ()
    assert news(world, late, younger) == (late,)
    assert news(world, late, younger) == ()
    assert news(world, replace(younger, message_id="b")) == (replace(younger, message_id="b"),)


@pytest.mark.rule("E108")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(labelled("a", 201, "STARRED", "Label_9"), id="the user's own labels"),
        pytest.param(labelled("a", 201, "INBOX", "UNREAD", on=False), id="archived and read"),
        pytest.param(added("a", 201), id="a mail that comes"),
        pytest.param(Change(ChangeKind.GONE, "a", position=201), id="a mail that goes"),
    ],
)
def test_what_is_nobodys_to_judge_is_not_remembered(world: World, change: Change) -> None:
    assert news(world, change) == (change,)
    assert records(world) == set()


@pytest.mark.rule("E108")
def test_what_has_settled_is_forgotten_by_its_number_and_not_at_once(world: World) -> None:
    judged_ = ("9", "99", "100", "101", "1000", str(2**70))
    news(world, *(labelled("a", int(record_id), OPEN) for record_id in judged_))
    with world.store.begin("mailboxes.advance") as tx:
        now = tx.now()
        tx.history.advance(world.mailbox_id, Cursors.start("100", now), settled=100)
    assert records(world) == set(judged_), "told within two minutes: it may be needed still"
    with world.store.begin("mailboxes.advance") as tx:
        later = now + timedelta(seconds=121)
        tx.history.advance(world.mailbox_id, Cursors.start("100", later))
    assert records(world) == set(judged_), "nothing has settled since"
    with world.store.begin("mailboxes.advance") as tx:
        tx.history.advance(world.mailbox_id, Cursors.start("100", later), settled=100)
    assert records(world) == {"101", "1000", str(2**70)}
    with world.store.begin("mailboxes.advance") as tx:
        tx.history.advance(world.mailbox_id, Cursors.start(str(2**70), later), settled=2**70)
    assert records(world) == set()


@pytest.mark.rule("E108", "E47")
def test_the_last_record_of_a_label_is_the_highest_number(world: World) -> None:
    news(
        world,
        labelled("a", 999, OPEN),
        labelled("a", 1000, OPEN),
        labelled("a", 1001, CUSTOMERS),
        labelled("a", 1002, OPEN, on=False),
        labelled("b", 7, OPEN),
    )
    with world.store.begin("tests.told") as tx:
        assert tx.history.told(world.mailbox_id, {"a": OPEN, "b": CUSTOMERS}) == {"a": 1000}


@pytest.mark.rule("D12", "I3", "D2")
def test_nothing_is_remembered_of_a_mailbox_that_is_switched_off(world: World) -> None:
    other = make_world(world.store, "eva@firm.example", "eva")
    for one in (world, other):
        news(one, labelled("a", 201, OPEN))
    with world.store.begin("connections.switch_off") as tx:
        tx.mailboxes.forget(world.mailbox_id)
    assert records(other) == {"201"}
    with world.store.begin("connections.delete") as tx:
        tx.connections.delete(connection_of(tx, other))
        tx.mailboxes.delete(other.mailbox_id)
    assert records(other) == set()


@pytest.mark.rule("E108", "E36")
def test_what_a_list_has_and_the_ledger_has_not(world: World) -> None:
    arrive(world, "known")
    with world.store.begin("tests.record") as tx:
        skipped = (("rescued", Outcome.SKIP_SPAM), ("chat", Outcome.SKIP_CHAT))
        tx.messages.record(
            world.mailbox_id,
            replace(found(), dropped=skipped),
            "push",
            [world.connection_id],
            LABELS,
        )
        tx.messages.record(world.mailbox_id, found("late"), "compare", [world.connection_id], LABELS)
        listed = ("known", "rescued", "chat", "late", "new")
        missing = tx.history.missing(world.mailbox_id, listed, "compare")
    assert missing == Missing(new=("new",), rescued=("rescued",), late=1)


@pytest.mark.rule("E108")
def test_a_comparison_is_due_once_a_day(world: World) -> None:
    def take() -> tuple[int, ...]:
        with world.store.begin("sweep.comparisons") as tx:
            return tx.history.redrive_comparisons(10, 60)

    assert take() == (world.mailbox_id,), "when it is connected"
    assert take() == (), "and again only when nobody has done it within a minute"
    with world.store.begin("comparison.end") as tx:
        assert tx.history.is_compare_due(world.mailbox_id, 60)
        due_at = tx.now() + timedelta(hours=20)
        tx.history.compared(world.mailbox_id, Compared(7, 2), due_at)
        assert not tx.history.is_compare_due(world.mailbox_id, 60)
        row = tx.db.execute(select(mailboxes)).one()
    assert (row.mails_compared, row.mails_late) == (7, 2)
    assert row.compared_at is not None
    with world.store.begin("comparison.end") as tx:
        tx.history.compared(world.mailbox_id, None, due_at)
        assert tx.db.scalar(select(mailboxes.c.mails_compared)) == 7, "nothing compared, nothing new"
        tx.history.hasten_comparison(world.mailbox_id, 3_600)
        sooner = tx.db.scalar(select(mailboxes.c.compare_due_at))
        assert sooner is not None
        assert sooner < due_at
        tx.history.hasten_comparison(world.mailbox_id, 7_200)
        assert tx.db.scalar(select(mailboxes.c.compare_due_at)) == sooner, "never later"


@pytest.mark.rule("E108", "D3-1", "D12")
def test_a_comparison_stops_for_a_mailbox_that_is_paused_or_off(world: World) -> None:
    with world.store.begin("tests.goes_on") as tx:
        assert tx.history.lock_awake(world.mailbox_id)
        tx.mailboxes.pause_by_operator(None, 0, 10)
        assert not tx.history.lock_awake(world.mailbox_id)
        tx.mailboxes.resume_by_operator(None, 0, 10)
        tx.mailboxes.forget(world.mailbox_id)
        assert not tx.history.lock_awake(world.mailbox_id)


@pytest.mark.rule("E108")
def test_due_comparisons_are_found_by_their_index(world: World) -> None:
    with world.store.begin("tests.plan") as tx:
        names = {str(index.name): [column.name for column in index.columns] for index in mailboxes.indexes}
        assert names["mailboxes_compare_due"] == ["compare_due_at"]
        if tx.db.dialect.name == "sqlite":
            query = (
                "EXPLAIN QUERY PLAN SELECT id FROM mailboxes WHERE paused_at IS NULL AND compare_due_at <= 1"
            )
            assert "mailboxes_compare_due" in str(tx.db.execute(text(query)).all())


@pytest.mark.rule("E108", "W5")
def test_a_touch_is_told_from_a_later_one_by_its_position() -> None:
    assert Touch("a", OPEN, added=True, position=1) != Touch("a", OPEN, added=True, position=2)
