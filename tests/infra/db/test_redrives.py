"""What waits in a mailbox is asked for by one row, however much it is (W2, W13, I4)."""

import threading

import pytest
from sqlalchemy import select

from domain.ids import MailboxId
from domain.ledger import Step
from infra.db.tables.ledger import steps
from infra.db.tables.mailboxes import mailboxes
from tests.scale.frame import statements
from tests.worlds import World, arrive, let_pass, make_world


def ask(world: World) -> dict[MailboxId, tuple[Step, ...]]:
    with world.store.begin("tests.redrive") as tx:
        return dict(tx.ledger.redrive(1_000))


def redrive_at(world: World) -> object:
    with world.store.begin("tests.look") as tx:
        return tx.db.scalar(select(mailboxes.c.redrive_at).where(mailboxes.c.id == world.mailbox_id))


@pytest.mark.rule("W2", "W13")
def test_a_redrive_asks_as_few_questions_for_many_mails_of_many_mailboxes_as_for_one(world: World) -> None:
    arrive(world, "a")
    let_pass(world.store, 61)
    once = statements(world.store, lambda: ask(world))

    others = [make_world(world.store, f"u{n}@firm.example", f"u{n}") for n in range(30)]
    for one in others:
        arrive(one, *(f"m{n}" for n in range(20)))
    let_pass(world.store, 61)

    assert statements(world.store, lambda: ask(world)) == once
    let_pass(world.store, 61)
    assert ask(world) == {one.mailbox_id: (Step.MATCH,) for one in (world, *others)}


@pytest.mark.rule("I4", "E87")
def test_a_rest_writes_its_mailbox_and_none_of_what_waits(world: World) -> None:
    arrive(world, *(f"m{n}" for n in range(200)))

    def waiting() -> list[tuple[object, ...]]:
        with world.store.begin("tests.look") as tx:
            return [tuple(row) for row in tx.db.execute(select(steps).order_by(steps.c.message_id))]

    def rest() -> None:
        with world.store.begin("tests.rest") as tx:
            tx.mailboxes.rest(world.mailbox_id, "rateLimitExceeded", 600)

    before = waiting()

    assert statements(world.store, rest) == 1
    assert waiting() == before
    let_pass(world.store, 590)
    assert ask(world) == {}
    let_pass(world.store, 11)
    assert ask(world) == {world.mailbox_id: (Step.MATCH,)}


@pytest.mark.rule("W2")
def test_a_mailbox_in_which_nothing_waits_any_more_is_looked_at_once_and_then_not(world: World) -> None:
    arrive(world, "a")
    with world.store.begin("tests.work") as tx:
        claims = tx.ledger.claim(world.mailbox_id, Step.MATCH, 1, "worker", 60)
        tx.ledger.finish(world.mailbox_id, Step.MATCH, dict.fromkeys(claims), "worker", {})
    let_pass(world.store, 61)

    assert ask(world) == {world.mailbox_id: ()}
    assert redrive_at(world) is None
    assert ask(world) == {}


@pytest.mark.rule("W2", "I1")
def test_mail_that_comes_while_the_re_driver_looks_is_asked_for_in_its_time(world: World) -> None:
    """It has seen that nothing waits, and has not said so yet."""
    arrive(world, "a")
    with world.store.begin("tests.work") as tx:
        claims = tx.ledger.claim(world.mailbox_id, Step.MATCH, 1, "worker", 60)
        tx.ledger.finish(world.mailbox_id, Step.MATCH, dict.fromkeys(claims), "worker", {})
    let_pass(world.store, 61)
    coming = threading.Thread(target=arrive, args=(world, "b"))
    with world.store.begin("tests.redrive") as tx:
        assert tx.ledger.redrive(10) == {world.mailbox_id: ()}
        coming.start()
        coming.join(0.5)
        assert coming.is_alive(), "it waits for the mailbox"
    coming.join()

    assert ask(world) == {}
    let_pass(world.store, 61)
    assert ask(world) == {world.mailbox_id: (Step.MATCH,)}


@pytest.mark.rule("W2", "E88")
def test_a_mailbox_is_looked_at_again_when_the_next_claim_or_wait_of_any_step_ends(world: World) -> None:
    arrive(world, "a", "b")
    with world.store.begin("tests.work") as tx:
        claims = tx.ledger.claim(world.mailbox_id, Step.MATCH, 1, "worker", 60)
        tx.ledger.release(world.mailbox_id, Step.MATCH, claims, "worker", 75, counted=True)
    let_pass(world.store, 61)
    assert ask(world) == {world.mailbox_id: (Step.MATCH,)}, "the other one"

    let_pass(world.store, 4)
    assert ask(world) == {}
    let_pass(world.store, 11)
    assert ask(world) == {world.mailbox_id: (Step.MATCH,)}, "14 seconds later, not 60"
