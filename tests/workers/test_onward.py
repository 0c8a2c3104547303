"""What follows a step for the same mailbox is done in the same job; what is asked for several times is others'."""

import threading
from typing import Any

import pytest
from redis import Redis

from domain.events import DeliveryDue, Event, MailAnnounced, MailboxChanged, MailFound, MailMatched
from domain.ids import ChannelId, MailboxId
from infra.queue import RedisQueue
from workers.onward import Onward

MATCH, ANNOUNCE, SORT = "contacts.match", "notifications.announce", "labels.sort"


class Desk:
    """A queue as one process has it; `asks` says what each step emits, and how often."""

    def __init__(self, redis: Redis, asks: dict[str, list[tuple[Event, int]]]) -> None:
        self.sent: list[Event] = []
        self.stopping = threading.Event()
        self.onward = Onward(self.stopping.is_set)
        self.queue = RedisQueue(redis, self.sent.append, self.onward.takes)
        self.asks = asks

    def work(self, name: str = "mailboxes.catch_up", **ids: Any) -> list[str]:
        """Do a job; the steps it was."""
        done = []
        for step, its in self.onward.steps(name, ids or {"mailbox_id": 7}, self.queue.emit):
            assert its["mailbox_id"] == 7
            done.append(step)
            for event, copies in self.asks.get(step, ()):
                self.queue.emit(event, copies)
        return done


ALL_THE_WAY: dict[str, list[tuple[Event, int]]] = {
    "mailboxes.catch_up": [(MailFound(MailboxId(7)), 1)],
    MATCH: [(MailMatched(MailboxId(7)), 1)],
    ANNOUNCE: [(DeliveryDue(ChannelId(3)), 1), (MailAnnounced(MailboxId(7)), 1)],
    SORT: [(MailboxChanged(MailboxId(7)), 1)],
}


@pytest.mark.rule("I5", "W2")
def test_a_lone_mail_goes_all_its_way_in_one_job(redis: Redis) -> None:
    desk = Desk(redis, ALL_THE_WAY)
    assert desk.work() == ["mailboxes.catch_up", MATCH, ANNOUNCE, SORT]
    assert desk.sent == [DeliveryDue(ChannelId(3)), MailboxChanged(MailboxId(7))], "other work is another's"


def test_a_burst_is_worked_on_side_by_side(redis: Redis) -> None:
    desk = Desk(redis, ALL_THE_WAY | {"mailboxes.catch_up": [(MailFound(MailboxId(7)), 4)]})
    assert desk.work() == ["mailboxes.catch_up"]
    assert desk.sent == [MailFound(MailboxId(7))] * 4


@pytest.mark.rule("W16")
def test_who_is_to_stop_hands_the_rest_over(redis: Redis) -> None:
    desk = Desk(redis, ALL_THE_WAY)
    desk.stopping.set()
    assert desk.work() == ["mailboxes.catch_up"]
    assert desk.sent == [MailFound(MailboxId(7))]


def test_who_is_at_no_job_and_who_is_at_another_ask_the_queue(redis: Redis) -> None:
    desk = Desk(redis, {})
    desk.queue.emit(MailFound(MailboxId(7)))
    steps = desk.onward.steps(MATCH, {"mailbox_id": 7}, desk.queue.emit)
    next(steps)
    elsewhere = threading.Thread(target=desk.queue.emit, args=(MailFound(MailboxId(8)),))
    elsewhere.start()
    elsewhere.join()
    assert list(steps) == []
    assert desk.sent == [MailFound(MailboxId(7)), MailFound(MailboxId(8))]
