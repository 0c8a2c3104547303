"""Mails out of an mbox byte for byte, whatever stands in it."""

import tracemalloc
from pathlib import Path

import pytest

from workers.demo.mbox import Lines, Mail, NoMbox, find_separator, read_mbox

FROM = b"From ann@example.com Sun Mar 15 12:00:00 2026\n"
ONE, TWO = b"Subject: 1\n\nOne.\n", b"Subject: 2\n\nTwo.\n"


def mails_of(path: Path, content: bytes) -> list[Mail]:
    """The mails of a file with this content."""
    file = path / "mail.mbox"
    file.write_bytes(content)
    mails = list(read_mbox(file, find_separator(file)))
    assert [mail.n for mail in mails] == list(range(1, len(mails) + 1))
    return mails


def read(path: Path, content: bytes) -> list[bytes]:
    """The same, byte for byte."""
    return [mail.raw for mail in mails_of(path, content)]


def said(path: Path, content: bytes) -> tuple[int, list[int], list[int]]:
    """How many mails there are, and the lines that are said to be part of one, and to be doubtful."""
    mails = mails_of(path, content)
    inside, doubtful = (sum((getattr(mail, of) for mail in mails), Lines()) for of in ("inside", "doubtful"))
    assert (inside.times, doubtful.times) == (len(inside.first), len(doubtful.first))
    return len(mails), list(inside.first), list(doubtful.first)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(FROM + ONE + b"\n" + FROM + TWO + b"\n", [ONE, TWO], id="as most programs write it"),
        pytest.param(FROM + ONE + b"\n" + FROM + TWO, [ONE, TWO], id="without an empty line at the end"),
        pytest.param(
            FROM + ONE + b"\n" + FROM + TWO[:-1], [ONE, TWO[:-1]], id="without a newline at the end"
        ),
        pytest.param(
            FROM + ONE + b"\n\n\n" + FROM + TWO, [ONE + b"\n\n", TWO], id="empty lines belong to the mail"
        ),
        pytest.param(FROM + b"\n" + FROM + TWO, [b"", TWO], id="an empty mail"),
        pytest.param(FROM, [b""], id="a From_ line and no more"),
        pytest.param(b"\n\n" + FROM + ONE, [ONE], id="empty lines first"),
        pytest.param(b"\xef\xbb\xbf" + FROM + ONE, [ONE], id="a byte order mark first"),
        pytest.param(b"This is mail.\n\n" + FROM + ONE, [ONE], id="a preamble is no mail"),
    ],
)
def test_mails_are_what_stands_between_the_from_lines(
    tmp_path: Path, content: bytes, expected: list[bytes]
) -> None:
    assert read(tmp_path, content) == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b">From here on\n\n>>From there\n", id="quoting stays as it is"),
        pytest.param(b"x\nFrom ann@example.com Sun Mar 15 12:00:00 2026\n", id="no empty line before it"),
        pytest.param(b"\nFrom now on at 12:30 we meet\n", id="a sentence with a time"),
        pytest.param(b"\nFrom Sunday on\n", id="a sentence"),
        pytest.param(b" \nFrom ann@example.com Sun Mar 15 12:00:00 2026\n", id="a blank is no empty line"),
        pytest.param(bytes(range(256)) * 300, id="binary garbage"),
        pytest.param(b"x" * 300_000 + b"\n\nFrom\n", id="a very long line"),
        pytest.param(b"a\rb\r\n\rFrom c\n", id="stray carriage returns"),
    ],
)
def test_what_only_looks_like_a_from_line_stays_in_the_mail(tmp_path: Path, body: bytes) -> None:
    mail = b"Subject: x\n\n" + body + b".\n"
    assert read(tmp_path, FROM + mail + b"\n" + FROM + TWO) == [mail, TWO]


PATCH = (
    b"From "
    + b"0123456789" * 4
    + b" Mon Sep 17 00:00:00 2001\nFrom: Dev <dev@example.org>\nSubject: [PATCH]\n\n---\n"
)


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(b"From \n", id="nothing behind From"),
        pytest.param(b"\nFrom \n", id="nothing behind From, an empty line before it"),
        pytest.param(b"From - Sun Mar 15 12:00:00 2026\n", id="no empty line"),
        pytest.param(b" \n" + FROM, id="a line of blanks"),
        pytest.param(b" \t\r\n" + FROM, id="a line of white space"),
        pytest.param(b"\nFrom 1234@xxx Sun Mar 15 12:00:00 +0000 2026\r\nX-GM-THRID: 1\r\n", id="Takeout's"),
        pytest.param("\nFrom ann@example.com So M\u00e4rz 15 12:00:00 2026\n".encode(), id="German"),
        pytest.param(b"\nFrom ann@example.com dim. 15 mars 12:00:00 2026\n", id="French, day before month"),
        pytest.param("\nFrom ann@example.com \u65e5 3\u6708 15 12:00:00 2026\n".encode(), id="Japanese"),
    ],
)
def test_a_mail_begins_where_its_header_does(tmp_path: Path, between: bytes) -> None:
    mails = mails_of(tmp_path, FROM + ONE + between + b"Received: by mx.example\n" + TWO + b"\n" + FROM + ONE)
    assert [mail.raw.partition(b"\n\n")[2].strip() for mail in mails] == [b"One.", b"Two.", b"One."]
    assert [mail.doubtful.times for mail in mails] == [0, 0, 0]


@pytest.mark.parametrize("first", [FROM, b"From \n", b"From ann\n"])
def test_a_patch_in_a_mail_is_text_and_said(tmp_path: Path, first: bytes) -> None:
    mails = [first + b"From: a@example.com\n" + ONE + b"\n" for _ in range(3)]
    mails[1] += PATCH + b"\n"
    assert said(tmp_path, b"".join(mails)) == (3, [13], [])


def test_a_file_of_patches_is_mail(tmp_path: Path) -> None:
    assert said(tmp_path, PATCH + b"-- \n2.43\n\n" + PATCH + b"-- \n2.43\n\n") == (2, [], [])


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("gap", [b"", b"\n"], ids=["at once", "after an empty line"])
def test_content_length_says_where_a_mail_ends(tmp_path: Path, end: bytes, gap: bytes) -> None:
    body = (b"Hi\n\n" + FROM + b"Subject: 1\nMessage-ID: <1@x>\n\nHow are you?\n").replace(b"\n", end)
    mail = FROM + b"Subject: 0\nContent-Length: %d\n\n" % len(body)
    content = mail.replace(b"\n", end) + body + (gap + FROM + TWO).replace(b"\n", end)
    assert said(tmp_path, content) == (2, [7], [])


@pytest.mark.parametrize("length", [b"3", b"0", b"999999999999", b"-1", b"x", b"7 "])
def test_a_content_length_that_leads_nowhere_is_none(tmp_path: Path, length: bytes) -> None:
    one = b"Content-Length: " + length + b"\n" + ONE
    assert read(tmp_path, FROM + one + b"\n" + FROM + TWO) == [one, TWO]


@pytest.mark.parametrize(
    ("content", "mails", "doubtful"),
    [
        pytest.param(FROM + ONE + b"\nFrom bob\nFrom: Bob\n" + TWO, 1, [6], id="a sender without a date"),
        pytest.param(
            FROM + ONE + b"\nFrom bob\nHi: Bob\n\nx", 1, [], id="what mail has no field for is text"
        ),
        pytest.param(
            b"From ann\n" + ONE + b"From bob\nFrom: Bob\n" + TWO, 1, [5], id="and without an empty line"
        ),
        pytest.param(b"From \n" + ONE + b"\nFrom \n\nFrom \n" + TWO, 2, [6], id="a mail without a header"),
        pytest.param(
            b"From: Bob\n" + ONE + b"\n" + FROM + TWO, 1, [1], id="the first From_ line was cut off"
        ),
    ],
)
def test_where_it_cannot_be_known_the_line_is_named(
    tmp_path: Path, content: bytes, mails: int, doubtful: list[int]
) -> None:
    assert said(tmp_path, content) == (mails, [], doubtful)


def test_of_many_lines_the_first_are_named(tmp_path: Path) -> None:
    one = mails_of(tmp_path, FROM + ONE + b"\nFrom bob\nFrom: Bob\nSubject: 1\n" * 100)[0].doubtful
    assert (one.times, one.first) == (100, tuple(range(6, 86, 4)))


def test_crlf_stays_and_is_understood(tmp_path: Path) -> None:
    crlf = [part.replace(b"\n", b"\r\n") for part in (FROM + ONE + b"\n" + FROM + TWO + b"\n", ONE, TWO)]
    assert read(tmp_path, crlf[0]) == crlf[1:]


@pytest.mark.parametrize(
    "line",
    [
        b"From ann@example.com Sun Mar 15 12:00:00 2026",
        b"From 1234567890123@xxx Sun Mar 15 12:00:00 +0000 2026",
        b"From ann at example.com  Sun Mar  1 12:00:00 2026",
        b"From - Sun Mar 15 12:00:00 2026",
        b"From MAILER-DAEMON Sun Mar 15 12:00 2026",
        b'From "Ann B"@example.com Sun, 15 Mar 2026 12:00:00 +0100',
        b"From ann@example.com 2026-03-15T12:00:00Z",
        b"From  Sun Mar 15 12:00:00 2026",
    ],
)
def test_senders_and_dates_as_programs_write_them(tmp_path: Path, line: bytes) -> None:
    assert read(tmp_path, line + b"\n" + ONE + b"\nFrom here\n\n" + line + b"\n" + TWO) == [
        ONE + b"\nFrom here\n",
        TWO,
    ]


def test_any_from_line_counts_where_no_better_one_is(tmp_path: Path) -> None:
    assert read(tmp_path, b"From ann\n" + ONE + b"\nFrom bob\n" + TWO) == [ONE, TWO]


@pytest.mark.parametrize(
    "content", [b"", b"\n", ONE, bytes(range(256)) * 100], ids=["empty", "blank", "a bare mail", "garbage"]
)
def test_a_file_without_from_lines_is_no_mbox(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NoMbox):
        read(tmp_path, content)


@pytest.mark.rule("E102")
def test_a_mail_larger_than_gmail_takes_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "mail.mbox"
    file.write_bytes(FROM + b"x" * 5_000_000 + b"\n\n" + FROM + TWO)
    tracemalloc.start()
    try:
        found = list(read_mbox(file, find_separator(file), longest=1_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [(mail.raw, mail.cut) for mail in found] == [(b"x" * 1_000, True), (TWO, False)]
    assert peak < 1_000_000


def test_a_file_is_read_one_mail_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "mail.mbox"
    file.write_bytes((FROM + ONE + b"x" * 5_000 + b"\nFrom bob\nFrom: Bob\nSubject: 1\n\n") * 1_000)
    tracemalloc.start()
    try:
        mails = sum(1 for _ in read_mbox(file, find_separator(file)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert mails == 1_000
    assert peak < 1_000_000
