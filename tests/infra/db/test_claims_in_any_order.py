"""Claims, ends, deaths and hours in any order on each of the three ledgers, beside a model of the contract (W2)."""

import os
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.infra.db.ledgers import LEDGERS, Ledger, Row, SetsAside
from tests.worlds import World

EXAMPLES = os.environ.get("EXAMPLES")
"""How many lives are lived; set, they are others every time. Left out, it is fifteen, and always the same."""

ROWS = 3
"""Few rows and few owners: they are in each other's way as often as can be."""

OWNERS = st.sampled_from(["one", "two"])
SOME = st.sets(st.integers(1, ROWS), min_size=1)
LEASES = st.sampled_from([50, 150])
WAITS = st.sampled_from([0, 50, 150])
"""Time passes by hundreds: no end of a lease is nearer than 50 seconds to a look, however slow the machine is."""


@dataclass(slots=True)
class Mirror:
    """What a row must be. `ready_at`: in seconds of the model's clock."""

    ready_at: float
    attempts: int = 0
    owner: str | None = None
    ended: str = ""


class AnyOrder(RuleBasedStateMachine):
    """Two owners at the rows of one ledger."""

    ledger: ClassVar[Ledger]

    def __init__(self) -> None:
        super().__init__()
        self.ledger.empty()
        self.now = 0.0
        self.known: dict[int, Mirror] = {}
        self.one_comes()
        self.one_comes()

    @precondition(lambda self: len(self.known) < ROWS)
    @rule()
    def one_comes(self) -> None:
        number = len(self.known) + 1
        self.ledger.add(number)
        self.known[number] = Mirror(self.now)

    @rule(owner=OWNERS, limit=st.integers(1, 3), lease=LEASES)
    def claim(self, owner: str, limit: int, lease: int) -> None:
        free = self.free()
        got = self.ledger.claim(owner, limit=limit, lease=lease)
        assert set(got) <= free, "no row has two living owners"
        assert len(got) <= limit
        assert bool(got) == bool(free), "who asks gets something where there is something"
        for number, attempts in got.items():
            row = self.known[number]
            row.owner, row.attempts, row.ready_at = owner, row.attempts + 1, self.now + lease
            assert attempts == row.attempts

    @rule(owner=OWNERS)
    def die_before_the_claim_is_committed(self, owner: str) -> None:
        assert set(self.ledger.claim_and_die(owner)) <= self.free()

    @rule(owner=OWNERS, lease=LEASES)
    def extend(self, owner: str, lease: int) -> None:
        self.ledger.extend(owner, lease)
        for row in self.held(owner, set(self.known)):
            row.ready_at = self.now + lease

    @rule(owner=OWNERS, numbers=SOME, after=WAITS, counted=st.booleans())
    def release(self, owner: str, numbers: set[int], after: int, counted: bool) -> None:
        self.ledger.release(owner, numbers, after=after, counted=counted)
        for row in self.held(owner, numbers):
            row.owner, row.ready_at = None, self.now + after
            row.attempts -= 0 if counted or not self.ledger.forgives else 1

    @rule(owner=OWNERS, numbers=SOME)
    def finish(self, owner: str, numbers: set[int]) -> None:
        self.ledger.finish(owner, numbers)
        for row in self.held(owner, numbers):
            row.owner, row.ended = None, "finished"

    @precondition(lambda self: isinstance(self.ledger, SetsAside))
    @rule(owner=OWNERS, numbers=SOME)
    def set_aside(self, owner: str, numbers: set[int]) -> None:
        assert isinstance(self.ledger, SetsAside)
        self.ledger.set_aside(owner, numbers)
        for row in self.held(owner, numbers):
            row.owner, row.ended = None, "set aside"

    @precondition(lambda self: any(row.ended == "set aside" for row in self.known.values()))
    @rule()
    def retry(self) -> None:
        assert isinstance(self.ledger, SetsAside)
        self.ledger.retry()
        for row in self.known.values():
            if row.ended == "set aside":
                row.ended, row.attempts, row.ready_at = "", 0, self.now
            elif self.ledger.hastens and row.owner is None:
                row.ready_at = min(row.ready_at, self.now)

    @rule()
    def time_passes(self) -> None:
        self.ledger.let_pass(100)
        self.now += 100

    @rule(slow=OWNERS, quick=OWNERS, verb=st.sampled_from(["extend", "release", "finish", "set aside"]))
    def one_is_slow_and_comes_back_late(self, slow: str, quick: str, verb: str) -> None:
        self.claim(slow, ROWS, 50)
        self.time_passes()
        self.claim(quick, ROWS, 150)
        if verb == "extend":
            self.extend(slow, 150)
        elif verb == "release":
            self.release(slow, set(self.known), 0, counted=True)
        elif verb == "finish":
            self.finish(slow, set(self.known))
        elif isinstance(self.ledger, SetsAside):
            self.set_aside(slow, set(self.known))

    @precondition(lambda self: isinstance(self.ledger, SetsAside) and len(self.free()) > 1)
    @rule(busy=OWNERS, other=OWNERS)
    def a_person_retries_while_one_is_at_work(self, busy: str, other: str) -> None:
        self.claim(busy, 1, 150)
        self.set_aside(busy, set(self.known))
        self.claim(busy, ROWS, 150)
        self.retry()
        self.claim(other, ROWS, 150)

    @rule()
    def the_sweep_looks(self) -> None:
        named = self.ledger.redrive()
        assert self.free() or not named, "what is named waits, and is nobody's"

    @rule()
    def all_are_gone_and_the_sweep_looks(self) -> None:
        self.ledger.let_pass(1_000)
        self.now += 1_000
        assert self.ledger.redrive() == bool(self.free())
        assert not self.ledger.redrive(), "not at every tick"

    @invariant()
    def the_rows_are_as_the_contract_says(self) -> None:
        found = self.ledger.rows()
        expected = {
            number: Row(not row.ended, row.owner, row.attempts)
            for number, row in self.known.items()
            if number in found or row.ended != "finished"
        }
        assert found == expected

    def free(self) -> set[int]:
        """What anybody may claim."""
        return {n for n, row in self.known.items() if not row.ended and row.ready_at <= self.now}

    def held(self, owner: str, numbers: set[int]) -> list[Mirror]:
        return [row for n, row in self.known.items() if n in numbers and row.owner == owner]


@pytest.mark.rule("W2", "W3", "W4", "I2")
@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.__name__.lower()) for kind in LEDGERS])
def test_in_any_order_a_row_has_one_owner_and_an_end(kind: type[Ledger], world: World) -> None:
    class Here(AnyOrder):
        ledger = kind(world)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=int(EXAMPLES or 15),
            stateful_step_count=30,
            deadline=None,
            derandomize=EXAMPLES is None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
