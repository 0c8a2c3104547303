"""What Google is asked for, and what stands for what (Z9)."""

import pytest

from domain.connections.permissions import Permission, needed
from infra.gmail.scopes import EVERYTHING, REASONS, Scope, asked_for, permissions_of, scopes_for

READONLY, COMPOSE, MODIFY = Scope.READONLY, Scope.COMPOSE, Scope.MODIFY
READ, SEND, LABEL = Permission


def test_who_changes_labels_needs_one_scope_and_who_does_not_needs_two_smaller_ones() -> None:
    assert scopes_for(needed(labels=True)) == (MODIFY,)
    assert scopes_for(needed(labels=False)) == (READONLY, COMPOSE)


@pytest.mark.rule("Z9")
@pytest.mark.parametrize(
    ("labels", "granted", "lacking"),
    [
        pytest.param(False, [READONLY, COMPOSE, "openid"], (), id="all and more"),
        pytest.param(False, [READONLY], (COMPOSE,), id="one left out"),
        pytest.param(False, [], (READONLY, COMPOSE), id="both left out"),
        pytest.param(False, [MODIFY], (), id="modify covers both"),
        pytest.param(True, [READONLY, COMPOSE], (MODIFY,), id="both do not make modify"),
        pytest.param(True, [READONLY], (MODIFY,), id="one does not make modify"),
        pytest.param(True, [EVERYTHING], (), id="everything covers it"),
        pytest.param(False, [EVERYTHING], (), id="everything covers both"),
    ],
)
def test_what_was_left_out_is_seen(labels: bool, granted: list[str], lacking: tuple[Scope, ...]) -> None:
    assert scopes_for(needed(labels=labels) - permissions_of(granted)) == lacking


@pytest.mark.rule("Z9")
def test_each_scope_gives_what_it_was_asked_for() -> None:
    assert permissions_of([READONLY]) == {READ}
    assert permissions_of([COMPOSE]) == {SEND}
    assert permissions_of(["https://www.googleapis.com/auth/gmail.send"]) == set(), "a draft needs more"
    assert permissions_of([MODIFY]) == permissions_of([EVERYTHING]) == {READ, SEND, LABEL}


def test_every_scope_has_its_reason_and_the_name_that_google_shows() -> None:
    assert set(REASONS) == set(Scope)
    assert list(asked_for({SEND, READ})) == ["gmail.readonly", "gmail.compose"]
    assert asked_for({SEND})["gmail.compose"].startswith("to send")
    assert asked_for({SEND, LABEL})["gmail.modify"].startswith("to put")
