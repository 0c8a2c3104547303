"""The port LabelEditor, at every provider that has labels."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from threading import Barrier

import pytest

from domain.crm.categories import Category
from domain.errors import GiveUp, LabelConflict, LabelRefused, LabelUnknown, TryAgain
from domain.mail.folders import Folder
from domain.sorting.label_changes import LabelChange, LabelledMail
from domain.sorting.label_names import LABEL_NAMES
from handlers.ports.capabilities import LabelEditor, Mailbox
from tests.contracts.world import ANN, World, mail, promised


@pytest.fixture
def editor(world: World) -> LabelEditor:
    world.must_have("LabelEditor")
    return labels_in(world.open())


@pytest.fixture
def label(world: World, editor: LabelEditor) -> str:
    """A CRM label that is there."""
    return editor.ensure(LABEL_NAMES, {})[Category.OPEN]


def labels_in(mailbox: Mailbox) -> LabelEditor:
    assert mailbox.labels is not None
    return mailbox.labels


def add(label: str) -> LabelChange:
    return LabelChange(frozenset({label}), frozenset())


def remove(label: str) -> LabelChange:
    return LabelChange(frozenset(), frozenset({label}))


def labelled(world: World, ids: list[str], label: str) -> list[str]:
    return [message_id for message_id in ids if label in world.labels_of(message_id)]


CHANGES: Mapping[
    str, Callable[[LabelEditor], Callable[[Mapping[str, LabelChange]], Mapping[str, object]]]
] = {
    "all at once": lambda editor: editor.change,
    "one by one": lambda editor: editor.change_in_threads,
}
each_way = pytest.mark.parametrize("way", CHANGES)


def test_it_has_all_that_the_port_names(editor: LabelEditor) -> None:
    assert promised(LabelEditor) <= set(dir(editor))


def test_no_mail_is_no_request(world: World, editor: LabelEditor) -> None:
    assert editor.look([]) == {}
    assert editor.change({}) == {}
    assert editor.change_in_threads({}) == {}
    assert world.asked().requests == 0


def test_where_there_is_no_such_mail_there_are_no_labels(world: World, editor: LabelEditor) -> None:
    assert editor.look([world.unknown_id]) == {world.unknown_id: None}


@pytest.mark.rule("Z14")
def test_labels_are_made_once_under_their_names(world: World, editor: LabelEditor) -> None:
    made = editor.ensure(LABEL_NAMES, {})
    assert {category: world.labels()[one] for category, one in made.items()} == LABEL_NAMES
    assert editor.ensure(LABEL_NAMES, made) == made
    assert editor.ensure(LABEL_NAMES, {}) == made
    assert len(world.labels()) == len(LABEL_NAMES)


@pytest.mark.rule("E54")
def test_a_known_label_is_kept_under_whatever_name_and_made_again_when_it_is_gone(
    world: World, editor: LabelEditor
) -> None:
    made = editor.ensure(LABEL_NAMES, {})
    world.rename_label(made[Category.CUSTOMER], "Good people")
    assert editor.ensure(LABEL_NAMES, made) == made
    world.delete_label(made[Category.CTM])
    again = editor.ensure(LABEL_NAMES, made)
    assert again[Category.CTM] != made[Category.CTM]
    assert world.labels()[again[Category.CTM]] == LABEL_NAMES[Category.CTM]
    assert again[Category.CUSTOMER] == made[Category.CUSTOMER]


@pytest.mark.rule("E56")
def test_the_owners_label_of_the_name_is_used_in_whatever_case(world: World, editor: LabelEditor) -> None:
    theirs = world.label(world.deliver(mail()), "oPEN deals")
    assert editor.ensure(LABEL_NAMES, {})[Category.OPEN] == theirs
    assert world.labels()[theirs] == "oPEN deals"


@pytest.mark.rule("E67")
def test_where_no_more_labels_are_taken_that_is_final(world: World, editor: LabelEditor) -> None:
    world.refuse_labels()
    with pytest.raises(LabelRefused):
        editor.ensure(LABEL_NAMES, {})


@pytest.mark.rule("E67")
def test_a_name_that_the_provider_keeps_to_itself_is_refused(world: World, editor: LabelEditor) -> None:
    with pytest.raises(LabelRefused):
        editor.ensure({Category.OPEN: world.reserved_name}, {})


@pytest.mark.rule("E67")
def test_a_name_that_is_taken_by_a_label_that_is_not_shown_is_a_conflict(
    world: World, editor: LabelEditor
) -> None:
    world.deny_label()
    with pytest.raises(LabelConflict) as conflict:
        editor.ensure(LABEL_NAMES, {})
    assert not conflict.value.whole_mailbox
    world.calm()
    assert len(editor.ensure(LABEL_NAMES, {})) == len(LABEL_NAMES)


@pytest.mark.rule("E67", "E87")
def test_trouble_of_the_whole_mailbox_is_none_of_its_labels(world: World, editor: LabelEditor) -> None:
    for trouble, error in ((world.refuse, GiveUp), (world.be_away, TryAgain)):
        trouble()
        with pytest.raises(error) as raised:
            editor.ensure(LABEL_NAMES, {})
        assert not isinstance(raised.value, LabelRefused | LabelConflict)
        world.calm()


@pytest.mark.rule("W12", "Z14")
def test_several_at_once_make_each_label_once(world: World, editor: LabelEditor) -> None:
    start = Barrier(3)

    def ensure(_: int) -> frozenset[str]:
        mine = world.open()
        mine.address()
        start.wait(60)
        return frozenset(labels_in(mine).ensure(LABEL_NAMES, {}).values())

    with ThreadPoolExecutor(3) as threads:
        [made] = set(threads.map(ensure, range(3)))
    assert made == set(world.labels())


@each_way
@pytest.mark.parametrize("mails", [1, 9, 10, 60])
def test_labels_go_on_and_off_and_a_repetition_does_no_harm(
    world: World, editor: LabelEditor, label: str, way: str, mails: int
) -> None:
    ids = world.deliver_many(mails, mail())
    change = CHANGES[way](editor)
    for _ in range(2):
        assert list(change(dict.fromkeys(ids, add(label)))) == ids
        assert labelled(world, ids[:3], label) == ids[:3]
    assert editor.change(dict.fromkeys(ids, remove(label))) == dict.fromkeys(ids)
    assert labelled(world, ids[:3], label) == []


def test_distinct_changes_go_together(world: World, editor: LabelEditor, label: str) -> None:
    ids = world.deliver_many(30, mail())
    editor.change(dict.fromkeys(ids[:15], add(label)))
    nothing = LabelChange(frozenset(), frozenset())
    changes = (
        dict.fromkeys(ids[:14], remove(label)) | {ids[14]: nothing} | dict.fromkeys(ids[15:], add(label))
    )
    assert editor.change(changes) == dict.fromkeys(ids)
    assert labelled(world, ids, label) == ids[14:]


@each_way
def test_a_mail_leaves_the_inbox_and_goes_back_to_it(world: World, editor: LabelEditor, way: str) -> None:
    message_id = world.deliver(mail())
    nothing: frozenset[str] = frozenset()
    for change, folder in (
        (LabelChange(nothing, nothing, leave_inbox=True), Folder.OTHER),
        (LabelChange(nothing, nothing, to_inbox=True), Folder.INBOX),
    ):
        for _ in range(2):
            CHANGES[way](editor)({message_id: change})
            found = editor.look([message_id])[message_id]
            assert isinstance(found, LabelledMail)
            assert found.folder is folder


@pytest.mark.rule("E47")
def test_the_answer_of_one_by_one_is_the_mails_thread(world: World, editor: LabelEditor, label: str) -> None:
    ids = world.deliver_many(3, mail())
    threads = editor.change_in_threads(dict.fromkeys(ids, add(label)))
    now = editor.look(ids)
    assert threads == {i: one.thread_id for i, one in now.items() if isinstance(one, LabelledMail)}
    assert {label in one.label_ids for one in now.values() if isinstance(one, LabelledMail)} == {True}


@pytest.mark.rule("W12")
@each_way
@pytest.mark.parametrize("mails", [1, 3, 12])
def test_a_label_that_is_gone_is_told_apart(
    world: World, editor: LabelEditor, label: str, way: str, mails: int
) -> None:
    ids = world.deliver_many(mails, mail())
    world.delete_label(label)
    with pytest.raises(LabelUnknown):
        CHANGES[way](editor)(dict.fromkeys(ids, add(label)))


@each_way
def test_a_mail_that_is_gone_or_fails_spoils_nobody_elses_change(
    world: World, editor: LabelEditor, label: str, way: str
) -> None:
    gone, poisoned, draft, good = [
        world.deliver(mail(), folder) for folder in (*[Folder.INBOX] * 2, Folder.DRAFTS, Folder.INBOX)
    ]
    world.delete(gone)
    world.poison(poisoned)
    ended = CHANGES[way](editor)(dict.fromkeys([gone, poisoned, draft, good], add(label)))
    assert isinstance(ended[gone], LookupError)
    later = ended[poisoned]
    assert isinstance(later, TryAgain)
    assert not later.whole_mailbox
    assert not isinstance(ended[good], Exception)
    assert labelled(world, [good], label) == [good]


def test_among_many_a_mail_that_is_gone_may_be_passed_over(
    world: World, editor: LabelEditor, label: str
) -> None:
    ids = world.deliver_many(60, mail())
    world.delete(ids[7])
    ended = dict(editor.change(dict.fromkeys(ids, add(label))))
    assert isinstance(ended.pop(ids[7]), LookupError | None)
    assert set(ended.values()) == {None}
    assert labelled(world, ids[6:9], label) == [ids[6], ids[8]]


@pytest.mark.rule("E87")
@each_way
def test_a_limit_is_the_whole_mailboxes(world: World, editor: LabelEditor, label: str, way: str) -> None:
    ids = world.deliver_many(30, mail())
    world.throttle(40)
    for limited in CHANGES[way](editor)(dict.fromkeys(ids, add(label))).values():
        assert isinstance(limited, TryAgain)
        assert limited.whole_mailbox
        assert limited.after is not None
    assert labelled(world, ids, label) == []


@pytest.mark.rule("E47")
def test_mail_under_a_label_is_listed_by_its_sender_without_what_is_put_away(
    world: World, editor: LabelEditor, label: str
) -> None:
    anns, eves, binned = (world.deliver(mail(sender=one)) for one in (ANN, "eve@example.net", ANN))
    editor.change(dict.fromkeys([anns, eves, binned], add(label)))
    world.move(binned, Folder.TRASH)
    found = editor.look([anns])[anns]
    assert isinstance(found, LabelledMail)
    assert editor.under(label, ANN) == {anns: found.thread_id}
    assert editor.under(label, "nobody@example.net") == {}
    world.delete_label(label)
    assert editor.under(label, ANN) == {}


def test_mails_share_the_requests_for_their_labels(world: World, editor: LabelEditor, label: str) -> None:
    ids = world.deliver_many(26, mail())
    editor.change({ids[0]: add(label)})
    before = world.asked().requests
    found = editor.look(ids)
    assert world.asked().requests - before == ceil(26 / world.batch)
    carrying = [i for i, one in found.items() if isinstance(one, LabelledMail) and label in one.label_ids]
    assert carrying == ids[:1]
