"""The simulated day: real processes, whose periods are all shortened alike, beside a local Google."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from domain.connections.connections import Sharing, Wishes
from domain.quota import Purpose
from handlers.connections.connecting import save
from infra import logs
from infra.db.store import open_engine
from infra.db.tables.mail import decisions, messages
from infra.db.tables.mailboxes import mailboxes
from infra.db.tables.units import units
from infra.local.gmail.control.client import Counters, Mail
from infra.settings import PREFIX, Settings
from tests.bench.meter import cpu_of, resident_mb
from tests.bench.pipelines import Ours, opened
from tests.journeys.world import EXPECTED, mail, wait_for
from tests.providers import granted
from tests.scale.day_clock import SETTLE, let_nothing_be_due, let_the_day_begin, settings
from tests.scale.day_plan import DAY, NIGHT, Letter, Plan, Trouble
from workers.bootstrap import App

STILL = 5.0
STANDING = 70.0
"""Seconds for which is measured what the processes cost when nothing at all is due: longer than they take to write
down the units of what they did when they began."""

PATIENCE = 120.0
"""Seconds without one more outcome after which no more are waited for."""

EVERYTHING = Wishes(magnet=True, sorting=True, dry_run=False, sharing=Sharing.PRIVATE)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted up to a moment."""

    at: float
    cpu: Mapping[str, float]
    gmail: Counters

    def since(self, before: "Seen", what: Callable[[Counters], float]) -> float:
        """How much more of it."""
        return what(self.gmail) - what(before.gmail)

    def cpu_since(self, before: "Seen") -> float:
        """CPU seconds of all our processes."""
        return sum(self.cpu[name] - before.cpu[name] for name in self.cpu)


@dataclass(slots=True)
class Day:
    """What a day has come to. CPU is that of Lodestone's four processes; that of Redis, the database and the local
    Google is in none of the figures. `standing` is what they use in a second with nothing due."""

    mailboxes: int
    idle_mailboxes: int
    mails: int
    seconds: float
    sweeps_a_day: float = 0.0
    units_idle: float = 0.0
    units_idle_by_purpose: dict[str, float] = field(default_factory=dict)
    units_told: float = 0.0
    units_a_mail: float = 0.0
    requests_a_mail: float = 0.0
    standing: float = 0.0
    cpu_idle: float = 0.0
    cpu_a_mail: float = 0.0
    memory_mb: dict[str, float] = field(default_factory=dict)
    came_by: dict[str, int] = field(default_factory=dict)
    recall: float = 0.0
    recall_before_comparison: float = 0.0
    wrong: list[str] = field(default_factory=list)
    pushes: dict[str, int] = field(default_factory=dict)
    struck: dict[str, int] = field(default_factory=dict)


class Run:
    """One day on a stage of its own."""

    def __init__(self, ours: Ours, plan: Plan, count: int, factor: float, say: Say) -> None:
        self._ours, self._plan, self._count, self._factor, self._say = ours, plan, count, factor, say
        self._boxes = [f"user{number}@firm.example" for number in range(count)]
        self._expected: dict[str, str] = {}
        self._began = self._told = 0.0
        self._begun_with = 0

    def day(self) -> Day:
        """From the processes' start to the last mail's outcome."""
        ours, busy = self._ours, self._plan.busy
        day = Day(self._count, self._count - len(busy), len(self._plan.letters), DAY / self._factor)
        ours.stage.settings |= settings(self._factor)
        self._say(f"{self._count:,} mailboxes are being connected")
        self._connect()
        ours.start()
        wait_for(self._have_started, PATIENCE)
        wait_for(self._is_still, PATIENCE)
        standing = self._seen()
        time.sleep(STANDING)
        began, spent = self._seen(), self._units()
        self._begun_with = began.gmail.units
        day.standing = began.cpu_since(standing) / (began.at - standing.at)
        self._say(f"with nothing due the processes use {day.standing:.1%} of a core; the day begins")
        with self._database() as db:
            let_the_day_begin(db, self._factor)
        self._began = time.monotonic()
        self._wait_until(NIGHT)
        night = self._seen()
        self._play()
        self._wait_until(DAY)
        self._read(day, began, night, self._seen())
        self._ask_the_ledger(day, spent)
        self._await_outcomes(day)
        return day

    def _connect(self) -> None:
        """By what `lodestone connect` does, in this process: a thousand commands would take as long as the day."""
        own = self._ours.stage.own_settings
        wanted: dict[str, Any] = {name.removeprefix(PREFIX).lower(): own[name] for name in own}
        logs.set_up("WARNING", process="cli")
        app = App(Settings(**wanted), "cli")
        for box in self._boxes:
            made = self._ours.stage.gmail.create_mailbox(box)
            save(box.partition("@")[0], granted(made), EVERYTHING, context=app.context)
        app.store.engine.dispose()

    def _have_started(self) -> bool:
        logs = [self._ours.stage.logs / f"{name}.log" for name in self._ours.processes]
        return all("process.started" in log.read_text() for log in logs)

    def _is_still(self) -> bool:
        """What connecting has caused is over."""
        with self._database() as db:
            let_nothing_be_due(db)
        before = self._ours.stage.gmail.counters().calls
        time.sleep(STILL)
        return self._ours.stage.gmail.counters().calls == before

    def _seen(self) -> Seen:
        return Seen(time.monotonic(), cpu_of(self._ours.pids), self._ours.stage.gmail.counters())

    @contextmanager
    def _database(self) -> Iterator[Connection]:
        engine = open_engine(self._ours.stage.database_url)
        with engine.begin() as db:
            yield db
        engine.dispose()

    def _wait_until(self, moment: float) -> None:
        """Of the day."""
        while (left := self._began + moment / self._factor - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))
            if time.monotonic() - self._told > 15:
                self._told = time.monotonic()
                now = timedelta(seconds=int((self._told - self._began) * self._factor))
                self._say(f"{now}: {len(self._expected)} of {len(self._plan.letters)} mails have come")

    def _play(self) -> None:
        deeds: list[Letter | Trouble] = [*self._plan.letters, *self._plan.troubles]
        for deed in sorted(deeds, key=lambda one: one.at):
            self._wait_until(deed.at)
            if isinstance(deed, Letter):
                self._deliver(deed)
            else:
                self._trouble(deed)

    def _deliver(self, letter: Letter) -> None:
        box, number = self._boxes[letter.mailbox], len(self._expected)
        [there] = self._ours.stage.gmail.deliver_many([Mail(box, mail(letter.sender, number, to=box))])
        self._expected[there.id] = EXPECTED[letter.sender][0][-1]

    def _trouble(self, trouble: Trouble) -> None:
        """What is late by less than history takes to settle is so on a short day too."""
        settle = float(settings(self._factor)["settle_after"])
        self._ours.stage.gmail.fault(
            trouble.kind,
            share=trouble.share,
            seed=trouble.seed,
            seconds=trouble.seconds / self._factor,
            delay=trouble.delay * settle / SETTLE,
        )

    def _read(self, day: Day, began: Seen, night: Seen, end: Seen) -> None:
        idle = [box for number, box in enumerate(self._boxes) if number not in self._plan.busy]
        spent = _units_of(end.gmail, idle) - _units_of(began.gmail, idle)
        day.units_idle = spent / len(idle)
        nights = self._count * (night.at - began.at) / (DAY / self._factor)
        day.sweeps_a_day = night.since(began, lambda one: one.calls_of("getProfile")) / nights
        day.cpu_idle = (night.cpu_since(began) - day.standing * (night.at - began.at)) / nights
        of_idle = self._count * (end.at - night.at) / (DAY / self._factor)
        cpu = end.cpu_since(night) - day.standing * (end.at - night.at) - day.cpu_idle * of_idle
        day.cpu_a_mail = cpu / day.mails
        day.units_a_mail = (end.since(night, lambda one: one.units) - day.units_idle * of_idle) / day.mails
        requests = night.since(began, _requests) / nights
        day.requests_a_mail = (end.since(night, _requests) - requests * of_idle) / day.mails
        day.memory_mb = {name: round(resident_mb(pid)) for name, pid in self._ours.pids.items()}
        day.pushes = dict(end.gmail.pushes)
        struck: Counter[str] = Counter()
        for fault in self._ours.stage.gmail.faults():
            struck[fault["kind"]] += fault["struck"]
        day.struck = dict(struck)

    def _units(self) -> dict[str, Counter[str]]:
        """What our own ledger says by mailbox, in total and by purpose."""
        found: dict[str, Counter[str]] = {}
        with self._database() as db:
            rows = db.execute(
                select(units, mailboxes.c.address).join(mailboxes, mailboxes.c.id == units.c.mailbox_id)
            )
            for row in rows.mappings():
                one = {purpose: row[purpose] for purpose in map(str, Purpose)}
                found.setdefault(row["address"], Counter()).update(one)
        return found

    def _ask_the_ledger(self, day: Day, before: Mapping[str, Counter[str]]) -> None:
        """When the processes end they write down what they have not yet; they begin anew after that."""
        for name in self._ours.processes:
            self._ours.stage.stop(name)
        counted = self._ours.stage.gmail.counters().units - self._begun_with
        now = self._units()
        idle: Counter[str] = Counter()
        for number, box in enumerate(self._boxes):
            now[box].subtract(before.get(box, Counter()))
            if number not in self._plan.busy:
                idle.update(now[box])
        day.units_idle_by_purpose = {
            purpose: spent / day.idle_mailboxes for purpose, spent in idle.items() if spent
        }
        day.units_told = sum(one.total() for one in now.values()) / counted
        self._ours.start()

    def _await_outcomes(self, day: Day) -> None:
        """What history has dropped after the day's comparison is found by tomorrow's: that begins now."""
        self._ours.stage.gmail.clear_faults()
        day.recall_before_comparison = self._recall()
        self._say(f"the day is over: recall {day.recall_before_comparison:.2%}; tomorrow's comparison begins")
        time.sleep(2 * float(settings(self._factor)["sweep_due_after"]))
        with self._database() as db:
            db.execute(update(mailboxes).values(compare_due_at=datetime.now(UTC)))
        seen, end = 0.0, time.monotonic() + PATIENCE
        while seen < 1 and time.monotonic() < end:
            if self._recall() > seen:
                seen, end = self._recall(), time.monotonic() + PATIENCE
                self._say(f"recall {seen:.2%}")
            time.sleep(5)
        day.recall = self._recall()
        day.wrong = self._wrong()
        with self._database() as db:
            ways = select(messages.c.came_by, func.count().label("number")).group_by(messages.c.came_by)
            day.came_by = {row.came_by: row.number for row in db.execute(ways)}

    def _outcomes(self) -> dict[str, list[str | None]]:
        found: dict[str, list[str | None]] = {}
        with self._database() as db:
            for message_id, outcome in db.execute(select(decisions.c.message_id, decisions.c.outcome)):
                found.setdefault(message_id, []).append(outcome)
        return found

    def _recall(self) -> float:
        found = self._outcomes()
        return sum(bool(found.get(one, [None])[0]) for one in self._expected) / len(self._expected)

    def _wrong(self) -> list[str]:
        """Every mail that has not the one outcome it should have."""
        found = self._outcomes()
        return [
            f"{message_id}: {found.get(message_id)} instead of {outcome}"
            for message_id, outcome in self._expected.items()
            if found.get(message_id) != [outcome]
        ]


def run(plan: Plan, count: int, factor: float, database: str, say: Say) -> Day:
    """The day on a stage that is gone afterwards."""
    with opened([database]) as [ours]:
        if not isinstance(ours, Ours):
            raise TypeError(database)
        return Run(ours, plan, count, factor, say).day()


def _units_of(counters: Counters, boxes: list[str]) -> int:
    return sum(counters.by_mailbox.get(box, {}).get("units", 0) for box in boxes)


def _requests(counters: Counters) -> int:
    return counters.http_requests + counters.token_requests
