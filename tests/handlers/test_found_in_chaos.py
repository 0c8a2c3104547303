"""What the chaos has found, each in its shortest form."""

import pytest

from tests.handlers.conftest import House
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
