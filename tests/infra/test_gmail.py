"""The Gmail adapter against the local Gmail, over real sockets: reading and push."""

import inspect
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from googleapiclient.http import BatchHttpRequest

from domain.errors import CursorExpired, GiveUp, NoPush
from domain.mail.folders import Folder
from domain.mail.messages import Fetched, Part
from domain.mailboxes.accounts import Grant
from domain.mailboxes.history import Change, ChangeKind
from handlers.ports.capabilities import Mailbox
from handlers.ports.providers import MailProvider
from infra.gmail.api import api_at
from infra.gmail.batch import Batch
from infra.gmail.costs import NEW_COSTS, OLD_COSTS, REMOTE_CALLS
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from infra.local.gmail.control.client import Mail
from infra.local.gmail.quota import TABLES
from tests.providers import held

TOPIC = "projects/lodestone/topics/gmail"
RAW = b"From: Bob <bob@example.com>\r\nTo: ana@example.com\r\nSubject: Hello\r\n\r\nA secret.\r\n"
INVITATION = (
    b"From: bob@example.com\r\nSubject: Lunch\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
    b"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
    b"--inner\r\nContent-Type: text/plain\r\n\r\nA secret.\r\n"
    b"--inner\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n"
    b"--inner--\r\n--outer--\r\n"
)


def assert_counted(mailbox: GmailMailbox, control: GmailControl, address: str) -> None:
    """What we say that we spent is what the server saw."""
    counters = control.counters()
    assert mailbox.spent.units == counters.by_mailbox.get(address, {"units": 0})["units"]
    assert mailbox.spent.requests == counters.http_requests + counters.token_requests


def as_port(gmail: Gmail) -> MailProvider:
    """mypy is the test."""
    return gmail


def test_it_is_what_the_handlers_ask_for(gmail: Gmail, grant: Grant) -> None:
    wanted = {name for part in Mailbox.__mro__ for name in vars(part) if not name.startswith("_")}
    assert wanted <= set(dir(as_port(gmail).open(grant)))


def test_prices_are_those_of_the_facts() -> None:
    for ours, servers in ((NEW_COSTS, TABLES["new"]), (OLD_COSTS, TABLES["old"])):
        assert dict(ours) == {name: servers[name] for name in ours}
    assert set(REMOTE_CALLS) == {*NEW_COSTS, "oauth2.token", "oauth2.revoke"}


def test_the_library_still_takes_the_steps_that_we_replaced() -> None:
    for step in ("_execute", "_serialize_request"):
        assert inspect.signature(getattr(Batch, step)).parameters.keys() == (
            inspect.signature(getattr(BatchHttpRequest, step)).parameters.keys()
        )


def test_where_history_stands_and_whose_it_is(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    assert mailbox.cursor_now() == str(control.dump(address).history_id)
    assert mailbox.address() == address
    assert tuple(mailbox.own_addresses()) == (address, "ana.sales@example.org")
    assert_counted(mailbox, control, address)
    assert (mailbox.spent.units, mailbox.spent.requests) == (3, 4)


@pytest.mark.rule("E103")
def test_a_thread_is_asked_for_once_at_its_price(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    first = control.deliver(address, RAW)
    assert mailbox.thread(first.thread_id) == (first.id,)
    assert control.counters().by_method["threads.get"] == {"calls": 1, "units": 40}
    assert_counted(mailbox, control, address)


def test_history_tells_what_happened_in_order(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    start = mailbox.cursor_now()
    one, two = control.deliver(address, RAW).id, control.deliver(address, RAW, labels=["SPAM"]).id
    control.change_labels(address, [one], add=["STARRED"], remove=["UNREAD"])
    control.delete(address, [two])
    (page,) = mailbox.changes_since(start)
    ids = [change.position for change in page.changes]
    assert ids == sorted(ids), "each change has its record's id"
    assert len(set(ids)) == 4
    assert tuple(replace(change, position=0) for change in page.changes) == (
        Change(ChangeKind.ARRIVED, one, Folder.INBOX),
        Change(ChangeKind.ARRIVED, two, Folder.SPAM),
        Change(ChangeKind.LABELLED, one, label_ids=frozenset({"STARRED"})),
        Change(ChangeKind.UNLABELLED, one, label_ids=frozenset({"UNREAD"})),
        Change(ChangeKind.GONE, two),
    )
    assert page.last
    assert page.cursor == str(control.dump(address).history_id)
    assert_counted(mailbox, control, address)


@pytest.mark.rule("W8")
def test_a_long_history_comes_a_page_at_a_time(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    start = mailbox.cursor_now()
    delivered = control.deliver_many(Mail(address, RAW) for _ in range(501))
    control.reset_counters()
    pages = mailbox.changes_since(start)
    first = next(pages)
    assert control.counters().http_requests == 1
    assert (len(first.changes), first.cursor, first.last) == (500, str(delivered[499].history_id), False)
    (second,) = pages
    assert [change.message_id for change in second.changes] == [delivered[500].id]
    assert (second.cursor, second.last) == (str(control.dump(address).history_id), True)


@pytest.mark.rule("E84", "W8")
def test_only_a_404_of_history_means_that_the_cursor_expired(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    start = mailbox.cursor_now()
    control.expire_history(address)
    with pytest.raises(CursorExpired):
        next(mailbox.changes_since(start))
    control.fault("404")
    assert mailbox.headers(["18a"]) == {"18a": None}
    with pytest.raises(GiveUp):
        next(mailbox.listed_since(datetime.now(UTC)))


def test_listing_again_finds_what_was_received_since(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, 900_000, UTC)
    for age, labels in ((-1, None), (0, None), (1, ["SPAM"]), (2, [])):
        date = round((moment + timedelta(seconds=age)).timestamp() * 1000)
        control.deliver(address, RAW, labels=labels, internal_date=date)
    _, same, _, later = (message.id for message in control.dump(address).messages)
    assert list(mailbox.listed_since(moment)) == [(later, same)]
    assert list(mailbox.listed_since(moment + timedelta(days=1))) == [()]
    control.deliver_many(Mail(address, RAW) for _ in range(501))
    assert [len(page) for page in mailbox.listed_since(moment)] == [500, 3]
    assert_counted(mailbox, control, address)


def test_a_fetched_message_shows_headers_and_structure(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    message_id = control.deliver(address, INVITATION, internal_date=1_772_366_400_123).id
    found = mailbox.headers([message_id])[message_id]
    assert isinstance(found, Fetched)
    assert (found.message_id, found.folder, found.sent) == (message_id, Folder.INBOX, False)
    assert found.label_ids == {"INBOX", "UNREAD"}
    assert found.received_at == datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)
    assert found.payload.mime_type == "multipart/mixed"
    assert found.payload.headers[:2] == (("From", "bob@example.com"), ("Subject", "Lunch"))
    (inner,) = found.payload.parts
    assert inner.parts[1] == Part("text/calendar", (("Content-Type", "text/calendar; method=REQUEST"),))


def test_the_text_of_a_mail_is_never_asked_for(
    mailbox: GmailMailbox, control: GmailControl, server: GmailServer, address: str
) -> None:
    message_id = control.deliver(address, INVITATION).id
    mailbox.cursor_now()
    place = urlsplit(api_at(f"{server.url}/").get_full(message_id).uri)
    connection = HTTPConnection(place.netloc)
    headers = {"Authorization": f"Bearer {held(mailbox.grant).access_token}"}
    connection.request("GET", f"{place.path}?{place.query}", headers=headers)
    answer = connection.getresponse().read()
    connection.close()
    assert b"text/calendar" in answer
    for forbidden in (b"secret", b"data", b"snippet", b"body", urlsafe_b64encode(b"A secret.")[:10]):
        assert forbidden not in answer


@pytest.mark.parametrize(
    ("messages", "requests"), [(0, 0), (1, 1), (25, 1), (26, 2), (51, 3)], ids=lambda value: str(value)
)
def test_at_most_25_messages_share_a_request(
    mailbox: GmailMailbox, control: GmailControl, address: str, messages: int, requests: int
) -> None:
    mailbox.cursor_now()
    ids = [found.id for found in control.deliver_many(Mail(address, RAW) for _ in range(messages))]
    control.reset_counters()
    before = mailbox.spent.units
    found = mailbox.headers([*ids, *ids[:3]])
    assert list(found) == ids
    assert all(isinstance(message, Fetched) for message in found.values())
    assert control.counters().http_requests == requests
    assert mailbox.spent.units - before == control.counters().units == 20 * messages


@pytest.mark.rule("W14")
def test_watching_tells_the_providers_time(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    mailbox.stop_watch()
    began = datetime.now(UTC)
    watch = mailbox.watch(TOPIC)
    assert watch.cursor == str(control.dump(address).history_id)
    assert watch.answered_at.microsecond == 0
    assert began - timedelta(seconds=1) < watch.answered_at <= datetime.now(UTC), "a Date has whole seconds"
    assert timedelta(days=6) < watch.expires_at - watch.answered_at <= timedelta(days=7, seconds=1)
    other = mailbox.watch(f"{TOPIC}-2")
    assert other.expires_at >= watch.expires_at
    assert control.dump(address).watched_topic == f"{TOPIC}-2"
    assert_counted(mailbox, control, address)
    mailbox.stop_watch()
    assert control.dump(address).watched_topic is None
    with pytest.raises(NoPush, match=r"^topicElsewhere$"):
        mailbox.watch("no topic")


@pytest.mark.rule("E85")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("404.noTopic", "topicMissing"),
        ("403.noPublisher", "topicClosed"),
        ("400.otherProject", "topicElsewhere"),
    ],
)
def test_where_google_cannot_push_to_the_topic_a_mailbox_begins_unwatched(
    mailbox: GmailMailbox, control: GmailControl, address: str, kind: str, reason: str
) -> None:
    control.fault(kind, ["watch"], mailbox=address, times=1)
    with pytest.raises(NoPush) as refused:
        mailbox.watch(TOPIC)
    assert refused.value.reason == reason
    mailbox.watch(TOPIC)
    control.fault(kind, ["watch"], mailbox=address, share=0.5, seed=10)  # the second call, not the first
    with pytest.raises(NoPush) as refused_again:
        mailbox.watch(f"{TOPIC}-2")
    assert refused_again.value.reason == reason
    assert control.dump(address).watched_topic is None, "the other topic's was stopped"
    began = datetime.now(UTC)
    begun = mailbox.unwatched(reason)
    assert (begun.cursor, begun.trouble) == (str(control.dump(address).history_id), reason)
    assert began - timedelta(seconds=1) < begun.answered_at <= datetime.now(UTC), "a Date has whole seconds"
