"""Two-way sync beside MailMagnet and sorting: D7's outcome is final, and the other steps go their way (Part J)."""

import pytest
from sqlalchemy import select, update

from infra.db.tables.crm import contacts
from infra.db.tables.ledger import steps
from tests.handlers.conftest import House
from tests.handlers.test_conversations import ANN, BOB, FIRST, NEXT, held, letter
from tests.journeys.world import OPEN, UWE


@pytest.fixture
def all_on(house: House) -> House:
    """Uwe's mailbox is synced, announced and sorted; Ann is his."""
    house.connect(sync=True)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to="uwe"))
    return house


def after_all(house: House, raw: bytes) -> tuple[str, str | None]:
    """It is handled with all that follows; returns its id in Gmail and its outcome."""
    message_id = house.gmail.deliver(UWE, raw).id
    house.catch_up()
    return message_id, house.outcomes()[message_id]


@pytest.mark.rule("Z36", "D7-8", "D7-2")
def test_a_mail_that_is_kept_is_announced_and_labelled_too(all_on: House) -> None:
    first, outcome = after_all(all_on, letter(ANN, UWE, FIRST))
    assert outcome == "sync.started"
    assert all_on.notified() == [first]
    assert OPEN in all_on.labels(first)
    second, outcome = after_all(all_on, letter(ANN, UWE, NEXT, answers=FIRST))
    assert outcome == "sync.appended"
    assert OPEN in all_on.labels(second)
    assert [len(one.mails) for one in held(all_on)] == [2]
    with all_on.store.engine.connect() as db:
        assert set(db.scalars(select(steps.c.state))) == {"done"}


@pytest.mark.rule("D7-10")
def test_a_contacts_mail_that_is_not_kept_is_announced_all_the_same(all_on: House) -> None:
    message_id, outcome = after_all(all_on, letter(BOB, UWE, FIRST))
    assert outcome == "skip.not_assigned"
    assert all_on.notified() == [message_id]
    assert OPEN not in all_on.labels(message_id)
    assert held(all_on) == []
