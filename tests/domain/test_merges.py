"""For whom a record counts that the CRM has merged (E71)."""

import pytest

from domain.merges import Named, Newest, Standing, standings

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
