"""What docs/BEHAVIOUR.md calls built can be read by `make rules`."""

import pytest

from tests.rules import BEHAVIOUR, built, known

TEXT = """
### D9. Category
- **Z1** `[S]` One.
- **Z17a** `[S]` More.

## Part K. Built so far

"D9-1" is a row.

| What | Built |
|---|---|
| Category | D9-1 to D9-3, D2 |
| Sorting | Z29 to Z31, Z5 |
"""


def test_ranges_are_written_out_and_nothing_but_the_table_counts() -> None:
    assert built(TEXT) == ["D9-1", "D9-2", "D9-3", "D2", "Z29", "Z30", "Z31", "Z5"]
    assert known(TEXT) == {"D9", "Z1", "Z17a", *built(TEXT)}


@pytest.mark.parametrize(
    ("rule", "is_built"), [("D3-11", True), ("D3-12", False), ("Z17a", True), ("H29", False)]
)
def test_the_file_of_this_release_says_what_is_built(rule: str, is_built: bool) -> None:
    text = BEHAVIOUR.read_text()
    ids = built(text)

    assert (rule in ids) is is_built
    assert len(ids) == len(set(ids))
    assert {"D12", "E47", "H29", "O14", "Z17a"} <= known(text)
