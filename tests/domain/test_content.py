"""A mail as its reader sees it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.content import MAX_TEXT, MailContent, MailQuery, MimePart
from domain.mail.folders import Folder
from domain.mail.html_text import html_text

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECRET = "Grüße-canary"


def letter(body: MimePart, **headers: str) -> MailContent:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return MailContent(
        "1", "t", Folder.INBOX, NOW, "", MimePart(body.mime_type, named + body.headers, *_rest(body))
    )


def _rest(body: MimePart) -> tuple[str, int, bytes | None, str | None, tuple[MimePart, ...]]:
    return body.filename, body.size, body.content, body.attachment_id, body.parts


def text(content: str | bytes, kind: str = "plain", charset: str = "utf-8") -> MimePart:
    raw = content.encode(charset) if isinstance(content, str) else content
    return MimePart(f"text/{kind}", (("Content-Type", f"text/{kind}; charset={charset}"),), content=raw)


def multi(kind: str, *parts: MimePart) -> MimePart:
    return MimePart(f"multipart/{kind}", parts=parts)


FILE = MimePart("application/pdf", filename="a.pdf", attachment_id="x")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(text("Hello.\r\n"), "Hello.", id="plain"),
        pytest.param(text("<p>Hello.</p>", "html"), "Hello.", id="HTML alone"),
        pytest.param(
            multi("alternative", text("plain"), text("<b>rich</b>", "html")), "plain", id="plain comes first"
        ),
        pytest.param(
            multi("alternative", text(" \n"), text("<b>rich</b>", "html")), "rich", id="an empty plain one"
        ),
        pytest.param(
            multi("alternative", text("a", "html"), multi("related", text("b", "html"), FILE)),
            "b",
            id="the richest of several",
        ),
        pytest.param(multi("mixed", text("one"), FILE, text("two")), "one\n\ntwo", id="text around a file"),
        pytest.param(
            multi("mixed", MimePart("text/plain", filename="notes.txt", content=b"notes")),
            "",
            id="a file of text",
        ),
        pytest.param(
            MimePart("text/plain", attachment_id="x", size=1 << 20), "", id="too long to come along"
        ),
        pytest.param(
            multi("mixed", text("fwd"), MimePart("message/rfc822", parts=(text("inner"),))),
            "fwd",
            id="an attached mail is not read",
        ),
        pytest.param(multi("encrypted", MimePart("application/pgp-encrypted")), "", id="E41: encrypted"),
        pytest.param(MimePart("", content=b"no type"), "no type", id="no type at all"),
    ],
)
def test_what_a_mail_says(body: MimePart, expected: str) -> None:
    assert letter(body).text() == expected


@pytest.mark.rule("E42")
@pytest.mark.parametrize(
    ("content", "charset", "expected"),
    [
        pytest.param("Grüße".encode(), "utf-8", "Grüße", id="UTF-8"),
        pytest.param("Grüße".encode("latin-1"), "iso-8859-1", "Grüße", id="Latin 1"),
        pytest.param("Grüße".encode(), "iso-8859-1", "Grüße", id="UTF-8 under another name"),
        pytest.param("Привет".encode("koi8-r"), "koi8-r", "Привет", id="KOI8"),
        pytest.param("世界".encode("iso-2022-jp"), "iso-2022-jp", "世界", id="escape sequences"),
        pytest.param("Grüße".encode("latin-1"), "x-unknown", "Grüße", id="a name that nobody knows"),
        pytest.param(b"ab\xff", "utf-8", "ab\N{REPLACEMENT CHARACTER}", id="no UTF-8 after all"),
        pytest.param(b"caf\xe9", "rot13", "café", id="a codec of Python's own is no charset"),
    ],
)
def test_charsets(content: bytes, charset: str, expected: str) -> None:
    body = MimePart("text/plain", (("Content-Type", f'text/plain; charset="{charset}"'),), content=content)
    assert letter(body).text() == expected


@pytest.mark.rule("E42")
def test_headers_as_they_read() -> None:
    mail = letter(text(""), Subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n and more", From="Ann <a@example.com>")
    assert mail.header("subject") == "Grüße and more"
    assert mail.header("Cc") == ""
    assert mail.message(frozenset()).sender == "a@example.com"


def test_what_is_attached() -> None:
    attached = MimePart("message/rfc822", parts=(FILE,))
    mail = letter(multi("mixed", text("a"), multi("related", FILE), attached))
    assert mail.attachments() == (FILE, attached)


@pytest.mark.rule("I3")
def test_no_content_stands_in_a_repr() -> None:
    piece = MimePart("text/plain", (("Subject", SECRET),), SECRET, 1, SECRET.encode(), "x", (text(SECRET),))
    mail = MailContent("1", "t", Folder.INBOX, NOW, SECRET, piece)
    for value in (piece, mail, MailQuery(words=SECRET)):
        assert "canary" not in repr(value)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        pytest.param("a<br>b<p>c</p>d", "a\nb\nc\nd", id="blocks are lines"),
        pytest.param("<b>a</b> <i>b</i>\n c", "a b c", id="line ends are spaces"),
        pytest.param("a &lt; b &amp; c&nbsp;d", "a < b & c d", id="entities"),
        pytest.param("<td>a</td><td>b</td>", "a b", id="cells"),
        pytest.param("a<script>no</script><style>no</style><title>no</title>b", "ab", id="what nobody reads"),
        pytest.param("a<!-- <p>no</p> -->b", "ab", id="comments"),
        pytest.param("1 < 2 and 3 > 2", "1 < 2 and 3 > 2", id="no tags"),
        pytest.param("a<script>no", "a", id="a script without end"),
        pytest.param("a<p", "a", id="a tag without an end"),
        pytest.param("&#99999999999999999999;", "\N{REPLACEMENT CHARACTER}", id="a number of no letter"),
    ],
)
def test_html_as_text(html: str, expected: str) -> None:
    assert html_text(html) == expected


@pytest.mark.rule("E102")
@given(st.text(st.sampled_from("<>/!-&#;pbrscriptyle \n'\"=")))
def test_any_html_has_an_end_and_no_blank_line_after_another(html: str) -> None:
    assert "\n\n\n" not in html_text(html)


@pytest.mark.rule("E102")
@pytest.mark.parametrize(
    "piece", ["<!--", "<a ", "<a b='", "</", "<![", "<?", "<script>", "&#9", "<p>a", " "]
)
def test_half_a_megabyte_of_anything_is_read(piece: str) -> None:
    """HTMLParser takes hours for some of these; a test that takes long has failed."""
    html_text(piece * (500_000 // len(piece)))


@pytest.mark.rule("E102")
def test_forms_within_forms_are_read_once() -> None:
    body = text("<p>a" * 100_000, "html")
    for _ in range(10):
        body = multi("alternative", text("", "html"), body)
    assert letter(body).text().count("a") == 100_000


@pytest.mark.rule("E102")
def test_a_text_without_end_is_cut() -> None:
    body = multi("mixed", *[text("x" * 400_000) for _ in range(50)])
    assert len(letter(body).text()) < 2 * MAX_TEXT
