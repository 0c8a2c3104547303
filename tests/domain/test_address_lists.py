"""Address fields as real and hostile mail writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.address_lists import read_lists
from domain.mail.addresses import canonical, read_list, read_one
from domain.mail.headers import MAX_HEADER

ANN = "ann@example.com"
BOB = "bob@other.example"
MEGABYTE = 1_000_000


CERTAIN = [
    pytest.param("ann@example.com", id="bare"),
    pytest.param("<ann@example.com>", id="in brackets"),
    pytest.param("Ann Example <Ann@Example.com>", id="with a name"),
    pytest.param("Ann Example<ann@example.com>", id="with a name and no space"),
    pytest.param('"Example, Ann" <ann@example.com>', id="with a quoted comma"),
    pytest.param('"Ann \\"A\\" Example" <ann@example.com>', id="with escaped quotes"),
    pytest.param('"Ann "A" Example" <ann@example.com>', id="with quotes in quotes"),
    pytest.param("Dr. Ann Example <ann@example.com>", id="with an unquoted dot"),
    pytest.param("Ann Example [Sales] <ann@example.com>", id="with unquoted brackets"),
    pytest.param("Ann O'Hara <ann@example.com>", id="with an apostrophe"),
    pytest.param("Ann @ Acme.example <ann@example.com>", id="with a lonely @ in the name"),
    pytest.param("Sales@Work <ann@example.com>", id="with an @ that makes no address"),
    pytest.param("Ann (@ann) <ann@example.com>", id="with a handle"),
    pytest.param("Ann (Sales) <ann@example.com>", id="with a comment"),
    pytest.param("ann@example.com (Ann)", id="with the name in a comment"),
    pytest.param("<ann@example.com> (Ann)", id="with the comment behind the brackets"),
    pytest.param("(a (nested (comment))) ann@example.com", id="with nested comments"),
    pytest.param("Ann (Sales \\) more) <ann@example.com>", id="with an escape in a comment"),
    pytest.param("<ann(x)@example.com>", id="with a comment in the brackets"),
    pytest.param("ann(x)@(y)example.com", id="with comments round the @"),
    pytest.param("ann@example.com <ann@example.com>", id="with itself as the name"),
    pytest.param('"ann@example.com" <ann@example.com>', id="with itself quoted"),
    pytest.param("'Ann@Example.com' <ann@example.com>", id="with itself in single quotes"),
    pytest.param("[ann@example.com] <ann@example.com>", id="with itself in square brackets"),
    pytest.param("=?utf-8?Q?ann=40example=2Ecom?= <ann@example.com>", id="with itself encoded"),
    pytest.param("Ann via Sales <ann@example.com>", id="with the words of a list"),
    pytest.param('"bob@other.example" <ann@example.com>', id="with another quoted"),
    pytest.param('"Bob <bob@other.example>" <ann@example.com>', id="with another and his name quoted"),
    pytest.param('"bob@other.example [the/portal]" <ann@example.com>', id="with a portal's user quoted"),
    pytest.param("Ann (bob@other.example) <ann@example.com>", id="with another in a comment"),
    pytest.param("ann@example.com (bob@other.example)", id="with another in a comment behind"),
    pytest.param("<ann@example.com> (bob@other.example)", id="with another behind the brackets"),
    pytest.param("=?utf-8?Q?bob=40other=2Eexample?= <ann@example.com>", id="with another encoded"),
    pytest.param("=?utf-8?B?Ym9iQG90aGVyLmV4YW1wbGU?= <ann@example.com>", id="in base64"),
    pytest.param('"=?utf-8?Q?bob=40other.example?=" <ann@example.com>', id="encoded and quoted"),
    pytest.param("bob＠other.example <ann@example.com>", id="with a full-width @, which makes no address"),
    pytest.param("bob @ other.example <ann@example.com>", id="nor does one with spaces round it"),
    pytest.param("=?utf-8?B?QW5uIEV4YW1wbGU=?= <ann@example.com>", id="with an encoded name"),
    pytest.param("=?utf-8?Q?Ann Example?= <ann@example.com>", id="with a space where none may be"),
    pytest.param("=?utf-8?Q?Example,_Ann?= <ann@example.com>", id="with a comma in an encoded name"),
    pytest.param("=?utf-8?B?*?= <ann@example.com>", id="with a broken encoding"),
    pytest.param("=?x-unheard-of?Q?J=F6rg?= <ann@example.com>", id="with an unknown charset"),
    pytest.param("=?shift_jis?B?g0CDQA==?= <ann@example.com>", id="with @ inside a character"),
    pytest.param("Jörg \udcff \ufffd <ann@example.com>", id="with raw 8-bit text"),
    pytest.param("\xa0ann@example.com", id="behind a space that does not break"),
    pytest.param(f'"{"x" * 5000}" <ann@example.com>', id="with a name that nobody reads to its end"),
    pytest.param("Ann\r\n Example\r\n\t<ann@example.com>", id="folded"),
    pytest.param("Ann < ann@example.com >", id="with space inside the brackets"),
    pytest.param("Ann <ann@example.com", id="without the closing bracket"),
    pytest.param("Ann <ann@example.com (Sales) ", id="the same with a comment behind"),
    pytest.param("<ann@example.com> Ann Example", id="with the name behind"),
    pytest.param("Example, Ann <ann@example.com>", id="with an unquoted comma"),
    pytest.param("Ann Example, Jr. <ann@example.com>", id="with a comma and an abbreviation"),
    pytest.param("<ann@example.com>, Ann", id="with a comma and the name behind"),
    pytest.param("Re: Ann <ann@example.com>", id="with a colon in the name"),
    pytest.param("A: B: Ann <ann@example.com>", id="with two colons"),
    pytest.param("Ann <'ann@example.com'>", id="in single quotes"),
    pytest.param("'ann@example.com'", id="in single quotes, bare"),
    pytest.param("mailto:ann@example.com", id="as a link"),
    pytest.param("Ann <MAILTO:ann@example.com>", id="as a link in brackets"),
    pytest.param("<'mailto:ann@example.com'>", id="as a link in single quotes"),
    pytest.param("Ann <ann@example.com.>", id="with a dot at the end"),
    pytest.param("Team: ann@example.com;", id="a group of one"),
    pytest.param("Team: Ann <ann@example.com>;", id="a group of one with a name"),
    pytest.param("ann@example.com,", id="with an empty entry"),
    pytest.param("ann@example.com;", id="with a semicolon"),
    pytest.param("ann@example.com, Ann <ANN@example.com>", id="twice the same"),
]


@pytest.mark.rule("E105", "E23", "D5")
@pytest.mark.parametrize("value", CERTAIN)
def test_one_certain_address(value: str) -> None:
    assert read_one(value) == ANN


@pytest.mark.rule("E105", "D5")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("Pat <o'brien@example.com>", "o'brien@example.com", id="an apostrophe"),
        pytest.param("o'brien@example.com", "o'brien@example.com", id="bare"),
        pytest.param(
            "\"o'brien@example.com\" <o'brien@example.com>", "o'brien@example.com", id="as its name"
        ),
        pytest.param("o'brien@example.com <O'Brien@example.com>", "o'brien@example.com", id="unquoted too"),
        pytest.param("<'o'brien@example.com'>", "o'brien@example.com", id="in single quotes"),
        pytest.param("'ann@example.com", "'ann@example.com", id="half a pair is part of the address"),
        pytest.param("<'ann'@example.com>", "'ann'@example.com", id="quotes that are part of the address"),
        pytest.param("sales/eu@example.com", "sales/eu@example.com", id="a slash"),
        pytest.param("EU <sales/eu@example.com>", "sales/eu@example.com", id="in brackets"),
        pytest.param("x|y@example.com", "x|y@example.com", id="a bar"),
        pytest.param(
            "a!#$%&*+-/=?^_`{|}~z@example.com", "a!#$%&*+-/=?^_`{|}~z@example.com", id="all of atext"
        ),
        pytest.param('"ann example"@example.com', '"ann example"@example.com', id="a quoted local part"),
        pytest.param(
            'Ann <"ann@home.example"@example.com>', '"ann@home.example"@example.com', id="with an @ in it"
        ),
        pytest.param("Zoë <zoë@example.com>", "zoë@example.com", id="UTF-8 in the address"),
        pytest.param("Ida <ida@bücher.example>", "ida@xn--bcher-kva.example", id="in its domain"),
        pytest.param("ann@[192.0.2.1]", "ann@[192.0.2.1]", id="a domain literal"),
    ],
)
def test_other_certain_addresses(value: str, expected: str) -> None:
    assert read_one(value) == expected


UNCERTAIN = [
    pytest.param("", (), id="nothing"),
    pytest.param("Ann Example", (), id="a name only"),
    pytest.param('"ann@example.com"', (), id="a quoted name only"),
    pytest.param("(ann@example.com)", (), id="a comment only"),
    pytest.param("<>", (), id="an empty pair"),
    pytest.param("Ann <>", (), id="a name and an empty pair"),
    pytest.param("<>, <ann@example.com>", (ANN,), id="an empty pair first"),
    pytest.param("undisclosed-recipients:;", (), id="an empty group"),
    pytest.param("ann@example.com, bob@other.example", (ANN, BOB), id="several"),
    pytest.param("Team: ann@example.com, bob@other.example;", (ANN, BOB), id="a group of two"),
    pytest.param("ann@example.com bob@other.example", (ANN, BOB), id="several without a comma"),
    pytest.param("<ann@example.com> <bob@other.example>", (ANN, BOB), id="several brackets"),
    pytest.param("<ann@example.com> bob@other.example", (ANN, BOB), id="brackets, then a bare one"),
    pytest.param("bob@other.example, Ann <ann@example.com>", (BOB, ANN), id="a bare one, then brackets"),
    pytest.param("bob@other.example <ann@example.com>", (ANN,), id="another as the name"),
    pytest.param("Bob bob@other.example <ann@example.com>", (ANN,), id="another in the name"),
    pytest.param("[bob@other.example] <ann@example.com>", (ANN,), id="another in square brackets"),
    pytest.param("'bob@other.example' <ann@example.com>", (ANN,), id="another in single quotes"),
    pytest.param("mailto:bob@other.example <ann@example.com>", (ANN,), id="another as a link"),
    pytest.param('"bob"@other.example <ann@example.com>', (ANN,), id="another with a quoted local part"),
    pytest.param("bob@other.example: ann@example.com;", (ANN,), id="another as the group's name"),
    pytest.param("bob@other.example: Ann <ann@example.com>", (ANN,), id="another before a colon"),
    pytest.param("Ann ann@example.com", (ANN,), id="no brackets"),
    pytest.param('"Ann" ann@example.com', (ANN,), id="no brackets after a quoted name"),
    pytest.param("=?utf-8?Q?Ann?= ann@example.com", (ANN,), id="no brackets after an encoded name"),
    pytest.param("Example, ann@example.com", (ANN,), id="no brackets after a comma"),
    pytest.param("Team: ann@example.com", (ANN,), id="no brackets in a group that never ends"),
    pytest.param("ann @ example.com", (ANN,), id="spaces around the @"),
    pytest.param("Ann <ann@ example.com>", (ANN,), id="a space in the brackets"),
    pytest.param("ann@example.com(x)bob", (ANN,), id="a word that only a comment parts"),
    pytest.param("Ann <ann@example.com, Bob", (ANN,), id="a bracket that ends in the middle"),
    pytest.param("Ann <ann@example.com Ann>", (), id="a name in the brackets"),
    pytest.param("<@relay.example,@b.example:ann@example.com>", (ANN,), id="an obsolete route"),
    pytest.param("ann@example.com>", (ANN,), id="no opening bracket"),
    pytest.param("<<ann@example.com>>", (ANN,), id="double brackets"),
    pytest.param('"Ann <ann@example.com>', (ANN,), id="no closing quote"),
    pytest.param("Ann (Sales <ann@example.com>", (ANN,), id="no closing parenthesis"),
    pytest.param("Ann) <ann@example.com>", (ANN,), id="no opening parenthesis"),
    pytest.param("A: B: ann@example.com;", (ANN,), id="a group in a group"),
    pytest.param(": ann@example.com;", (ANN,), id="a group without a name"),
    pytest.param("Ann\x00 <ann@example.com>", (ANN,), id="a nul byte"),
    pytest.param("\x1b[2JAnn <ann@example.com>", (ANN,), id="an escape"),
    pytest.param("ann@exam\x00ple.com", (), id="a nul byte in the address"),
    pytest.param("Ann <a\ufffdnn@example.com>", (), id="bytes that are no text in the address"),
    pytest.param("Ann <ann@ex\udcffample.com>", (), id="or in its domain"),
    pytest.param("Ann <an\u200bn@example.com>", (), id="something unseen in the address"),
    pytest.param("=?utf-8?Q?ann=40example.com?=", (), id="an encoded address"),
    pytest.param("=?utf-8?Q?Ann_=3Cann=40example=2Ecom=3E?=", (), id="encoded with its brackets"),
    pytest.param("=?utf-8?Q?x?=@example.com", (), id="a half encoded address"),
    pytest.param("ann@example.com [", (ANN,), id="half a literal behind"),
    pytest.param("<ann@other.example@example.com>", (), id="two @"),
    pytest.param("''ann@example.com''", (), id="two pairs of single quotes"),
    pytest.param("Ann <ann@example.com..>", (), id="two dots at the end"),
    pytest.param(f"<{'x' * 1000}@example.com>", (), id="longer than any address"),
]


@pytest.mark.rule("E105", "E23")
@pytest.mark.parametrize(("value", "saved"), UNCERTAIN)
def test_no_certain_address(value: str, saved: tuple[str, ...]) -> None:
    assert read_one(value) is None
    assert read_list(value).addresses == saved


@pytest.mark.rule("E105", "E23")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param([ANN, f"Ann <{ANN.upper()}>"], ANN, id="two that are the same"),
        pytest.param([ANN, ""], ANN, id="one that is empty"),
        pytest.param([ANN, BOB], None, id="two that differ"),
        pytest.param([f"Ann <{ANN}>", f"Ann {ANN}"], None, id="one that is uncertain"),
        pytest.param([f"Ann <{ANN}>"] * 50_000, None, id="more than are read"),
    ],
)
def test_all_fields_of_a_name_count_together(fields: list[str], expected: str | None) -> None:
    assert read_one(*fields) == expected


@pytest.mark.rule("D5", "E13", "E42")
@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        pytest.param("a@x.example, b@x.example", "a b", id="a list"),
        pytest.param("b@x.example, a@x.example, B@x.example", "b a", id="in written order, each once"),
        pytest.param("a@x.example; b@x.example", "a b", id="with Outlook's semicolons"),
        pytest.param("a@x.example,,\r\n , b@x.example,", "a b", id="with empty entries"),
        pytest.param("Team: a@x.example, B <b@x.example>;", "a b", id="a group"),
        pytest.param("Team: a@x.example;, b@x.example", "a b", id="a group and one more"),
        pytest.param("A: a@x.example; B: b@x.example;", "a b", id="two groups"),
        pytest.param("undisclosed-recipients:;", "", id="nobody to be seen"),
        pytest.param("Undisclosed recipients: ;", "", id="nobody, with a space"),
        pytest.param("unlisted-recipients:; (no To-header on input)", "", id="nobody, as sendmail says it"),
        pytest.param("(nobody)", "", id="a comment only"),
        pytest.param('"a;b, c" <a@x.example>, "d\\\\" <b@x.example>', "a b", id="separators in quotes"),
        pytest.param("A (x, z) <a@x.example>", "a", id="in comments"),
        pytest.param("a@[IPv6:2001:db8::1], b@x.example", "a@[ipv6:2001:db8::1] b", id="a literal's colons"),
    ],
)
def test_list_without_defect(value: str, addresses: str) -> None:
    expected = tuple(a if "@" in a else f"{a}@x.example" for a in addresses.split())
    found = read_list(value)
    assert found.addresses == expected
    assert found.certain


@pytest.mark.rule("E43")
def test_hundreds_of_recipients_are_all_read() -> None:
    everybody = tuple(f"user{n}@example.com" for n in range(2000))
    assert read_list(", ".join(f"User {a} <{a}>" for a in everybody)).addresses == everybody


@pytest.mark.rule("E102", "E43")
def test_what_no_mail_needs_is_not_read() -> None:
    found = read_list("a@example.com, " * 1_000_000 + BOB)
    assert found.addresses == ("a@example.com",)
    assert not found.certain
    assert read_list("x" * MEGABYTE + "@example.com").addresses == ()


@pytest.mark.rule("E43")
def test_several_fields_of_one_name_are_one_list() -> None:
    assert read_lists([f"{ANN}, {BOB}", f'"broken <{ANN}', "carla@example.com"]) == (
        ANN,
        BOB,
        "carla@example.com",
    )


@pytest.mark.rule("E43", "E102")
def test_what_is_cut_ends_with_a_whole_address() -> None:
    filling, other = "," * (MAX_HEADER - len(ANN)), f"{ANN}.other.example"
    assert read_list(filling + other).addresses == ()
    assert read_lists([filling + other]) == ()
    assert read_lists([filling, other]) == ()
    assert read_lists([filling, ANN]) == (ANN,)


HOSTILE = ["(", "()", "((a)", "<", "<>", "<,", "<@", ",", ";", ":", '"', '""', '"\\', '"a"@', "(\\", "\\"]
HOSTILE += [
    "[",
    "a[",
    "@",
    "@ ",
    "a@",
    "a@b.c ",
    "a@b.c,",
    "=?",
    "=?a?q?",
    "=?utf-8?q?a?= ",
    "\x00",
    "é",
    "'",
    ". ",
]


@pytest.mark.rule("E102")
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_anything_comes_to_an_end(piece: str) -> None:
    value = piece * (MEGABYTE // len(piece))
    for field in (value, f"{ANN}, {value}", f"{value[: MEGABYTE // 5]}, {ANN}"):
        assert set(read_list(field).addresses) <= {ANN, "a@b.c", '"a"@'}


SYNTAX = st.lists(
    st.sampled_from(
        [*HOSTILE, " ", "\r\n ", "ann@example.com", "Ann", "=?utf-8?Q?bob=40x.example?=", "Team:"]
    )
).map("".join)


@pytest.mark.rule("E42", "E102", "D5")
@given(SYNTAX | st.text())
def test_any_text_gives_exact_addresses_each_once(value: str) -> None:
    found = read_list(value)
    assert len(set(found.addresses)) == len(found.addresses)
    assert all(canonical(address) == address for address in found.addresses)
    assert read_one(value) in (None, *found.addresses)


@pytest.mark.rule("E105")
@given(st.text(alphabet=st.characters(exclude_categories=["Cc"]), max_size=50))
def test_no_quoted_display_name_adds_an_address(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert read_list(f'"{quoted}" <{ANN}>').addresses == (ANN,)


@pytest.mark.rule("D5")
@given(
    st.lists(st.sampled_from([ANN, BOB, "carla@example.com"]), unique=True), st.sampled_from([", ", ",\r\n "])
)
def test_what_is_written_is_what_is_read(addresses: list[str], comma: str) -> None:
    found = read_list(comma.join(f'"{a}" <{a}>' for a in addresses))
    assert found.addresses == tuple(addresses)
    assert found.certain
