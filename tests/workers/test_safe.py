"""A stranger's text on our user's terminal, and his file names in our user's folder."""

import os
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from workers.cli.terminal.safe import fitted, safe_line, safe_name, safe_text, save

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\x00\x07\x08\x0b\x1b\x7f\x85\x9b\x9d\u2028\u2029\u202e\u2066\u200b\ufeff\u3164\ud800"
        ),
    )
)
HARMLESS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b[31mred\x1b[0m", "�[31mred�[0m", id="a colour"),
        pytest.param("\x1b]0;title\x07", "�]0;title�", id="the window's title"),
        pytest.param("\x9b2J", "�2J", id="an 8-bit control sequence"),
        pytest.param("a\x7fb", "a�b", id="delete"),
        pytest.param("pay\u202efdp.exe", "payfdp.exe", id="right to left"),
        pytest.param("\u2066abc\u2069", "abc", id="an isolate"),
        pytest.param("exa\u200bmple\ufeff.com", "example.com", id="no width"),
        pytest.param("a\u2028b\r\nc\vd", "a b c d", id="the ends of lines"),
        pytest.param("Z" + "\u0335" * 50, "Z" + "\u0335" * 3, id="a heap of marks"),
        pytest.param("[bold]:smile:[/bold]", "[bold]:smile:[/bold]", id="rich's own markup stays as it is"),
        pytest.param("\ud800", "�", id="half a letter"),
        pytest.param("Grüße, 世界 👍", "Grüße, 世界 👍", id="all that is harmless"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert safe_line(text) == shown


@given(HOSTILE)
@example("\x1b[2J\u202e\u2067")
def test_nothing_that_rules_the_terminal_gets_there(text: str) -> None:
    for line in (safe_line(text), *safe_text(text).split("\n")):
        for char in line:
            category = unicodedata.category(char)
            assert category in HARMLESS or category[0] in "PS", hex(ord(char))
            assert unicodedata.bidirectional(char) not in {
                "LRE",
                "RLE",
                "LRO",
                "RLO",
                "PDF",
                "LRI",
                "RLI",
                "FSI",
            }
        assert "\n" not in line


@given(HOSTILE)
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    once = safe_text(text)
    assert safe_text(once) == once
    assert safe_line(safe_line(text)) == safe_line(text)


@given(HOSTILE, st.integers(1, 40))
@example("世" * 50, 7)
@example("👍" * 50, 8)
def test_a_cell_of_a_table_is_as_wide_as_its_column(text: str, width: int) -> None:
    assert cell_len(fitted(text, width)) == width


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("invoice.pdf", "invoice.pdf", id="a plain one"),
        pytest.param("../../etc/passwd", "_.._etc_passwd", id="a way up"),
        pytest.param("/etc/passwd", "_etc_passwd", id="from the root"),
        pytest.param("C:\\windows\\x.exe", "C__windows_x.exe", id="a way down elsewhere"),
        pytest.param(".bashrc", "bashrc", id="hidden"),
        pytest.param("-rf", "rf", id="an option"),
        pytest.param("..", "attachment-3", id="the folder above"),
        pytest.param("", "attachment-3", id="none"),
        pytest.param("con.txt", "attachment-3", id="a device"),
        pytest.param("annual\u202efdp.exe", "annualfdp.exe", id="turned round"),
        pytest.param("a\x00b\n.txt", "a_b .txt", id="control characters"),
        pytest.param("Übersicht 世界.pdf", "Übersicht 世界.pdf", id="not only English"),
    ],
)
def test_a_file_name(name: str, expected: str) -> None:
    assert safe_name(name, 3) == expected


@given(HOSTILE)
def test_no_file_name_leads_anywhere(name: str) -> None:
    safe = safe_name(name, 1)
    assert safe == os.path.basename(safe)
    assert safe not in ("", ".", "..")
    assert not safe.startswith((".", "-"))
    assert len(safe.encode()) <= 150


def test_a_file_is_its_owners_and_takes_the_place_of_no_other(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"mine")
    (tmp_path / "x.tar.gz").symlink_to(tmp_path / "secret")
    first = save(tmp_path, "x.tar.gz", b"one")
    second = save(tmp_path, "x.tar.gz", b"two")
    assert [first.name, second.name] == ["x-2.tar.gz", "x-3.tar.gz"]
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    assert (tmp_path / "secret").read_bytes() == b"mine"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
