"""Events are sent side by side for several users, and in their order for each user."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from domain.channels import TRIES, Parcel, ReceiverAnswer, ReceiverVerdict, lanes
from domain.cloud_events import event, line
from handlers.ports.channels import Sender


@dataclass(frozen=True, slots=True)
class Posted:
    """An event that was sent, the receiver's answer, and how long that took."""

    parcel: Parcel
    event_id: str
    answer: ReceiverAnswer
    milliseconds: int


def post(
    parcels: Sequence[Parcel], sender: Sender, within: float, stopping: Callable[[], bool]
) -> tuple[Posted, ...]:
    """Send events for at most `within` seconds; returns those that were sent.

    The rest was not sent, because the receiver is down or slow, or we have to stop.
    """
    users = deque(_by_user(parcels))
    until = time.monotonic() + within
    over = threading.Event()

    def lane() -> list[Posted]:
        done: list[Posted] = []
        while users:
            try:
                its = users.popleft()
            except IndexError:  # another lane was faster
                break
            for parcel in its:
                if over.is_set() or stopping() or time.monotonic() > until:
                    return done
                done.append(_post(parcel, sender))
                if done[-1].answer.verdict not in (ReceiverVerdict.TAKEN, ReceiverVerdict.REFUSED):
                    over.set()
        return done

    count = min(lanes(len(parcels)), len(users))
    if count <= 1:
        return tuple(lane())
    with ThreadPoolExecutor(count, "lane") as pool:
        runs = [pool.submit(lane) for _ in range(count)]
        return tuple(posted for run in runs for posted in run.result())


def _by_user(parcels: Sequence[Parcel]) -> list[list[Parcel]]:
    users: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        users.setdefault(parcel.user_id, []).append(parcel)
    return list(users.values())


def _post(parcel: Parcel, sender: Sender) -> Posted:
    began, told = time.monotonic(), event(parcel)
    if parcel.attempts > TRIES:
        answer = ReceiverAnswer(ReceiverVerdict.REFUSED, "crash", counted=True)
    else:
        answer = sender.send(parcel.channel, told, line(parcel))
    return Posted(parcel, told["id"], answer, round((time.monotonic() - began) * 1000))
