"""What the rows of a kept mail hold."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.content import MailContent, MimePart
from domain.mail.copied import (
    MAX_FILES,
    MAX_PARTICIPANTS,
    MAX_PERSON,
    NOT_AVAILABLE,
    PREVIEW,
    CopiedMail,
    FileState,
    Participant,
    Role,
    copied,
    files,
    is_unreadable,
    storable,
)
from domain.mail.folders import Folder
from domain.mail.subjects import MAX_SUBJECT

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
UWE = "uwe@firm.example"
MB = 1_048_576
FROM_ANN = ("From", "Ann Smith <Ann@Example.com>")


def text(content: str, kind: str = "plain") -> MimePart:
    return MimePart(f"text/{kind}", content=content.encode())


def multi(kind: str, *parts: MimePart) -> MimePart:
    return MimePart(f"multipart/{kind}", parts=parts)


def file(mime_type: str, name: str = "", size: int = 1, content_id: str = "") -> MimePart:
    headers = (("Content-ID", content_id),) if content_id else ()
    return MimePart(mime_type, headers, name, size, attachment_id="x")


HELLO = text("Hello.")


def kept(*headers: tuple[str, str], body: MimePart = HELLO, is_own: bool = False) -> CopiedMail:
    whole = replace(body, headers=headers + body.headers)
    content = MailContent("1", "t", Folder.INBOX, NOW, "", whole)
    return copied(content, content.message(frozenset({UWE})), is_own=is_own)


def test_what_is_told_of_a_mail() -> None:
    mail = kept(
        FROM_ANN,
        ("To", "Uwe <uwe@firm.example>, Max <max@example.org>"),
        ("Cc", "cy@example.net (Cy Young)"),
        ("Subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from Ann"),
        ("Date", "Sun, 22 Nov 2026 10:00:00 +0200"),
        body=text("  Hello,\n\nsee you. "),
    )
    assert mail == CopiedMail(
        author_name="Ann Smith",
        subject="Grüße from Ann",
        preview="Hello, see you.",
        sent_at=datetime(2026, 11, 22, 8, tzinfo=UTC),
        participants=(
            Participant(Role.FROM, 0, "ann@example.com", "Ann Smith"),
            Participant(Role.TO, 0, UWE, "Uwe"),
            Participant(Role.TO, 1, "max@example.org", "Max"),
            Participant(Role.CC, 0, "cy@example.net", "Cy Young"),
        ),
        files=(),
    )


@pytest.mark.parametrize(
    ("said", "preview"),
    [
        pytest.param("Yes.\n\n> Hello,\n> when?", "Yes.", id="the new text alone"),
        pytest.param("> Hello", "> Hello", id="a quote where there is nothing else"),
        pytest.param("x" * 1_000, "x" * PREVIEW, id="no longer than it may be"),
    ],
)
def test_how_it_begins(said: str, preview: str) -> None:
    assert kept(FROM_ANN, body=text(said)).preview == preview


@pytest.mark.rule("D2")
def test_bcc_is_told_by_the_authors_own_copy_alone() -> None:
    headers = (FROM_ANN, ("To", UWE), ("Bcc", "boss@example.com"))
    assert [one.role for one in kept(*headers).participants] == [Role.FROM, Role.TO]
    assert [one.role for one in kept(*headers, is_own=True).participants] == [Role.FROM, Role.TO, Role.BCC]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        pytest.param((FROM_ANN,), "Ann Smith", id="beside the address"),
        pytest.param((("From", "ann@example.com"),), "", id="none"),
        pytest.param((("From", "ann@example.com <ann@example.com>"),), "", id="the address again"),
        pytest.param(
            (("From", "Ann <a@example.com>, Bob <b@example.com>"),),
            "Ann <a@example.com>, Bob <b@example.com>",
            id="E105: two authors are none",
        ),
        pytest.param((("From", "=?utf-8?q?M=C3=BCller?="),), "Müller", id="E105: no address at all"),
        pytest.param((), "", id="no From"),
        pytest.param(
            (
                ("From", "'Ann' via Sales <sales@lists.example>"),
                ("List-Post", "<mailto:sales@lists.example>"),
                ("Reply-To", "Ann Smith <ann@example.com>"),
            ),
            "Ann Smith",
            id="E100: behind a list",
        ),
    ],
)
def test_the_authors_name(headers: tuple[tuple[str, str], ...], name: str) -> None:
    assert kept(*headers).author_name == name


@pytest.mark.rule("E42")
@pytest.mark.parametrize(
    ("date", "expected"),
    [
        pytest.param("Sun, 22 Nov 2026 10:00:00 +0200", datetime(2026, 11, 22, 8, tzinfo=UTC), id="usual"),
        pytest.param("22 Nov 2026 10:00 GMT", datetime(2026, 11, 22, 10, tzinfo=UTC), id="short"),
        pytest.param(
            "Sun, 22 Nov 2026 10:00:00 -0000", datetime(2026, 11, 22, 10, tzinfo=UTC), id="no zone known"
        ),
        pytest.param(
            "Sun, 22 Nov 2026 10:00:00 +0200 (CET (x))",
            datetime(2026, 11, 22, 8, tzinfo=UTC),
            id="a comment",
        ),
        pytest.param("", None, id="empty"),
        pytest.param("yesterday", None, id="words"),
        pytest.param("Sun, 32 Nov 2026 10:00:00 +0200", None, id="no such day"),
        pytest.param("Thu, 1 Jan 1970 00:00:00 +0000", None, id="before there was mail"),
        pytest.param("Thu, 1 Jan 9999 00:00:00 +0000", None, id="absurd"),
        pytest.param("Sun, 22 Nov 26 10:00:00 +0200", datetime(2026, 11, 22, 8, tzinfo=UTC), id="two digits"),
        pytest.param("Sun, 22 Nov 2026 10:00:00 +999999999999", None, id="a zone that is none"),
        pytest.param("9" * 1_000_000, None, id="digits without end"),
        pytest.param("(" * 1_000_000, None, id="comments without end"),
    ],
)
def test_when_it_was_sent(date: str, expected: datetime | None) -> None:
    assert kept(FROM_ANN, ("Date", date)).sent_at == expected


@pytest.mark.rule("E41")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            multi(
                "encrypted",
                MimePart("application/pgp-encrypted", content=b"Version: 1"),
                file("application/octet-stream", "encrypted.asc"),
            ),
            True,
            id="PGP",
        ),
        pytest.param(file("application/pkcs7-mime", "smime.p7m"), True, id="S/MIME"),
        pytest.param(file("application/x-pkcs7-mime", "smime.p7m"), True, id="S/MIME's older type"),
        pytest.param(
            multi("signed", text("Hello."), file("application/pkcs7-signature", "smime.p7s")),
            False,
            id="signed alone",
        ),
        pytest.param(file("text/plain", size=MB), True, id="a text too long to come along"),
        pytest.param(
            multi("mixed", text("see below"), file("application/pkcs7-mime", "smime.p7m")),
            False,
            id="words beside it",
        ),
        pytest.param(
            multi(
                "mixed", file("application/pkcs7-mime"), MimePart("message/rfc822", parts=(text("inner"),))
            ),
            True,
            id="words in an attached mail",
        ),
        pytest.param(text(""), False, id="an empty mail"),
        pytest.param(file("application/pdf", "a.pdf"), False, id="a file and nothing else"),
        pytest.param(MimePart(""), False, id="nothing at all"),
    ],
)
def test_E41_what_cannot_be_read_is_said_so(body: MimePart, expected: bool) -> None:  # noqa: N802
    assert is_unreadable(body) is expected
    assert (kept(FROM_ANN, body=body).preview == NOT_AVAILABLE) is expected


LOGO = file("image/x-unknown", "logo", 100, "<logo@x>")
HTML = text("<p>Hi</p><img src=\"cid:logo@x\"><img src='CID:photo%201@x'>", "html")


@pytest.mark.rule("H46")
def test_H46_images_that_the_html_names_are_inline() -> None:  # noqa: N802
    body = multi(
        "mixed",
        multi("related", HTML, LOGO, file("image/png", "photo.png", 5, "<photo 1@x>")),
        file("image/png", "other.png", 7, "<other@x>"),
        file("application/pdf", "plan.pdf", 9, "<logo@x>"),
    )
    assert [(one.place, one.name, one.inline) for one in files(body)] == [
        ("1.2", "logo", True),
        ("1.3", "photo.png", True),
        ("2", "other.png", False),
        ("3", "plan.pdf", False),
    ]


@pytest.mark.rule("H46", "D14")
def test_H46_inline_images_count_for_the_limit() -> None:  # noqa: N802
    image = replace(LOGO, size=20 * MB)
    body = multi("mixed", multi("related", HTML, image), file("application/pdf", "a.pdf", 6 * MB))
    assert [(one.inline, one.state) for one in files(body)] == [
        (True, FileState.WAITING),
        (False, FileState.TOO_LARGE),
    ]


@pytest.mark.rule("H46")
def test_H46_outlooks_own_form_is_listed_as_that_file() -> None:  # noqa: N802
    assert [one.name for one in files(multi("mixed", file("application/ms-tnef")))] == ["winmail.dat"]


@pytest.mark.rule("D14")
def test_D14_4g_what_does_not_fit_is_listed_with_name_and_size() -> None:  # noqa: N802
    body = multi("mixed", text("see"), file("video/mp4", "long.mp4", 26 * MB), file("image/png", "a.png", 3))
    assert [(one.name, one.size, one.state) for one in files(body)] == [
        ("long.mp4", 26 * MB, FileState.TOO_LARGE),
        ("a.png", 3, FileState.WAITING),
    ]


def test_an_attached_mail_without_an_id_is_within_the_copy_and_its_files_are_files() -> None:
    inner = multi("mixed", text("inner"), file("application/pdf", "a.pdf"))
    body = multi("mixed", text("see"), MimePart("message/rfc822", parts=(inner,)))
    assert [(one.place, one.name, one.state) for one in files(body)] == [
        ("2", "mail.eml", FileState.WITHIN),
        ("2.1.2", "a.pdf", FileState.WAITING),
    ]


@pytest.mark.rule("E102")
def test_what_a_mail_claims_of_its_files_is_safe() -> None:
    bad = MimePart("image/\0png", (("Content-ID", "<a\0b\ud800>"),), "../\0x\ud800.png", -5, b"four", None)
    (one,) = files(multi("mixed", bad))
    assert (one.name, one.claimed_type, one.size, one.content_id) == ("__x_.png", "image/ png", 4, "a b")
    (huge,) = files(multi("mixed", file("image/png", "a" * 10**6, 10**40)))
    assert huge.size == 2**53
    assert len(huge.name) <= 120


@pytest.mark.rule("E43")
def test_E43_a_mail_to_a_million_is_told_with_as_many_as_a_mail_may_have() -> None:  # noqa: N802
    mail = kept(FROM_ANN, ("To", ", ".join(f"p{number}@example.com" for number in range(1_000_000))))
    assert len(mail.participants) == MAX_PARTICIPANTS
    assert mail.participants[-1] == Participant(
        Role.TO, MAX_PARTICIPANTS - 2, f"p{MAX_PARTICIPANTS - 2}@example.com"
    )


@pytest.mark.rule("E102")
def test_files_without_number_are_listed_up_to_a_limit() -> None:
    assert len(files(multi("mixed", *[file("image/png")] * 100_000))) == MAX_FILES


@pytest.mark.rule("E102")
def test_parts_a_thousand_deep_are_told() -> None:
    body = multi("mixed", text("above"), file("image/png", "a.png"))
    for _ in range(1_000):
        body = multi("mixed", text("one"), body)
    content = MailContent("1", "t", Folder.INBOX, NOW, "", body)
    shallow = MailContent("1", "t", Folder.INBOX, NOW, "", text(""))
    mail = copied(content, shallow.message(frozenset()), is_own=False)
    assert mail.preview.startswith("one one one")
    assert len(content.text().split()) <= 101
    assert not content.attachments()
    assert not mail.files


WILD = st.text(st.one_of(st.characters(), st.sampled_from('\0\r\n\t\x1b\x85\u2028\ud800\udfff<>@",;:()= ?')))


@pytest.mark.rule("E102")
@given(WILD, WILD, WILD, WILD)
def test_E102_whatever_it_holds_a_database_takes_it(who: str, about: str, date: str, said: str) -> None:  # noqa: N802
    body = MimePart("multipart/mixed", parts=(text(said.encode("utf-8", "replace").decode()),))
    body = replace(body, parts=(*body.parts, MimePart(said, (("Content-ID", who),), about, 1, None, "x")))
    mail = kept(
        ("From", who), ("To", who + ", Ann <ann@example.com>"), ("Subject", about), ("Date", date), body=body
    )
    texts = [mail.author_name, mail.subject, mail.preview]
    texts += [word for one in mail.participants for word in (one.address, one.name)]
    texts += [word for one in mail.files for word in (one.name, one.claimed_type, one.content_id or "")]
    for word in texts:
        word.encode()
        assert word.isprintable() or not any(char < " " or char == "\x7f" for char in word)
    assert len(mail.subject) <= MAX_SUBJECT
    assert len(mail.preview) <= PREVIEW
    assert all(len(one.name) <= MAX_PERSON for one in mail.participants)


@given(WILD, st.integers(1, 20))
def test_a_storable_line_stays_as_it_is(said: str, longest: int) -> None:
    once = storable(said, longest)
    assert len(once) <= longest
    assert storable(once, longest) == once


@pytest.mark.rule("I3")
def test_nothing_of_a_mail_stands_in_a_repr() -> None:
    mail = kept(
        ("From", "Canary <canary@example.com>"),
        ("Subject", "canary"),
        body=multi("mixed", text("canary"), file("image/png", "canary.png", 1, "<canary>")),
    )
    assert "canary" not in repr(mail).lower()
