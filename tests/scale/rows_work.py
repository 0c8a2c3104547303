"""Asking again for lost work, resting and pausing: what waits costs nothing, only the mailboxes do."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import event, text

from domain.events import Event
from domain.ids import MailboxId
from handlers import operations
from handlers.context import Context
from handlers.units import Tally
from infra import logs
from infra.gmail.costs import NEW_QUOTA
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.local.redis import RedisServer
from infra.objects.folder import FolderStore
from infra.queue import RedisQueue
from tests import sweep
from tests.scale.frame import Figure, Place

MAILBOXES = 3_000
STEPS = 30_000
MAILS = 100_000


def redrive(place: Place) -> Iterator[Figure]:
    """30,000 mails of 3,000 mailboxes wait, and the queue has lost all of it."""
    with place.copy() as other, work_on(other) as (context, sent):
        _wait(other, STEPS, MAILBOXES)
        with transactions(other) as longest:
            began = time.perf_counter()
            sweep.redrive(context)
            seconds = time.perf_counter() - began
    if len(sent) != MAILBOXES:
        raise AssertionError(f"{len(sent)} mailboxes were asked for")
    yield Figure("redrive of 30,000 steps of 3,000 mailboxes", seconds, "s", 3)
    yield Figure("its longest transaction", longest.seconds, "s", 0.5)


def rest(place: Place) -> Iterator[Figure]:
    """One mailbox in which 100,000 mails wait."""
    with place.copy() as other:
        _wait(other, MAILS, 1)
        taken = []
        for seconds in range(60, 70):
            began = time.perf_counter()
            with other.store.begin("mailboxes.rest") as tx:
                tx.mailboxes.rest(MailboxId(1), "rateLimitExceeded", seconds)
            taken.append(1000 * (time.perf_counter() - began))
    yield Figure("rest of a mailbox with 100,000 waiting mails", min(taken), "ms", 20)


def pause(place: Place) -> Iterator[Figure]:
    """`lodestone pause` and `resume` of everything. A resume writes each index of what is due, and works mailbox by
    mailbox from its first thousand on."""
    with place.copy() as other, work_on(other) as (context, _):
        _wait(other, STEPS, MAILBOXES)
        for name, change, bound in (("pause", operations.pause, 2), ("resume", operations.resume, 5)):
            with transactions(other) as longest:
                began = time.perf_counter()
                change(None, context)
                seconds = time.perf_counter() - began
            yield Figure(f"{name} of everything", seconds, "s", bound)
            yield Figure(f"longest transaction of {name}", longest.seconds, "s", 0.5)


_WAIT = """
INSERT INTO steps (mailbox_id, message_id, step, connection_id, state, ready_at)
SELECT 1 + n % :mailboxes, 'w' || n, 'match', 0, 'waiting', :at
FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :mails) SELECT n FROM c) AS numbers
"""


def _wait(place: Place, mails: int, mailboxes: int) -> None:
    """So many mails wait to be matched in the first of the mailboxes, and have been for long."""
    size = {"mails": mails, "mailboxes": mailboxes, "at": round(1000 * time.time()) - 3_600_000}
    with place.store.begin("scale.wait") as tx:
        tx.db.execute(text(_WAIT), size)
        tx.db.execute(text("UPDATE mailboxes SET redrive_at = :at WHERE id <= :mailboxes"), size)


@contextmanager
def work_on(place: Place) -> Iterator[tuple[Context, list[Event]]]:
    """A process's way to the outside, and what it has asked for."""
    sent: list[Event] = []
    logs.set_up("WARNING", process="scale")
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer(Path(folder)) as server,
        Redis.from_url(server.url) as redis,
    ):
        yield (
            Context(
                place.store,
                {NAME: Gmail()},
                RedisQueue(redis, sent.append),
                FolderStore(Path("nowhere")),
                owner="scale",
                tally=Tally(NEW_QUOTA),
            ),
            sent,
        )


@dataclass
class Longest:
    """Seconds of the longest transaction."""

    seconds: float = 0.0


@contextmanager
def transactions(place: Place) -> Iterator[Longest]:
    """The longest of those that are committed meanwhile."""
    longest, began = Longest(), 0.0

    def begin(_: Any) -> None:
        nonlocal began
        began = time.perf_counter()

    def commit(_: Any) -> None:
        longest.seconds = max(longest.seconds, time.perf_counter() - began)

    event.listen(place.store.engine, "begin", begin)
    event.listen(place.store.engine, "commit", commit)
    yield longest
    event.remove(place.store.engine, "begin", begin)
    event.remove(place.store.engine, "commit", commit)
