"""History has expired: what is listed again, how far back, and what a death in the middle leaves (E84, W8)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.mailboxes.accounts import Grant
from infra.db.tables.mail import messages
from infra.db.tables.mailboxes import mailboxes
from infra.local.gmail.control.client import Mail
from tests.handlers.conftest import House
from tests.journeys.world import UWE, mail
from tests.providers import entered_by


def known(house: House) -> dict[str, str]:
    """How each mail of the ledger came, by message."""
    with house.store.engine.connect() as db:
        return {row.message_id: row.came_by for row in db.execute(select(messages))}


def cursor(house: House) -> str | None:
    with house.store.engine.connect() as db:
        return db.scalar(select(mailboxes.c.cursor))


def last_success(house: House, **ago: float) -> None:
    """The mailbox was last synced so long ago, and history has expired since."""
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(synced_at=datetime.now(UTC) - timedelta(**ago)))
    house.gmail.expire_history(UWE)


def received(house: House, number: int, **ago: float) -> str:
    """A mail that Gmail received so long ago."""
    moment = datetime.now(UTC) - timedelta(**ago)
    return house.deliver("ann", number, internal_date=int(moment.timestamp() * 1000))


@pytest.mark.rule("E84")
@pytest.mark.parametrize(
    ("success", "reached"),
    [
        pytest.param(timedelta(days=2), timedelta(days=2, hours=1), id="an hour before the last success"),
        pytest.param(timedelta(days=90), timedelta(days=30), id="at most 30 days"),
    ],
)
def test_mail_is_listed_since_the_last_success(house: House, success: timedelta, reached: timedelta) -> None:
    house.connect()
    before = received(house, 1, seconds=reached.total_seconds() + 600)
    after = received(house, 2, seconds=reached.total_seconds() - 600)
    last_success(house, seconds=success.total_seconds())
    house.catch_up_only()
    assert known(house) == {after: "relist"}
    assert before not in known(house)


@pytest.mark.rule("E84", "D3-4", "D3-5")
def test_spam_and_trash_are_not_listed_again_and_handled_when_rescued(house: House) -> None:
    house.connect()
    spam, trash = (house.deliver("ann", labels=[place]) for place in ("SPAM", "TRASH"))
    inbox = house.deliver("ann", 3)
    last_success(house, hours=1)
    house.catch_up()
    assert house.outcomes() == {inbox: "label.open"}
    for message_id, place in ((spam, "SPAM"), (trash, "TRASH")):
        house.gmail.change_labels(UWE, [message_id], add=["INBOX"], remove=[place])
    house.catch_up()
    assert house.outcomes() == dict.fromkeys([inbox, spam, trash], "label.open")


class Killed(BaseException):
    """The process dies."""


class Dying:
    """The way into Gmail of a process that dies after the first page of a listing."""

    def __init__(self, house: House) -> None:
        self._house = house

    def open(self, grant: Grant) -> Any:
        mailbox = self._house.context.open(grant)

        class It:
            def __getattr__(self, name: str) -> Any:
                return getattr(mailbox, name)

            def listed_since(self, moment: datetime) -> Iterator[tuple[str, ...]]:
                yield next(mailbox.listed_since(moment))
                raise Killed

        return It()


@pytest.mark.rule("E84", "W8", "I1", "I2", "E83")
def test_a_listing_that_dies_in_the_middle_is_repeated_and_nothing_is_doubled(house: House) -> None:
    house.connect()
    house.gmail.deliver_many([Mail(UWE, mail("nora", number)) for number in range(1_100)])
    last_success(house, hours=1)
    began_at = cursor(house)
    with pytest.raises(Killed):
        replace(house, context=entered_by(house.context, Dying(house))).catch_up_only()
    assert len(known(house)) == 500, "what was listed stays"
    assert cursor(house) == began_at, "but the cursor waits for the last page"
    house.queue.redis.flushall()
    house.sent.clear()
    later = house.deliver("nora", 9_999)
    house.catch_up_only()
    assert len(known(house)) == 1_101
    assert known(house)[later] == "relist"
    assert cursor(house) == str(house.gmail.dump(UWE).history_id)
    house.sent.clear()
    again = house.deliver("nora", 10_000)
    house.catch_up_only()
    assert known(house)[again] == "push", "history goes on from there"
