"""Sent once: whoever asks, sends or sweeps is killed with SIGKILL at every commit and remote call on the way."""

import ast
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import select

from infra.db.tables.ledger import outbox
from infra.gmail.costs import REMOTE_CALLS
from infra.local.postgres import fresh_database
from tests.forks import fork_asker
from tests.journeys.fleet import Fleet, ForkedStage
from tests.journeys.world import IMPATIENT, PATIENT, UWE, closing_engine, crm, wait_for
from workers.demo.stage import Stage

ANN = "ann@example.com"

ASKING = (
    "sending.look",
    "sending.reserve",
    "gmail.drafts.create",
    "sending.drafted",
    "sending.read",
    "queue.mark",
    "queue.emit",
)
"""What a process that asks passes, one after the other."""

SENDING = (
    "queue.enter",
    "sending.claim",
    "gmail.drafts.send",
    "sending.record",
    "queue.keep",
    "queue.leave",
)
"""What a worker passes that sends."""

LOOKING = {"gmail.drafts.get": "503", "gmail.messages.list": "cut", "gmail.messages.get": "cut"}
"""What it passes on top when an answer was lost, before the draft was sent or after."""

SLOWLY = "sending.extend"
"""What it passes while Gmail takes longer than a third of its turn."""

CLEARING = ("gmail.drafts.list", "gmail.messages.get", "gmail.drafts.delete")
"""What it passes when somebody who asked has died."""

REFUSED = {"sending.abandon": "cut", "sending.not_drafted": "403.userRateLimitExceeded"}
"""What a process that asks passes when Gmail does not answer, or refuses."""

NOTHING_IN_HAND = {"sending.reports"}


@dataclass(slots=True)
class Post:
    """A world in which Uwe writes to Ann; `asked` are the subjects so far, each a mail of its own, `died` those
    whose asker was killed."""

    stage: Stage
    fleet: Fleet
    asked: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    kills: int = 0

    def ask(self, subject: str, **extra: str) -> int | None:
        """Ask for this mail; returns how the process ended."""
        process = fork_asker(self.stage.environment | PATIENT | extra, subject)
        process.join(120)
        ended = process.exitcode
        process.close()
        if ended == -signal.SIGKILL:
            self.kills += 1
            self.died.append(subject)
        if subject not in self.asked:
            self.asked.append(subject)
        return ended

    def asks_and_dies(self, point: str) -> None:
        """Somebody who asks is killed before, and another after that point."""
        for side in ("before", "after"):
            ended = self.ask(f"{point}.{side}", LODESTONE_DIE_AT=f"{point}.{side}")
            assert ended == -signal.SIGKILL, f"{point}.{side} was not reached"

    def empty_redis(self) -> None:
        with Redis.from_url(self.stage.redis.url) as redis:
            redis.flushall()

    def worker_dies(self, point: str, trouble: str = "", *, after: bool = True) -> None:
        """A worker is killed before, and another after that point, with mail to be sent."""
        for side in ("before", "after"):
            if trouble:
                self.settle()  # so that the trouble meets this mail
                self.stage.gmail.fault(trouble, ["drafts.send"], times=1, after=after)
            doomed = self.fleet.start("worker", LODESTONE_DIE_AT=f"{point}.{side}")
            assert self.ask(f"worker.{point}.{side}") == 0
            self.dies(doomed, f"{point}.{side}")

    def dies(self, doomed: BaseProcess, place: str) -> None:
        """Wait for it."""
        doomed.join(120)
        assert doomed.exitcode == -signal.SIGKILL, f"{place} was not reached"
        self.kills += 1

    def rows(self) -> list[Any]:
        with closing_engine(self.stage) as engine, engine.connect() as db:
            return list(db.execute(select(outbox).order_by(outbox.c.id)))

    def open_rows(self) -> list[tuple[int, str, str | None]]:
        return [(row.id, row.state, row.reason) for row in self.rows() if row.ended_at is None]

    def settle(self) -> None:
        """A healthy worker, until nothing is open."""
        self.stage.gmail.clear_faults()
        self.fleet.start("worker")
        assert wait_for(lambda: not self.open_rows()), self.open_rows()

    def ask_again(self) -> None:
        """Everybody who died comes back and asks with the same key."""
        for subject in self.died:
            assert self.ask(subject) == 0, subject
        self.settle()

    def check(self) -> None:
        """Each mail is in Uwe's Sent once, with Ann once, and its row says so; no draft is left."""
        assert not self.stage.gmail.dump(UWE).drafts
        once = Counter(self.asked)
        assert set(once.values()) == {1}
        assert self.subjects(UWE) == once
        assert self.subjects(ANN) == once
        sent = {one.id for one in self.stage.gmail.dump(UWE).messages}
        rows = self.rows()
        assert {row.state for row in rows} == {"sent"}
        assert sorted(row.sent_id for row in rows) == sorted(sent)

    def subjects(self, address: str) -> Counter[str]:
        gmail = self.stage.gmail
        heads = (gmail.raw(address, one.id).partition(b"\r\n\r\n")[0] for one in gmail.dump(address).messages)
        lines = (line for head in heads for line in head.decode().split("\r\n"))
        return Counter(line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: "))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def post(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """Uwe's mailbox without MailMagnet, Ann's, a sweep."""
    folder = tmp_path_factory.mktemp("post")
    settings = IMPATIENT | {"hand_over": "6"}
    if request.param == "sqlite":
        yield from _post(ForkedStage(folder, **settings))
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield from _post(ForkedStage(folder, database_url=url, **settings))


def _post(stage: Stage) -> Iterator[Post]:
    fleet = Fleet(stage)
    with stage:
        with closing_engine(stage) as engine:
            crm(engine)
        stage.connect("uwe", UWE)
        stage.gmail.create_mailbox(ANN)
        fleet.start("sweep")
        try:
            yield Post(stage, fleet)
        finally:
            fleet.close()


@pytest.mark.rule("Z16", "I2", "E83", "D15")
@pytest.mark.parametrize("part", ["asking", "refused", "sending", "looking", "clearing"])
def test_killed_anywhere_between_asking_and_answer_every_mail_is_sent_once(post: Post, part: str) -> None:
    """Fifty-two kills in all on each database."""
    before = post.kills
    kills = {
        "asking": _kill_who_asks,
        "refused": _kill_who_is_refused,
        "sending": _kill_who_sends,
        "looking": _kill_who_looks,
        "clearing": _kill_who_clears,
    }[part](post)
    post.settle()
    post.ask_again()
    post.check()
    assert post.kills - before == kills


def _kill_who_asks(post: Post) -> int:
    for point in ASKING:
        post.asks_and_dies(point)
    return 2 * len(ASKING)


def _kill_who_is_refused(post: Post) -> int:
    for point, trouble in REFUSED.items():
        for side in ("before", "after"):
            fault = post.stage.gmail.fault(trouble, ["drafts.create"], after=True)
            ended = post.ask(f"{point}.{side}", LODESTONE_DIE_AT=f"{point}.{side}")
            assert ended == -signal.SIGKILL, f"{point}.{side} was not reached"
            post.stage.gmail.clear_faults(fault)
    return 2 * len(REFUSED)


def _kill_who_sends(post: Post) -> int:
    for point in SENDING:
        post.worker_dies(point)
    post.worker_dies(SLOWLY, "slow", after=False)
    return 2 * len(SENDING) + 2


def _kill_who_looks(post: Post) -> int:
    for point, trouble in LOOKING.items():
        post.worker_dies(point, trouble)
    return 2 * len(LOOKING)


def _kill_who_clears(post: Post) -> int:
    """And who sweeps, with mail that waits."""
    for point in CLEARING:
        for side in ("before", "after"):
            lost = f"lost.{point}.{side}"
            assert post.ask(lost, LODESTONE_DIE_AT="gmail.drafts.create.after") == -signal.SIGKILL
            doomed = post.fleet.start("worker", LODESTONE_DIE_AT=f"{point}.{side}")
            post.dies(doomed, f"{point}.{side}")
    for side in ("before", "after"):
        doomed = post.fleet.start("sweep", LODESTONE_DIE_AT=f"sweep.redrive.{side}")
        post.dies(doomed, f"sweep.redrive.{side}")
    post.fleet.start("sweep")
    return 4 * len(CLEARING) + 2


@pytest.mark.rule("Z16", "I1", "I2", "W13")
def test_with_answers_lost_redis_emptied_and_two_workers_every_mail_is_sent_once(post: Post) -> None:
    second = Fleet(post.stage)
    gmail = post.stage.gmail
    post.fleet.start("worker")
    second.start("worker")
    try:
        for seed, kind in enumerate(("cut", "503", "half_answer", "403.userRateLimitExceeded")):
            gmail.fault(kind, ["drafts.send", "drafts.get"], share=0.15, seed=seed, after=True)
        for number in range(16):
            assert post.ask(f"storm {number}") == 0
            if number % 6 == 3:
                post.empty_redis()
        post.settle()
        post.check()
    finally:
        second.close()


def test_the_tables_name_every_commit_and_remote_call_of_sending() -> None:
    """By the source: what begins a transaction in the handlers of sending, and every call about drafts."""
    found = {f"gmail.{name}" for name in REMOTE_CALLS if name.startswith("drafts.")}
    root = Path(__file__).parents[2]
    for file in ("preparing", "drafts", "delivery"):
        for node in ast.walk(ast.parse((root / "handlers" / "outbox" / f"{file}.py").read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "begin":
                [name] = node.args
                assert isinstance(name, ast.Constant)
                found.add(str(name.value))
    named = {*ASKING, *SENDING, SLOWLY, *LOOKING, *CLEARING, *REFUSED}
    assert found - NOTHING_IN_HAND == {one for one in named if one.startswith(("sending.", "gmail.drafts."))}
