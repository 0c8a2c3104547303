"""A stranger's text on our user's terminal."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.mail.safe_text import safe_line, safe_text

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
