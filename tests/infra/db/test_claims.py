"""The contract of handlers/ports/claims.py, on each of its three tables (W2, W3, W4)."""

import ast
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import infra.db
from infra.db.store import Store
from tests.infra.db.ledgers import LEDGERS, Ledger, Outbox, Row, SetsAside, Steps
from tests.worlds import World

WAITS = Row(waits=True, owner=None, attempts=0)
ON_WHAT_IS_SET_ASIDE = pytest.mark.parametrize(
    "ledger",
    [kind for kind in LEDGERS if issubclass(kind, SetsAside)],
    ids=lambda kind: kind.__name__.lower(),
    indirect=True,
)


@pytest.fixture(params=[pytest.param(kind, id=kind.__name__.lower()) for kind in LEDGERS])
def ledger(request: pytest.FixtureRequest, world: World) -> Ledger:
    """One of the three, with one row that waits."""
    kind: type[Ledger] = request.param
    ledger = kind(world)
    ledger.add(1)
    return ledger


def lost(ledger: Ledger) -> None:
    """Two has what was One's."""
    assert ledger.claim("one", lease=60) == {1: 1}
    ledger.let_pass(61)
    assert ledger.claim("two", lease=600) == {1: 2}


@pytest.mark.rule("W2", "W14")
def test_what_is_claimed_is_nobody_elses_until_its_lease_is_over(ledger: Ledger) -> None:
    assert ledger.claim("one", lease=60) == {1: 1}
    ledger.let_pass(50)
    assert ledger.claim("two") == {}
    ledger.let_pass(11)
    assert ledger.claim("two") == {1: 2}


@pytest.mark.rule("W2")
def test_an_extended_claim_is_nobody_elses_for_as_long_as_that(ledger: Ledger) -> None:
    ledger.claim("one", lease=60)
    ledger.let_pass(50)
    ledger.extend("one", 60)
    ledger.let_pass(50)
    assert ledger.claim("two") == {}
    assert not ledger.redrive()
    ledger.let_pass(11)
    assert ledger.claim("two") == {1: 2}


@pytest.mark.rule("W2")
def test_processes_that_claim_at_once_never_get_the_same(ledger: Ledger, second_store: Store) -> None:
    hands = (ledger, ledger.in_another_process(second_store))
    for number in range(2, 21):
        ledger.add(number)
    got: Counter[int] = Counter()
    together = threading.Barrier(4)

    def run(n: int) -> list[int]:
        mine: list[int] = []
        together.wait()
        while found := hands[n % 2].claim(f"owner {n}", limit=2):
            mine += found
        return mine

    with ThreadPoolExecutor(4) as pool:
        for mine in pool.map(run, range(4)):
            got.update(mine)
    assert got == Counter(range(1, 21))


@pytest.mark.rule("W2", "I4")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("kind", [Steps, Outbox])
def test_what_somebody_has_locked_is_passed_by(kind: type[Ledger], world: World, second_store: Store) -> None:
    """A channel is claimed as a whole, so its deliveries wait."""
    ledger = kind(world)
    for number in (1, 2):
        ledger.add(number)
    other = ledger.in_another_process(second_store)
    with ledger.begin() as tx:
        assert list(ledger.claim_in(tx, "one", 1, 60)) == [1]
        assert other.claim("two") == {2: 1}
        assert other.claim("two") == {}


@pytest.mark.rule("W3")
def test_a_try_is_committed_with_its_claim(ledger: Ledger) -> None:
    assert ledger.claim_and_die("one") == [1]
    assert ledger.rows() == {1: WAITS}
    ledger.claim("one")
    assert ledger.rows() == {1: Row(waits=True, owner="one", attempts=1)}
    ledger.let_pass(61)
    assert ledger.claim("two") == {1: 2}


@pytest.mark.rule("W4", "E87")
@pytest.mark.parametrize(("counted", "attempts"), [(True, 2), (False, 1)])
def test_what_is_released_waits_as_long_as_it_was_told_to(
    ledger: Ledger, counted: bool, attempts: int
) -> None:
    ledger.claim("one")
    ledger.release("one", [1], after=30, counted=counted)
    assert ledger.claim("two") == {}
    assert not ledger.redrive()
    ledger.let_pass(31)
    assert ledger.redrive()
    assert ledger.claim("two") == {1: attempts if ledger.forgives else 2}


@pytest.mark.rule("W2")
@pytest.mark.parametrize(
    "late",
    [
        pytest.param(lambda ledger: ledger.extend("one", 6_000), id="extend"),
        pytest.param(lambda ledger: ledger.release("one", [1]), id="release"),
        pytest.param(lambda ledger: ledger.finish("one", [1]), id="finish"),
    ],
)
def test_who_has_lost_a_claim_does_nothing_to_it(ledger: Ledger, late: Callable[[Ledger], object]) -> None:
    nothing_comes_of(late, ledger)


@pytest.mark.rule("W2")
@ON_WHAT_IS_SET_ASIDE
def test_who_has_lost_a_claim_does_not_set_it_aside(ledger: SetsAside) -> None:
    nothing_comes_of(lambda _: ledger.set_aside("one", [1]), ledger)


def nothing_comes_of(late: Callable[[Ledger], object], ledger: Ledger) -> None:
    lost(ledger)
    before = ledger.rows()
    late(ledger)
    assert ledger.rows() == before == {1: Row(waits=True, owner="two", attempts=2)}
    ledger.let_pass(590)
    assert ledger.claim("three") == {}
    ledger.let_pass(11)
    assert ledger.claim("three") == {1: 3}, "nor has it moved its moment"


@pytest.mark.rule("W2")
def test_a_claim_that_is_over_is_its_owners_until_another_claims_it(ledger: Ledger) -> None:
    ledger.claim("one", lease=60)
    ledger.let_pass(61)
    ledger.finish("one", [1])
    assert ledger.claim("two") == {}
    assert not [row for row in ledger.rows().values() if row.waits]


def test_what_is_finished_is_never_claimed_nor_asked_for_again(ledger: Ledger) -> None:
    ledger.claim("one")
    ledger.finish("one", [1])
    nothing_moves(ledger)


@pytest.mark.rule("E88")
@ON_WHAT_IS_SET_ASIDE
def test_what_is_set_aside_is_never_claimed_nor_asked_for_again(ledger: SetsAside) -> None:
    ledger.claim("one")
    ledger.set_aside("one", [1])
    nothing_moves(ledger)


def nothing_moves(ledger: Ledger) -> None:
    """Whatever its former owner does."""
    before = ledger.rows()
    ledger.extend("one", 60)
    ledger.release("one", [1])
    ledger.finish("one", [1])
    assert ledger.rows() == before
    ledger.let_pass(6_000)
    assert ledger.claim("two") == {}
    assert not ledger.redrive()


@pytest.mark.rule("E88")
@ON_WHAT_IS_SET_ASIDE
def test_what_was_set_aside_is_retried_as_if_never_tried(ledger: SetsAside) -> None:
    for number in range(3):
        assert ledger.claim("one") == {1: number + 1}
        ledger.release("one", [1])
    ledger.claim("one")
    ledger.set_aside("one", [1])
    ledger.retry()
    assert ledger.claim("two") == {1: 1}


@pytest.mark.rule("W2", "W13")
def test_what_waits_and_is_nobodys_is_named_again_and_again_and_stays_as_it_is(ledger: Ledger) -> None:
    assert not ledger.redrive(), "it has just come"
    for _ in range(2):
        ledger.let_pass(61)
        assert ledger.redrive()
        assert not ledger.redrive(), "asked for a moment ago"
    assert ledger.rows() == {1: WAITS}
    ledger.claim("one", lease=600)
    ledger.let_pass(590)
    assert not ledger.redrive(), "somebody is at work on it"
    ledger.let_pass(71)
    assert ledger.redrive(), "nobody is any more"


def test_whose_a_row_is_is_written_in_one_module() -> None:
    """What else changes rows of the ledgers takes its values from there."""
    found = set()
    for file in Path(infra.db.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "values":
                continue
            if {one.arg for one in node.keywords} & {"owner", "attempts", "ready_at"}:
                found.add(file.name)
    assert found == {"claims.py"}
