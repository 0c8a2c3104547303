"""What the CRM labels may be called (Part I, Z14, E66)."""

import pytest

from domain.crm.categories import Category
from domain.errors import Refused
from domain.sorting.label_names import LABEL_NAMES, SETS, check_taken, named
from infra.gmail.label_names import LABEL_NAMES as GMAILS
from infra.local.gmail.labels import Labels


@pytest.mark.rule("E66", "Z14")
@pytest.mark.parametrize("language", SETS)
def test_each_set_can_be_named_and_made_in_gmail(language: str) -> None:
    names = named([language.upper()])
    assert list(names) == [Category.CTM, Category.OPEN, Category.CUSTOMER]
    assert named(list(names.values())) == names
    check_taken(names.values(), GMAILS, "Gmail")
    labels = Labels()
    assert [labels.create({"name": name}).name for name in names.values()] == list(names.values())


@pytest.mark.rule("E66")
def test_the_default_is_english() -> None:
    assert {"english", "spanish", "german", "french"} == set(SETS)
    assert named(["english"]) == LABEL_NAMES


@pytest.mark.rule("Z14")
def test_three_names_of_ones_own() -> None:
    assert named([" CRM/Now ", "CRM/Open", "x" * 225]) == {
        Category.CTM: "CRM/Now",
        Category.OPEN: "CRM/Open",
        Category.CUSTOMER: "x" * 225,
    }


REFUSED = [
    pytest.param(
        ["klingon"], "label-names is one of english, spanish, german, french, or three", id="no set"
    ),
    pytest.param(["a", "b"], "label-names is one of", id="two names"),
    pytest.param(["a", "b", "c", "d"], "label-names is one of", id="four names"),
    pytest.param(["a", "b", ""], "an empty word is no name", id="empty"),
    pytest.param(["a", "b", "  "], "an empty word is no name", id="blank"),
    pytest.param(["a", "b", "c/"], "c/ is no name", id="an empty level"),
    pytest.param(["a", "b", "c\nd"], "is no name", id="a line break"),
    pytest.param(["a", "b", "x" * 226], "225 characters at most, not 226", id="too long"),
    pytest.param(["a", "b", "A"], "cannot have one name", id="the same in capitals"),
    pytest.param(["é", "b", "e\u0301"], "cannot have one name", id="the same, written in two ways"),
    pytest.param(["a", "b", "INBOX"], "INBOX is a name that Gmail keeps", id="a system label"),
    pytest.param(["a", "b", "All Mail"], "All Mail is a name that Gmail keeps", id="a place of Gmail's"),
    pytest.param(["a", "b", "[Gmail]/Deals"], "is a name that Gmail keeps", id="under Gmail's own"),
]


@pytest.mark.rule("Z14")
@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_names_that_gmail_or_a_reader_cannot_use_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(Refused) as refused:
        check_taken(named(words).values(), GMAILS, "Gmail")
    assert said in str(refused.value)
