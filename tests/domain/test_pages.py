"""Where a page ended, as a text that its caller brings back."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.pages import MAX_TOKEN, PageCursor, read_cursor

IDS = st.tuples(st.integers(1, 1 << 40), st.text("0123456789abcdef", min_size=1, max_size=20))


def token(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(st.builds(PageCursor, st.integers(0, (1 << 40) - 1), st.frozensets(IDS, max_size=20)))
def test_a_cursor_survives_its_token(cursor: PageCursor) -> None:
    assert read_cursor(cursor.token()) == cursor
    assert cursor.token().replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("garbage!", id="no base64"),
        pytest.param("ÄÖÜ", id="no ASCII"),
        pytest.param(token("x"), id="no list"),
        pytest.param(token([]), id="no second"),
        pytest.param(token(["1"]), id="a text for a second"),
        pytest.param(token([True]), id="a truth for a second"),
        pytest.param(token([-1]), id="before the epoch"),
        pytest.param(token([1 << 41]), id="after all time"),
        pytest.param(token([1, 2]), id="no row"),
        pytest.param(token([1, ["x", "a"]]), id="no mailbox"),
        pytest.param(token([1, [1, 2]]), id="no id"),
        pytest.param(token([1, [1, "x" * 200]]), id="a long id"),
        pytest.param(base64.b64encode(b"[" * 50_000).decode(), id="too deep"),
        pytest.param("A" * (MAX_TOKEN + 1), id="too long"),
    ],
)
def test_what_no_page_has_given_out_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        read_cursor(text)


@given(st.text())
def test_any_text_is_a_cursor_or_a_value_error(text: str) -> None:
    try:
        read_cursor(text)
    except ValueError:
        return
