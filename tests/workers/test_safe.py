"""A stranger's text in a table's cells, and his files in our user's folder."""

import stat
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.domain.test_safe_text import HOSTILE
from workers.cli.terminal.safe import fitted, save


@given(HOSTILE, st.integers(1, 40))
@example("世" * 50, 7)
@example("👍" * 50, 8)
def test_a_cell_of_a_table_is_as_wide_as_its_column(text: str, width: int) -> None:
    assert cell_len(fitted(text, width)) == width


def test_a_file_is_its_owners_and_takes_the_place_of_no_other(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"mine")
    (tmp_path / "x.tar.gz").symlink_to(tmp_path / "secret")
    first = save(tmp_path, "x.tar.gz", b"one")
    second = save(tmp_path, "x.tar.gz", b"two")
    assert [first.name, second.name] == ["x-2.tar.gz", "x-3.tar.gz"]
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    assert (tmp_path / "secret").read_bytes() == b"mine"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
