"""Who wrote what a list or group sends on under its own address."""

import random
from datetime import UTC, datetime

import pytest

from domain.mail.authors import list_addresses
from domain.mail.folders import Folder
from domain.mail.headers import by_name
from domain.mail.messages import Fetched, Message, Part, read

ANN, UWE = "ann@example.com", "uwe@firm.example"
OWN = frozenset({UWE})
LIST = "users@lists.example"
GROUP = "sales@firm.example"

POST = ("List-Post", f"<mailto:{LIST}>")
LIST_ID = ("List-Id", '"Users" <users.lists.example>')
GOOGLE = (
    ("Mailing-list", f"list {GROUP}; contact sales+owners@firm.example"),
    ("List-ID", "<sales.firm.example>"),
    ("X-Google-Group-Id", "123456789012"),
    ("List-Post", f"<https://groups.google.com/a/firm.example/group/sales/post>, <mailto:{GROUP}>"),
)
BY_ANN = ("X-Original-From", f"Ann <{ANN}>")
SENT_BY_ANN = ("X-Original-Sender", ANN)
GROUP_ID = ("X-Google-Group-Id", "1")
REPLY_ANN = ("Reply-To", f"Ann <{ANN}>")

Header = tuple[str, str]


def mail(*headers: Header) -> Message:
    return read(
        Fetched("id", Folder.INBOX, datetime(2026, 3, 15, tzinfo=UTC), Part("text/plain", headers)), OWN
    )


def by_list(*headers: Header) -> Message:
    return mail(("From", f"Ann via Users <{LIST}>"), *headers)


@pytest.mark.rule("E100")
@pytest.mark.parametrize(
    ("headers", "author"),
    [
        pytest.param([POST, BY_ANN], ANN, id="the original From"),
        pytest.param([POST, SENT_BY_ANN], ANN, id="else the original sender"),
        pytest.param([POST, REPLY_ANN], ANN, id="else the one to reply to"),
        pytest.param([POST, ("Reply-To", f"{LIST}, Ann <{ANN}>")], ANN, id="who is not the list"),
        pytest.param(
            [REPLY_ANN, ("X-Original-Sender", "bob@example.com"), POST, BY_ANN],
            ANN,
            id="From before the others",
        ),
        pytest.param(
            [("Reply-To", "bob@example.com"), POST, SENT_BY_ANN],
            ANN,
            id="the sender before the one to reply to",
        ),
        pytest.param([POST, ("X-Original-From", " "), SENT_BY_ANN], ANN, id="an empty header is none"),
        pytest.param(
            [POST, ("X-Original-From", LIST), SENT_BY_ANN], ANN, id="the list is never its own author"
        ),
        pytest.param([POST], None, id="nobody is named"),
        pytest.param([POST, ("Reply-To", LIST)], None, id="only the list to reply to"),
        pytest.param([POST, ("Reply-To", f"{ANN}, bob@example.com")], None, id="two to reply to"),
        pytest.param([POST, REPLY_ANN, REPLY_ANN], ANN, id="two headers, one to reply to"),
        pytest.param([POST, REPLY_ANN, ("Reply-To", "bob@example.com")], None, id="two headers that differ"),
        pytest.param([POST, REPLY_ANN, ("Reply-To", LIST)], ANN, id="two headers, one of them the list's"),
        pytest.param([POST, ("Reply-To", f"bob@example.com <{ANN}>")], None, id="a dubious one to reply to"),
        pytest.param([POST, ("X-Original-From", LIST)], None, id="only the list as the original From"),
        pytest.param(
            [POST, ("X-Original-From", f"bob@example.com <{ANN}>"), SENT_BY_ANN],
            ANN,
            id="a dubious original From is passed over",
        ),
        pytest.param(
            [POST, ("X-Original-From", "=?utf-8?Q?Ann_=3Cann=40example=2Ecom=3E?="), REPLY_ANN],
            ANN,
            id="so is one that is encoded whole",
        ),
        pytest.param(
            [POST, ("X-Original-Sender", f"{ANN} bob@example.com"), REPLY_ANN],
            ANN,
            id="so is a dubious original sender",
        ),
        pytest.param(
            [POST, BY_ANN, ("X-Original-From", ""), SENT_BY_ANN], ANN, id="an empty one counts for none"
        ),
    ],
)
def test_the_author_behind_a_list(headers: list[Header], author: str | None) -> None:
    message = by_list(*headers)
    assert message.rewritten
    assert message.sender == LIST
    assert message.author == author


@pytest.mark.rule("E100")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("List-Post", f"<mailto:{LIST}>")], id="List-Post"),
        pytest.param(
            [("List-Post", f"<https://lists.example/users>, <MAILTO:{LIST}?subject=x>")], id="among links"
        ),
        pytest.param([("List-Post", "<mailto:users%40lists.example> (write here)")], id="with an escaped @"),
        pytest.param([LIST_ID], id="List-Id"),
        pytest.param([("List-ID", "Users.Lists.Example")], id="List-Id without brackets"),
        pytest.param([("List-Id", "<users@lists.example>")], id="List-Id as an address"),
        pytest.param(
            [("List-Id", "<u.lists.example>"), ("X-BeenThere", LIST)], id="List-Id and where it has been"
        ),
        pytest.param([("X-BeenThere", LIST)], id="where it has been, alone"),
        pytest.param([("Mailing-List", f"list {LIST}; contact x@y.example")], id="Mailing-list"),
        pytest.param([("List-Id", "Users of our things <users.lists.example>")], id="List-Id with a name"),
        pytest.param([GROUP_ID, ("To", f"Users <{LIST}>")], id="a group, addressed to it"),
        pytest.param([GROUP_ID, ("Cc", LIST)], id="a group, in copy"),
        pytest.param([GROUP_ID, ("List-Id", "x"), ("Cc", LIST)], id="a group whose List-Id says nothing"),
        pytest.param(
            [*GOOGLE, ("To", LIST), SENT_BY_ANN], id="a group's other name, as somebody else is its sender"
        ),
        pytest.param(
            [*GOOGLE, ("To", LIST), ("Cc", f"Ann <{ANN}>"), SENT_BY_ANN], id="the same, the writer in copy"
        ),
        pytest.param([GROUP_ID, ("To", LIST), ("Cc", ANN)], id="a group without headers, the writer in copy"),
    ],
)
def test_the_list_is_known_by_its_headers(headers: list[Header]) -> None:
    message = by_list(*headers, BY_ANN)
    assert message.rewritten
    assert message.author == ANN


@pytest.mark.rule("E100", "E24", "E25")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("Reply-To", "bob@example.com")], id="Reply-To alone changes nothing"),
        pytest.param([("Sender", "bob@example.com")], id="nor does Sender"),
        pytest.param([("X-Original-From", "bob@example.com")], id="nor an original From without a list"),
        pytest.param(
            [LIST_ID, POST, ("X-Original-Sender", "bob@example.com")], id="a list that left From alone"
        ),
        pytest.param([("List-Id", "<news.example>"), ("Reply-To", "bob@example.com")], id="a newsletter"),
        pytest.param([*GOOGLE, ("To", GROUP), SENT_BY_ANN], id="a group that left From alone"),
        pytest.param(
            [("List-Post", "NO"), ("X-Original-From", "bob@example.com")], id="a list nobody may write to"
        ),
        pytest.param([("To", ANN), ("X-Original-Sender", LIST)], id="no list at all"),
        pytest.param(
            [("List-Id", "<ann.example.net>"), ("X-BeenThere", "x")], id="the list of somebody else"
        ),
        pytest.param(
            [*GOOGLE, ("To", GROUP), ("Cc", f"{ANN}, {UWE}"), SENT_BY_ANN], id="a group, the writer in copy"
        ),
        pytest.param(
            [*GOOGLE, ("To", GROUP), ("Cc", ANN), SENT_BY_ANN, ("Reply-To", "bob@example.com")],
            id="the same, with another to reply to",
        ),
        pytest.param([*GOOGLE, ("To", GROUP), ("Cc", ANN)], id="a group that names no sender"),
        pytest.param(
            [GROUP_ID, ("To", ANN), SENT_BY_ANN], id="a group without headers that names the writer"
        ),
        pytest.param(
            [("List-Post", f"<mailto:{ANN}>"), SENT_BY_ANN], id="who writes under his list's address"
        ),
    ],
)
def test_a_from_that_is_the_persons_own_decides(headers: list[Header]) -> None:
    message = mail(("From", f"Ann via Users <{ANN}>"), *headers)
    assert not message.rewritten
    assert message.sender == message.author == ANN


@pytest.mark.rule("E100", "E105")
def test_a_group_that_shows_the_writers_address_as_its_name() -> None:
    quoted = mail(("From", f"\"'{ANN}' via Sales\" <{GROUP}>"), *GOOGLE, BY_ANN)
    bare = mail(("From", f"'{ANN}' via Sales <{GROUP}>"), *GOOGLE, BY_ANN)
    assert (quoted.sender, bare.sender) == (GROUP, None)
    assert quoted.author == bare.author == ANN


LISTS = [
    pytest.param([], [], id="no list"),
    pytest.param([("To", LIST), ("Reply-To", LIST)], [], id="recipients alone are none"),
    pytest.param([POST], [LIST], id="List-Post"),
    pytest.param(
        [("List-Post", f"<mailto:{LIST}?subject=a>, <mailto:b@lists.example>")],
        [LIST, "b@lists.example"],
        id="two of them",
    ),
    pytest.param([LIST_ID], [LIST], id="List-Id"),
    pytest.param([("List-Id", "<all.staff.firm.example>")], ["all@staff.firm.example"], id="its first dot"),
    pytest.param([("List-Id", "<1a2b3c>")], [], id="no address at all"),
    pytest.param([("X-BeenThere", f"{LIST}, {GROUP}")], [LIST, GROUP], id="two that it has been at"),
    pytest.param([("Mailing-list", "contact help@lists.example; run by ezmlm")], [], id="only whom to ask"),
    pytest.param([POST, *GOOGLE], [LIST, GROUP], id="several lists, one after the other"),
    pytest.param(
        [*GOOGLE, ("To", f"{GROUP}, {UWE}"), ("Cc", "ed@example.net")], [GROUP], id="a group's post"
    ),
    pytest.param(
        [*GOOGLE, ("To", f"{LIST}, {UWE}"), ("Cc", ANN), SENT_BY_ANN], [GROUP, LIST], id="under another name"
    ),
    pytest.param(
        [GROUP_ID, ("To", LIST), ("Cc", "Uwe+group@firm.example")], [LIST], id="no own address is a list"
    ),
    pytest.param([("X-Google-Group-Id", " "), ("To", LIST)], [], id="an empty group"),
]


@pytest.mark.rule("E100", "H45")
@pytest.mark.parametrize(("headers", "expected"), LISTS)
def test_the_addresses_of_the_list(headers: list[Header], expected: list[str]) -> None:
    fields = by_name([("From", f"Ann via Users <{LIST}>"), *headers])
    assert list_addresses(fields, OWN) == set(expected)


@pytest.mark.rule("E105", "E23")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no From"),
        pytest.param([("From", ANN), ("From", "bob@example.com")], id="two From headers"),
        pytest.param([("From", f"{ANN}, bob@example.com")], id="two addresses"),
        pytest.param([("From", f"bob@example.com <{ANN}>")], id="another's address as the name"),
        pytest.param([("From", f"{LIST}, {ANN}"), POST, BY_ANN], id="two addresses, one of them a list's"),
    ],
)
def test_nobody_is_the_author_of_a_dubious_from(headers: list[Header]) -> None:
    message = mail(*headers)
    assert message.sender is None
    assert message.author is None


@pytest.mark.rule("E105", "E23", "D5")
@pytest.mark.parametrize(
    ("value", "author"),
    [
        pytest.param(f"Ann <{ANN}>", ANN, id="plain"),
        pytest.param(f'"ann@home.example" <{ANN}>', ANN, id="a private address as the name"),
        pytest.param(f"Example, Ann <{ANN}>", ANN, id="a comma in the name"),
        pytest.param(f"Ann <'{ANN}'>", ANN, id="single quotes from an address book"),
        pytest.param(f"Ann <{ANN}", ANN, id="no closing bracket"),
        pytest.param(f"Ann <{ANN}.>", ANN, id="a dot at the end"),
        pytest.param(f"mailto:{ANN}", ANN, id="a link"),
        pytest.param(f"Team: {ANN};", ANN, id="a group of one"),
        pytest.param("o'brien@example.com", "o'brien@example.com", id="an apostrophe"),
        pytest.param("sales/eu@example.com", "sales/eu@example.com", id="a slash"),
        pytest.param(f"\udcb0\udcb2 <{ANN}>", ANN, id="a name of raw bytes"),
        pytest.param("Ann <a\udcffnn@example.com>", None, id="an address of raw bytes"),
        pytest.param(f"Ann {ANN}", None, id="a name without brackets"),
        pytest.param(f"=?utf-8?Q?Ann_=3C{ANN.replace('@', '=40')}=3E?=", None, id="all of it encoded"),
    ],
)
def test_who_has_written_a_mail_of_no_list(value: str, author: str | None) -> None:
    assert mail(("From", value)).author == author


@pytest.mark.rule("E105", "E23")
def test_two_from_fields_that_name_the_same_are_one() -> None:
    message = mail(("From", f"Ann <{ANN}>"), ("From", ANN.upper()))
    assert message.sender == message.author == ANN


@pytest.mark.rule("E42")
def test_the_order_of_headers_means_nothing() -> None:
    headers = [
        ("From", f"Ann via Sales <{GROUP}>"),
        ("To", GROUP),
        ("Cc", "bob@example.com"),
        *GOOGLE,
        BY_ANN,
    ]
    expected = mail(*headers)
    shuffle = random.Random(1).shuffle
    for _ in range(20):
        shuffle(headers)
        assert mail(*headers) == expected
