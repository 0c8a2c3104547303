"""What the chaos has found, each in its shortest form."""

import pytest
from sqlalchemy import update

from infra.db.tables.mail import messages
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.journeys.world import OPEN, UWE


@pytest.mark.rule("E36", "E37", "E84", "W9")
@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
def test_a_mail_that_is_rescued_while_history_is_lost_is_handled(house: House, place: str) -> None:
    house.connect()
    mail = house.deliver("ann", labels=[place])
    house.catch_up()
    assert house.outcomes()[mail] == f"skip.{place.lower()}"
    house.gmail.change_labels(UWE, [mail], add=["INBOX"], remove=[place])
    house.gmail.expire_history(UWE)
    house.catch_up()
    assert house.outcomes()[mail] == "label.open"
    assert house.labels(mail) == {OPEN}
    assert house.notified() == [mail]


@pytest.mark.rule("E36", "E37", "W7", "W9")
@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
def test_a_mail_that_is_shown_where_it_was_before_it_was_rescued_is_looked_at_again(
    house: House, place: str
) -> None:
    house.connect()
    mail = house.deliver("ann", labels=[place])
    house.catch_up()
    house.gmail.change_labels(UWE, [mail], add=["INBOX"], remove=[place])
    house.gmail.fault("read_lag", ["messages.get"], delay=600)
    house.catch_up()
    assert house.outcomes() == {}, "history says that it is there no more"
    house.gmail.clear_faults()
    house.let_time_pass()
    sweep.redrive(house.context)
    house.pump()
    assert house.outcomes() == {mail: "label.open"}
    assert house.notified() == [mail]


@pytest.mark.rule("E36", "W9")
def test_a_rescued_mail_that_is_put_back_into_spam_ends_there_in_a_minute(house: House) -> None:
    house.connect()
    mail = house.deliver("ann", labels=["SPAM"])
    house.catch_up()
    house.gmail.change_labels(UWE, [mail], add=["INBOX"], remove=["SPAM"])
    house.catch_up_only()
    house.gmail.change_labels(UWE, [mail], add=["SPAM"], remove=["INBOX"])
    house.pump()
    assert house.outcomes() == {}
    with house.store.engine.begin() as db:
        db.execute(update(messages).values(reopened_at=LONG_AGO))
    house.let_time_pass()
    sweep.redrive(house.context)
    house.pump()
    assert house.outcomes() == {mail: "skip.spam"}
