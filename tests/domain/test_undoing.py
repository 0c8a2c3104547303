"""What has come of undoing, in sums."""

from datetime import timedelta

import pytest

from domain.errors import GiveUp, TryAgain
from domain.ids import ConnectionId
from domain.sorting.label_changes import NO_CHANGE, LeftBecause
from domain.sorting.plans import SortedMail
from domain.sorting.undoing import Restoring, Undone, of_whole_mailbox, undone

ONE, TWO, THREE = (SortedMail(message_id, ConnectionId(1), NO_CHANGE) for message_id in ("m1", "m2", "m3"))


@pytest.mark.rule("I6")
def test_each_mail_is_counted_once_by_what_became_of_it() -> None:
    mails: dict[SortedMail, Restoring] = {ONE: NO_CHANGE, TWO: LeftBecause.GONE, THREE: GiveUp("forbidden")}
    assert undone(mails, None, needs_sign_in=False) == Undone(
        restored=1, left={LeftBecause.GONE: ("m2",)}, failed=1
    )
    stopped = GiveUp("domainPolicy")
    assert undone(mails, stopped, needs_sign_in=False).failed == 0, "the mailbox is said to be stopped"


def test_batches_add_up() -> None:
    stopped = TryAgain("away")
    first = Undone(restored=2, left={LeftBecause.GONE: ("m1",)}, by_hand=("m9",))
    second = Undone(
        restored=1, left={LeftBecause.GONE: ("m2",), LeftBecause.IN_INBOX: ("m3",)}, failed=1, stopped=stopped
    )
    left = {LeftBecause.GONE: ("m1", "m2"), LeftBecause.IN_INBOX: ("m3",)}
    assert first + second == Undone(restored=3, left=left, by_hand=("m9",), failed=1, stopped=stopped)
    assert not first.ended
    assert (first + second).ended


@pytest.mark.rule("E87")
@pytest.mark.parametrize(
    ("error", "stuck", "ends"),
    [
        pytest.param(TryAgain("away"), False, True, id="nobody says until when"),
        pytest.param(TryAgain("limit", after=timedelta(seconds=40)), False, False, id="over soon"),
        pytest.param(TryAgain("limit", after=timedelta(seconds=40)), True, True, id="waiting has not helped"),
        pytest.param(TryAgain("limit", after=timedelta(hours=1)), False, True, id="it lasts"),
        pytest.param(TryAgain("odd", whole_mailbox=False), True, False, id="of one mail alone"),
    ],
)
def test_what_the_rest_would_meet_too_ends_the_walk(error: TryAgain, stuck: bool, ends: bool) -> None:
    assert (of_whole_mailbox([error], stuck=stuck) is error) is ends
