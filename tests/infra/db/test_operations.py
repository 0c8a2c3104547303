"""A pause of everything: what it writes, and that nobody is asked for under it (D3 row 1)."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, text, update

from domain.ledger import Step
from infra.db.store import Store, Transaction
from infra.db.tables.mailboxes import mailboxes
from tests.scale.frame import statements
from tests.worlds import World, arrive, let_pass, make_world

Deed = Callable[[Transaction], tuple[int, ...]]
DAYS = 3 * 86_400


def do(store: Store, deed: Deed) -> tuple[int, ...]:
    with store.begin("tests.pause") as tx:
        return deed(tx)


def pause(store: Store, after: int = 0, limit: int = 100) -> tuple[int, ...]:
    return do(store, lambda tx: tx.mailboxes.pause_by_operator(None, after, limit))


def resume(store: Store, after: int = 0, limit: int = 100) -> tuple[int, ...]:
    return do(store, lambda tx: tx.mailboxes.resume_by_operator(None, after, limit))


DUE: dict[str, Deed] = {
    "catch_up": lambda tx: tx.mailboxes.redrive_syncs(10, 60),
    "watches": lambda tx: tx.mailboxes.redrive_watches(10, 60),
    "comparisons": lambda tx: tx.history.redrive_comparisons(10, 60),
    "steps": lambda tx: tuple(tx.ledger.redrive(10)),
}


@pytest.mark.rule("D3-1", "W2", "E108")
@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in DUE.items()])
def test_nothing_is_due_in_a_paused_mailbox_however_long_and_all_of_it_when_it_is_resumed(
    world: World, ask: Deed
) -> None:
    arrive(world, "a")
    pause(world.store)
    let_pass(world.store, DAYS)
    with world.store.begin("tests.others") as tx:
        tx.ledger.redrive_within(world.mailbox_id, 60)
        tx.mailboxes.rest(world.mailbox_id, "backendError", 1)
        tx.mailboxes.keep_watch(world.mailbox_id, 0)
        tx.mailboxes.hasten_watch(world.mailbox_id)
    let_pass(world.store, DAYS)
    assert do(world.store, ask) == ()

    resume(world.store)
    assert do(world.store, ask) == (world.mailbox_id,)


@pytest.mark.rule("D3-1", "W2")
def test_a_mailbox_in_which_nothing_waits_is_caught_up_after_the_pause_and_not_asked_for_mail(
    world: World,
) -> None:
    pause(world.store)
    resume(world.store)
    assert do(world.store, DUE["steps"]) == ()
    assert do(world.store, DUE["catch_up"]) == (world.mailbox_id,)


def asked(world: World) -> tuple[int, int]:
    """How many questions a pause and a resume of all are."""
    return statements(world.store, lambda: pause(world.store)), statements(
        world.store, lambda: resume(world.store)
    )


@pytest.mark.rule("D3-1", "W11")
def test_a_pause_of_many_mailboxes_asks_as_few_questions_as_of_one_and_names_each_once(world: World) -> None:
    once = asked(world)
    others = [make_world(world.store, f"u{n}@firm.example", f"u{n}") for n in range(30)]
    every = tuple(sorted((world.mailbox_id, *(one.mailbox_id for one in others))))
    for deed in (pause, resume):
        first = deed(world.store, 0, 20)
        assert first == every[:20]
        assert deed(world.store, first[-1], 20) == every[20:]
        assert deed(world.store) == ()
    assert asked(world) == once


@pytest.mark.rule("D3-1", "W11")
def test_a_pause_writes_no_index_of_what_is_due(world: World) -> None:
    """PostgreSQL counts; a mailbox whose moments were changed would be written into the index of each."""
    arrive(world, "a")

    def moments() -> tuple[object, ...]:
        columns = (mailboxes.c[f"{name}_at"] for name in ("sync_due", "watch_due", "compare_due", "redrive"))
        with world.store.begin("tests.look") as tx:
            return tuple(tx.db.execute(select(*columns)).one())

    before = moments()
    assert None not in before
    pause(world.store)
    assert moments() == before
    for index in mailboxes.indexes:
        if index.name == "mailboxes_address":
            continue
        with world.store.begin("tests.look") as tx:
            where = (
                "sql FROM sqlite_master WHERE name"
                if tx.db.dialect.name == "sqlite"
                else ("indexdef FROM pg_indexes WHERE indexname")
            )
            made = tx.db.scalar(text(f"SELECT {where} = :name"), {"name": str(index.name)})
        assert "paused_at IS NULL" in str(made), index.name


@pytest.mark.rule("W2")
def test_a_moment_that_a_paused_mailbox_never_had_comes_with_its_next_mail(world: World) -> None:
    """As after a backup of an older release, in which a pause took it away."""
    pause(world.store)
    with world.store.begin("tests.old") as tx:
        tx.db.execute(update(mailboxes).values(redrive_at=None, sync_due_at=None, watch_due_at=None))
    resume(world.store)
    assert do(world.store, DUE["watches"]) == (world.mailbox_id,)
    arrive(world, "a")
    let_pass(world.store, 61)
    with world.store.begin("tests.look") as tx:
        assert dict(tx.ledger.redrive(10)) == {world.mailbox_id: (Step.MATCH,)}
