"""What a stretch of history asks of the ledger, whatever way it is told (E81, W5, W7, W9)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.folders import Folder
from domain.mailboxes.history import Change, ChangeKind, Cursors, Found, Touch, digest, is_ours, touches
from domain.outcomes import Outcome

CRM = frozenset({"Label_1", "Label_2", "Label_3"})
MOVES = (Folder.SPAM, Folder.TRASH, Folder.DRAFTS)


def arrived(folder: Folder | None = Folder.INBOX, message_id: str = "a") -> Change:
    return Change(ChangeKind.ARRIVED, message_id, folder)


def put_away(folder: Folder = Folder.TRASH) -> Change:
    return Change(ChangeKind.PUT_AWAY, "a", folder)


def came_back(folder: Folder | None = Folder.TRASH) -> Change:
    return Change(ChangeKind.CAME_BACK, "a", folder)


def gone() -> Change:
    return Change(ChangeKind.GONE, "a")


def labelled(*labels: str) -> Change:
    return Change(ChangeKind.LABELLED, "a", label_ids=frozenset(labels))


def unlabelled(*labels: str) -> Change:
    return Change(ChangeKind.UNLABELLED, "a", label_ids=frozenset(labels))


def found(*changes: Change) -> Found:
    return digest(changes, CRM)


def asked(
    *,
    new: tuple[str, ...] = (),
    dropped: tuple[tuple[str, Outcome], ...] = (),
    reopened: tuple[str, ...] = (),
    deleted: tuple[str, ...] = (),
    touched: tuple[Touch, ...] = (),
    put_away: tuple[str, ...] = (),
) -> Found:
    return Found(new, dropped, reopened, deleted, touched, put_away)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param([], asked(), id="nothing happened"),
        pytest.param([arrived()], asked(new=("a",)), id="a mail arrives"),
        pytest.param([arrived(None)], asked(new=("a",)), id="the provider does not say where"),
        pytest.param([arrived()] * 3, asked(new=("a",)), id="the provider repeats itself"),
        pytest.param(
            [arrived(message_id="b"), arrived()], asked(new=("b", "a")), id="mails in the order they came"
        ),
        pytest.param(
            [arrived(Folder.SPAM)], asked(dropped=(("a", Outcome.SKIP_SPAM),)), id="it arrives in Spam"
        ),
        pytest.param(
            [arrived(Folder.TRASH)],
            asked(dropped=(("a", Outcome.SKIP_TRASH),)),
            id="a filter puts it into the Trash",
        ),
        pytest.param(
            [arrived(Folder.DRAFTS)], asked(dropped=(("a", Outcome.SKIP_DRAFT),)), id="a draft is begun"
        ),
        pytest.param([arrived(Folder.CHAT)], asked(dropped=(("a", Outcome.SKIP_CHAT),)), id="a chat item"),
        pytest.param(
            [arrived(), labelled("STARRED"), unlabelled("UNREAD")],
            asked(new=("a",)),
            id="it is read and starred meanwhile",
        ),
        pytest.param(
            [arrived(), put_away(), unlabelled("INBOX")],
            asked(new=("a",)),
            id="it is thrown away meanwhile: its match will tell",
        ),
        pytest.param(
            [arrived(), gone()], asked(dropped=(("a", Outcome.SKIP_GONE),)), id="it arrives and is deleted"
        ),
        pytest.param([gone()], asked(deleted=("a",)), id="an older mail is deleted"),
        pytest.param([gone()] * 2, asked(deleted=("a",)), id="and that is told twice"),
        pytest.param(
            [labelled("Label_2", "STARRED")],
            asked(touched=(Touch("a", "Label_2", added=True),)),
            id="a CRM label is put on",
        ),
        pytest.param(
            [labelled("Label_9"), unlabelled("INBOX", "Label_8")],
            asked(),
            id="the user's own labels are not ours to see",
        ),
        pytest.param(
            [labelled("Label_2"), unlabelled("Label_2"), labelled("Label_2")],
            asked(touched=(Touch("a", "Label_2", added=True), Touch("a", "Label_2", added=False))),
            id="a CRM label comes and goes",
        ),
    ],
)
def test_history_asks_for_each_mail_once(changes: list[Change], expected: Found) -> None:
    assert digest(changes, CRM) == expected


@pytest.mark.rule("W9", "E34", "E36", "E37")
@pytest.mark.parametrize("folder", [*MOVES, None])
def test_mail_that_leaves_spam_trash_or_drafts_is_looked_at(folder: Folder | None) -> None:
    assert found(came_back(folder)) == asked(reopened=("a",))
    assert found(arrived(folder), came_back(folder)) == asked(new=("a",))
    assert found(came_back(folder), gone()) == asked(deleted=("a",))
    both = found(came_back(folder), unlabelled("Label_1"))
    assert both == asked(reopened=("a",), touched=(Touch("a", "Label_1", added=False),))


@pytest.mark.rule("D10-4")
@pytest.mark.parametrize("folder", [Folder.SPAM, Folder.TRASH])
def test_mail_that_is_put_away_is_the_users_unless_he_takes_it_out_again(folder: Folder) -> None:
    away = put_away(folder)
    assert found(away) == asked(put_away=("a",))
    assert found(came_back(folder), away).put_away == ()
    assert found(arrived(), away).put_away == (), "its match will see it"


@pytest.mark.rule("W9")
def test_nothing_else_reopens_a_mail() -> None:
    others = unlabelled("INBOX", "UNREAD", "CHAT", "Label_1")
    assert found(others, put_away(Folder.SPAM), put_away(Folder.TRASH)).reopened == ()


@pytest.mark.rule("E108")
@pytest.mark.parametrize(
    ("change", "judged"),
    [
        pytest.param(labelled("Label_2", "Label_9"), {("Label_2", True)}, id="a CRM label on"),
        pytest.param(unlabelled("Label_2", "INBOX"), {("Label_2", False)}, id="a CRM label off"),
        pytest.param(put_away(Folder.SPAM), {("spam", True)}, id="into Spam"),
        pytest.param(came_back(Folder.DRAFTS), {("drafts", False)}, id="a draft that is sent"),
        pytest.param(came_back(None), set[object](), id="nobody says whence"),
        pytest.param(arrived(), set[object](), id="a mail that comes"),
        pytest.param(gone(), set[object](), id="a mail that goes"),
    ],
)
def test_what_of_a_change_is_judged_once(change: Change, judged: set[tuple[str, bool]]) -> None:
    found = touches(replace(change, position=7), CRM)
    assert found == {Touch("a", label, added, 7) for label, added in judged}


@pytest.mark.rule("W5", "I6", "E59", "E60")
@pytest.mark.parametrize(
    ("label_id", "added", "intended", "ours"),
    [
        pytest.param("Label_1", True, "Label_1", True, id="we put the label we meant to put"),
        pytest.param("Label_2", False, "Label_1", True, id="we took another label of ours away for it"),
        pytest.param("Label_2", True, "Label_1", False, id="the user put another one"),
        pytest.param("Label_1", False, "Label_1", False, id="the user took ours off"),
        pytest.param("Label_1", True, None, False, id="we meant nothing"),
        pytest.param("Label_1", False, None, False, id="we meant nothing, and it went"),
    ],
)
def test_a_change_that_equals_our_intent_is_ours(
    label_id: str, added: bool, intended: str | None, ours: bool
) -> None:
    assert is_ours(Touch("a", label_id, added), intended) is ours


@pytest.mark.rule("W5", "I6", "E47")
@pytest.mark.parametrize(
    ("label_id", "added", "ours"),
    [
        pytest.param("Label_2", True, True, id="history tells late that we had put it"),
        pytest.param("Label_2", False, True, id="we have replaced it"),
        pytest.param("Label_3", True, False, id="the user put a third one"),
        pytest.param("Label_1", False, False, id="the user took the new one off"),
    ],
)
def test_a_label_that_we_have_replaced_was_ours(label_id: str, added: bool, ours: bool) -> None:
    assert is_ours(Touch("a", label_id, added), "Label_1", {"Label_2"}) is ours


# History may repeat changes and tell them in another order (E81); what each says stays the same.
_IDS = st.sampled_from("abcd")
_FOLDERS = st.sampled_from(MOVES)
_LABELS = st.frozensets(st.sampled_from(["INBOX", "UNREAD", *sorted(CRM)]))
_LATER = st.one_of(
    st.builds(Change, st.just(ChangeKind.GONE), _IDS),
    st.builds(Change, st.sampled_from([ChangeKind.PUT_AWAY, ChangeKind.CAME_BACK]), _IDS, _FOLDERS),
    st.builds(
        Change, st.sampled_from([ChangeKind.LABELLED, ChangeKind.UNLABELLED]), _IDS, st.none(), _LABELS
    ),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Every mail arrives at most once, in the folder it then had; the rest may happen at any time."""
    arrived_in = draw(st.dictionaries(_IDS, st.none() | st.sampled_from(Folder)))
    arrivals = [arrived(folder, message_id) for message_id, folder in arrived_in.items()]
    return draw(st.permutations(arrivals + draw(st.lists(_LATER, max_size=8))))


def unordered(result: Found) -> tuple[frozenset[object], ...]:
    return tuple(
        frozenset(part)
        for part in (
            *(result.new, result.dropped, result.reopened, result.deleted),
            *(result.touched, result.put_away),
        )
    )


@pytest.mark.rule("E80")
@given(histories(), st.data())
def test_repeats_change_nothing(history: list[Change], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(history)) if history else st.just([]))

    assert digest([*history, *repeats], CRM) == digest(history, CRM)


@pytest.mark.rule("E81")
@given(histories(), st.data())
def test_the_order_in_which_history_is_told_changes_nothing(
    history: list[Change], data: st.DataObject
) -> None:
    told_otherwise = data.draw(st.permutations(history))

    assert unordered(digest(told_otherwise, CRM)) == unordered(digest(history, CRM))


@pytest.mark.rule("I9", "W7", "W9")
@given(histories())
def test_every_mail_is_asked_for_in_one_way_and_none_is_forgotten(history: list[Change]) -> None:
    def those(kind: ChangeKind) -> set[str]:
        return {change.message_id for change in history if change.kind is kind}

    arrived, gone, rescued = (
        those(kind) for kind in (ChangeKind.ARRIVED, ChangeKind.GONE, ChangeKind.CAME_BACK)
    )
    result = digest(history, CRM)
    dropped = [message_id for message_id, _ in result.dropped]
    asked_for = [*result.new, *dropped, *result.reopened, *result.deleted]

    assert len(asked_for) == len(set(asked_for))
    assert arrived == {*result.new, *dropped}
    assert set(result.reopened) == rescued - arrived - gone
    assert set(result.deleted) == gone - arrived
    assert rescued & set(dropped) <= gone, "what left Spam, Trash or Drafts is looked at"
    assert not gone & set(result.new), "what is gone is never asked of Gmail"
    assert {touch.label_id for touch in result.touched} <= CRM
    assert set(result.put_away) == those(ChangeKind.PUT_AWAY) - arrived - rescued


# --- Where we stand in history (W8, E108)

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
SETTLE = timedelta(seconds=120)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def looks(*walks: tuple[float, str], start: str = "100") -> Cursors:
    """Walks that begin at these seconds, take one, and end with these answers."""
    cursors = Cursors.start(start, at(-600))
    for seconds, answer in walks:
        cursors = cursors.ended(answer, at(seconds), at(seconds + 1), SETTLE, int)
    return cursors


@pytest.mark.rule("E108", "W8")
@pytest.mark.parametrize(
    ("walks", "settled"),
    [
        pytest.param([], "100", id="connected just now: nothing is older"),
        pytest.param([(0, "200")], "100", id="one look: its answer has not settled"),
        pytest.param([(0, "200"), (60, "300")], "100", id="another look, too soon"),
        pytest.param([(0, "200"), (120.9, "300")], "100", id="a moment too soon"),
        pytest.param(
            [(0, "200"), (121, "300")], "200", id="a whole look from before it, long enough after it"
        ),
        pytest.param(
            [(0, "200"), (86_400, "300")], "200", id="idle for a day: the look of then has now been made"
        ),
        pytest.param([(n, str(200 + n)) for n in range(121)], "100", id="a push a second for two minutes"),
        pytest.param([(n, str(200 + n)) for n in range(122)], "200", id="and a second more"),
        pytest.param([(n, str(200 + n)) for n in range(243)], "321", id="and as long again"),
        pytest.param(
            [(0, "200"), (600, "150")], "100", id="an answer that has not come as far proves nothing"
        ),
        pytest.param([(0, "200"), (600, "150"), (900, "210")], "150", id="but from there it goes on"),
        pytest.param([(0, "200"), (600, "200"), (900, "200")], "200", id="nothing happens in the mailbox"),
        pytest.param([(0, "9"), (600, "10")], "9", id="ids are numbers"),
        pytest.param([(0, str(2**70)), (600, str(2**70 + 1))], str(2**70), id="without bounds"),
    ],
)
def test_the_next_walk_starts_where_history_has_settled(walks: list[tuple[float, str]], settled: str) -> None:
    cursors = looks(*walks, start="1" if settled == "9" else "100")
    assert (cursors.settled, cursors.at) == (settled, settled)


@pytest.mark.rule("E108")
@given(st.lists(st.floats(0, 400), min_size=1, max_size=40))
def test_no_walk_starts_from_an_answer_younger_than_two_minutes(gaps: list[float]) -> None:
    """And each that one starts from was followed by a walk from before it, begun long enough after it was got."""
    got: dict[str, float] = {"100": -600}
    begun: list[tuple[float, str]] = []
    cursors, now = Cursors.start("100", at(-600)), 0.0
    for number, gap in enumerate(gaps):
        now += gap
        start, answer = cursors.at, str(101 + number)
        assert now - got[start] >= 120
        assert start == "100" or any(
            got[start] + 120 <= when <= now and int(before) < int(start) for when, before in begun
        )
        begun.append((now, start))
        got[answer] = now + 0.5
        cursors = cursors.ended(answer, at(now), at(now + 0.5), SETTLE, int)


@pytest.mark.rule("E108", "W8")
def test_a_walk_that_is_cut_off_goes_on_and_counts_from_its_beginning() -> None:
    once = looks((0, "200"))
    middle = once.reached("250", at(60))
    assert (middle.at, middle.settled) == ("250", "100")
    further = middle.reached("280", at(600))
    assert further.ended("300", at(600), at(601), SETTLE, int).settled == "100", (
        "its first pages were too young"
    )
    assert further.ended("300", at(600), at(601), SETTLE, int).at == "100"
    late = once.reached("250", at(500)).ended("300", at(900), at(901), SETTLE, int)
    assert (late.settled, late.settling, late.began_at) == ("200", "300", None)


@pytest.mark.rule("E108")
def test_what_has_settled_grows_at_the_end_of_a_walk_only() -> None:
    once = looks((0, "200"))
    assert not once.has_settled_since(looks())
    assert looks((0, "200"), (121, "300")).has_settled_since(once)
    assert not looks((0, "200"), (121, "300")).reached("310", at(400)).has_settled_since(once)


LAG = 120.0
"""Seconds after which history has shown a record at the latest."""


@pytest.mark.rule("E108", "E82")
@pytest.mark.parametrize(
    ("cursors", "cursor", "seen"),
    [
        pytest.param(looks(), "100", True, id="connected, and nothing has happened since"),
        pytest.param(looks(), "101", False, id="something has happened"),
        pytest.param(
            looks((0, "200")), "200", False, id="a walk has come to it, but what it left out may come"
        ),
        pytest.param(looks((0, "200"), (60, "200")), "200", False, id="another one, too soon"),
        pytest.param(looks((0, "200"), (540, "200")), "200", True, id="and one that was late enough"),
        pytest.param(looks((0, "200"), (540, "200")), "300", False, id="then something happens"),
        pytest.param(looks((0, "200"), (540, "300")), "200", False, id="a younger answer is known"),
        pytest.param(looks((0, "200"), (540, "200")), "199", False, id="an older answer says nothing"),
        pytest.param(
            looks((0, "200"), (540, "200")).reached("200", at(900)),
            "200",
            False,
            id="in the middle of a walk",
        ),
        pytest.param(
            replace(looks((0, "200"), (540, "200")), refused_at=at(900)), "200", False, id="unusable (E84)"
        ),
        pytest.param(looks(start="0100"), "100", True, id="ids are numbers"),
    ],
)
def test_history_is_asked_only_where_it_may_show_something(cursors: Cursors, cursor: str, seen: bool) -> None:
    assert cursors.has_seen(cursor, int) is seen


@pytest.mark.rule("E108", "I1")
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("mail"), st.floats(0, 600), st.floats(0, LAG)),
            st.tuples(st.sampled_from(["push", "sweep"]), st.floats(0, 600), st.just(0.0)),
        ),
        max_size=30,
    )
)
def test_what_history_shows_late_is_found_although_it_is_asked_only_then(
    events: list[tuple[str, float, float]],
) -> None:
    """A mailbox whose records show up to two minutes late, while the ids it names are ahead of them; then nothing
    more happens there, and three sweeps later each has been seen and a sweep costs its one look."""
    shown: dict[int, float] = {}
    seen: set[int] = set()
    cursors, now = Cursors.start("100", at(-600)), 0.0
    for kind, gap, lag in [*events, *[("sweep", 540.0, 0.0)] * 3]:
        now += gap
        newest = max(shown, default=100)
        if kind == "mail":
            shown[newest + 1] = now + lag
        elif kind == "push" or not cursors.has_seen(str(newest), int):
            seen |= {record for record, when in shown.items() if record > int(cursors.at) and when <= now}
            cursors = cursors.ended(str(newest), at(now), at(now + 0.5), SETTLE, int)
    assert seen == shown.keys()
    assert cursors.has_seen(str(max(shown, default=100)), int)
