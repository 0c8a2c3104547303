"""The names beside addresses, read by the scanner that reads the addresses."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.address_lists import read_fields, read_names
from domain.mail.headers import MAX_HEADER


@pytest.mark.parametrize(
    ("values", "names"),
    [
        pytest.param(["Ann Smith <ann@example.com>"], {"ann@example.com": "Ann Smith"}, id="words"),
        pytest.param(
            ['"Smith, Ann \\"A\\"" <Ann@Example.com>'], {"ann@example.com": 'Smith, Ann "A"'}, id="quotes"
        ),
        pytest.param(["ann@example.com (Ann)"], {"ann@example.com": "Ann"}, id="a comment behind it"),
        pytest.param(["<ann@example.com> (Ann)"], {"ann@example.com": "Ann"}, id="behind brackets"),
        pytest.param(
            ["=?utf-8?b?w7w=?= =?utf-8?b?w7w=?= <u@example.com>"], {"u@example.com": "üü"}, id="encoded"
        ),
        pytest.param(
            ["a@example.com, B <b@example.com>; c@example.com (C)"],
            {"a@example.com": "", "b@example.com": "B", "c@example.com": "C"},
            id="several",
        ),
        pytest.param(
            ["Team: A <a@example.com>, b@example.com;"],
            {"a@example.com": "A", "b@example.com": ""},
            id="a group's name is nobody's",
        ),
        pytest.param(
            ["a@example.com", "A <a@example.com>, Other <a@example.com>"],
            {"a@example.com": "A"},
            id="the first that there is",
        ),
        pytest.param(["ann@example.com <ANN@example.com>"], {"ann@example.com": ""}, id="the address again"),
        pytest.param([""], {}, id="nobody"),
    ],
)
def test_names(values: list[str], names: Mapping[str, str]) -> None:
    assert read_names(values) == names


@pytest.mark.rule("E102")
@given(st.lists(st.text(st.sampled_from("ab@.c,;:<>()\"\\ \n'[]=?q")), max_size=4))
def test_the_addresses_are_the_same_as_without_names(values: list[str]) -> None:
    assert tuple(read_names(values)) == read_fields(values).addresses


@pytest.mark.rule("E102")
@pytest.mark.parametrize("piece", ["(", '"', "a ", "=?u?q?a?= ", "<", "a@b.example, ", "\\"])
def test_a_field_without_end_is_read(piece: str) -> None:
    read_names([piece * (2 * MAX_HEADER // len(piece))] * 3)
