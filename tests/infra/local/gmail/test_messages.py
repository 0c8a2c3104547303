"""Messages through the real client: listing, reading, changing."""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.gmail import GmailControl, GmailServer, Mail

ANA = "ana@example.com"
Refused = Callable[[Any], tuple[int, str]]
Compose = Callable[..., bytes]


def listed(users: Any, **wanted: Any) -> list[str]:
    answer = users.messages().list(userId="me", **wanted).execute()
    return [message["id"] for message in answer.get("messages", [])]


@pytest.fixture(autouse=True)
def _mailbox(ana: Any) -> None:
    """Ana has a mailbox in every test here."""


def test_pages_are_newest_first_and_arrivals_shift_nothing(
    users: Any, control: GmailControl, mail: Compose
) -> None:
    delivered = control.deliver_many(
        Mail(ANA, mail(subject=str(n)), internal_date=1_700_000_000_000 + n) for n in range(7)
    )
    request, seen = users.messages().list(userId="me", maxResults=3), []
    while request is not None:
        answer = request.execute()
        seen += [message["id"] for message in answer["messages"]]
        control.deliver(ANA, mail())
        request = users.messages().list_next(request, answer)
    assert seen == [one.id for one in reversed(delivered)]


def test_an_empty_mailbox_lists_nothing(users: Any) -> None:
    assert users.messages().list(userId="me").execute() == {"resultSizeEstimate": 0}


def test_page_sizes(users: Any, server: GmailServer, mail: Compose) -> None:
    for _ in range(510):
        server.deliver(ANA, mail())
    assert len(listed(users)) == 100
    assert len(listed(users, maxResults=1000)) == 500


def test_a_broken_page_token(users: Any, refused: Refused) -> None:
    assert refused(users.messages().list(userId="me", pageToken="next")) == (400, "invalidArgument")
    assert refused(users.messages().list(userId="me", pageToken="9" * 5000)) == (400, "invalidArgument")


def test_search(users: Any, control: GmailControl, mail: Compose) -> None:
    old = control.deliver(ANA, mail(), internal_date=1_600_000_000_000).id
    bob = control.deliver(ANA, mail(Message_ID="<Q1@client.example>"), internal_date=1_600_000_001_000).id
    eve = control.deliver(ANA, mail("eve@other.example"), ["Key Accounts/EU"], 1_600_000_002_000).id
    junk = control.deliver(ANA, mail(), ["SPAM"], 1_600_000_003_000).id
    found = {
        "": [eve, bob, old],
        "after:1600000001": [eve, bob],
        "before:1600000002": [bob, old],
        "after:1600000001 before:1600000002": [bob],
        "from:eve@other.example": [eve],
        "from:client.example": [bob, old],
        "label:key-accounts-eu": [eve],
        'label:"Key Accounts/EU"': [eve],
        "label:nowhere": [],
        "label:spam": [junk],
        "rfc822msgid:Q1@client.example": [bob],
        "rfc822msgid:<Q1@client.example>": [bob],
        "in:anywhere after:1600000001": [junk, eve, bob],
    }
    assert {q: listed(users, q=q) for q in found} == found
    assert listed(users, includeSpamTrash=True) == [junk, eve, bob, old]
    assert listed(users, labelIds=["SPAM"]) == [junk]
    assert listed(users, labelIds=["INBOX", "UNREAD"]) == [bob, old]


@pytest.mark.parametrize(
    "term", ["larger:5M", "after:2024/01/01", "-newer_than:2d", "in:snoozed", "has:drive", "is:muted"]
)
def test_an_unknown_search_term_is_named(term: str, http: Callable[..., Any], token: str) -> None:
    reply = http("GET", f"/gmail/v1/users/me/messages?q={term}", Authorization=token)
    assert reply.status == 501
    assert term.removeprefix("-") in reply.json["error"]["message"]


def test_an_unknown_label_in_a_list(users: Any, refused: Refused) -> None:
    assert refused(users.messages().list(userId="me", labelIds=["Label_9"])) == (400, "invalidArgument")


def test_ids_are_google_s_kind_and_a_reply_joins_its_thread(
    control: GmailControl, users: Any, mail: Compose
) -> None:
    first = control.deliver(ANA, mail(Message_ID="<1@client.example>"))
    reply = control.deliver(ANA, mail(subject="Re: offer", References="<0@x.example> <1@client.example>"))
    second = control.deliver(ANA, mail(subject="AW: RE: Offer", In_Reply_To="<1@client.example>"))
    other = control.deliver(ANA, mail(subject="Something else", In_Reply_To="<1@client.example>"))
    forced = control.deliver(ANA, mail(subject="Third"), thread_id=first.thread_id)
    assert len(first.id) == 16
    assert set(first.id) <= set("0123456789abcdef")
    assert {first.id, reply.thread_id, second.thread_id, forced.thread_id} == {first.thread_id}
    assert other.thread_id == other.id
    assert users.getProfile(userId="me").execute()["threadsTotal"] == 2


MIXED = b"""\
Received: by mx.example
	with SMTP
From: Bob <bob@client.example>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Content-Type: multipart/mixed; boundary="out er"

preamble
--out er
Content-Type: multipart/alternative; boundary=i

--i
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe & <more>
--i
Content-Type: text/html

<p>x</p>
--i
Content-Type: text/calendar; method=REQUEST

BEGIN:VCALENDAR
--i--
--out er
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf
Content-Transfer-Encoding: base64

QUJDRA==
--out er
Content-Type: message/rfc822

Subject: inner

inner text
--out er--
epilogue""".replace(b"\n", b"\r\n")


def test_the_full_format_is_a_tree(users: Any, control: GmailControl) -> None:
    answer = users.messages().get(userId="me", id=control.deliver(ANA, MIXED).id).execute()
    root = answer["payload"]
    assert (root["partId"], root["filename"], root["body"]) == ("", "", {"size": 0})
    assert root["headers"][0] == {"name": "Received", "value": "by mx.example\twith SMTP"}
    assert root["headers"][2]["value"] == "=?utf-8?q?Gr=C3=BC=C3=9Fe?="
    alternative, pdf, attached = root["parts"]
    assert [(p["partId"], p["mimeType"]) for p in alternative["parts"]] == [
        ("0.0", "text/plain"),
        ("0.1", "text/html"),
        ("0.2", "text/calendar"),
    ]
    assert urlsafe_b64decode(alternative["parts"][0]["body"]["data"]) == b"Gr\xfc\xdfe & <more>"
    assert (pdf["filename"], pdf["body"]["size"]) == ("Grüße.pdf", 4)
    assert "data" not in pdf["body"]
    assert attached["parts"][0]["headers"] == [{"name": "Subject", "value": "inner"}]
    assert answer["snippet"] == "Grüße &amp; &lt;more&gt;"
    assert answer["sizeEstimate"] == len(MIXED)


def test_the_other_formats(users: Any, control: GmailControl) -> None:
    message_id = control.deliver(ANA, MIXED, internal_date=1_600_000_000_123).id

    def get(**wanted: Any) -> Any:
        return users.messages().get(userId="me", id=message_id, **wanted).execute()

    minimal = get(format="minimal")
    assert minimal == {
        "id": message_id,
        "threadId": message_id,
        "labelIds": ["INBOX", "UNREAD"],
        "snippet": minimal["snippet"],
        "historyId": minimal["historyId"],
        "internalDate": "1600000000123",
        "sizeEstimate": len(MIXED),
    }
    assert urlsafe_b64decode(get(format="raw")["raw"]) == MIXED
    assert control.raw(ANA, message_id) == MIXED
    metadata = get(format="metadata", metadataHeaders=["subject", "X-None"])["payload"]
    assert metadata == {
        "mimeType": "multipart/mixed",
        "headers": [{"name": "Subject", "value": "=?utf-8?q?Gr=C3=BC=C3=9Fe?="}],
    }
    assert len(get(format="metadata")["payload"]["headers"]) == 4


def test_only_html_has_a_snippet_too(users: Any, control: GmailControl) -> None:
    raw = b"Content-Type: text/html\r\n\r\n<style>p{}</style><p>One &amp; two</p>" + b" word" * 500
    snippet = users.messages().get(userId="me", id=control.deliver(ANA, raw).id).execute()["snippet"]
    assert snippet.startswith("One &amp; two word")
    assert len(snippet) <= 220


def test_absent_and_impossible_ids(users: Any, refused: Refused) -> None:
    assert refused(users.messages().get(userId="me", id="18c0000000000000")) == (404, "notFound")
    assert refused(users.messages().get(userId="me", id="not an id/..")) == (400, "invalidArgument")


def test_modify(users: Any, control: GmailControl, mail: Compose, refused: Refused) -> None:
    message_id = control.deliver(ANA, mail()).id

    def modify(**body: Any) -> Any:
        return users.messages().modify(userId="me", id=message_id, body=body)

    assert modify(addLabelIds=["STARRED"], removeLabelIds=["INBOX"]).execute() == {
        "id": message_id,
        "threadId": message_id,
        "labelIds": ["STARRED", "UNREAD"],
    }
    assert "labelIds" not in modify(removeLabelIds=["STARRED", "UNREAD"]).execute()
    assert refused(modify()) == (400, "invalidArgument")
    assert refused(modify(addLabelIds=["Label_99"])) == (400, "invalidArgument")
    assert refused(modify(addLabelIds=["SENT"])) == (400, "invalidArgument")
    assert refused(modify(addLabelIds=["INBOX"], removeLabelIds=["INBOX"])) == (400, "invalidArgument")
    assert refused(modify(addLabelIds=["INBOX"] * 101)) == (400, "invalidArgument")
    assert refused(modify(addLabelIds="INBOX")) == (400, "badRequest")


def test_a_draft_cannot_be_labelled(
    users: Any, control: GmailControl, mail: Compose, refused: Refused
) -> None:
    draft = control.deliver(ANA, mail(), ["DRAFT"]).id
    body = {"addLabelIds": ["STARRED"]}
    assert refused(users.messages().modify(userId="me", id=draft, body=body)) == (400, "failedPrecondition")
    users.messages().batchModify(userId="me", body={"ids": [draft], **body}).execute()
    assert control.dump(ANA).messages[0].label_ids == {"DRAFT"}


def test_batch_modify(users: Any, control: GmailControl, mail: Compose, refused: Refused) -> None:
    ids = [one.id for one in control.deliver_many(Mail(ANA, mail()) for _ in range(3))]

    def modify(ids: list[str], **body: Any) -> Any:
        return users.messages().batchModify(userId="me", body={"ids": ids, **body})

    assert modify([*ids[:2], "ff"], removeLabelIds=["INBOX"]).execute() == ""
    assert [m.label_ids for m in control.dump(ANA).messages] == [{"UNREAD"}, {"UNREAD"}, {"INBOX", "UNREAD"}]
    assert modify(ids * 333, addLabelIds=["STARRED"]).execute() == ""
    assert refused(modify(ids * 334, addLabelIds=["STARRED"])) == (400, "invalidArgument")
    assert refused(modify([], addLabelIds=["STARRED"])) == (400, "invalidArgument")
    assert refused(modify(ids, addLabelIds=["Label_99"])) == (400, "invalidArgument")


def test_trash_untrash_delete(users: Any, control: GmailControl, mail: Compose, refused: Refused) -> None:
    message_id = control.deliver(ANA, mail()).id
    messages = users.messages()
    assert messages.trash(userId="me", id=message_id).execute()["labelIds"] == ["TRASH", "UNREAD"]
    assert listed(users) == []
    assert messages.untrash(userId="me", id=message_id).execute()["labelIds"] == ["UNREAD"]
    assert messages.delete(userId="me", id=message_id).execute() == ""
    assert refused(messages.get(userId="me", id=message_id)) == (404, "notFound")
    assert refused(messages.trash(userId="me", id=message_id)) == (404, "notFound")
    assert users.getProfile(userId="me").execute()["messagesTotal"] == 0


def test_filters_label_and_archive(control: GmailControl, mail: Compose) -> None:
    control.add_filter(ANA, "bob@client.example", label="Clients")
    control.add_filter(ANA, "BOB@client.example", archive=True)
    control.deliver(ANA, mail())
    control.deliver(ANA, mail("eve@other.example"))
    assert [m.labels for m in control.dump(ANA).messages] == [{"Clients", "UNREAD"}, {"INBOX", "UNREAD"}]


def test_send_as_lists_the_aliases(users: Any) -> None:
    found = users.settings().sendAs().list(userId="me").execute()["sendAs"]
    assert [(s["sendAsEmail"], s.get("isPrimary", False)) for s in found] == [
        (ANA, True),
        ("sales@example.com", False),
    ]
