"""Sending through the real client: what leaves, what stays in Sent, who gets it, and what is refused."""

import email
import email.policy
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from http.client import HTTPException
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from infra.local.gmail import GmailControl
from tests.infra.local.gmail.conftest import ANA, BEA, Refused

Send = Callable[..., Any]


def written(**fields: str) -> str:
    """A mail of Ana's as the API takes it."""
    head = {"From": ANA, "To": "bob@client.example", "Subject": "Offer", **fields}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items() if value)
    return urlsafe_b64encode(f"{lines}\r\nHello\r\n".encode()).decode()


@pytest.fixture
def send(users: Any) -> Send:
    """A request that sends a mail with these headers at once."""

    def send(thread_id: str = "", **fields: str) -> Any:
        given = {"threadId": thread_id} if thread_id else {}
        return users.messages().send(userId="me", body={"raw": written(**fields), **given})

    return send


@pytest.fixture
def read(control: GmailControl) -> Callable[[str, str], EmailMessage]:
    def read(mailbox: str, message_id: str) -> EmailMessage:
        raw = control.raw(mailbox, message_id)
        found = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found

    return read


def test_a_draft_is_sent_and_becomes_another_message(
    users: Any, bea: Any, control: GmailControl, read: Any, refused: Refused
) -> None:
    raw = written(
        To=f"Bea <{BEA}>, bob@client.example",
        Bcc="boss@example.com",
        Message_ID="<mine@example.com>",
        X_Lodestone_Key="k1",
    )
    draft = users.drafts().create(userId="me", body={"message": {"raw": raw}}).execute()
    sent = users.drafts().send(userId="me", body={"id": draft["id"]}).execute()
    assert sent["labelIds"] == ["SENT"]
    assert sent["id"] != draft["message"]["id"]
    assert sent["threadId"] == draft["message"]["threadId"]
    dump = control.dump(ANA)
    assert dump.drafts == {}
    assert [message.id for message in dump.messages] == [message.id for message in dump.having("SENT")]
    assert dump.messages[0].id == sent["id"]
    copy = read(ANA, sent["id"])
    assert (copy["X-Lodestone-Key"], copy["Bcc"], copy["From"]) == ("k1", "boss@example.com", ANA)
    assert copy["Message-ID"].endswith("@mail.gmail.com>")
    assert copy["Date"]
    (arrived,) = control.dump(BEA).messages
    assert arrived.labels == {"INBOX", "UNREAD"}
    other = read(BEA, arrived.id)
    assert (other["Bcc"], other["X-Lodestone-Key"]) == (None, "k1")
    assert other["Message-ID"] == copy["Message-ID"]
    assert other.get_content() == "Hello\r\n"
    assert refused(users.drafts().send(userId="me", body={"id": draft["id"]})) == (404, "notFound")


def test_what_is_given_beside_the_id_is_sent_instead(users: Any, read: Any) -> None:
    draft = users.drafts().create(userId="me", body={"message": {"raw": written()}}).execute()
    body = {"id": draft["id"], "message": {"raw": written(Subject="Better")}}
    sent = users.drafts().send(userId="me", body=body).execute()
    assert read(ANA, sent["id"])["Subject"] == "Better"


def test_of_many_who_send_a_draft_one_succeeds(
    ana: Any, connect: Callable[[Any], Any], control: GmailControl
) -> None:
    clients = [connect(ana).users() for _ in range(6)]
    drafts = clients[0].drafts()
    draft = drafts.create(userId="me", body={"message": {"raw": written()}}).execute()

    def outcome(client: Any) -> int:
        try:
            client.drafts().send(userId="me", body={"id": draft["id"]}).execute()
        except HttpError as error:
            return int(error.resp.status)
        return 200

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(outcome, clients)) == [200, *[404] * 5]
    assert len(control.dump(ANA).messages) == 1


def test_two_who_write_to_each_other_at_once_do_not_wait_for_ever(
    ana: Any, connect: Callable[[Any], Any], control: GmailControl
) -> None:
    people = {ANA: connect(ana).users(), BEA: connect(control.create_mailbox(BEA)).users()}

    def write(sender: str, to: str) -> None:
        for _ in range(20):
            raw = written(From=sender, To=to)
            people[sender].messages().send(userId="me", body={"raw": raw}).execute()

    with ThreadPoolExecutor(2) as threads:
        for work in [threads.submit(write, ANA, BEA), threads.submit(write, BEA, ANA)]:
            work.result(timeout=60)
    assert [len(control.dump(one).having("INBOX")) for one in (ANA, BEA)] == [20, 20]


@pytest.mark.parametrize("to", [ANA, "SALES@example.com", "ana+notes@example.com"])
def test_who_writes_to_himself_has_one_message(to: str, send: Send, control: GmailControl) -> None:
    assert send(To=to).execute()["labelIds"] == ["INBOX", "SENT", "UNREAD"]
    assert len(control.dump(ANA).messages) == 1


def test_a_copy_each_even_when_named_twice_or_in_bcc(send: Send, bea: Any, control: GmailControl) -> None:
    send(To=f"{BEA}, {BEA.upper()}", Cc=BEA, Bcc="x@client.example").execute()
    send(To="", Bcc=BEA).execute()
    assert len(control.dump(BEA).messages) == 2


@pytest.mark.parametrize(
    ("sender", "expected", "original"),
    [
        ("Ana A <ANA@example.com>", "Ana A <ANA@example.com>", None),
        ("Sales <sales@example.com>", "Sales <sales@example.com>", None),
        ("Boss <boss@example.com>", f"Boss <{ANA}>", "Boss <boss@example.com>"),
        ("new@example.com", ANA, "new@example.com"),
        ("a@example.com, ana@example.com", ANA, "a@example.com, ana@example.com"),
        ("", ANA, None),
        ("(" * 5_000, ANA, "(" * 5_000),
    ],
)
def test_only_verified_addresses_are_senders(
    sender: str, expected: str, original: str | None, send: Send, control: GmailControl, read: Any
) -> None:
    control.set_aliases(ANA, ["sales@example.com"], pending=["new@example.com"])
    sent = read(ANA, send(From=sender).execute()["id"])
    assert (sent["From"], sent["X-Google-Original-From"]) == (expected, original)


def test_a_reply_lands_in_both_threads(
    send: Send, users: Any, bea: Any, control: GmailControl, read: Any
) -> None:
    first = send(To=BEA).execute()
    at_bea = control.dump(BEA).messages[0]
    raw = written(From=BEA, To=ANA, Subject="Re: Offer", In_Reply_To=read(BEA, at_bea.id)["Message-ID"])
    alone = bea.messages().send(userId="me", body={"raw": raw, "threadId": at_bea.thread_id}).execute()
    assert alone["threadId"] == alone["id"]  # without References
    related = read(BEA, at_bea.id)["Message-ID"]
    fields = {"From": BEA, "To": ANA, "Subject": "Re: Offer", "In_Reply_To": related, "References": related}
    body = {"raw": written(**fields), "threadId": at_bea.thread_id}
    reply = bea.messages().send(userId="me", body=body).execute()
    assert reply["threadId"] == at_bea.thread_id
    assert {message.thread_id for message in control.dump(ANA).messages} == {first["threadId"]}
    assert send(**{**fields, "From": ANA, "To": BEA}).execute()["threadId"] != first["threadId"]


@pytest.mark.parametrize(
    "fields",
    [
        {"To": ""},
        {"To": "undisclosed-recipients:;"},
        {"To": "bob"},
        {"To": "(" * 5_000},
        {"Cc": "bob@client.example, nobody"},
        {"To": ", ".join(f"u{n}@client.example" for n in range(501))},
    ],
)
def test_whom_nothing_can_be_sent_to(
    fields: dict[str, str], send: Send, users: Any, control: GmailControl, refused: Refused
) -> None:
    assert refused(send(**fields)) == (400, "invalidArgument")
    draft = users.drafts().create(userId="me", body={"message": {"raw": written(**fields)}}).execute()
    assert refused(users.drafts().send(userId="me", body={"id": draft["id"]})) == (400, "invalidArgument")
    assert list(control.dump(ANA).drafts) == [draft["id"]]


def test_five_hundred_recipients_are_not_too_many(send: Send) -> None:
    send(To=", ".join(f"u{n}@client.example" for n in range(500))).execute()


def test_the_day_s_limit(send: Send, users: Any, control: GmailControl, refused: Refused) -> None:
    control.limit_sending(ANA, 2)
    draft = users.drafts().create(userId="me", body={"message": {"raw": written()}}).execute()
    send().execute()
    send().execute()
    assert refused(send()) == (429, "rateLimitExceeded")
    assert refused(users.drafts().send(userId="me", body={"id": draft["id"]})) == (429, "rateLimitExceeded")
    assert list(control.dump(ANA).drafts) == [draft["id"]]
    with pytest.raises(HttpError, match=r"User-rate limit exceeded\.  Retry after \S+Z \(Mail sending\)"):
        send().execute()
    control.limit_sending(ANA, 3)
    users.drafts().send(userId="me", body={"id": draft["id"]}).execute()


@pytest.mark.parametrize(
    ("kind", "after", "left"), [("cut", False, 0), ("cut", True, 1), ("timeout", True, 1)]
)
def test_whether_it_was_sent_when_the_answer_is_lost(
    kind: str, after: bool, left: int, users: Any, control: GmailControl
) -> None:
    draft = users.drafts().create(userId="me", body={"message": {"raw": written()}}).execute()
    control.fault(kind, ["drafts.send"], after=after, delay=0.01)
    with pytest.raises((OSError, HTTPException)):
        users.drafts().send(userId="me", body={"id": draft["id"]}).execute()
    assert len(control.dump(ANA).having("SENT")) == left
    assert len(control.dump(ANA).drafts) == 1 - left


def test_half_an_answer_to_a_new_draft(users: Any, control: GmailControl) -> None:
    control.fault("half_answer", ["drafts.create"], half="short")
    with pytest.raises((OSError, HTTPException)):
        users.drafts().create(userId="me", body={"message": {"raw": written()}}).execute()
    assert len(control.dump(ANA).drafts) == 1


def test_sent_mail_is_found_by_its_new_message_id(send: Send, users: Any, read: Any) -> None:
    sent = send(Message_ID="<mine@example.com>").execute()
    new = read(ANA, sent["id"])["Message-ID"]
    found = users.messages().list(userId="me", q=f"rfc822msgid:{new} in:sent").execute()
    assert [message["id"] for message in found["messages"]] == [sent["id"]]
    old = users.messages().list(userId="me", q="rfc822msgid:<mine@example.com>").execute()
    assert "messages" not in old


def test_a_mail_is_put_into_the_mailbox_as_it_is(users: Any, control: GmailControl, refused: Refused) -> None:
    raw = written(From="bob@client.example", Date="Sun, 13 Sep 2020 12:26:40 +0000", Message_ID="<1@x>")
    body = {"raw": raw, "labelIds": ["INBOX"]}
    one = users.messages().insert(userId="me", body=body).execute()
    assert one["labelIds"] == ["INBOX"]
    two = users.messages().import_(userId="me", body={"raw": raw}).execute()
    dates = {message.id: message.internal_date for message in control.dump(ANA).messages}
    assert dates[two["id"]] == 1_600_000_000_000 < dates[one["id"]]
    assert b"Message-ID: <1@x>" in control.raw(ANA, one["id"])
    wrong = {"raw": raw, "labelIds": ["Label_9"]}
    assert refused(users.messages().insert(userId="me", body=wrong)) == (400, "invalidArgument")


def test_units_of_sending(send: Send, users: Any, control: GmailControl) -> None:
    drafts = users.drafts()
    for table, get in (("new", 20), ("old", 5)):
        control.quota(table=table)
        control.reset_counters()
        one, two = (drafts.create(userId="me", body={"message": {"raw": written()}}).execute() for _ in "ab")
        drafts.get(userId="me", id=one["id"]).execute()
        drafts.list(userId="me").execute()
        drafts.update(userId="me", id=one["id"], body={"message": {"raw": written()}}).execute()
        drafts.send(userId="me", body={"id": one["id"]}).execute()
        drafts.delete(userId="me", id=two["id"]).execute()
        send().execute()
        spent = {name: counts["units"] for name, counts in control.counters().by_method.items()}
        assert spent == {
            "drafts.create": 20,
            "drafts.delete": 10,
            "drafts.get": get,
            "drafts.list": 5,
            "drafts.send": 100,
            "drafts.update": 15,
            "messages.send": 100,
        }
