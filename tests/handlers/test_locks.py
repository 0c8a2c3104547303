"""Many hands on the same rows of PostgreSQL: nobody meets a deadlock, and nobody waits long (W2, I4)."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from domain.errors import DatabaseAway
from domain.ids import NO_CONNECTION
from domain.ledger import BATCH_SIZE, Planned, State, Step
from handlers import operations
from tests import sweep
from tests.handlers.conftest import House
from tests.worlds import World, arrive, make_world

SECONDS = float(os.environ.get("LODESTONE_STRESS_SECONDS", "3"))
"""25 by hand."""
PATIENCE = 60
"""Seconds that a busy machine may take beyond them, until everybody has come to something."""
MAILS = 500
WORKERS = 8


class Crowd:
    """Workers that claim and end steps, and operators with their hands on all of them; errors are counted."""

    def __init__(self, house: House, worlds: list[World], seconds: float) -> None:
        self.house = house
        self.worlds = worlds
        self.met: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.numbers = count()
        self._end = time.monotonic() + seconds

    def run(self) -> None:
        hands: list[Callable[[random.Random], None]] = [
            *([self.work] * WORKERS),
            self.pause_all,
            self.pause_all,
            self.pause_one,
            self.rest,
            self.redrive,
            self.retry,
        ]
        with ThreadPoolExecutor(len(hands)) as pool:
            for future in [pool.submit(self._again_and_again, hand, n) for n, hand in enumerate(hands)]:
                future.result()

    def _again_and_again(self, hand: Callable[[random.Random], None], seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < self._end or self._waits_for(hand.__name__):
            try:
                hand(rng)
            except DatabaseAway as error:
                if error.reason != "busy":  # a slow machine is no deadlock
                    self.met[f"{hand.__name__}: {error.reason}"] += 1
            else:
                self.done[hand.__name__] += 1

    def _waits_for(self, hand: str) -> bool:
        return not self.done[hand] and time.monotonic() < self._end + PATIENCE

    def work(self, rng: random.Random) -> None:
        """One slice: claimed in one transaction, ended in another."""
        world, me = rng.choice(self.worlds), f"worker {rng.random()}"
        step = rng.choice([Step.MATCH, Step.ANNOUNCE, Step.SORT])
        with world.store.begin("tests.claim") as tx:
            claims = tx.ledger.claim(
                world.mailbox_id, step, BATCH_SIZE, me, 60, (NO_CONNECTION, world.connection_id)
            )
        if not claims:
            return
        with world.store.begin("tests.end") as tx:
            held = tx.ledger.held(world.mailbox_id, step, claims, me)
            mine = [claim for claim in claims if claim.key in held]
            rng.shuffle(mine)
            third = len(mine) // 3
            tx.ledger.finish(world.mailbox_id, step, dict.fromkeys(mine[:third]), me, {})
            if step is Step.ANNOUNCE:
                tx.ledger.unblock_sorting(world.mailbox_id, mine[:third])
            bad = mine[third : third + 1]
            tx.ledger.set_aside(world.mailbox_id, step, bad, me, [world.connection_id])
            if step is Step.MATCH:
                self._plan(world, [claim.message_id for claim in mine[:third]], tx)
        rest = mine[third + 1 :]
        with world.store.begin("tests.release") as tx:
            tx.ledger.release(world.mailbox_id, step, rest, me, 0, counted=False)
        if step is Step.SORT:
            arrive(world, *self.mails(third))

    @staticmethod
    def _plan(world: World, message_ids: list[str], tx: object) -> None:
        due = (Planned(Step.ANNOUNCE, State.WAITING), Planned(Step.SORT, State.BLOCKED))
        planned = [(i, world.connection_id, step) for i in message_ids for step in due]
        tx.ledger.plan(world.mailbox_id, planned)  # type: ignore[attr-defined]

    def mails(self, number: int) -> list[str]:
        """Names of new mail, in no order."""
        return [f"{random.random()}-{next(self.numbers)}" for _ in range(number)]

    def pause_all(self, rng: random.Random) -> None:
        (operations.pause if rng.random() < 0.5 else operations.resume)(None, self.house.context)

    def pause_one(self, rng: random.Random) -> None:
        address = f"user{rng.randrange(len(self.worlds))}@firm.example"
        (operations.pause if rng.random() < 0.5 else operations.resume)(address, self.house.context)

    def rest(self, rng: random.Random) -> None:
        mailbox_id = rng.choice(self.worlds).mailbox_id
        with self.house.store.begin("tests.rest") as tx:
            tx.mailboxes.rest(mailbox_id, "rateLimitExceeded", 0)

    def redrive(self, rng: random.Random) -> None:
        sweep.redrive(self.house.context)

    def retry(self, rng: random.Random) -> None:
        operations.retry_all(None, self.house.context)


@pytest.mark.rule("W2", "I4")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_workers_and_operators_on_the_same_mail_meet_no_deadlock(house: House) -> None:
    worlds = [make_world(house.store, f"user{n}@firm.example", f"user{n}") for n in range(3)]
    crowd = Crowd(house, worlds, SECONDS)
    for world in worlds:
        arrive(world, *crowd.mails(MAILS))
    crowd.run()
    assert not crowd.met
    assert len(crowd.done) == 6, "everybody came to something"
