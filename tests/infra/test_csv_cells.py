"""Records of a CSV text: whoever wrote it, and whatever stands in its cells, no text becomes a record (E107)."""

import csv
import io
import re
import tracemalloc
from collections.abc import Sequence
from itertools import chain
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.crm.cells import BACKSLASH, DOUBLED, LONGEST_CELL, LONGEST_LINE, Cells, Lines, Misquoted

pytestmark = pytest.mark.rule("E107")

Rows = list[list[str]]
WIDTH = 3
LINE_OF_RECORD = "c17,contact,Ann\n"


def read(text: str, escape: str | None = None, delimiter: str = ",") -> tuple[Rows, str | None]:
    """All records that can be read, and why no more of them."""
    found: Rows = []
    try:
        for _, cells in Cells(Lines(io.StringIO(text, newline="")), delimiter, escape):
            found.append(cells)
    except Misquoted as error:
        return found, str(error)
    return found, None


def numbered(text: str) -> list[tuple[int, int]]:
    """First line and number of cells of each record."""
    return [(line, len(cells)) for line, cells in Cells(Lines(io.StringIO(text, newline="")), ",")]


def written(rows: Sequence[Sequence[str]], quoting: Literal[0, 1, 2, 3]) -> str:
    """As the standard library writes it."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerows(rows)
    return out.getvalue()


cells_of_any_kind = st.lists(
    st.sampled_from(['"', ",", "\n", "\r", "\r\n", "\\", " ", "a", ";", LINE_OF_RECORD, '",x,y\nc17,b,c\n"'])
).map("".join)
tables = st.lists(st.lists(cells_of_any_kind, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=5)


@given(tables, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]))
def test_what_was_written_with_doubled_quotes_is_read_as_it_was(
    rows: Rows, quoting: Literal[0, 1, 2, 3]
) -> None:
    assert read(written(rows, quoting), DOUBLED) == (rows, None)
    found, why = read(written(rows, quoting))
    assert found == rows[: len(found)]
    assert (why is None) == (len(found) == len(rows))
    if BACKSLASH not in str(rows):
        assert why is None


@given(tables)
def test_what_was_written_with_backslashes_is_read_as_it_was_when_that_is_said(rows: Rows) -> None:
    def quoted(cell: str) -> str:
        return '"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = "".join(",".join(map(quoted, row)) + "\n" for row in rows)
    assert read(text, BACKSLASH) == (rows, None)
    found, why = read(text)
    assert found == [[cell.replace("\\", "\\\\") for cell in row] for row in rows[: len(found)]]
    if '"' in "".join(map("".join, rows)):
        assert why is not None
        assert "--escape '\\'" in why


@given(tables)
def test_line_ends_that_are_escaped_outside_quotes_begin_no_record(rows: Rows) -> None:
    rows = [[cell.translate({ord('"'): "'", ord("\r"): None}) for cell in row] for row in rows]
    text = "".join(",".join(re.sub(r"([\\,\n])", r"\\\1", cell) for cell in row) + "\n" for row in rows)
    assert read(text, BACKSLASH) == (rows, None)
    found, _ = read(text)
    for cells, row in zip(found, rows, strict=False):
        assert len(cells) > WIDTH or cells == [cell.replace("\\", "\\\\") for cell in row]


@pytest.mark.parametrize(
    ("text", "before", "why"),
    [
        pytest.param(
            'a,b\n1,"x" y\n2,z\n', 1, "text follows a closing quote", id="text after a closing quote"
        ),
        pytest.param('a,b\n1,"x\n2,z\n', 1, "a quote is open to the end", id="a quote that is never closed"),
        pytest.param('a,b\n1,"x \\"y\\""\n2,z\n', 1, "--escape '\\'", id="a backslash before a quote"),
        pytest.param('a,b\n1,"x\\",\n2,z\n', 1, "--escape '\"'", id="a cell that may end in a backslash"),
        pytest.param("a,b\n1,x\\\n2,z\n", 1, "a line ends in a backslash", id="a line that may go on"),
        pytest.param(
            'a,b\n"1",x\\\n2,z\n', 1, "a line ends in a backslash", id="the same after a quoted cell"
        ),
        pytest.param(
            'a,b\n1, "x\n2,z\n', 1, "a quote is open to the end", id="after a space it opens a cell too"
        ),
        *(
            pytest.param(
                f'a,b\n1,{char}"x\n2,z\n', 1, "a quote is open to the end", id=f"after {ord(char):04x}"
            )
            for char in "\t\v\u00a0\u200b\ufeff"
        ),
    ],
)
def test_after_a_quoting_error_nothing_more_is_read(text: str, before: int, why: str) -> None:
    found, said = read(text)
    assert len(found) == before
    assert said is not None
    assert why in said


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param('5" pipe,b\n', [['5" pipe', "b"]], id="a quote within an unquoted cell is a letter"),
        pytest.param('"a""b","c"\n', [['a"b', "c"]], id="doubled"),
        pytest.param('"",\n', [["", ""]], id="empty ones"),
        pytest.param('a,\t"b\nc"\n', [["a", "b\nc"]], id="a tab before a quoted cell"),
        pytest.param('a,"b"', [["a", "b"]], id="no line end at the end"),
        pytest.param('"a\r\nb",c\r\nd,e\r', [["a\r\nb", "c"], ["d", "e"]], id="line ends of all systems"),
        pytest.param(
            "a\u2028b,\x0bc\x85\n", [["a\u2028b", "\x0bc\x85"]], id="what only Python takes for line ends"
        ),
    ],
)
def test_what_is_fine_is_read(text: str, rows: Rows) -> None:
    assert read(text) == (rows, None)


def test_records_are_numbered_by_their_first_line() -> None:
    assert numbered('a,b\n"1\n2\n3",x\n\n4,5\n') == [(1, 2), (2, 2), (5, 1), (6, 2)]


def test_a_cell_as_long_as_it_likes_is_one_cell_and_costs_no_memory() -> None:
    class Long:
        """A cell with 200,000 lines that look like records, and one record after it."""

        def __init__(self) -> None:
            cell = (f"{number},{LINE_OF_RECORD}" for number in range(200_000))
            self._lines = chain(('a,"begin\n',), cell, ('end",b\n', "next,c,d\n"))

        def readline(self, size: int, /) -> str:
            return next(self._lines, "")

    tracemalloc.start()
    found = list(Cells(Lines(Long()), ","))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(line, len(cells)) for line, cells in found] == [(1, 3), (200_003, 3)]
    assert len(found[0][1][1]) == LONGEST_CELL + 1
    assert most < 4 << 20


def test_a_line_that_does_not_end_is_no_csv() -> None:
    found, why = read("a,b\n" + "x" * (LONGEST_LINE + 10) + "\nc17,contact\n")
    assert found == [["a", "b"]]
    assert why is not None
    assert "is longer than" in why


def test_lines_that_are_not_read_are_counted() -> None:
    lines = Lines(io.StringIO('a,b\n1,"x" y\n2,z\n3,"\n', newline=""))
    cells = Cells(lines, ",")
    next(cells)
    with pytest.raises(Misquoted):
        next(cells)
    assert (cells.first, lines.skip()) == (2, 4)
