"""Threads through the real client: what is in them, and how mail gets into them."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.gmail import GmailControl, GmailServer
from tests.infra.local.gmail.conftest import ANA, Refused

Compose = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _mailbox(ana: Any) -> None:
    """Ana has a mailbox in every test here."""


def answer_to(message_id: str, mail: Compose, subject: str = "Re: Offer", **more: str) -> bytes:
    return mail(subject=subject, References=message_id, In_Reply_To=message_id, **more)


def test_a_thread_has_all_its_mails_oldest_first(users: Any, control: GmailControl, mail: Compose) -> None:
    first = control.deliver(ANA, mail(Message_ID="<1@client.example>"), internal_date=1_600_000_000_000)
    answer = answer_to("<1@client.example>", mail)
    places = (["SENT"], ["TRASH"], ["SPAM"], ["DRAFT"])
    ids = [control.deliver(ANA, answer, labels, 1_600_000_000_001).id for labels in places]
    control.deliver(ANA, mail(subject="Another"))
    asked = users.threads().get(
        userId="me", id=first.thread_id, format="minimal", fields="messages(id,labelIds)"
    )
    assert asked.execute()["messages"] == [
        {"id": first.id, "labelIds": ["INBOX", "UNREAD"]},
        *({"id": one, "labelIds": labels} for one, labels in zip(ids, places, strict=True)),
    ]
    whole = users.threads().get(userId="me", id=first.thread_id).execute()
    assert (whole["id"], whole["historyId"]) == (first.thread_id, whole["messages"][-1]["historyId"])
    alone = users.messages().get(userId="me", id=first.id).execute()
    assert whole["messages"][0] == alone


@pytest.mark.rule("E53")
def test_a_thread_has_a_hundred_mails_and_the_next_one_begins_another(
    users: Any, control: GmailControl, mail: Compose
) -> None:
    first = control.deliver(ANA, mail(Message_ID="<0@client.example>"))
    answers = [
        control.deliver(
            ANA,
            mail(
                subject="Re: Offer",
                Message_ID=f"<{n + 1}@client.example>",
                References=f"<{n}@client.example>",
            ),
        )
        for n in range(101)
    ]
    threads = [one.thread_id for one in answers]
    assert threads[:99] == [first.thread_id] * 99
    assert threads[99:] == [answers[99].id] * 2, "the second names a mail of the new thread"
    late = control.deliver(ANA, answer_to("<0@client.example>", mail))
    assert late.thread_id == late.id
    raw = urlsafe_b64encode(answer_to("<0@client.example>", mail, To="bob@client.example")).decode()
    body = {"message": {"raw": raw, "threadId": first.thread_id}}
    draft = users.drafts().create(userId="me", body=body).execute()["message"]
    assert draft["threadId"] == draft["id"]
    control.delete(ANA, answers[5].id)
    again = control.deliver(ANA, answer_to("<0@client.example>", mail))
    assert again.thread_id == first.thread_id


def test_threads_that_are_not_there(
    users: Any, control: GmailControl, mail: Compose, refused: Refused
) -> None:
    one = control.deliver(ANA, mail())
    control.delete(ANA, one.id)
    for unknown, status in ((one.thread_id, 404), ("18c0000000000000", 404), ("not an id", 400)):
        assert refused(users.threads().get(userId="me", id=unknown))[0] == status


def test_a_thread_lags_behind_as_its_mails_do(
    users: Any, control: GmailControl, server: GmailServer, mail: Compose, refused: Refused
) -> None:
    first = control.deliver(ANA, mail(Message_ID="<1@client.example>"))
    control.fault("read_lag", mailbox=ANA, delay=600)
    get = users.threads().get(userId="me", id=first.thread_id, format="minimal")
    assert refused(get) == (404, "notFound")
    server.world.mailbox(ANA).get(first.id).arrived -= 600
    control.deliver(ANA, answer_to("<1@client.example>", mail))
    assert [message["id"] for message in get.execute()["messages"]] == [first.id]
    control.clear_faults()
    assert len(get.execute()["messages"]) == 2
