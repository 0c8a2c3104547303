"""How a connection stands is told by what the ledger has of its mail (H50)."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from domain.connections.standing import ConnectionStanding
from domain.errors import Refused
from domain.outcomes import Outcome
from domain.reports import LedgerQuery
from handlers import operations, reports
from handlers.connections import standing
from infra.db.tables.crm import contacts
from infra.db.tables.mail import messages
from tests.handlers.conftest import House
from tests.journeys.world import UWE

YESTERDAY = datetime.now(UTC) - timedelta(hours=25)


@pytest.mark.rule("H50")
def test_what_is_counted_is_what_the_ledger_lists(house: House) -> None:
    house.connect(sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to="uwe"))
    first = house.deliver("ann", 1)
    for number, who in enumerate(("ann", "cid", "nora", "nora")):
        house.deliver(who, 2 + number)
    house.catch_up()
    house.deliver("ann", 9)
    house.catch_up_only()
    with house.store.engine.begin() as db:
        db.execute(update(messages).where(messages.c.message_id == first).values(seen_at=YESTERDAY))

    [found] = standing.show("uwe", house.store)
    listed = Counter(one.outcome for one in reports.ledger(LedgerQuery(), house.context))
    since = datetime.now(UTC) - timedelta(hours=24)
    last_day = Counter(one.outcome for one in reports.ledger(LedgerQuery(since=since), house.context))
    assert {outcome: one.all for outcome, one in found.mails.items()} == dict(listed)
    assert {outcome: one.last_day for outcome, one in found.mails.items()} == {
        outcome: last_day[outcome] for outcome in listed
    }
    assert (found.seen.all, found.seen.last_day) == (6, 5)
    assert found.kept.all == listed[Outcome.SYNC_STARTED] + listed[Outcome.SYNC_APPENDED] >= 2
    assert found.mails[None].all == 1
    assert found.checked_at is not None
    assert found.standing is ConnectionStanding.CONNECTED


@pytest.mark.rule("H50")
def test_it_tells_of_its_mailbox_and_of_one_that_is_not_there(house: House) -> None:
    house.connect()
    operations.pause(UWE, house.context)
    [found] = standing.show("uwe", house.store)
    assert found.standing is ConnectionStanding.PAUSED
    with pytest.raises(Refused, match="no user nobody"):
        standing.show("nobody", house.store)
