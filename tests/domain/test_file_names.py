"""A stranger's file names in our user's folder."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.mail.file_names import MAX_FILE_NAME, safe_name
from tests.domain.test_safe_text import HOSTILE


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("invoice.pdf", "invoice.pdf", id="a plain one"),
        pytest.param("../../etc/passwd", "_._etc_passwd", id="a way up"),
        pytest.param("/etc/passwd", "_etc_passwd", id="from the root"),
        pytest.param("C:\\windows\\x.exe", "C__windows_x.exe", id="a way down elsewhere"),
        pytest.param(".bashrc", "bashrc", id="hidden"),
        pytest.param("-rf", "rf", id="an option"),
        pytest.param("-.bashrc", "bashrc", id="hidden behind an option"),
        pytest.param("..", "attachment-3", id="the folder above"),
        pytest.param("", "attachment-3", id="none"),
        pytest.param("con.txt", "attachment-3", id="a device"),
        pytest.param("--Con .txt", "attachment-3", id="a device in disguise"),
        pytest.param("COM¹.txt", "attachment-3", id="a device with a small number"),
        pytest.param("annual\u202efdp.exe", "annualfdp.exe", id="turned round"),
        pytest.param("a\x00b\n.txt", "a_b.txt", id="control characters"),
        pytest.param("Übersicht 世界.pdf", "Übersicht 世界.pdf", id="not only English"),
        pytest.param("ü" * 300 + ".pdf", "ü" * 58 + ".pdf", id="longer than a file system takes"),
        pytest.param("a." + "x" * 300, "a." + "x" * 20, id="an ending without end"),
        pytest.param("a" * 118 + " .  bc", "a" * 115 + ".  bc", id="cut before its ending"),
    ],
)
def test_a_file_name(name: str, expected: str) -> None:
    assert safe_name(name, 3) == expected


@pytest.mark.rule("H46")
@pytest.mark.parametrize(
    ("name", "mime_type", "expected"),
    [
        pytest.param("", "application/ms-tnef", "winmail.dat", id="H46: Outlook's own form"),
        pytest.param("winmail.dat", "application/ms-tnef", "winmail.dat", id="H46: with its name"),
        pytest.param("", "message/rfc822", "mail.eml", id="an attached mail"),
        pytest.param("\0", "TEXT/HTML", "text.html", id="a text too long to come along"),
        pytest.param("a.txt", "text/html", "a.txt", id="a name says more than the type"),
    ],
)
def test_a_file_without_a_name_is_called_by_its_type(name: str, mime_type: str, expected: str) -> None:
    assert safe_name(name, 1, mime_type) == expected


@given(HOSTILE)
@example("a" * 119 + " b")
@example("--con")
@example("-.x")
def test_no_file_name_leads_anywhere(name: str) -> None:
    safe = safe_name(name, 1)
    assert safe == os.path.basename(safe)
    assert safe not in ("", ".", "..")
    assert not safe.startswith((".", "-", " "))
    assert not safe.endswith((".", " "))
    assert len(safe.encode()) <= MAX_FILE_NAME
    assert safe_name(safe, 1) == safe


@pytest.mark.rule("E102")
def test_a_name_of_megabytes_is_a_name() -> None:
    assert safe_name("../ab" * 1_000_000, 1).startswith("_ab")


@given(st.text(min_size=1, max_size=30), st.sampled_from([".pdf", ".tar.gz", ".docx"]))
def test_the_ending_stays(stem: str, ending: str) -> None:
    assert safe_name(stem + ending, 1).endswith((ending, "attachment-1"))
