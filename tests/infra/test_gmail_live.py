"""The Gmail adapter as the live view uses it: what is searched for, what comes back, and what it costs."""

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import TryAgain
from domain.mail.content import MailContent, MailQuery
from domain.mail.folders import Folder
from infra.gmail.content import content
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.search import in_words, split
from infra.local.gmail import GmailControl

ANN = "ann@example.com"


def plain(subject: str = "hello", sender: str = ANN, text: str = "Text.") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "uwe@firm.example", subject
    mail.set_content(text)
    return mail


def found(mailbox: GmailMailbox, *addresses: str, before: int | None = None) -> tuple[str, ...]:
    found = mailbox.search.find(MailQuery(addresses, before=before), None)
    assert found.next_page is None
    return found.message_ids


@pytest.mark.rule("Z17", "Z18")
def test_the_search_names_every_field_and_leaves_out_what_is_not_shown() -> None:
    asked = in_words(MailQuery((ANN,), before=7))
    for name in ("from", "to", "cc", "bcc"):
        assert f'{name}:"ann@example.com"' in asked
        assert f'{name}:("ann" "example.com")' in asked
    assert asked.endswith("-in:drafts -in:spam -in:trash -in:chats before:7")


@pytest.mark.parametrize(
    ("words", "before", "asked"),
    [
        pytest.param("", None, "", id="everything"),
        pytest.param("", 7, "before:7", id="everything older"),
        pytest.param("a OR b", None, "a OR b", id="his words"),
        pytest.param("a OR b", 7, "(a OR b) before:7", id="his words, older"),
    ],
)
def test_the_owners_words_are_passed_on(words: str, before: int | None, asked: str) -> None:
    assert in_words(MailQuery(words=words, before=before)) == asked


def test_an_address_cannot_write_the_search() -> None:
    asked = in_words(MailQuery(('"x} in:anywhere {\\"@example.com',)))
    assert asked.count("{") == asked.count("}") == 1
    assert 'from:"x in:anywhere @example.com"' in asked


def test_a_search_for_many_addresses_gets_there(
    control: GmailControl, mailbox: GmailMailbox, address: str
) -> None:
    message_id = control.deliver(address, plain().as_bytes()).id
    query = MailQuery((*(f"nobody{n}@example.net" for n in range(60)), ANN))
    pages = [mailbox.search.find(one, None) for one in mailbox.search.split(query)]
    assert len(pages) > 1
    assert [page.message_ids for page in pages if page.message_ids] == [(message_id,)]
    assert {page.next_page for page in pages} == {None}


MANY = {
    "nobody": (),
    "one": (ANN,),
    "fifty": tuple(f"nobody.number.{n}@department.example.net" for n in range(50)),
    "fifty at Gmail": tuple(f"no.body.{n}@gmail.com" for n in range(50)),
    "the longest there are": tuple(f"{n}{'x' * 300}@example.net"[-320:] for n in range(5)),
    "the longest at Gmail": tuple(f"{n}.{'x' * 62}@googlemail.com" for n in range(5)),
    "no name of Gmail's": ("x." * 150 + "x@googlemail.com",),
}


@pytest.mark.rule("Z17")
@pytest.mark.parametrize("addresses", MANY.values(), ids=MANY.keys())
def test_no_search_is_longer_than_gmail_takes_and_none_is_left_out(addresses: tuple[str, ...]) -> None:
    parts = split(MailQuery(addresses, before=1_796_000_000))
    assert max(len(in_words(one)) for one in parts) <= 6_000
    assert tuple(address for one in parts for address in one.addresses) == addresses
    assert {one.before for one in parts} == {1_796_000_000}
    whole = len(in_words(MailQuery(addresses)))
    assert len(parts) <= 1 + whole // 4_000, "no more searches than it takes"


@pytest.mark.rule("Z17a")
def test_the_owners_words_are_one_search() -> None:
    assert split(MailQuery(words="word " * 3_000)) == (MailQuery(words="word " * 3_000),)


def test_pages_of_a_search_come_one_by_one(
    control: GmailControl, mailbox: GmailMailbox, address: str
) -> None:
    for number in range(101):
        control.deliver(address, plain(f"{number}").as_bytes(), internal_date=1_000_000 + number)
    first = mailbox.search.find(MailQuery((ANN,)), None)
    second = mailbox.search.find(MailQuery((ANN,)), first.next_page)
    assert (len(first.message_ids), len(second.message_ids), second.next_page) == (100, 1, None)
    assert found(mailbox, ANN, before=1) == ()


@pytest.mark.rule("Z25")
def test_previews_come_25_a_request_and_without_texts(
    control: GmailControl, mailbox: GmailMailbox, address: str
) -> None:
    mail = plain("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", text="Tom & Jerry's <first> words.")
    mail.add_attachment(b"file", maintype="application", subtype="pdf", filename="a.pdf")
    ids = [control.deliver(address, mail.as_bytes()).id for _ in range(26)]
    control.reset_counters()
    previews = mailbox.previews([*ids, "f" * 16])
    assert control.counters().http_requests == 2
    assert mailbox.spent.units == 20 * 27
    assert previews["f" * 16] is None
    one = previews[ids[0]]
    assert isinstance(one, MailContent)
    assert one.snippet == "Tom & Jerry's <first> words."
    assert one.text() == ""
    assert [piece.filename for piece in one.attachments()] == ["a.pdf"]
    assert {piece.content for piece in (one.body, *one.body.parts)} == {None}
    assert (one.folder, one.sent) == (Folder.INBOX, False)


def test_one_mail_whole_and_its_attachment(
    control: GmailControl, mailbox: GmailMailbox, address: str
) -> None:
    mail = plain(text="Grüße, all of it.")
    mail.add_attachment(bytes(range(256)), maintype="application", subtype="pdf", filename="a.pdf")
    message_id = control.deliver(address, mail.as_bytes()).id
    one = mailbox.content(message_id)
    assert isinstance(one, MailContent)
    assert one.text() == "Grüße, all of it."
    [piece] = one.attachments()
    assert (piece.size, piece.content) == (256, None)
    assert mailbox.attachment(message_id, str(piece.attachment_id)) == bytes(range(256))
    assert mailbox.attachment("f" * 16, str(piece.attachment_id)) is None
    assert mailbox.content("f" * 16) is None
    assert mailbox.spent.units == 4 * 20


@pytest.mark.rule("E102", "I3")
@pytest.mark.parametrize("half", ["short", "long", "json"])
@pytest.mark.parametrize("call", ["previews", "content"])
def test_half_an_answer_is_trouble_and_says_nothing_of_the_mail(
    control: GmailControl, mailbox: GmailMailbox, address: str, half: str, call: str
) -> None:
    message_id = control.deliver(address, plain("canary").as_bytes()).id
    control.fault("half_answer", ["messages.get"], half=half)
    trouble: object
    try:
        trouble = (
            mailbox.content(message_id) if call == "content" else mailbox.previews([message_id])[message_id]
        )
    except TryAgain as error:
        trouble = error
    assert isinstance(trouble, TryAgain)
    assert "canary" not in f"{trouble!r}{trouble.__context__!r}{trouble.__cause__!r}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["parts", "body", "headers", "data", "size", "name"]), inner)
    ),
)
FIELDS = ("id", "threadId", "labelIds", "internalDate", "snippet", "payload")


@pytest.mark.rule("E102")
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)))
def test_no_answer_breaks_the_reading(answer: dict[str, object]) -> None:
    usual = {"id": "1", "threadId": "t", "internalDate": "1", "payload": {}}
    assert isinstance(content("1", answer), MailContent | TryAgain)
    assert isinstance(content("1", usual | answer | {"id": "1"}), MailContent | TryAgain)
