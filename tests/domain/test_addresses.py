"""Bare addresses, by D5 and the edge cases around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.addresses import canonical, domain_of, is_one_of, is_under, loose

ANN = "ann@example.com"


@pytest.mark.rule("D5-1", "D5", "E13")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("ann@example.com", ANN, id="as it stands"),
        pytest.param("Ann@Example.COM", ANN, id="letter case does not count"),
        pytest.param("  ann@example.com\r\n", ANN, id="space around it does not count"),
        pytest.param("ann@example.com.", ANN, id="the root's dot does not count"),
        pytest.param('"ann"@example.com', ANN, id="needless quotes do not count"),
        pytest.param('"a\\nn"@example.com', ANN, id="nor does a needless escape"),
        pytest.param('"Ann Ex"@example.com', '"ann ex"@example.com', id="needed quotes stay"),
        pytest.param(
            '"a@b.example"@example.com', '"a@b.example"@example.com', id="a quoted @ is no second one"
        ),
        pytest.param('"a\\"b"@example.com', '"a\\"b"@example.com', id="an escaped quote stays escaped"),
        pytest.param("ann+shop@example.com", "ann+shop@example.com", id="a tag is part of the exact form"),
        pytest.param("a..nn.@example.com", "a..nn.@example.com", id="odd dots as some carriers give out"),
        pytest.param("ann@localhost", "ann@localhost", id="a domain without a dot"),
        pytest.param("ann@[192.0.2.1]", "ann@[192.0.2.1]", id="an address literal"),
        pytest.param("ann@b_c.example", "ann@b_c.example", id="an underscore, as DNS allows"),
        pytest.param("Ann@Bücher.example", "ann@xn--bcher-kva.example", id="an international domain"),
        pytest.param("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example", id="its ASCII spelling"),
        pytest.param("ann@bu\u0308cher.example", "ann@xn--bcher-kva.example", id="its decomposed spelling"),
        pytest.param("ann@straße.example", "ann@xn--strae-oqa.example", id="sharp s is a letter of its own"),
        pytest.param("ann@STRAẞE.example", "ann@xn--strae-oqa.example", id="so is the capital one"),
        pytest.param("ann@strasse.example", "ann@strasse.example", id="and ss is another domain"),
        pytest.param("ann@ｅｘａｍｐｌｅ．ｃｏｍ", ANN, id="full-width letters and dot"),
        pytest.param("ann@example。com", ANN, id="an ideographic dot"),
        pytest.param("ann@exam\u00adple.com", ANN, id="a soft hyphen in the domain"),
        pytest.param("Jörg@example.com", "jörg@example.com", id="an international local part"),
        pytest.param("jo\u0308rg@example.com", "jörg@example.com", id="decomposed"),
    ],
)
def test_exact_form(raw: str, expected: str) -> None:
    assert canonical(raw) == expected


@pytest.mark.rule("D5", "E105")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="nothing"),
        pytest.param("Ann Example", id="a name"),
        pytest.param("ann@", id="no domain"),
        pytest.param("@example.com", id="no local part"),
        pytest.param('""@example.com', id="an empty quoted local part"),
        pytest.param("ann@.com", id="an empty label"),
        pytest.param("ann@example..com", id="an empty label in the middle"),
        pytest.param("ann@ex@example.com", id="two @"),
        pytest.param("ann ex@example.com", id="a space"),
        pytest.param("ann@exam ple.com", id="a space in the domain"),
        pytest.param("ann\x00@example.com", id="a nul byte"),
        pytest.param("ann@example.com\x00", id="a nul byte at the end"),
        pytest.param("ann\u202e@example.com", id="an invisible direction mark"),
        pytest.param("ann@exa\ud800mple.com", id="half a character"),
        pytest.param("ann\udcff@example.com", id="an undecoded byte"),
        pytest.param("<ann@example.com>", id="brackets"),
        pytest.param("ann@example.com,bob@example.com", id="two addresses"),
        pytest.param("ann@-example.com", id="a hyphen at the start of a label"),
        pytest.param("ann@é-.com", id="a hyphen at the end of an international label"),
        pytest.param("ann@exa!mple.com", id="a sign that no domain has"),
        pytest.param("ann@é!.example", id="nor an international one"),
        pytest.param("ann@xn--é.example", id="half converted"),
        pytest.param("a" * 309 + "@example.com", id="longer than an address can be"),
        pytest.param("ann@" + "é" * 70 + ".example", id="a label that grows too long"),
        pytest.param("ann@" + "a." * 130 + "example", id="a domain that is too long"),
        pytest.param("\u0390" * 240 + "@" + "é.ü." * 19 + "example", id="an address that grows too long"),
    ],
)
def test_not_an_address(raw: str) -> None:
    assert canonical(raw) is None


@pytest.mark.rule("D5", "E13")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("ann+shop@example.com", ANN, id="without the tag"),
        pytest.param("ann+a+b@example.com", ANN, id="without all of the tag"),
        pytest.param("a.nn@example.com", "a.nn@example.com", id="dots matter outside Gmail"),
        pytest.param("a.n.n+x@googlemail.com", "ann@gmail.com", id="Gmail: no dots, one domain"),
        pytest.param("ann@mail.gmail.com", "ann@mail.gmail.com", id="a name below gmail.com is not Gmail"),
        pytest.param("+ann@example.com", "+ann@example.com", id="what would leave nothing is no tag"),
        pytest.param("..@gmail.com", "..@gmail.com", id="dots alone stay"),
        pytest.param('"a+b c"@example.com', '"a+b c"@example.com', id="what is quoted is no tag"),
        pytest.param('"a. b"@gmail.com', '"a. b"@gmail.com', id="nor is a quoted dot one to ignore"),
    ],
)
def test_loose_form(address: str, expected: str) -> None:
    assert loose(address) == expected


@pytest.mark.rule("D3-9", "E18", "E19")
def test_only_the_very_domain_counts() -> None:
    domains = frozenset({"example.com"})
    assert is_under("ann@example.com", domains)
    assert not is_under("ann@mail.example.com", domains)
    assert not is_under("ann@badexample.com", domains)
    assert domain_of('"a@b"@example.com') == "example.com"


@pytest.mark.rule("D5", "D13", "E18", "E19")
@pytest.mark.parametrize(
    ("address", "domains", "expected"),
    [
        pytest.param("a@googlemail.com", "gmail.com", True, id="Gmail's other name"),
        pytest.param("a@gmail.com", "googlemail.com", True, id="and the other way"),
        pytest.param("a@gmail.com", "gmail.com googlemail.com", True, id="both named"),
        pytest.param("a@gmail.com", "example.com", False, id="another domain"),
        pytest.param("a@gmail.com.example", "googlemail.com", False, id="not what merely begins so"),
        pytest.param("a@example.com", "gmail.com googlemail.com", False, id="not everybody"),
        pytest.param("a@gmail.com", "", False, id="nothing named"),
    ],
)
def test_gmails_two_names_are_one_domain(address: str, domains: str, expected: bool) -> None:
    assert is_under(address, frozenset(domains.split())) is expected


@pytest.mark.rule("D5", "E13", "E14")
@pytest.mark.parametrize(
    ("address", "known", "expected"),
    [
        pytest.param(ANN, ANN, True, id="the same"),
        pytest.param("ann+crm@example.com", ANN, True, id="with a tag"),
        pytest.param(ANN, "ann+crm@example.com", True, id="with a tag on the other side"),
        pytest.param("a.nn@gmail.com", "ann@googlemail.com", True, id="as Gmail sees it"),
        pytest.param("a.nn@example.com", ANN, False, id="not as others see it"),
        pytest.param("bob@example.com", ANN, False, id="somebody else"),
    ],
)
def test_own_addresses_are_compared_as_contacts_are(address: str, known: str, expected: bool) -> None:
    assert is_one_of(address, frozenset({known})) is expected


@pytest.mark.rule("D5", "E42", "E102")
@given(st.text(max_size=400))
def test_any_text_has_an_exact_form_or_none(text: str) -> None:
    assert_settled(canonical(text))


@pytest.mark.rule("D5")
@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_the_exact_form_is_final(local: str, domain: str) -> None:
    assert_settled(canonical(f"{local}@{domain}"))
    assert_settled(canonical(f'"{local}"@{domain}.example'))


@pytest.mark.rule("D5")
@given(st.from_regex(r"[a-z.+]{1,12}@(gmail\.com|googlemail\.com|example\.com)", fullmatch=True))
def test_the_loose_form_is_final_and_exact(address: str) -> None:
    key = loose(address)
    assert loose(key) == key
    assert canonical(key) == key


def assert_settled(address: str | None) -> None:
    if address is not None:
        assert canonical(address) == address
        assert address == address.strip()
        assert len(address) <= 320
        address.encode()
