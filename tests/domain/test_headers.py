"""Reply headers, and the small syntax that other rules stand on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.headers import decoded, first_word, parameter, rfc_message_ids

MEGABYTE = 1_000_000


@pytest.mark.rule("E101")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("<a@x.example>", ["a@x.example"], id="one id"),
        pytest.param("<a@x.example> <b@x.example>", ["a@x.example", "b@x.example"], id="separated by spaces"),
        pytest.param("<a@x.example>,<b@x.example>", ["a@x.example", "b@x.example"], id="by commas"),
        pytest.param("<a@x.example><b@x.example>", ["a@x.example", "b@x.example"], id="by nothing"),
        pytest.param("<a@x.example>\r\n\t<b@x.example>", ["a@x.example", "b@x.example"], id="folded"),
        pytest.param("<a-very-long-\r\n one@x.example>", ["a-very-long-one@x.example"], id="folded within"),
        pytest.param("a@x.example", ["a@x.example"], id="without brackets"),
        pytest.param("a@x.example, b@x.example", ["a@x.example", "b@x.example"], id="several without"),
        pytest.param("a@x.example\r\n b@x.example", ["a@x.example", "b@x.example"], id="folded without"),
        pytest.param("< a@x.example >", ["a@x.example"], id="with spaces inside"),
        pytest.param("(re (your) mail) <a@x.example> (Ann)", ["a@x.example"], id="with comments"),
        pytest.param("(<c@x.example>) <a@x.example>", ["a@x.example"], id="an id in a comment is none"),
        pytest.param('ann@example.com\'s "note" of Monday <a@x.example>', ["a@x.example"], id="in prose"),
        pytest.param("(Ann <a@x.example>", ["a@x.example"], id="a comment that never ends"),
        pytest.param("<a@x.example> <a@x.example>", ["a@x.example"], id="twice the same"),
        pytest.param('<"a b"@x.example>', [], id="a space in quotes, which no mailer makes"),
        pytest.param('<"a@b"@x.example>', ['"a@b"@x.example'], id="a quoted part"),
        pytest.param("<A@X.example>", ["A@X.example"], id="letter case is part of an id"),
    ],
)
def test_reply_headers_are_read_tolerantly(value: str, expected: list[str]) -> None:
    assert list(rfc_message_ids(value)) == expected


@pytest.mark.rule("E104")
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="missing"),
        pytest.param("   ", id="blank"),
        pytest.param("<>", id="empty"),
        pytest.param("< >", id="blank inside"),
        pytest.param("<abc>", id="no @"),
        pytest.param("abc", id="a word"),
        pytest.param("<@x.example>", id="nothing before the @"),
        pytest.param("<a@>", id="nothing behind it"),
        pytest.param("<a@b@x.example>", id="two @"),
        pytest.param("<a b@x.example>", id="a space within"),
        pytest.param(f"<{'a' * 1000}@x.example>", id="longer than a line may be"),
    ],
)
def test_a_malformed_id_joins_nothing(value: str) -> None:
    assert rfc_message_ids(value) == ()


@pytest.mark.rule("E102")
@pytest.mark.parametrize(
    "piece", ["(", "((a)", "<", "<>", "<a@b.c>", '"', '"\\', ",", "a@b ", "\r\n ", ";", ';"', "=?"]
)
def test_a_megabyte_of_anything_comes_to_an_end(piece: str) -> None:
    value = piece * (MEGABYTE // len(piece))
    assert len(rfc_message_ids(value)) <= 1
    assert parameter(value, "method") == ""
    assert decoded(value) == value
    assert first_word(value) in ("", "a")


@pytest.mark.rule("E42", "E102", "E104")
@given(st.text() | st.text(alphabet='<>@()", \r\na.'))
def test_any_text_gives_whole_ids(value: str) -> None:
    ids = rfc_message_ids(value)
    assert len(set(ids)) == len(ids)
    for one in ids:
        assert rfc_message_ids(f"<{one}>") == (one,)


@pytest.mark.rule("E42", "E102")
@given(
    st.text(),
    st.sampled_from("BQ"),
    st.sampled_from(["utf-8", "utf-7", "utf-16", "hz-gb-2312", "zlib", "nil"]),
)
def test_any_encoded_word_can_be_decoded(text: str, encoding: str, charset: str) -> None:
    assert isinstance(decoded(f"=?{charset}?{encoding}?{text}?="), str)


@pytest.mark.rule("E42")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Ann", "Ann", id="nothing to decode"),
        pytest.param("=?UTF-8?q?J=C3=B6rg?= Example", "Jörg Example", id="quoted printable"),
        pytest.param("=?utf-8?b?SsO2cmc?=", "Jörg", id="base64 without its padding"),
        pytest.param("=?utf-8?Q?J=C3?= =?utf-8?Q?rg?=", "J\ufffdrg", id="a character cut in two"),
        pytest.param("=?utf-8?B?A?=", "A", id="no base64 at all"),
        pytest.param("=?iso-8859-1?Q?J=F6rg?=", "Jörg", id="Latin"),
        pytest.param("=?idna?Q?Ann?=", "Ann", id="a codec that is no charset"),
    ],
)
def test_what_a_reader_sees(text: str, expected: str) -> None:
    assert decoded(text) == expected


@pytest.mark.rule("D16")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("text/calendar; method=REQUEST", "request", id="plain"),
        pytest.param('text/calendar; charset="utf-8"; METHOD="Reply"', "reply", id="quoted, in capitals"),
        pytest.param("text/calendar;\r\n\tmethod=REQUEST", "request", id="folded"),
        pytest.param("text/calendar; method = REQUEST", "request", id="with spaces"),
        pytest.param("text/calendar; method*=utf-8''REQUEST", "utf-8", id="extended: that it is there"),
        pytest.param('text/calendar; name="a; method=x.ics"', "", id="words in quotes are none"),
        pytest.param('text/calendar; name="a\\"; method=x.ics"', "", id="nor behind an escaped quote"),
        pytest.param("text/calendar; x-method=REQUEST", "", id="another name"),
        pytest.param("text/calendar; method=", "", id="empty"),
        pytest.param("text/calendar; method", "", id="no value"),
        pytest.param("text/calendar", "", id="none"),
    ],
)
def test_parameters(value: str, expected: str) -> None:
    assert parameter(value, "method") == expected


@pytest.mark.rule("D16")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("auto-replied", "auto-replied", id="plain"),
        pytest.param(" Auto-Replied; owner-email=ann@example.com", "auto-replied", id="with a parameter"),
        pytest.param("(by (the) server) no (really)", "no", id="with comments"),
        pytest.param("(never closed no", "never", id="with a broken comment"),
        pytest.param("", "", id="empty"),
    ],
)
def test_keywords(value: str, expected: str) -> None:
    assert first_word(value) == expected


@pytest.mark.rule("E102", "E104")
@pytest.mark.parametrize("odd", ["a\0b", "a\udc80b", "a\x1bb", "\U00020000" * 300])
def test_an_id_that_no_database_takes_is_none(odd: str) -> None:
    assert rfc_message_ids(f"<{odd}@example.com> <1@example.com>") == ("1@example.com",)
