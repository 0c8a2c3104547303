"""What comments cite stands in docs/FACTS.md, and each fact says where it is known from."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_layers import OURS, modules

ROOT = Path(__file__).parents[1]
FACTS = ROOT / "docs" / "FACTS.md"
SOURCES = ("Google: ", "Reference: ", "Captured", "Reports", "Measured", "Source: ", "Unconfirmed")

_CITED = re.compile(r"FACTS (§\d+(?:(?:, |-)§\d+)*)")
_ELSEWHERE = re.compile(r"\b(?!FACTS\b)[A-Z]{3,} §")
_PAGE = re.compile(r"\b[A-Z][A-Z_]+\.md\b")


def chapters() -> set[int]:
    return {int(number) for number in re.findall(r"^## (\d+)\. ", FACTS.read_text(), re.MULTILINE)}


def cited(text: str) -> Iterator[int]:
    """`FACTS §1-§3, §8` is four chapters."""
    for place in _CITED.findall(text):
        for part in place.replace("§", "").split(", "):
            first, _, last = part.partition("-")
            yield from range(int(first), int(last or first) + 1)


def texts() -> list[Path]:
    """All that may cite; this module has citations that are none."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [file for file in modules(*OURS) if file != Path(__file__)] + sorted(pages)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("as Gmail asks (FACTS §4).", [4]),
        ("(FACTS §1-§3, §8)", [1, 2, 3, 8]),
        ("(FACTS §4, E87)", [4]),
        ("Data.FACTS", []),
    ],
)
def test_a_citation_is_seen(text: str, numbers: list[int]) -> None:
    assert list(cited(text)) == numbers


def test_every_citation_has_its_chapter() -> None:
    found = {file: {*cited(file.read_text())} for file in texts()}

    assert {str(file): numbers - chapters() for file, numbers in found.items() if numbers - chapters()} == {}
    assert set().union(*found.values()) >= {1, 2, 3, 4, 5, 6, 7, 8, 11}


def test_no_page_is_cited_that_is_not_here() -> None:
    here = {file.name for file in texts() if file.suffix == ".md"}
    gone = {str(file): {*_PAGE.findall(file.read_text())} - here for file in texts()}

    assert {file: names for file, names in gone.items() if names} == {}
    assert [str(file) for file in texts() if _ELSEWHERE.search(file.read_text())] == []


def test_every_fact_says_where_it_is_known_from() -> None:
    facts = [line for line in FACTS.read_text().partition("\n## ")[2].splitlines() if line.startswith("- ")]
    sources = [match[1] if (match := re.search(r" \[([^\]]+)\]$", fact)) else "" for fact in facts]

    assert len(facts) > 50
    assert [fact for fact, one in zip(facts, sources, strict=True) if not one.startswith(SOURCES)] == []
