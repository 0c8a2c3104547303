"""For whom a record counts that the CRM has merged (E71)."""

import pytest

from domain.crm.merges import Merge, Named, Newest, Standing, forgettable, is_newer, standings

THERE = Newest(1, is_there=True)
GONE = Newest(9, deleted=True)


def merged(survivor: str | None, version: int = 5) -> Named:
    return Named(survivor, version)


@pytest.mark.rule("E71")
@pytest.mark.parametrize(
    ("named", "newest", "expected"),
    [
        pytest.param({"a": merged("b")}, {"a": THERE, "b": THERE}, Standing("b"), id="into a known one"),
        pytest.param({"a": merged("b")}, {"b": THERE}, Standing("b"), id="an id the CRM never sent"),
        pytest.param({"a": merged("b")}, {"a": THERE}, Standing(None), id="waits for the survivor"),
        pytest.param(
            {"a": merged("b")}, {"a": Newest(6, is_there=True), "b": THERE}, Standing(), id="made anew since"
        ),
        pytest.param(
            {"a": merged("b")}, {"a": Newest(5, is_there=True), "b": THERE}, Standing("b"), id="as new as it"
        ),
        pytest.param({"a": merged("b")}, {"a": GONE, "b": THERE}, Standing("b"), id="deleted since"),
        pytest.param(
            {"a": merged("b")},
            {"a": THERE, "b": Newest(5, is_there=True)},
            Standing("b", outlived=True),
            id="the survivor has changed since",
        ),
        pytest.param(
            {"a": merged("b")}, {"a": THERE, "b": GONE}, Standing(None, outlived=True), id="survivor deleted"
        ),
        pytest.param(
            {"a": merged("b"), "b": merged("c", 6)},
            {"a": THERE, "b": THERE, "c": THERE},
            Standing("c"),
            id="on to the last",
        ),
        pytest.param(
            {"a": merged("b"), "b": merged("c", 6)},
            {"a": THERE, "b": THERE},
            Standing("b"),
            id="as far as there are records",
        ),
        pytest.param(
            {"a": merged("b"), "b": merged("c", 6)},
            {"a": THERE, "b": THERE, "c": GONE},
            Standing(None, outlived=True),
            id="the last is deleted, and all with it",
        ),
        pytest.param({"a": merged(None)}, {"a": THERE}, Standing(), id="the one that stays"),
    ],
)
def test_a_merged_record_counts_for_the_last_survivor_that_we_have(
    named: dict[str, Named], newest: dict[str, Newest], expected: Standing
) -> None:
    assert standings(named, newest)["a"] == expected


def test_a_chain_may_be_as_long_as_it_likes() -> None:
    named = {f"{n}": merged(f"{n + 1}", n) for n in range(5_000)}
    assert standings(named, {"5000": THERE})["0"].counts_for == "5000"


def test_of_records_that_lead_in_a_circle_each_counts_for_itself_and_what_leads_to_them_for_where_it_ends() -> (
    None
):
    circle = {"a": merged("b"), "b": merged("c"), "c": merged("a"), "x": merged("b"), "y": merged("x")}
    found = standings(circle, dict.fromkeys("abcxy", THERE))
    assert {one: standing.counts_for for one, standing in found.items()} == {
        **dict.fromkeys("abc"),
        **dict.fromkeys("xy", "b"),
    }


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param(None, True, id="the first"),
        pytest.param(merged("z", 4), True, id="after an older one"),
        pytest.param(merged("z", 6), False, id="after a newer one"),
        pytest.param(merged("b", 5), False, id="itself"),
        pytest.param(merged("a", 5), True, id="of one version, into a lower id"),
        pytest.param(merged("c", 5), False, id="of one version, into a higher id"),
        pytest.param(merged(None, 5), False, id="of one version, where the record stays and has a higher id"),
        pytest.param(Named("a", 5, by_file=True), False, id="of one version, and a file has said more since"),
        pytest.param(Named("z", 4, by_file=True), True, id="after a file, newer than what was known then"),
    ],
)
def test_the_newest_merge_counts(named: Named | None, expected: bool) -> None:
    assert is_newer(Merge("b", ("x",), 5), "x", named) is expected


@pytest.mark.parametrize(
    ("held", "into", "expected"),
    [
        pytest.param("", [], "abc", id="nobody asks for any"),
        pytest.param("b", [], "ac", id="one that is a record still"),
        pytest.param("a", [("a", "b"), ("b", "c")], "", id="what it has gone into stays with it"),
        pytest.param("c", [("a", "b"), ("b", "c")], "ab", id="what has gone into it may go"),
        pytest.param("", [("a", "b"), ("b", "c")], "abc", id="all of a chain"),
        pytest.param("", [("z", "b")], "ac", id="one that is younger leads to it"),
    ],
)
def test_a_merge_is_known_as_long_as_somebody_asks_for_it(
    held: str, into: list[tuple[str, str]], expected: str
) -> None:
    assert forgettable("abc", held, into) == frozenset(expected)
