"""Drafts through the real client: saved, read, listed, changed, thrown away; and what lags behind."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.gmail import GmailControl, GmailServer
from tests.infra.local.gmail.conftest import ANA, Refused

Compose = Callable[..., bytes]


@pytest.fixture
def drafts(users: Any) -> Any:
    return users.drafts()


def body(raw: bytes, **more: str) -> dict[str, Any]:
    return {"message": {"raw": urlsafe_b64encode(raw).decode(), **more}}


def test_a_draft_is_saved_read_and_listed(drafts: Any, control: GmailControl, mail: Compose) -> None:
    raw = mail(ANA, subject="Plan", Bcc="boss@example.com", X_Lodestone_Key="k1")
    draft = drafts.create(userId="me", body=body(raw)).execute()
    inner = draft["message"]
    assert draft["id"].startswith("r")
    assert inner == {"id": inner["id"], "threadId": inner["id"], "labelIds": ["DRAFT"]}
    assert control.dump(ANA).drafts == {draft["id"]: inner["id"]}
    full = drafts.get(userId="me", id=draft["id"]).execute()
    headers = {header["name"]: header["value"] for header in full["message"]["payload"]["headers"]}
    assert (headers["X-Lodestone-Key"], headers["Bcc"]) == ("k1", "boss@example.com")
    plain = drafts.get(userId="me", id=draft["id"], format="raw").execute()
    assert (plain["id"], urlsafe_b64decode(plain["message"]["raw"])) == (draft["id"], raw)
    control.deliver(ANA, mail())
    listed = drafts.list(userId="me").execute()
    del inner["labelIds"]
    assert listed == {"drafts": [{"id": draft["id"], "message": inner}], "resultSizeEstimate": 1}
    assert drafts.list(userId="me", q="subject:other").execute() == {"resultSizeEstimate": 0}


def test_every_save_makes_it_another_message(
    drafts: Any, users: Any, control: GmailControl, mail: Compose, refused: Refused
) -> None:
    first = drafts.create(userId="me", body=body(mail(subject="One"))).execute()
    start = users.getProfile(userId="me").execute()["historyId"]
    second = drafts.update(userId="me", id=first["id"], body=body(mail(subject="Two"))).execute()
    assert second["id"] == first["id"]
    assert second["message"]["id"] != first["message"]["id"]
    assert second["message"]["threadId"] == first["message"]["threadId"]
    assert refused(users.messages().get(userId="me", id=first["message"]["id"])) == (404, "notFound")
    assert b"Subject: Two" in control.raw(ANA, second["message"]["id"])
    records = users.history().list(userId="me", startHistoryId=start).execute()["history"]
    told = {
        name: record[name][0]["message"] for record in records for name in set(record) - {"id", "messages"}
    }
    assert told["messagesDeleted"]["id"] == first["message"]["id"]
    assert told["messagesAdded"] == second["message"]


def test_a_draft_that_is_thrown_away_is_gone(
    drafts: Any, users: Any, control: GmailControl, mail: Compose, refused: Refused
) -> None:
    one, two = (drafts.create(userId="me", body=body(mail())).execute() for _ in range(2))
    assert drafts.delete(userId="me", id=one["id"]).execute() == ""
    users.messages().delete(userId="me", id=two["message"]["id"]).execute()
    for gone in (one["id"], two["id"]):
        assert refused(drafts.get(userId="me", id=gone)) == (404, "notFound")
        assert refused(drafts.update(userId="me", id=gone, body=body(mail()))) == (404, "notFound")
        assert refused(drafts.send(userId="me", body={"id": gone})) == (404, "notFound")
        assert refused(drafts.delete(userId="me", id=gone)) == (404, "notFound")
    assert (control.dump(ANA).drafts, control.dump(ANA).messages) == ({}, ())


def test_a_draft_lands_in_a_thread_only_when_it_fits(
    drafts: Any, control: GmailControl, mail: Compose, refused: Refused
) -> None:
    first = control.deliver(ANA, mail(subject="Offer", Message_ID="<1@client.example>"))
    other = control.deliver(ANA, mail(subject="Offer", Message_ID="<2@client.example>"))

    def thread(wanted: str = first.thread_id, **fields: str) -> str:
        given = {"threadId": wanted} if wanted else {}
        draft = drafts.create(userId="me", body=body(mail(**fields), **given)).execute()
        found: str = draft["message"]["threadId"]
        return "its own" if found == draft["message"]["id"] else found

    reply = {
        "subject": "Re: Offer",
        "In_Reply_To": "<1@client.example>",
        "References": "<0@x> <1@client.example>",
    }
    assert thread(**reply) == first.thread_id
    assert thread(**{**reply, "subject": "Another offer"}) == "its own"
    assert thread(**{**reply, "References": ""}) == "its own"
    assert thread(**{**reply, "In_Reply_To": ""}) == "its own"
    assert thread(other.thread_id, **reply) == "its own"
    assert thread("", **reply) == "its own"
    for unknown, status in (("18c0000000000000", 404), ("not an id", 400)):
        assert refused(drafts.create(userId="me", body=body(mail(**reply), threadId=unknown)))[0] == status


def test_a_draft_needs_a_mail_that_can_be_read(drafts: Any, refused: Refused) -> None:
    assert refused(drafts.create(userId="me", body={})) == (400, "invalidArgument")
    assert refused(drafts.create(userId="me", body={"message": {"raw": ""}})) == (400, "invalidArgument")
    assert refused(drafts.create(userId="me", body={"message": {"raw": "?"}})) == (400, "invalidArgument")


def test_reads_of_drafts_lag_behind(
    drafts: Any, control: GmailControl, server: GmailServer, mail: Compose, refused: Refused
) -> None:
    """A new one is not there yet; one that was sent still is, and cannot be sent again."""
    draft = drafts.create(userId="me", body=body(mail(ANA, To="bob@client.example"))).execute()
    control.fault("read_lag", mailbox=ANA, delay=600)
    get = drafts.get(userId="me", id=draft["id"])
    assert refused(get) == (404, "notFound")
    server.world.mailbox(ANA).get(draft["message"]["id"]).arrived -= 600
    assert get.execute()["message"]["id"] == draft["message"]["id"]
    drafts.send(userId="me", body={"id": draft["id"]}).execute()
    assert get.execute()["message"]["id"] == draft["message"]["id"]
    assert refused(drafts.send(userId="me", body={"id": draft["id"]})) == (404, "notFound")
    control.clear_faults()
    assert refused(get) == (404, "notFound")


def test_lists_of_drafts_lag_behind(drafts: Any, control: GmailControl, mail: Compose) -> None:
    drafts.create(userId="me", body=body(mail())).execute()
    control.fault("search_lag", ["drafts.list"], delay=600)
    assert drafts.list(userId="me").execute() == {"resultSizeEstimate": 0}
    control.clear_faults()
    assert len(drafts.list(userId="me").execute()["drafts"]) == 1


def test_a_poisoned_draft_fails_in_every_call_that_names_it(
    drafts: Any, control: GmailControl, mail: Compose, refused: Refused
) -> None:
    bad, good = (drafts.create(userId="me", body=body(mail(To="b@x.example"))).execute() for _ in range(2))
    control.poison(ANA, bad["id"])
    assert refused(drafts.get(userId="me", id=bad["id"]))[0] == 500
    assert refused(drafts.send(userId="me", body={"id": bad["id"]}))[0] == 500
    drafts.send(userId="me", body={"id": good["id"]}).execute()
    assert list(control.dump(ANA).drafts) == [bad["id"]]
