"""Opening a notification: the mail is fetched then, and one that is gone takes the notification with it."""

import pytest
from sqlalchemy import func, select

from domain.channels import ChannelKind, Target
from domain.errors import Refused
from handlers.live_view.notification_mail import open_notification, previews
from handlers.reports import notifications
from infra.db.tables.channels import deliveries
from tests.handlers.conftest import House
from tests.journeys.world import UWE
from tests.nowhere import dead_port
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def deliveries_left(house: House) -> int:
    with house.store.engine.connect() as db:
        return int(db.scalars(select(func.count()).select_from(deliveries)).one())


@pytest.mark.rule("Z25", "Z27", "E37")
@pytest.mark.parametrize("put_away", ["delete", "trash", "spam"])
def test_a_notification_goes_with_its_mail_and_with_what_was_to_be_sent_of_it(
    house: House, put_away: str
) -> None:
    house.connect()
    with house.store.begin("tests.channel") as tx:
        tx.of(HERE).channels.add(
            None, ChannelKind.WEBHOOK, Target(f"http://127.0.0.1:{dead_port()}/", SECRET)
        )
    first, second = house.deliver("ann", 1), house.deliver("ann", 2)
    house.catch_up()
    listed = notifications("uwe", 0, None, house.context)
    assert {one.message_id for one in listed} == {first, second}
    assert previews("uwe", listed, house.context).mails[first].header("Subject") == "mail 1"

    assert deliveries_left(house) == 2
    getattr(house.gmail, put_away)(UWE, first)
    seen = previews("uwe", listed, house.context)
    assert (set(seen.gone), set(seen.mails), seen.trouble) == ({first}, {second}, None)
    by_mail = {one.message_id: one.id for one in listed}
    _, opened = open_notification(by_mail[first], "uwe", house.context)
    assert opened is None
    assert deliveries_left(house) == 1
    assert [one.message_id for one in notifications("uwe", 0, None, house.context)] == [second]
    with pytest.raises(Refused, match="there is no notification"):
        open_notification(by_mail[first], "uwe", house.context)
    _, opened = open_notification(by_mail[second], "uwe", house.context)
    assert opened is not None
    assert opened.mail.content.text() == "Text."


@pytest.mark.rule("Z27")
def test_a_mail_that_was_put_back_in_time_keeps_its_notification(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    [notification] = notifications("uwe", 0, None, house.context)
    house.gmail.trash(UWE, message_id)
    house.gmail.untrash(UWE, message_id)
    _, opened = open_notification(notification.id, "uwe", house.context)
    assert opened is not None
    assert len(notifications("uwe", 0, None, house.context)) == 1
