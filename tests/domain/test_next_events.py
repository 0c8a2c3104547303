"""Which of a channel's events go out next: each conversation's in their order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.parcels import EventTurn, WaitingEvent, next_events

NOW = datetime(2026, 3, 15, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def ready(event_id: int, conversation_id: str = "a", *, came_back: bool = False) -> WaitingEvent:
    return WaitingEvent(event_id, conversation_id, True, NOW, came_back)


def rests(event_id: int, conversation_id: str = "a") -> WaitingEvent:
    return WaitingEvent(event_id, conversation_id, False, LATER, False)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        pytest.param([], EventTurn((), {}, full=False), id="nothing waits"),
        pytest.param(
            [ready(1), ready(2, "b"), ready(3)],
            EventTurn((1, 2, 3), {}, full=False),
            id="all may go, in order",
        ),
        pytest.param(
            [rests(1), ready(2), ready(3, "b")],
            EventTurn((3,), {2: LATER}, full=False),
            id="one that rests holds up its conversation and no other",
        ),
        pytest.param(
            [ready(1), rests(2), ready(3)],
            EventTurn((1,), {3: LATER}, full=False),
            id="what is before it may go",
        ),
        pytest.param(
            [rests(1), rests(2)], EventTurn((), {}, full=False), id="what rests itself is not put aside"
        ),
        pytest.param(
            [ready(1), ready(2), ready(3)][:3],
            EventTurn((1, 2, 3), {}, full=False),
            id="no more than there are",
        ),
        pytest.param(
            [ready(n) for n in range(1, 6)], EventTurn((1, 2, 3), {}, full=True), id="at most three at a time"
        ),
        pytest.param(
            [ready(1, came_back=True), ready(2)],
            EventTurn((1,), {}, full=True),
            id="one that came back goes alone",
        ),
        pytest.param(
            [ready(1), ready(2, "b", came_back=True)],
            EventTurn((1,), {}, full=True),
            id="and not behind others",
        ),
    ],
)
@pytest.mark.rule("W3")
def test_a_conversations_events_go_out_in_their_order(
    waiting: list[WaitingEvent], expected: EventTurn
) -> None:
    assert next_events(waiting, 3) == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans())), st.integers(1, 5))
def test_nothing_overtakes_an_earlier_event_of_its_conversation(
    drawn: list[tuple[str, bool, bool]], most: int
) -> None:
    waiting = [
        WaitingEvent(n, name, is_ready, NOW if is_ready else LATER, back)
        for n, (name, is_ready, back) in enumerate(drawn)
    ]
    turn = next_events(waiting, most)
    for one in waiting:
        if one.event_id in turn.next:
            assert one.is_ready
            before = [
                b for b in waiting if b.conversation_id == one.conversation_id and b.event_id < one.event_id
            ]
            assert all(b.event_id in turn.next for b in before)
    ready_ones = [one.event_id for one in waiting if one.is_ready]
    assert turn.next or turn.aside or not ready_ones, "something changes, or it would be asked for ever"
    assert turn.full or sorted([*turn.next, *turn.aside]) == ready_ones
