"""Mails out of an mbox byte for byte, whatever stands in it."""

import tracemalloc
from pathlib import Path

import pytest

from workers.demo.mbox import NoMbox, find_separator, read_mbox

FROM = b"From ann@example.com Sun Mar 15 12:00:00 2026\n"
ONE, TWO = b"Subject: 1\n\nOne.\n", b"Subject: 2\n\nTwo.\n"


def read(path: Path, content: bytes) -> list[bytes]:
    """The mails of a file with this content."""
    file = path / "mail.mbox"
    file.write_bytes(content)
    mails = list(read_mbox(file, find_separator(file)))
    assert [mail.n for mail in mails] == list(range(1, len(mails) + 1))
    return [mail.raw for mail in mails]


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
