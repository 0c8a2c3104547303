"""The port ChangeFeed at every provider: what happened since a cursor, and the lists for when that is lost."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import CursorExpired, GiveUp, TryAgain
from domain.mail.folders import Folder
from domain.mail.messages import Fetched
from domain.mailboxes.history import Change, ChangeKind, HistoryPage
from handlers.ports.capabilities import ChangeFeed, Mailbox
from tests.contracts.world import World, mail, promised

MOMENT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OF_LABELS = {ChangeKind.LABELLED, ChangeKind.UNLABELLED}


@pytest.fixture
def feed(world: World) -> Mailbox:
    return world.open()


def walk(feed: ChangeFeed, cursor: str) -> list[HistoryPage]:
    """To the end, which is where it is said to be."""
    pages = list(feed.changes_since(cursor))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return pages


def changes(pages: Iterable[HistoryPage]) -> list[Change]:
    """Each once, at its first place."""
    return list(dict.fromkeys(change for page in pages for change in page.changes))


def told(pages: Iterable[HistoryPage]) -> list[tuple[ChangeKind, str, Folder | None]]:
    """What changes say that is not about labels."""
    return [(one.kind, one.message_id, one.folder) for one in changes(pages) if one.kind not in OF_LABELS]


def ids_of(pages: Iterable[HistoryPage]) -> list[str]:
    return list(dict.fromkeys(change.message_id for change in changes(pages)))


def in_all(pages: Iterable[Sequence[str]]) -> list[str]:
    return [message_id for page in pages for message_id in page]


def test_it_has_all_that_the_port_names(feed: ChangeFeed) -> None:
    assert promised(ChangeFeed) <= set(dir(feed))


def test_a_walk_asks_nothing_before_its_first_page_is_wanted(world: World, feed: ChangeFeed) -> None:
    feed.changes_since("1")
    feed.listed_since(MOMENT)
    feed.listed_between(MOMENT, MOMENT + SECOND)
    assert world.asked().requests == 0


def test_in_a_mailbox_without_mail_a_list_finds_none(feed: ChangeFeed) -> None:
    assert in_all(feed.listed_since(MOMENT)) == []
    assert in_all(feed.listed_between(MOMENT, datetime.now(UTC))) == []


def test_since_now_nothing_has_happened(feed: ChangeFeed) -> None:
    cursor = feed.cursor_now()
    pages = walk(feed, cursor)
    assert changes(pages) == []
    assert feed.position(pages[-1].cursor) >= feed.position(cursor)


@pytest.mark.parametrize("folder", [one for one in Folder if one is not Folder.CHAT])
def test_a_mail_arrives_and_is_said_to_lie_where_it_does(world: World, feed: Mailbox, folder: Folder) -> None:
    cursor = feed.cursor_now()
    message_id = world.deliver(mail(), folder)
    [(kind, arrived, where)] = told(walk(feed, cursor))
    assert (kind, arrived) == (ChangeKind.ARRIVED, message_id)
    assert where is folder or (folder is Folder.OTHER and where is None), "a provider may have no word for it"
    assert isinstance(feed.headers([message_id])[message_id], Fetched)


@pytest.mark.rule("W9", "E36")
@pytest.mark.parametrize("folder", [Folder.SPAM, Folder.TRASH])
def test_a_mail_is_put_away_comes_back_and_is_gone(world: World, feed: ChangeFeed, folder: Folder) -> None:
    message_id = world.deliver(mail())
    steps: list[tuple[Callable[[], None], ChangeKind, Folder | None]] = [
        (lambda: world.move(message_id, folder), ChangeKind.PUT_AWAY, folder),
        (lambda: world.move(message_id, Folder.INBOX), ChangeKind.CAME_BACK, folder),
        (lambda: world.delete(message_id), ChangeKind.GONE, None),
    ]
    for step, kind, where in steps:
        cursor = feed.cursor_now()
        step()
        assert told(walk(feed, cursor)) == [(kind, message_id, where)]


def test_what_moves_between_inbox_and_archive_is_neither_put_away_nor_gone(
    world: World, feed: ChangeFeed
) -> None:
    message_id = world.deliver(mail())
    cursor = feed.cursor_now()
    world.move(message_id, Folder.OTHER)
    world.move(message_id, Folder.INBOX)
    assert {kind for kind, _, _ in told(walk(feed, cursor))} <= {ChangeKind.CAME_BACK}


def test_where_the_provider_does_not_say_where_a_mail_lies_no_folder_is_guessed(
    world: World, feed: ChangeFeed
) -> None:
    cursor = feed.cursor_now()
    world.hide_folders()
    message_id = world.deliver(mail(), Folder.SPAM)
    assert told(walk(feed, cursor)) == [(ChangeKind.ARRIVED, message_id, None)]


@pytest.mark.rule("I6")
def test_the_owners_hand_on_a_label_is_told(world: World, feed: ChangeFeed) -> None:
    world.must_have("LabelEditor")
    message_id = world.deliver(mail())
    cursor = feed.cursor_now()
    label = world.label(message_id, "Open Deals")
    world.unlabel(message_id, label)
    found = [(one.kind, one.message_id, one.label_ids) for one in changes(walk(feed, cursor))]
    assert found == [
        (kind, message_id, frozenset({label})) for kind in (ChangeKind.LABELLED, ChangeKind.UNLABELLED)
    ]


@pytest.mark.rule("E108")
def test_two_changes_alike_are_told_apart_by_their_positions_and_one_told_twice_is_the_same(
    world: World, feed: ChangeFeed
) -> None:
    message_id = world.deliver(mail())
    found: list[Change] = []
    for folder in (Folder.SPAM, Folder.INBOX, Folder.SPAM):
        cursor = feed.cursor_now()
        world.move(message_id, folder)
        found += (new := changes(walk(feed, cursor)))
        assert changes(walk(feed, cursor)) == new
    first, second = (one for one in found if one.kind is ChangeKind.PUT_AWAY)
    assert first.position < second.position


@pytest.mark.rule("W8")
def test_many_changes_come_in_pages_oldest_first_and_a_walk_goes_on_from_any_of_them(
    world: World, feed: Mailbox
) -> None:
    cursor = feed.cursor_now()
    ids = world.deliver_many(1_100, mail())
    pages = walk(feed, cursor)
    assert ids_of(pages) == ids
    positions = [one.position for one in changes(pages)]
    assert positions == sorted(positions)
    reached = [feed.position(page.cursor) for page in pages]
    assert reached == sorted(reached)
    for number, page in enumerate(pages):
        assert all(one.position <= feed.position(page.cursor) for one in page.changes)
        assert set(ids_of(pages[number + 1 :])) <= set(ids_of(walk(feed, page.cursor)))


@pytest.mark.rule("W8")
def test_a_walk_asks_for_a_page_at_a_time(world: World, feed: Mailbox) -> None:
    cursor = feed.cursor_now()
    world.deliver_many(1_100, mail())
    before = world.asked().requests
    pages = feed.changes_since(cursor)
    next(pages)
    first = world.asked().requests
    assert before < first
    assert sum(1 for _ in pages) <= world.asked().requests - first


@pytest.mark.rule("W8")
@pytest.mark.parametrize(
    "odd", [["repeat_changes"], ["empty_pages"], ["repeat_changes", "empty_pages"]], ids="+".join
)
def test_changes_that_come_twice_and_empty_pages_tell_the_same(
    world: World, feed: ChangeFeed, odd: list[str]
) -> None:
    cursor = feed.cursor_now()
    world.deliver_many(600, mail())
    truth = walk(feed, cursor)
    for trouble in odd:
        getattr(world, trouble)()
    pages = walk(feed, cursor)
    assert changes(pages) == changes(truth)
    reached = [feed.position(page.cursor) for page in pages]
    assert reached == sorted(reached)
    assert reached[-1] == feed.position(truth[-1].cursor)


@pytest.mark.rule("E108")
def test_what_is_shown_late_is_found_by_a_walk_from_before_it(world: World, feed: ChangeFeed) -> None:
    cursor = feed.cursor_now()
    world.be_late()
    ids = world.deliver_many(30, mail())
    assert 0 < len(ids_of(walk(feed, cursor))) < 30
    world.calm()
    assert ids_of(walk(feed, cursor)) == ids


def test_a_cursor_covers_what_an_earlier_one_does(world: World, feed: ChangeFeed) -> None:
    first = feed.cursor_now()
    world.deliver(mail())
    second = feed.cursor_now()
    before = world.asked().requests
    assert feed.position(first) < feed.position(second)
    assert world.asked().requests == before


@pytest.mark.rule("E84")
def test_a_cursor_that_is_lost_has_expired_and_a_list_finds_what_came(world: World, feed: Mailbox) -> None:
    cursor = feed.cursor_now()
    message_id = world.deliver(mail())
    world.lose_history()
    with pytest.raises(CursorExpired):
        next(feed.changes_since(cursor))
    assert in_all(feed.listed_since(datetime.now(UTC) - timedelta(minutes=5))) == [message_id]
    assert isinstance(feed.headers([message_id])[message_id], Fetched)
    assert changes(walk(feed, feed.cursor_now())) == []


@pytest.mark.rule("E84")
def test_a_mailbox_of_which_no_cursor_is_taken_is_told_as_that_too(world: World, feed: ChangeFeed) -> None:
    world.refuse_cursors()
    for _ in range(2):
        with pytest.raises(CursorExpired):
            next(feed.changes_since(feed.cursor_now()))
    message_id = world.deliver(mail())
    assert in_all(feed.listed_since(datetime.now(UTC) - timedelta(minutes=5))) == [message_id]


@pytest.mark.rule("E84", "E87")
def test_no_other_trouble_is_taken_for_an_expired_cursor(world: World, feed: ChangeFeed) -> None:
    cursor = feed.cursor_now()
    world.throttle(40)
    with pytest.raises(TryAgain) as limited:
        next(feed.changes_since(cursor))
    assert limited.value.after is not None
    with pytest.raises(TryAgain):
        next(feed.listed_since(MOMENT))
    world.calm()
    for trouble in (world.be_away, world.break_line):
        trouble()
        with pytest.raises(TryAgain):
            next(feed.changes_since(cursor))
        world.calm()
    world.refuse()
    with pytest.raises(GiveUp):
        next(feed.changes_since(cursor))
    world.calm()
    assert changes(walk(feed, cursor)) == []


@pytest.mark.rule("E87", "W8")
def test_a_walk_that_breaks_off_goes_on_from_its_last_page(world: World, feed: ChangeFeed) -> None:
    cursor = feed.cursor_now()
    ids = world.deliver_many(1_100, mail())
    pages = feed.changes_since(cursor)
    first = next(pages)
    world.be_away()
    with pytest.raises(TryAgain):
        next(pages)
    world.calm()
    assert {*ids_of([first]), *ids_of(walk(feed, first.cursor))} == set(ids)


@pytest.mark.rule("E84")
def test_a_list_has_all_that_was_received_since_a_second_and_is_not_put_away(
    world: World, feed: ChangeFeed
) -> None:
    world.deliver(mail(), received=MOMENT - SECOND)
    same = world.deliver(mail(), received=MOMENT)
    later = [world.deliver(mail(), folder, MOMENT + SECOND) for folder in (Folder.SENT, Folder.OTHER)]
    for folder in (Folder.SPAM, Folder.TRASH):
        world.deliver(mail(), folder, MOMENT + SECOND)
    assert set(in_all(feed.listed_since(MOMENT + SECOND * 0.9))) == {same, *later}


@pytest.mark.rule("E84")
def test_a_long_list_comes_in_pages(world: World, feed: ChangeFeed) -> None:
    ids = world.deliver_many(1_100, mail())
    pages = list(feed.listed_since(datetime.now(UTC) - timedelta(minutes=5)))
    assert len(pages) > 1
    assert sorted(in_all(pages)) == sorted(ids)


def test_a_list_between_two_moments_has_the_seconds_that_lie_within(world: World, feed: ChangeFeed) -> None:
    ids = [world.deliver(mail(), received=MOMENT + SECOND * n) for n in range(6)]
    for folder in (Folder.SPAM, Folder.TRASH, Folder.DRAFTS):
        world.deliver(mail(), folder, MOMENT + SECOND * 2)
    assert set(in_all(feed.listed_between(MOMENT + SECOND, MOMENT + SECOND * 4))) == set(ids[1:4])
    assert set(in_all(feed.listed_between(MOMENT + SECOND * 0.5, MOMENT + SECOND * 4.5))) == set(ids[1:4])
