"""What Google is asked for, and what stands for what (Z9)."""

import pytest

from domain.scopes import EVERYTHING, REASONS, Scope, missing, named, needed

READONLY, COMPOSE, MODIFY = Scope.READONLY, Scope.COMPOSE, Scope.MODIFY


def test_who_changes_labels_needs_one_scope_and_who_does_not_needs_two_smaller_ones() -> None:
    assert needed(labels=True) == (MODIFY,)
    assert needed(labels=False) == (READONLY, COMPOSE)


@pytest.mark.rule("Z9")
@pytest.mark.parametrize(
    ("wanted", "granted", "lacking"),
    [
        pytest.param([READONLY, COMPOSE], [READONLY, COMPOSE, "openid"], (), id="all and more"),
        pytest.param([READONLY, COMPOSE], [READONLY], (COMPOSE,), id="one left out"),
        pytest.param([READONLY, COMPOSE], [], (READONLY, COMPOSE), id="both left out"),
        pytest.param([READONLY, COMPOSE], [MODIFY], (), id="modify covers both"),
        pytest.param([MODIFY], [READONLY, COMPOSE], (MODIFY,), id="both do not make modify"),
        pytest.param([MODIFY], [EVERYTHING], (), id="everything covers it"),
        pytest.param([READONLY, COMPOSE], [EVERYTHING], (), id="everything covers both"),
    ],
)
def test_what_was_left_out_is_seen(
    wanted: list[Scope], granted: list[str], lacking: tuple[Scope, ...]
) -> None:
    assert missing(wanted, granted) == lacking


def test_every_scope_has_its_reason_and_the_name_that_google_shows() -> None:
    assert set(REASONS) == set(Scope)
    assert named([COMPOSE, MODIFY]).startswith("gmail.compose (to send")
    assert ", gmail.modify (to put" in named([COMPOSE, MODIFY])
