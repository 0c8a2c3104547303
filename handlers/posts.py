"""Events are sent side by side for several users and conversations, and in their order for each."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from domain.channels import TRIES, ReceiverAnswer, ReceiverVerdict, lanes
from domain.cloud_events import event, line
from domain.parcels import AnyParcel
from handlers.ports.channels import Sender


@dataclass(frozen=True, slots=True)
class Posted:
    """An event that was sent, the receiver's answer, and how long that took."""

    parcel: AnyParcel
    event_id: str
    answer: ReceiverAnswer
    milliseconds: int


def post(
    parcels: Sequence[AnyParcel], sender: Sender, within: float, stopping: Callable[[], bool]
) -> tuple[Posted, ...]:
    """Send events for at most `within` seconds; returns those that were sent.

    The rest was not sent, because the receiver is down or slow, we have to stop, or an event of the same conversation
    was refused.
    """
    waiting = deque(_in_lines(parcels))
    until = time.monotonic() + within
    over = threading.Event()

    def lane() -> list[Posted]:
        done: list[Posted] = []
        while waiting:
            try:
                its = waiting.popleft()
            except IndexError:  # another lane was faster
                break
            for parcel in its:
                if over.is_set() or stopping() or time.monotonic() > until:
                    return done
                done.append(_post(parcel, sender))
                verdict = done[-1].answer.verdict
                if verdict not in (ReceiverVerdict.TAKEN, ReceiverVerdict.REFUSED):
                    over.set()
                if verdict is ReceiverVerdict.REFUSED and parcel.holds_up:
                    break
        return done

    count = min(lanes(len(parcels)), len(waiting))
    if count <= 1:
        return tuple(lane())
    with ThreadPoolExecutor(count, "lane") as pool:
        runs = [pool.submit(lane) for _ in range(count)]
        return tuple(posted for run in runs for posted in run.result())


def _in_lines(parcels: Sequence[AnyParcel]) -> list[list[AnyParcel]]:
    lines: dict[str, list[AnyParcel]] = {}
    for parcel in parcels:
        lines.setdefault(parcel.line_of, []).append(parcel)
    return list(lines.values())


def _post(parcel: AnyParcel, sender: Sender) -> Posted:
    began, told = time.monotonic(), event(parcel)
    if parcel.attempts > TRIES:
        answer = ReceiverAnswer(ReceiverVerdict.REFUSED, "crash", counted=True)
    else:
        answer = sender.send(parcel.channel, told, line(parcel))
    return Posted(parcel, told["id"], answer, round((time.monotonic() - began) * 1000))
