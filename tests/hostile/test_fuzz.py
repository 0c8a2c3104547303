"""Headers and pushes built from the pieces that real and hostile ones are made of: never an exception,
and never somebody else's address."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.address_lists import read_list, read_lists, read_one
from domain.addresses import canonical
from domain.authors import is_rewritten, original_author
from domain.contacts import Contact, ContactAddress, Kind, hits
from domain.decisions import decide
from domain.headers import by_name, decoded, first_word, message_ids, parameter
from domain.mail_classes import MailClass, Part
from domain.messages import Exclusions, Fetched, Insiders, read
from domain.pushes import pushed_address
from tests.hostile.readings import ANN, CARLA, LIST, MALLORY, UWE
from tests.worlds import START

fuzz = settings(derandomize=True, max_examples=300)

MARKS = [*"()<>[],;:\"\\@'. \t=?\x00\x1b\r\n\udcff\ufffd\u200b\u202e＠é🜁", "\r\n ", "\\)", '\\"', "((", "))"]
ENCODED = ["=?utf-8?Q?ann=40example.com?=", "=?utf-8?B?YW5uQGV4YW1wbGUuY29t?=", "=?utf-7?Q?+AEA-?=", "=?a?b?"]
ADDRESSES = [ANN, UWE, CARLA, LIST, "Ann@Example.COM.", '"ann@example.com"', "@example.com", "ann@", "<>"]
WORDS = [
    "Ann",
    "Team:",
    "mailto:",
    "list",
    "bulk",
    "auto-replied",
    "no",
    "method=REQUEST",
    "report-type=",
    "b=;",
]
PIECES = st.sampled_from([*MARKS, *ENCODED, *ADDRESSES, *WORDS])
VALUES = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)

NAMES = ["From", "from", "To", "Cc", "Bcc", "Reply-To", "Sender", "X-Original-From", "X-Original-Sender"]
NAMES += [
    "List-Post",
    "List-Id",
    "X-Google-Group-Id",
    "Mailing-list",
    "X-BeenThere",
    "Return-Path",
    "Precedence",
]
NAMES += ["Auto-Submitted", "X-Autoreply", "Content-Type", "Message-ID", "References", "Date", "", "\x00"]
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=10).map(tuple)
TYPES = st.sampled_from(["text/plain", "text/calendar", "multipart/report", "message/rfc822", "", "é/\x00"])
PARTS = st.recursive(
    st.builds(Part, TYPES, HEADERS),
    lambda parts: st.builds(Part, TYPES, HEADERS, st.lists(parts, max_size=3).map(tuple)),
    max_leaves=6,
)
LABELS = st.frozensets(st.sampled_from(["INBOX", "SENT", "SPAM", "DRAFT", "Label_1", ""]))

INSIDERS = Insiders(own=frozenset({UWE}), users=frozenset({CARLA}), domains=frozenset({"firm.example"}))
KNOWN = [ContactAddress(Contact("1", Kind.CONTACT, START), ANN)]


@pytest.mark.rule("E42", "E102", "E105", "I9")
@fuzz
@given(PARTS, LABELS)
def test_every_mail_is_read_and_decided(payload: Part, labels: frozenset[str]) -> None:
    message = read(Fetched("id", labels, START, payload), INSIDERS.own)
    for address in (message.sender, message.author, *message.to, *message.cc, *message.bcc):
        assert address is None or canonical(address) == address
    assert isinstance(message.mail_class, MailClass)
    found = decide(
        message,
        insiders=INSIDERS,
        exclusions=Exclusions(),
        hits=hits(message.author or "", KNOWN),
        magnet_since=START,
        sorting_since=START,
        crm_labels=frozenset({"Label_1"}),
    )
    assert (found.skip is None) == bool(found.steps)
    if message.author is None:
        assert found.skip is not None


@pytest.mark.rule("E105")
@fuzz
@given(VALUES, VALUES)
def test_nothing_around_an_address_makes_it_somebody_elses(before: str, after: str) -> None:
    assert read_one(f"{before} <{MALLORY}>{after}") in (None, MALLORY)


@pytest.mark.rule("E105", "E100")
@fuzz
@given(HEADERS)
def test_no_other_header_makes_a_readable_from_uncertain_or_somebody_elses(
    headers: tuple[tuple[str, str], ...],
) -> None:
    others = tuple((name, value) for name, value in headers if name.lower() != "from")
    payload = Part("text/plain", (("From", MALLORY), *others))
    message = read(Fetched("id", frozenset(), START, payload), INSIDERS.own)
    assert message.sender == MALLORY
    assert message.rewritten or message.author == MALLORY


@pytest.mark.rule("E42", "E101", "E102")
@fuzz
@given(VALUES, st.lists(VALUES, max_size=5))
def test_every_reader_of_a_header_reads_anything(value: str, values: list[str]) -> None:
    fields = by_name([("List-Post", value), ("List-Id", value), ("Reply-To", value), ("X-BeenThere", value)])
    is_rewritten(fields, LIST, INSIDERS.own)
    author = original_author(fields, LIST, INSIDERS.own)
    assert author is None or author in read_list(value).addresses
    assert all(canonical(address) == address for address in read_lists(values))
    assert all("@" in one and not set(one) & set("<> \r\n") for one in message_ids(value))
    assert isinstance(decoded(value), str)
    assert first_word(value) == first_word(value).lower()
    assert parameter(value, "method") == parameter(value, "method").lower()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(ADDRESSES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
PUSHES = st.builds(lambda address, number: {"emailAddress": address, "historyId": number}, JSON, JSON)


@pytest.mark.rule("E102")
@fuzz
@given(st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode) | PUSHES.map(json.dumps).map(str.encode))
def test_any_push_names_an_address_in_its_exact_form_or_none(data: bytes) -> None:
    address = pushed_address(data)
    assert address is None or canonical(address) == address


@pytest.mark.rule("E102")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 200_000, id="nested lists"),
        pytest.param(
            b'{"historyId":' + b"9" * 10_000 + b',"emailAddress":"a@b.example"}', id="a huge number"
        ),
        pytest.param(
            b'{"historyId":1e999,"emailAddress":"a@b.example' + b"x" * 10_000_000 + b'"}', id="10 MB"
        ),
        pytest.param(b'{"historyId":1,"emailAddress":"\\ud800@b.example"}', id="half a character"),
        pytest.param(b'{"historyId":1,"emailAddress":"a\\u0000@b.example"}', id="a nul"),
    ],
)
def test_a_hostile_push_names_nobody(data: bytes) -> None:
    assert pushed_address(data) is None
