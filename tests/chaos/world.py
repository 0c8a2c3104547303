"""The world that the plan falls upon: Lodestone with all it stands on, the users, and who kills and returns."""

import heapq
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from infra.local.gmail import Mail
from infra.local.postgres import PostgresServer
from infra.local.pubsub.client import PubsubControl, PubsubControlError
from tests.chaos.boxes import BOXES
from tests.chaos.crm import write_crm, write_deals
from tests.chaos.letters import Letter, write
from tests.chaos.oracle import Case, Sent, arrives
from tests.chaos.people import FILED, FILED_UNDER
from tests.chaos.places import BERLIN, EXCLUDED, LABEL_SETS, MAIN, MUNICH
from tests.chaos.plan import (
    DATABASE,
    FLUSH,
    OURS,
    PUBSUB,
    RECEIVER,
    REDIS,
    DealsChange,
    Deed,
    Deliver,
    Hand,
    Kill,
    Trouble,
    Upheaval,
)
from tests.chaos.receiver import Receiver
from tests.chaos.sign_ins import SignIns
from tests.chaos.user import User
from tests.journeys.fleet import Fleet
from tests.journeys.world import closing_engine
from workers.demo.canary import Canaries
from workers.demo.stage import PROCESSES, Stage

FORGETFUL = frozenset({"expire_history", "refuse_history", "history_drop"})
"""Troubles by which history loses what no list tells."""

LOOK_AFTER = 3.0
"""Seconds between two looks whether a user has to sign in again."""


class World:
    """`postgres` is None for SQLite. Everything that was done is in the tallies."""

    def __init__(self, stage: Stage, canaries: Canaries, postgres: PostgresServer | None) -> None:
        self.stage = stage
        self.canaries = canaries
        self.case = Case(BOXES)
        self.user = User(self.case, stage.database_url, stage.gmail)
        self.kills: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.upheavals: Counter[str] = Counter()
        self.sign_ins = SignIns(stage, self.case)
        self.receivers = (Receiver(MAIN), Receiver(BERLIN), Receiver(BERLIN, "uwe"))
        self.pubsub = PubsubControl(stage.pubsub_host)
        self._postgres = postgres
        self._fleets = {"": Fleet(stage), "2": Fleet(stage)}
        self._threads: dict[str, tuple[str, str]] = {}
        self._returns: list[tuple[float, int, str, Callable[[], object]]] = []
        self._numbers = count()
        self._looked = 0.0
        self._pubsub_calm = 0.0
        self._stack = ExitStack()
        self._helper = ThreadPoolExecutor(1)
        self._signing_in: Future[None] | None = None

    def __enter__(self) -> Self:
        acme = ["--location", str(BERLIN)]
        self.stage.run_all(
            *(["locations", "add", str(place)] for place in (BERLIN, MUNICH)),
            ["settings", "set", "exclude", EXCLUDED["acme"], "label-names", LABEL_SETS["acme"], *acme],
        )
        with closing_engine(self.stage) as engine:
            write_crm(engine)
        commands = [[*self.sign_ins.words(box, seat), *seat.options] for box in BOXES for seat in box.seats]
        for receiver in self.receivers:
            self._stack.enter_context(receiver)
            commands.append(receiver.words)
        self.stage.run_all(*commands)
        for box in BOXES:
            self.stage.gmail.add_filter(box.address, FILED, FILED_UNDER, archive=True)
        for name in self.processes():
            self._start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._helper.shutdown(cancel_futures=True)
        for fleet in self._fleets.values():
            fleet.close()
        self._stack.close()

    @staticmethod
    def processes() -> list[str]:
        """Those of Lodestone that run here."""
        return [name for name in OURS if name.partition(" ")[0] in PROCESSES]

    def perform(self, deed: Deed) -> None:
        """Do it, if it can be done now: nobody kills the dead."""
        match deed:
            case Deliver(letters):
                self._deliver(letters)
            case Kill():
                self._kill(deed)
            case Trouble():
                self._trouble(deed)
            case Hand():
                self.user.use(deed)
            case Upheaval():
                self._upset(deed)
            case DealsChange():
                self._change_deals(deed)

    def tend(self) -> None:
        """Bring back who was away long enough; sign in who must."""
        while self._returns and self._returns[0][0] <= time.monotonic():
            heapq.heappop(self._returns)[3]()
        if time.monotonic() - self._looked > LOOK_AFTER:
            self._looked = time.monotonic()
            self._count_strikes(all_of_them=False)
            if self._signing_in is None or self._signing_in.done():
                if self._signing_in:
                    self._signing_in.result()
                self._signing_in = self._helper.submit(self.sign_ins.of_who_must)

    def calm(self) -> None:
        """No trouble any more, and everybody back."""
        self._count_strikes(all_of_them=True)
        while self._returns:
            heapq.heappop(self._returns)[3]()

    def end(self) -> None:
        """Lodestone's processes end; what they stand on goes on."""
        for fleet in self._fleets.values():
            fleet.close()

    def _count_strikes(self, *, all_of_them: bool) -> None:
        for fault in self.stage.gmail.faults():
            if all_of_them or fault["over"]:
                self.struck[fault["kind"]] += fault["struck"]
                self.stage.gmail.clear_faults(fault["id"])
        if self._pubsub_calm and (all_of_them or time.monotonic() > self._pubsub_calm):
            with suppress(PubsubControlError):  # it is being killed: its faults go with it
                for fault in self.pubsub.faults():
                    self.struck[f"pubsub {fault['kind']}"] += fault["struck"]
                self.pubsub.clear_faults()
            self._pubsub_calm = 0.0

    def _deliver(self, letters: tuple[Letter, ...]) -> None:
        mails = []
        for letter in letters:
            thread_id, answered = self._threads.get(letter.thread, (None, ""))
            raw = write(letter, self.canaries, answered)
            mails.append(Mail(letter.box.address, raw, letter.labels, thread_id=thread_id))
        at = time.monotonic()
        for letter, where in zip(letters, self.stage.gmail.deliver_many(mails), strict=True):
            self.case.sent.append(Sent(letter, where.id, where.thread_id, at, *arrives(letter)))
            if letter.thread:
                self._threads[letter.thread] = (where.thread_id, letter.message_id)

    def _kill(self, deed: Kill) -> None:
        victim = deed.victim
        if any(victim == name for _, _, name, _ in self._returns):
            return
        try:
            back = self._strike(victim)
        except (RedisError, DBAPIError):
            return  # it was not there
        self.kills[victim] += 1
        heapq.heappush(self._returns, (time.monotonic() + deed.away, next(self._numbers), victim, back))

    def _strike(self, victim: str) -> Callable[[], object]:
        """Returns what brings the victim back."""
        if victim in OURS:
            name, _, number = victim.partition(" ")
            self._fleet(number).kill(name)
            return partial(self._start, victim)
        if victim == REDIS:
            self.stage.redis.kill()
            return self.stage.redis.start
        if victim == RECEIVER:
            one = self.receivers[self.kills[victim] % len(self.receivers)]
            one.down = True
            return partial(setattr, one, "down", False)
        if victim == FLUSH:
            with Redis.from_url(self.stage.redis.url) as redis:
                redis.flushall()
            return lambda: None
        if victim == PUBSUB:
            self.stage.stop("pubsub", signal.SIGKILL)
            return self.stage.start_pubsub
        return self._strike_database()

    def _strike_database(self) -> Callable[[], object]:
        """A file cannot be killed: SQLite's only write lock is taken instead."""
        if self._postgres is not None:
            self._postgres.kill()
            return self._postgres.start
        stack = ExitStack()
        stack.enter_context(stack.enter_context(closing_engine(self.stage)).begin())
        return stack.close

    def _start(self, victim: str) -> None:
        name, _, number = victim.partition(" ")
        self._fleet(number).start(name)

    def _fleet(self, number: str) -> Fleet:
        return self._fleets[number]

    def _database_is_away(self) -> bool:
        return any(name == DATABASE for _, _, name, _ in self._returns)

    def _trouble(self, deed: Trouble) -> None:
        gmail = self.stage.gmail
        if deed.kind.startswith(PUBSUB):
            with suppress(PubsubControlError):
                self.pubsub.fault(deed.kind.removeprefix(f"{PUBSUB} "), share=deed.share, seed=deed.seed)
                self._pubsub_calm = time.monotonic() + deed.seconds
            return
        gmail.fault(
            deed.kind,
            deed.methods,
            mailbox=deed.box,
            seconds=deed.seconds,
            share=deed.share,
            seed=deed.seed,
        )
        concerned = [box.address for box in BOXES if deed.box in ("", box.address)]
        if deed.kind.startswith("token") or "token" in deed.methods:
            for address in concerned:
                gmail.expire_access_tokens(address)
        if deed.kind in FORGETFUL:
            self.case.forgetful.update(concerned)

    def _upset(self, deed: Upheaval) -> None:
        gmail, address = self.stage.gmail, deed.box.address
        if deed.what == "revoke":
            gmail.revoke(address)
        elif deed.what == "expire_history":
            gmail.expire_history(address)
            self.case.forgetful.add(address)
        elif deed.what == "expire_tokens":
            gmail.expire_access_tokens(address)
        elif not self.user.change_label(deed):
            return
        self.upheavals[deed.what] += 1

    def _change_deals(self, deed: DealsChange) -> None:
        if self._database_is_away():
            return
        at = time.monotonic()
        with closing_engine(self.stage) as engine:
            write_deals(engine, deed.place, deed.contact, deed.category)
        self.case.categories.change(deed.place, deed.contact, deed.category, at)
        self.upheavals["deals changed"] += 1
