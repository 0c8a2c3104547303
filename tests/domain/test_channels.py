"""What an event says and how its receiver is treated (Z25, D2, E91)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.channels import (
    AT_ONCE,
    LONGEST_WISH,
    Channel,
    ChannelKind,
    ReceiverAnswer,
    ReceiverVerdict,
    Target,
    at_once,
    judge,
    lanes,
    next_at_once,
    rest_before,
    wish,
)
from domain.cloud_events import event, line
from domain.ids import ChannelId, ConnectionId
from domain.notifications import NotificationKind, is_late
from domain.parcels import ChannelNotification, Parcel, batch_of, event_id

NOW = datetime(2026, 3, 15, 10, 2, 0, 7000, tzinfo=UTC)
CHANNEL = Channel(
    ChannelId(1), ChannelKind.WEBHOOK, Target("https://hooks.example.com/t0ken", "whsec_c2VjcmV0")
)
MAIL = ChannelNotification(
    id=41,
    kind=NotificationKind.MAIL,
    connection_id=ConnectionId(3),
    user_id="uwe",
    location="main/main",
    created_at=NOW + timedelta(seconds=2),
    message_id="18f3a2b4c5d6e7f8",
    contact_id="ann",
    name="Ann Example",
    author="ann@example.com",
    received_at=NOW,
)
NOTICE = ChannelNotification(
    id=42,
    kind=NotificationKind.SIGN_IN_NEEDED,
    connection_id=ConnectionId(3),
    user_id="uwe",
    location="acme/berlin",
    created_at=NOW,
)
REQUIRED = {"specversion", "id", "source", "type"}


def parcel(*items: ChannelNotification, attempts: int = 1) -> Parcel:
    """One event of these; late ones when there are several."""
    if len(items) > 1:
        return Parcel(CHANNEL, batch_of(ChannelId(1), [item.id for item in items]), True, items, attempts)
    return Parcel(CHANNEL, str(items[0].id), False, items, attempts)


@pytest.mark.rule("Z25", "D2")
def test_a_mails_event_has_its_three_details_and_whose_it_is() -> None:
    told = event(parcel(MAIL))
    assert told == {
        "specversion": "1.0",
        "id": "3c904a4c-5eb9-5f65-81fb-6e277ebe2542",
        "source": "urn:lodestone",
        "type": "lodestone.mail.received",
        "subject": "18f3a2b4c5d6e7f8",
        "location": "main/main",
        "time": "2026-03-15T10:02:00.007Z",
        "datacontenttype": "application/json",
        "data": {
            "user_id": "uwe",
            "connection_id": 3,
            "notification_id": 41,
            "contact_id": "ann",
            "name": "Ann Example",
            "from": "ann@example.com",
            "via_list": False,
            "received_at": "2026-03-15T10:02:00.007Z",
            "message_id": "18f3a2b4c5d6e7f8",
        },
    }


@pytest.mark.rule("E86", "E67")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(
            NotificationKind.SIGN_IN_NEEDED, "lodestone.connection.expired", id="the grant has ended"
        ),
        pytest.param(NotificationKind.SORTING_FAILED, "lodestone.sorting.failed", id="no more labels"),
    ],
)
def test_a_notice_about_the_connection_says_nothing_of_any_mail(kind: NotificationKind, name: str) -> None:
    told = event(parcel(replace(NOTICE, kind=kind)))
    assert told["type"] == name
    assert "subject" not in told
    assert told["data"] == {"user_id": "uwe", "connection_id": 3, "notification_id": 42}


@pytest.mark.rule("E91")
def test_a_summary_counts_and_names_the_mails_between_two_times() -> None:
    later = replace(MAIL, id=43, message_id="b", received_at=NOW + timedelta(hours=1))
    told = event(parcel(MAIL, later))
    assert told["type"] == "lodestone.mail.summarised"
    assert told["data"] == {
        "user_id": "uwe",
        "count": 2,
        "message_ids": ["18f3a2b4c5d6e7f8", "b"],
        "oldest_received_at": "2026-03-15T10:02:00.007Z",
        "newest_received_at": "2026-03-15T11:02:00.007Z",
    }


@pytest.mark.parametrize("sent", [parcel(MAIL), parcel(NOTICE), parcel(MAIL, replace(MAIL, id=2))])
def test_every_event_is_a_cloud_event(sent: Parcel) -> None:
    """The specification's required attributes, and ours, as strings that are not empty; names of lower-case letters."""
    told = event(sent)
    assert told.keys() >= REQUIRED | {"location"}
    assert told["location"] == sent.items[0].location
    assert all(isinstance(told[name], str) and told[name] for name in told.keys() - {"data"})
    assert all(name.isalnum() and name.islower() for name in told)
    assert datetime.fromisoformat(told["time"]).tzinfo is not None


@pytest.mark.rule("I2")
def test_an_events_id_is_that_of_what_it_tells_whatever_else_changes() -> None:
    again = replace(parcel(MAIL, attempts=5), channel=replace(CHANNEL, id=ChannelId(9)))
    renamed = parcel(replace(MAIL, id=77, name="Ann Other", created_at=NOW))
    assert event_id(parcel(MAIL)) == event_id(again) == event_id(renamed)
    others = {
        event_id(parcel(replace(MAIL, connection_id=ConnectionId(4)))),
        event_id(parcel(replace(MAIL, message_id="c"))),
        event_id(parcel(NOTICE)),
        event_id(parcel(replace(NOTICE, created_at=NOW + timedelta(days=1)))),
        event_id(parcel(replace(NOTICE, kind=NotificationKind.SORTING_FAILED))),
        batch_of(ChannelId(1), [1, 2]),
        batch_of(ChannelId(1), [1, 23]),
        batch_of(ChannelId(2), [1, 2]),
    }
    assert len(others - {event_id(parcel(MAIL))}) == 8
    assert batch_of(ChannelId(1), [2, 1]) == batch_of(ChannelId(1), [1, 2])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(
            parcel(MAIL), "Ann Example (ann@example.com) has written, 15 March 10:02 UTC", id="a mail"
        ),
        pytest.param(
            parcel(replace(MAIL, via_list=True)),
            "Ann Example (ann@example.com) has written via a list, 15 March 10:02 UTC",
            id="a mail through a list",
            marks=pytest.mark.rule("E100"),
        ),
        pytest.param(
            parcel(replace(MAIL, name=None)),
            "ann@example.com has written, 15 March 10:02 UTC",
            id="the record is gone",
        ),
        pytest.param(
            parcel(replace(MAIL, name="<!channel> @everyone\n[Ann](x)\x1b[31m")),
            "!channel everyone Ann(x) 31m (ann@example.com) has written, 15 March 10:02 UTC",
            id="a name that would call everybody",
        ),
        pytest.param(
            parcel(MAIL, replace(MAIL, id=9, received_at=NOW + timedelta(days=1))),
            "2 mails of your leads and contacts came between 15 March 10:02 UTC and 16 March 10:02 UTC",
            id="late ones",
        ),
        pytest.param(
            parcel(NOTICE),
            "The mailbox of uwe no longer lets the CRM in: please sign in again",
            id="the grant has ended",
        ),
    ],
)
def test_people_are_told_in_one_line(sent: Parcel, expected: str) -> None:
    assert line(sent) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(200, ReceiverAnswer(ReceiverVerdict.TAKEN, "http 200"), id="ok"),
        pytest.param(204, ReceiverAnswer(ReceiverVerdict.TAKEN, "http 204"), id="no content"),
        pytest.param(
            302,
            ReceiverAnswer(ReceiverVerdict.REFUSED, "http 302", counted=True),
            id="a redirect",
        ),
        pytest.param(400, ReceiverAnswer(ReceiverVerdict.REFUSED, "http 400", counted=True), id="refused"),
        pytest.param(404, ReceiverAnswer(ReceiverVerdict.REFUSED, "http 404", counted=True), id="not there"),
        pytest.param(408, ReceiverAnswer(ReceiverVerdict.LATER, "http 408"), id="it took too long"),
        pytest.param(410, ReceiverAnswer(ReceiverVerdict.GONE, "http 410"), id="gone for good"),
        pytest.param(429, ReceiverAnswer(ReceiverVerdict.LATER, "http 429", untouched=True), id="limited"),
        pytest.param(500, ReceiverAnswer(ReceiverVerdict.LATER, "http 500"), id="it may have taken it"),
        pytest.param(503, ReceiverAnswer(ReceiverVerdict.LATER, "http 503", untouched=True), id="down"),
    ],
)
def test_what_an_answer_means(status: int, expected: ReceiverAnswer) -> None:
    assert judge(status, None, NOW) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("120", timedelta(seconds=120), id="seconds"),
        pytest.param("Sun, 15 Mar 2026 10:03:00 GMT", timedelta(seconds=59, milliseconds=993), id="a date"),
        pytest.param("Sun, 15 Mar 2026 09:00:00 GMT", timedelta(), id="a date that is over"),
        pytest.param("99999999999999999999", LONGEST_WISH, id="for ever"),
        pytest.param("soon", None, id="no time"),
        pytest.param("-5", None, id="before now"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_receivers_own_wish(header: str | None, expected: timedelta | None) -> None:
    assert wish(header, NOW) == expected


def test_rests_double_from_a_minute_to_about_an_hour() -> None:
    waits = [rest_before(attempt, 60).total_seconds() / 60 for attempt in (1, 2, 3, 7, 8, 10_000)]
    assert waits == [1, 2, 4, 64, 64, 64]


@pytest.mark.rule("E91")
@pytest.mark.parametrize(("hours", "expected"), [(23.9, False), (24, False), (24.1, True)])
def test_a_mail_is_late_after_a_day(hours: float, expected: bool) -> None:
    assert is_late(NOW - timedelta(hours=hours), NOW) is expected


@pytest.mark.rule("I10")
@pytest.mark.parametrize(
    ("kind", "url", "shown"),
    [
        (ChannelKind.WEBHOOK, "https://hooks.example.com:8443/t0ken?k=t0ken", "hooks.example.com"),
        (ChannelKind.APPRISE, "slack://t0ken/B/C/#general", "slack"),
        (ChannelKind.APPRISE, "mailtos://uwe:t0ken@mail.example.com", "mailtos"),
    ],
)
def test_of_a_target_the_host_or_the_service_is_shown_and_nothing_else(
    kind: ChannelKind, url: str, shown: str
) -> None:
    channel = Channel(ChannelId(1), kind, Target(url, "whsec_t0ken"))
    assert channel.host == shown
    assert "t0ken" not in repr(channel)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param(ChannelKind.WEBHOOK, 200, id="a webhook drops what comes twice"),
        pytest.param(ChannelKind.APPRISE, 1, id="chat does not"),
    ],
)
def test_what_is_taken_together_is_what_may_come_twice(kind: ChannelKind, expected: int) -> None:
    assert at_once(kind, 200) == expected


@pytest.mark.parametrize(
    ("sent", "seconds", "expected"),
    [
        pytest.param(200, 0.2, AT_ONCE, id="a fast receiver gets as many as ever"),
        pytest.param(50, 0.5, 100, id="a second's"),
        pytest.param(4, 10, 1, id="a slow one gets one at a time"),
        pytest.param(0, 5, 1, id="one that took none as well"),
        pytest.param(50, 0, AT_ONCE, id="in no time at all"),
    ],
)
def test_as_many_are_taken_as_the_receiver_takes_in_a_second(
    sent: int, seconds: float, expected: int
) -> None:
    assert next_at_once(sent, seconds) == expected


@pytest.mark.parametrize(("events", "expected"), [(1, 1), (7, 1), (8, 2), (23, 3), (24, 4), (200, 4)])
def test_few_events_go_out_by_one_connection_and_many_by_four(events: int, expected: int) -> None:
    assert lanes(events) == expected
