"""How mail comes: the same mails in the same manner for every pipeline."""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from infra.local.gmail.control.client import Mail
from infra.local.ports import LocalServerError
from tests.bench.meter import Spent, say
from tests.bench.pipelines import Ours, Pipeline
from tests.journeys.world import mail, wait_for
from workers.demo.shell import CommandFailed

SENDERS = ("ann", "nora", "cid", "nora")
"""Half of the mail comes from contacts with deals, none of it in threads."""

KEPT = ("ann", "cid")
"""Those of them whose mail two-way sync keeps."""

SETTLE_SECONDS = 5.0
"""What a mail causes after its end: the look after the push, and what the change of its own labels brings."""

PATIENCE_SECONDS = 300.0
AT_ONCE = 500


class Stuck(Exception):
    """A pipeline did not get through its mails."""


@contextmanager
def told() -> Iterator[None]:
    """A run that ends early says why in a line: it was stopped (130), or something did not work (2)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        say("stopped; everything is ended")
        sys.exit(130)
    except (Stuck, CommandFailed, LocalServerError) as error:
        say(str(error))
        sys.exit(2)


def arrival(pipeline: Pipeline, mails: int, per_second: float) -> Spent:
    """The real pattern: each mail is alone in its mailbox, the mailboxes take turns."""

    def deliver() -> None:
        began = time.monotonic()
        for number, one in enumerate(_mails(pipeline, pipeline.boxes, mails)):
            wait = began + number / per_second - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            pipeline.stage.gmail.deliver_many([one])

    return _measured(pipeline, mails, pipeline.done() + mails, deliver)


def burst(pipeline: Pipeline, mails: int, boxes: int) -> Spent:
    """Many mails wait in each mailbox when one more is pushed: Gmail drops the pushes of those that come close
    together. What comes before that push costs nobody anything and is not measured."""
    found = list(_mails(pipeline, pipeline.boxes[:boxes], mails))
    return _at_once(pipeline, found, boxes, pipeline.done)


def synced_burst(pipeline: Ours, mails: int) -> tuple[Spent, float]:
    """The same into mailboxes with two-way sync, all of it from contacts: each mail begins a conversation and is kept.
    Returns also the bytes on disk a mail."""
    boxes = pipeline.synced
    found = list(_mails(pipeline, boxes, mails, KEPT))
    before = pipeline.bytes_on_disk()
    spent = _at_once(pipeline, found, len(boxes), pipeline.kept)
    return spent, (pipeline.bytes_on_disk() - before) / mails


def _at_once(pipeline: Pipeline, found: Sequence[Mail], boxes: int, done: Callable[[], int]) -> Spent:
    mails, goal = len(found), done() + len(found)
    gmail = pipeline.stage.gmail
    gmail.push(lost=True)
    for start in range(0, mails - boxes, AT_ONCE):
        gmail.deliver_many(found[start : min(start + AT_ONCE, mails - boxes)])
    gmail.push(lost=False)
    return _measured(pipeline, mails, goal, lambda: gmail.deliver_many(found[mails - boxes :]), done)


def warm_up(pipeline: Pipeline, per_second: float) -> None:
    """One mail to each mailbox, counted nowhere: afterwards everything is imported, connected and known."""
    arrival(pipeline, len(pipeline.boxes), per_second)


def _measured(
    pipeline: Pipeline,
    mails: int,
    goal: int,
    deliver: Callable[[], object],
    done: Callable[[], int] | None = None,
) -> Spent:
    """From the first mail until what it caused has settled; `wall` ends with the last mail's end, when so many are
    done in all."""
    done = done or pipeline.done
    meter = pipeline.meter().begin()
    deliver()
    if not wait_for(lambda: done() >= goal, PATIENCE_SECONDS):
        raise Stuck(
            f"{pipeline.name}: {goal - done()} of {mails} mails did not end in {PATIENCE_SECONDS:.0f} s"
        )
    wall = meter.seconds()
    time.sleep(SETTLE_SECONDS)
    return meter.read(mails, wall)


def _mails(
    pipeline: Pipeline, boxes: Sequence[str], mails: int, senders: Sequence[str] = SENDERS
) -> Iterable[Mail]:
    """The next mails, the mailboxes in turn; a mailbox gets them from all senders in turn."""
    for place in range(mails):
        box = boxes[place % len(boxes)]
        sender = senders[(place + place // len(boxes)) % len(senders)]
        yield Mail(box, mail(sender, pipeline.sent, to=box))
        pipeline.sent += 1
