"""The one word that a mail ends with (Part J)."""

from typing import Any

import pytest

from domain.outcomes import Outcome, final


@pytest.mark.rule("I9")
@pytest.mark.parametrize(
    ("known", "word"),
    [
        pytest.param({}, None, id="all is still to come"),
        pytest.param({"skip": Outcome.SKIP_SPAM}, "skip.spam", id="the gate has stopped it"),
        pytest.param({"skip": Outcome.MATCH_FAILED}, "match.failed", id="it could not be matched"),
        pytest.param({"labelled": Outcome.LABEL_NONE}, None, id="a lead's, not announced yet"),
        pytest.param({"announced": True}, None, id="announced, not sorted yet"),
        pytest.param(
            {"announced": True, "labelled": Outcome.LABEL_OPEN}, "label.open", id="announced and sorted"
        ),
        pytest.param(
            {"announced": True, "labelled": Outcome.LABEL_OFF, "syncs": True},
            None,
            id="two-way sync has not said its word",
        ),
        pytest.param(
            {"labelled": Outcome.LABEL_OPEN, "syncs": True, "synced": Outcome.SKIP_NO_CONTACT},
            "skip.no_contact",
            id="two-way sync has, and the label is recorded beside it",
        ),
    ],
)
def test_the_word_that_a_mail_ends_with(known: dict[str, Any], word: str | None) -> None:
    assert final(**known) == word
