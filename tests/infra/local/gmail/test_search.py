"""Gmail's search language through the real client: who, where, when, what, and how terms are put together."""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.gmail import GmailControl
from tests.infra.local.gmail.conftest import ANA, Refused

Ids = dict[str, str]
FILE = (
    b"From: Bob <bob@client.example>\r\nTo: ana@example.com\r\nSubject: The file\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below: quarterly numbers\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=sums.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nQUJDRA==\r\n--b--\r\n"
)
MAILS: dict[str, tuple[dict[str, str], list[str]]] = {
    "bob": ({"From": "Bob <bob@client.example>", "To": ANA, "Subject": "Offer for May"}, ["INBOX", "UNREAD"]),
    "joann": ({"From": "joann@client.example", "To": ANA, "Subject": "Offers"}, ["INBOX"]),
    "ann": ({"From": '"Ann (bob@client.example)" <ann@other.example>', "To": ANA}, ["INBOX", "STARRED"]),
    "cc": (
        {"From": "eve@other.example", "To": ANA, "Cc": "Bob <BOB@client.example>, x@x.example"},
        ["INBOX"],
    ),
    "sent": ({"From": ANA, "To": "bob@client.example", "Bcc": "boss@example.com"}, ["SENT"]),
    "draft": ({"From": ANA, "To": "bob@client.example"}, ["DRAFT"]),
    "spam": ({"From": "bob@client.example", "To": ANA}, ["SPAM"]),
    "trash": ({"From": "bob@client.example", "To": ANA}, ["TRASH"]),
    "chat": ({"From": "bob@client.example", "To": ANA}, ["CHAT"]),
}


@pytest.fixture
def ids(ana: Any, control: GmailControl) -> Ids:
    """Ana's mails by name, one a second, and one with a file."""
    found: Ids = {}
    for number, (name, (fields, labels)) in enumerate(MAILS.items()):
        head = "".join(f"{field}: {value}\r\n" for field, value in fields.items())
        raw = f"{head}\r\nHello from {name}\r\n".encode()
        found[control.deliver(ANA, raw, labels, 1_600_000_000_000 + number * 1000).id] = name
    found[control.deliver(ANA, FILE, ["INBOX"], 1_600_000_100_000).id] = "file"
    return found


@pytest.fixture
def search(users: Any, ids: Ids) -> Callable[[str], str]:
    """The names of what is found, newest first."""

    def search(q: str) -> str:
        answer = users.messages().list(userId="me", q=q).execute()
        return " ".join(ids[message["id"]] for message in answer.get("messages", []))

    return search


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        pytest.param("from:bob@client.example", "file chat ann bob", id="a display name is a hit too"),
        pytest.param("from:ann@client.example", "", id="joann is not ann"),
        pytest.param("from:ann", "ann", id="a word of a name or an address"),
        pytest.param("from:me", "draft sent", id="me"),
        pytest.param("to:bob@client.example", "draft sent", id="to"),
        pytest.param("to:BOB@Client.Example", "draft sent", id="case aside"),
        pytest.param("cc:bob@client.example", "cc", id="cc"),
        pytest.param("bcc:boss@example.com", "sent", id="bcc of what was sent"),
        pytest.param('from:"bob@client.example"', "file chat ann bob", id="quoted"),
        pytest.param("from:client.example", "file chat ann joann bob", id="a whole domain"),
        pytest.param("{from:joann to:bob}", "draft sent joann", id="any of"),
        pytest.param("from:joann OR to:bob", "draft sent joann", id="or"),
        pytest.param("in:sent from:joann OR to:bob", "sent", id="or binds closer than a space"),
        pytest.param("from:{joann ann}", "ann joann", id="a field before braces"),
        pytest.param("from:(joann OR ann)", "ann joann", id="a field before brackets"),
        pytest.param("from:bob (in:inbox -is:unread)", "file ann", id="brackets and not"),
        pytest.param("from:bob -{in:chats has:attachment}", "ann bob", id="none of"),
        pytest.param("to:me AND from:joann", "joann", id="and"),
        pytest.param("in:inbox", "file cc ann joann bob", id="inbox"),
        pytest.param("in:sent", "sent", id="sent"),
        pytest.param("is:sent", "sent", id="is sent"),
        pytest.param("in:drafts", "draft", id="drafts"),
        pytest.param("in:draft", "draft", id="draft"),
        pytest.param("in:chats", "chat", id="chats"),
        pytest.param("in:spam", "spam", id="spam is found when asked for"),
        pytest.param("in:trash", "trash", id="so is trash"),
        pytest.param("from:bob in:anywhere", "file chat trash spam ann bob", id="anywhere"),
        pytest.param("in:anywhere -in:spam -in:trash in:chats", "chat", id="anywhere but there"),
        pytest.param("-in:spam from:bob -in:chats", "file ann bob", id="not in spam asks for nothing hidden"),
        pytest.param("is:unread", "bob", id="unread"),
        pytest.param("is:read in:inbox", "file cc ann joann", id="read"),
        pytest.param("is:starred", "ann", id="starred"),
        pytest.param("has:attachment", "file", id="a file"),
        pytest.param("subject:offer", "bob", id="whole words"),
        pytest.param('subject:"offer for"', "bob", id="words in a row"),
        pytest.param("subject:(offer may)", "bob", id="both words"),
        pytest.param("subject:{offers file}", "file joann", id="either word"),
        pytest.param("may", "bob", id="a plain word of the subject"),
        pytest.param("quarterly numbers", "file", id="words of the text"),
        pytest.param('"numbers quarterly"', "", id="not in that order"),
        pytest.param("sums.pdf", "file", id="a file's name"),
        pytest.param("after:1600000003 before:1600000005 ", "sent cc", id="from a second up to another"),
        pytest.param("{after:1600000100 before:1600000001}", "file bob", id="times as alternatives"),
        pytest.param("from:bob before:1600000001", "bob", id="who and when"),
        pytest.param("from:bob)", "file chat ann bob", id="a bracket too many"),
        pytest.param("(from:bob", "file chat ann bob", id="a bracket too few"),
    ],
)
def test_what_is_found(q: str, expected: str, search: Callable[[str], str]) -> None:
    assert search(q) == expected


def test_a_page_token_goes_on_within_a_search(users: Any, ids: Ids) -> None:
    seen: list[str] = []
    token = None
    while len(seen) < 5:
        answer = users.messages().list(userId="me", q="in:inbox", maxResults=2, pageToken=token).execute()
        seen += [ids[message["id"]] for message in answer["messages"]]
        token = answer.get("nextPageToken")
    assert (seen, token) == (["file", "cc", "ann", "joann", "bob"], None)


def test_nesting_without_end_is_refused(users: Any, ids: Ids, refused: Refused) -> None:
    for q in ("(" * 500, "-(" * 500, "from:" * 500 + "x"):
        assert refused(users.messages().list(userId="me", q=q)) == (400, "invalidArgument")


def test_searches_may_lag_behind(users: Any, control: GmailControl, ids: Ids) -> None:
    control.fault("search_lag", ["messages.list"], delay=600)
    assert "messages" not in users.messages().list(userId="me", q="from:bob").execute()
    assert users.messages().get(userId="me", id=next(iter(ids)), format="minimal").execute()
    control.clear_faults()
    assert users.messages().list(userId="me", q="from:bob").execute()["messages"]


def test_files_and_long_texts_are_fetched_by_another_id_every_time(
    users: Any, control: GmailControl, ids: Ids, refused: Refused
) -> None:
    def part_of(message_id: str, number: int) -> Any:
        return users.messages().get(userId="me", id=message_id).execute()["payload"]["parts"][number]

    def fetched(message_id: str, body: Any) -> bytes:
        attachments = users.messages().attachments()
        found = attachments.get(userId="me", messageId=message_id, id=body["attachmentId"]).execute()
        content = urlsafe_b64decode(found["data"])
        assert found["size"] == body["size"] == len(content)
        return content

    mail = next(message_id for message_id, name in ids.items() if name == "file")
    first, second = part_of(mail, 1), part_of(mail, 1)
    assert (first["filename"], first["mimeType"]) == ("sums.pdf", "application/pdf")
    assert first["body"]["attachmentId"] != second["body"]["attachmentId"]
    assert fetched(mail, first["body"]) == fetched(mail, second["body"]) == b"ABCD"
    long = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + b"word " * 200_000
    long += b"\r\n--b\r\nContent-Disposition: attachment\r\n\r\nnameless\r\n--b--\r\n"
    other = control.deliver(ANA, long).id
    assert fetched(other, part_of(other, 0)["body"]) == b"word " * 200_000
    assert fetched(other, part_of(other, 1)["body"]) == b"nameless"
    for wrong in ("ANGjdJ8", "nonsense", "ANGjdJ8!", first["body"]["attachmentId"][7:]):
        get = users.messages().attachments().get(userId="me", messageId=mail, id=wrong)
        assert refused(get) == (400, "invalidArgument")
    get = users.messages().attachments().get(userId="me", messageId="18c0000000000000", id="x")
    assert refused(get) == (404, "notFound")
