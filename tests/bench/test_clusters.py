"""Three hundred mails of known threads, in any order; the whole archive is `python -m tests.bench.threads`."""

import random
from dataclasses import replace

import pytest
from sqlalchemy import select

from handlers.units import Tally
from infra.db.tables.ledger import steps
from infra.gmail.costs import OLD_QUOTA
from tests.bench.archive import ME, archive, people
from tests.bench.clusters import AT_ONCE, Delivery, know, wrong
from tests.handlers.conftest import House, gmail_server, house  # noqa: F401 - fixtures
from tests.worlds import ONE_DATABASE

MAILS = 300


@pytest.mark.rule("E101", "E102", "E103", "E104", "E44", "E45", "E46", "H47", "D7-1c")
@pytest.mark.parametrize("order", ["in order", "reversed", "shuffled"])
@ONE_DATABASE
def test_every_true_thread_is_one_conversation(house: House, order: str) -> None:  # noqa: F811
    house = replace(
        house, context=replace(house.context, tally=Tally(OLD_QUOTA))
    )  # has room for all in a minute
    mails = archive(MAILS, seed=1)
    know(house.store.engine, people(MAILS // 5), "uwe")
    house.connect("uwe", ME, sync=True, magnet=False, sorting=False)
    if order == "reversed":
        mails.reverse()
    elif order == "shuffled":
        random.Random(2).shuffle(mails)
    delivery = Delivery(house.gmail)
    for begin in range(0, MAILS, AT_ONCE):
        delivery.deliver(mails[begin : begin + AT_ONCE])
        house.catch_up()
    with house.store.engine.connect() as db:
        assert db.execute(select(steps).where(steps.c.state == "waiting")).all() == []
    assert wrong(house.store.engine, delivery.delivered) == []
