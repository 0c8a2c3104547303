"""Address fields as real and hostile mail writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.address_lists import read_lists
from domain.addresses import canonical, read_list, read_one
from domain.headers import MAX_HEADER

ANN = "ann@example.com"
BOB = "bob@other.example"
MEGABYTE = 1_000_000


@pytest.mark.rule("E105", "E23", "D5")
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("ann@example.com", id="bare"),
        pytest.param("<ann@example.com>", id="in brackets"),
        pytest.param("Ann Example <Ann@Example.com>", id="with a name"),
        pytest.param("Ann Example<ann@example.com>", id="with a name and no space"),
        pytest.param('"Example, Ann" <ann@example.com>', id="with a quoted comma"),
        pytest.param('"Ann \\"A\\" Example" <ann@example.com>', id="with escaped quotes"),
        pytest.param("Dr. Ann Example <ann@example.com>", id="with an unquoted dot"),
        pytest.param("Ann Example [Sales] <ann@example.com>", id="with unquoted brackets"),
        pytest.param("Ann @ Acme.example <ann@example.com>", id="with a lonely @ in the name"),
        pytest.param("Sales@Work <ann@example.com>", id="with an @ that makes no address"),
        pytest.param("Ann (Sales) <ann@example.com>", id="with a comment"),
        pytest.param("ann@example.com (Ann)", id="with the name in a comment"),
        pytest.param("(a (nested (comment))) ann@example.com", id="with nested comments"),
        pytest.param("Ann (Sales \\) more) <ann@example.com>", id="with an escape in a comment"),
        pytest.param("ann@example.com <ann@example.com>", id="with itself as the name"),
        pytest.param('"ann@example.com" <ann@example.com>', id="with itself quoted"),
        pytest.param("'Ann@Example.com' <ann@example.com>", id="with itself in single quotes"),
        pytest.param("=?utf-8?Q?ann=40example=2Ecom?= <ann@example.com>", id="with itself encoded"),
        pytest.param("Ann via Sales <ann@example.com>", id="with the words of a list"),
        pytest.param("=?utf-8?B?QW5uIEV4YW1wbGU=?= <ann@example.com>", id="with an encoded name"),
        pytest.param("=?utf-8?Q?Example,_Ann?= <ann@example.com>", id="with a comma in an encoded name"),
        pytest.param("=?utf-8?B?*?= <ann@example.com>", id="with a broken encoding"),
        pytest.param("=?x-unheard-of?Q?J=F6rg?= <ann@example.com>", id="with an unknown charset"),
        pytest.param("=?utf-8*de?Q?J=C3=B6rg?= <ann@example.com>", id="with a language"),
        pytest.param("=?shift_jis?B?g0CDQA==?= <ann@example.com>", id="with @ inside a character"),
        pytest.param("Jörg \udcff <ann@example.com>", id="with raw 8-bit text"),
        pytest.param("Ann\r\n Example\r\n\t<ann@example.com>", id="folded"),
        pytest.param("ann @ example.com", id="with spaces around the @"),
        pytest.param("< ann @ example . com >", id="with spaces in the brackets"),
        pytest.param("<ann(x)@example.com>", id="with a comment in the brackets"),
        pytest.param("<@relay.example,@b.example:ann@example.com>", id="with an obsolete route"),
        pytest.param("Team: ann@example.com;", id="a group of one"),
        pytest.param("ann@example.com,", id="with an empty entry"),
        pytest.param("ann@example.com;", id="with a semicolon"),
        pytest.param("ann@example.com, Ann <ANN@example.com>", id="twice the same"),
    ],
)
def test_one_certain_address(value: str) -> None:
    assert read_one(value) == ANN


@pytest.mark.rule("E105", "E23")
@pytest.mark.parametrize(
    ("value", "saved"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param("Ann Example", (), id="a name only"),
        pytest.param("<>", (), id="an empty pair"),
        pytest.param("Ann <>", (), id="a name and an empty pair"),
        pytest.param("undisclosed-recipients:;", (), id="an empty group"),
        pytest.param("ann@example.com, bob@other.example", (ANN, BOB), id="several"),
        pytest.param("ann@example.com bob@other.example", (ANN, BOB), id="several without a comma"),
        pytest.param("<ann@example.com> <bob@other.example>", (ANN, BOB), id="several brackets"),
        pytest.param("<ann@example.com> bob@other.example", (ANN, BOB), id="brackets, then a bare one"),
        pytest.param("bob@other.example <ann@example.com>", (ANN,), id="another as the name"),
        pytest.param('"bob@other.example" <ann@example.com>', (ANN,), id="another quoted"),
        pytest.param('"Bob <bob@other.example>" <ann@example.com>', (ANN,), id="another with its own name"),
        pytest.param("Ann (bob@other.example) <ann@example.com>", (ANN,), id="another in a comment"),
        pytest.param("ann@example.com (bob@other.example)", (ANN,), id="another in a comment behind"),
        pytest.param("<ann@example.com> (bob@other.example)", (ANN,), id="another behind the brackets"),
        pytest.param("=?utf-8?Q?bob=40other=2Eexample?= <ann@example.com>", (ANN,), id="another, encoded"),
        pytest.param("=?utf-8?B?Ym9iQG90aGVyLmV4YW1wbGU?= <ann@example.com>", (ANN,), id="in base64"),
        pytest.param("=?utf-7?Q?bob+AEA-other.example?= <ann@example.com>", (ANN,), id="in UTF-7"),
        pytest.param('"=?utf-8?Q?bob=40other.example?=" <ann@example.com>', (ANN,), id="encoded and quoted"),
        pytest.param(
            "=?utf-8?Q?bob=40ot?= =?utf-8?Q?her.example?= <ann@example.com>", (ANN,), id="in two pieces"
        ),
        pytest.param("bob＠other.example <ann@example.com>", (ANN,), id="another with a full-width @"),
        pytest.param("bob@other.example: ann@example.com;", (ANN,), id="another as the group's name"),
        pytest.param(f'"{"x" * 5000}" <ann@example.com>', (ANN,), id="a name too long to look through"),
        pytest.param("Ann ann@example.com", (ANN,), id="no brackets"),
        pytest.param('"Ann" ann@example.com', (ANN,), id="no brackets after a quoted name"),
        pytest.param("Ann <ann@example.com", (ANN,), id="no closing bracket"),
        pytest.param("ann@example.com>", (ANN,), id="no opening bracket"),
        pytest.param("<<ann@example.com>>", (ANN,), id="double brackets"),
        pytest.param("Ann <ann@example.com> Example", (ANN,), id="a name behind"),
        pytest.param("Example, Ann <ann@example.com>", (ANN,), id="an unquoted comma"),
        pytest.param('"Ann <ann@example.com>', (ANN,), id="no closing quote"),
        pytest.param("Ann (Sales <ann@example.com>", (ANN,), id="no closing parenthesis"),
        pytest.param("Ann) <ann@example.com>", (ANN,), id="no opening parenthesis"),
        pytest.param("Re: Ann <ann@example.com>", (ANN,), id="a group that never ends"),
        pytest.param("A: B: ann@example.com;", (ANN,), id="a group in a group"),
        pytest.param(": ann@example.com;", (ANN,), id="a group without a name"),
        pytest.param("Ann\x00 <ann@example.com>", (ANN,), id="a nul byte"),
        pytest.param("ann@exam\x00ple.com", (), id="a nul byte in the address"),
        pytest.param("mailto:ann@example.com", (ANN,), id="a link"),
        pytest.param("=?utf-8?Q?ann=40example.com?=", (), id="an encoded address"),
        pytest.param("=?utf-8?Q?x?=@example.com", (), id="a half encoded address"),
        pytest.param("ann@example.com [", (ANN,), id="half a literal behind"),
        pytest.param(f"<{'x' * 1000}@example.com>", (), id="longer than any address"),
    ],
)
def test_no_certain_address(value: str, saved: tuple[str, ...]) -> None:
    assert read_one(value) is None
    assert read_list(value).addresses == saved


@pytest.mark.rule("E105", "E23")
def test_a_second_field_is_as_uncertain_as_a_second_address() -> None:
    assert read_one() is None
    assert read_one("ann@example.com", "ann@example.com") is None


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
