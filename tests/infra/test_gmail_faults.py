"""Whatever befalls a call on its way, the adapter says TryAgain or the truth, and never anything else."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.errors import CursorExpired, NotAsked, TryAgain
from domain.mail.content import MailContent
from domain.mail.messages import Fetched
from domain.mailboxes.accounts import Grant
from domain.sorting.label_changes import LabelChange, LabelledMail
from domain.sorting.label_names import LABEL_NAMES
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer, Mail
from infra.local.ports import wait_until

RAW = b"From: Bob <bob@example.com>\r\nTo: ana@example.com\r\nSubject: Hello\r\n\r\nHi.\r\n"
Faults = Mapping[str, dict[str, Any]]
STAR = LabelChange(frozenset({"STARRED"}), frozenset())
START = datetime(2026, 1, 1, tzinfo=UTC)
TOPIC = "projects/p/topics/t"
SEEDS = range(6)

LINES: Faults = {
    "cut before": {"kind": "cut", "after": False},
    "cut after": {"kind": "cut", "after": True},
    "silent before": {"kind": "timeout", "after": False, "delay": 0.02},
    "silent after": {"kind": "timeout", "after": True, "delay": 0.02},
    "half, and then cut": {"kind": "half_answer", "half": "short"},
    "half, and the rest for the next call": {"kind": "half_answer", "half": "long"},
    "half, as if it were whole": {"kind": "half_answer", "half": "json"},
}
BATCHES: Faults = {
    "parts fail": {"kind": "batch_part", "share": 0.3},
    "parts without ids": {"kind": "batch_no_ids"},
    "parts in any order": {"kind": "batch_shuffled"},
}
TOKENS: Faults = {
    "token endpoint busy": {"kind": "token_limited"},
    "token cut": {"kind": "cut", "methods": ["token"]},
    "token cut after": {"kind": "cut", "methods": ["token"], "after": True},
    "token half": {"kind": "half_answer", "methods": ["token"]},
}

READS: Mapping[str, Callable[[GmailMailbox, list[str], str], object]] = {
    "cursor": lambda mailbox, _, __: mailbox.cursor_now(),
    "address": lambda mailbox, _, __: mailbox.address(),
    "own addresses": lambda mailbox, _, __: mailbox.own_addresses(),
    "history": lambda mailbox, _, cursor: list(mailbox.changes_since(cursor)),
    "list": lambda mailbox, _, __: list(mailbox.listed_since(START)),
    "one message": lambda mailbox, ids, _: mailbox.headers(ids[:1]),
    "messages": lambda mailbox, ids, _: mailbox.headers(ids),
    "one's labels": lambda mailbox, ids, _: mailbox.labels.look(ids[:1]),
    "labels": lambda mailbox, ids, _: mailbox.labels.look(ids),
}


@pytest.fixture
def ids(control: GmailControl, address: str) -> list[str]:
    """More mails than a batch takes."""
    return [found.id for found in control.deliver_many(Mail(address, RAW) for _ in range(28))]


def told(call: Callable[[], object]) -> object:
    """What a call comes to; TryAgain where it is raised."""
    try:
        return call()
    except TryAgain as error:
        return error


def agrees(found: object, truth: object) -> bool:
    """The truth, or TryAgain in its place, as a whole or message by message."""
    if isinstance(found, Mapping) and isinstance(truth, Mapping):
        return list(found) == list(truth) and all(agrees(found[key], truth[key]) for key in truth)
    return isinstance(found, TryAgain) or found == truth


def starred(control: GmailControl, address: str) -> set[str]:
    return {message.id for message in control.dump(address).messages if "STARRED" in message.label_ids}


@pytest.mark.rule("E87")
@pytest.mark.parametrize("trouble", [*LINES, *BATCHES])
@pytest.mark.parametrize("read", READS)
def test_what_is_read_is_true_or_asked_for_again(
    trouble: str, read: str, mailbox: GmailMailbox, control: GmailControl, address: str, ids: list[str]
) -> None:
    cursor = str(control.dump(address).messages[0].history_id - 1)
    truth = READS[read](mailbox, ids, cursor)
    struck = 0
    for seed in SEEDS:
        control.clear_faults()
        control.fault(**{"share": 0.6, **{**LINES, **BATCHES}[trouble]}, seed=seed, mailbox=address)
        assert agrees(told(lambda: READS[read](mailbox, ids, cursor)), truth)
        struck += control.faults()[0]["struck"]
    assert struck or (trouble in BATCHES and read not in ("messages", "labels"))
    control.clear_faults()
    assert READS[read](mailbox, ids, cursor) == truth


@pytest.mark.rule("E87")
@pytest.mark.parametrize("trouble", [*LINES, *BATCHES])
@pytest.mark.parametrize("messages", [1, 5, 28], ids=["modify", "modify in a batch", "batchModify"])
def test_labels_that_are_said_to_be_on_are_on_and_a_repetition_does_no_harm(
    trouble: str, messages: int, mailbox: GmailMailbox, control: GmailControl, address: str, ids: list[str]
) -> None:
    changes = dict.fromkeys(ids[:messages], STAR)
    mailbox.cursor_now()
    for seed in SEEDS:
        control.change_labels(address, ids, remove=["STARRED"])
        control.clear_faults()
        control.fault(**{"share": 0.6, **{**LINES, **BATCHES}[trouble]}, seed=seed, mailbox=address)
        verdicts = mailbox.labels.change(changes)
        assert list(verdicts) == list(changes)
        done = {message_id for message_id, verdict in verdicts.items() if verdict is None}
        assert all(isinstance(verdict, TryAgain) for verdict in verdicts.values() if verdict is not None)
        assert done <= starred(control, address) <= set(changes)
        control.clear_faults()
        assert mailbox.labels.change(changes) == dict.fromkeys(changes)
        assert starred(control, address) == set(changes)


@pytest.mark.rule("E87")
@pytest.mark.parametrize("trouble", LINES)
def test_labels_and_watches_are_made_once_however_often_they_are_asked_for(
    trouble: str, mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    mailbox.cursor_now()
    for seed in SEEDS:
        control.clear_faults()
        control.fault(**LINES[trouble], share=0.6, seed=seed, mailbox=address)
        made = told(lambda: mailbox.labels.ensure(LABEL_NAMES, {}))
        watched = told(lambda: mailbox.watch(TOPIC))
        control.clear_faults()
        truth = mailbox.labels.ensure(LABEL_NAMES, {})
        assert agrees(made, truth)
        assert sorted(truth) == sorted(LABEL_NAMES)
        names = list(control.dump(address).labels.values())
        assert all(names.count(name) == 1 for name in LABEL_NAMES.values())
        assert isinstance(watched, TryAgain) or control.dump(address).watched_topic == TOPIC


@pytest.mark.rule("E87")
@pytest.mark.parametrize("messages", [1, 3], ids=["alone", "in a batch"])
@pytest.mark.parametrize("kind", ["403.rateLimitExceeded", "403.userRateLimitExceeded", "429", "500", "503"])
def test_half_a_refusal_is_no_verdict(
    kind: str, messages: int, mailbox: GmailMailbox, control: GmailControl, address: str, ids: list[str]
) -> None:
    mailbox.cursor_now()
    control.fault(kind, ["messages.get"], mailbox=address)
    for seed in SEEDS:
        fault = control.fault("half_answer", seed=seed, mailbox=address)
        assert all(isinstance(found, TryAgain) for found in mailbox.headers(ids[:messages]).values())
        control.clear_faults(fault)


@pytest.mark.parametrize("trouble", ["cut before", "cut after", "half, and the rest for the next call"])
def test_a_line_that_breaks_once_is_healed_by_the_next_call_at_the_latest(
    trouble: str, mailbox: GmailMailbox, control: GmailControl, address: str, ids: list[str]
) -> None:
    mailbox.cursor_now()
    control.fault(**LINES[trouble], times=1, mailbox=address)
    told(lambda: mailbox.headers(ids))
    assert all(isinstance(message, Fetched) for message in mailbox.headers(ids).values())


@pytest.mark.rule("E87")
@pytest.mark.parametrize("after", [False, True])
def test_patience_ends(
    server: GmailServer, grant: Grant, control: GmailControl, address: str, ids: list[str], after: bool
) -> None:
    gmail = Gmail(server.url, timeout_seconds=0.3)
    mailbox = gmail.open(grant)
    control.fault("timeout", mailbox=address, after=after)
    for change in (
        mailbox.labels.change({ids[0]: STAR}),
        mailbox.labels.change(dict.fromkeys(ids[:2], STAR)),
    ):
        assert all(isinstance(v, TryAgain) and v.reason == "timeout" for v in change.values())
    assert wait_until(lambda: starred(control, address) == (set(ids[:2]) if after else set()))
    gmail.close()


@pytest.mark.rule("E87", "W2")
@pytest.mark.parametrize("half", [False, True], ids=["all the way", "in a refusal"])
@pytest.mark.parametrize("read", ["cursor", "history", "list", "one message", "messages"])
def test_a_trickle_that_no_single_read_s_patience_ends_is_cut(
    read: str,
    half: bool,
    server: GmailServer,
    mailbox: GmailMailbox,
    control: GmailControl,
    address: str,
    ids: list[str],
) -> None:
    """All of it would take minutes, and each byte comes in time."""
    cursor = mailbox.cursor_now()
    gmail = Gmail(server.url, timeout_seconds=0.15)
    hasty = gmail.open(mailbox.grant)
    if half:
        control.fault("500", mailbox=address)
    control.fault("trickle", mailbox=address, delay=0.1)
    found = told(lambda: READS[read](hasty, ids[:3], cursor))
    troubles = list(found.values()) if isinstance(found, Mapping) else [found]
    assert [str(one) for one in troubles if isinstance(one, TryAgain)] == ["timeout"] * len(troubles)
    control.clear_faults()
    assert wait_until(lambda: told(hasty.address) == address), "it has a line that works"
    gmail.close()


EACH: Mapping[str, tuple[type, Callable[[GmailMailbox, list[str]], Mapping[str, object]]]] = {
    "headers": (Fetched, lambda mailbox, ids: mailbox.headers(ids)),
    "previews": (MailContent, lambda mailbox, ids: mailbox.previews(ids)),
    "labels": (LabelledMail, lambda mailbox, ids: mailbox.labels.look(ids)),
    "modify": (str, lambda mailbox, ids: mailbox.labels.change_in_threads(dict.fromkeys(ids, STAR))),
    "batchModify": (type(None), lambda mailbox, ids: mailbox.labels.change(dict.fromkeys(ids, STAR))),
}


@pytest.fixture
def hasty(server: GmailServer, grant: Grant) -> Iterator[GmailMailbox]:
    """The mailbox, with little patience, but with more than a machine with other work takes for an answer."""
    gmail = Gmail(server.url, timeout_seconds=1)
    yield gmail.open(grant)
    gmail.close()


@pytest.mark.rule("E88", "W3")
@pytest.mark.parametrize("kind", ["timeout", "cut"])
@pytest.mark.parametrize("call", EACH)
def test_one_mail_that_hangs_costs_itself_alone_a_try(
    call: str, kind: str, hasty: GmailMailbox, control: GmailControl, address: str, ids: list[str]
) -> None:
    hasty.cursor_now()
    control.fault(kind, mailbox=address, message_id=ids[11])
    good, ask = EACH[call]
    found = dict(ask(hasty, ids))
    trouble = found.pop(ids[11])
    assert isinstance(trouble, TryAgain)
    assert not trouble.whole_mailbox
    assert {type(one) for one in found.values()} == {good}


@pytest.mark.rule("E88", "W3")
def test_after_two_that_hang_no_more_are_asked_for_in_the_batches_that_follow_either(
    hasty: GmailMailbox, control: GmailControl, address: str, ids: list[str]
) -> None:
    hasty.cursor_now()
    for bad in (ids[1], ids[3], ids[27]):
        control.fault("cut", mailbox=address, message_id=bad)
    found = hasty.labels.look(ids)
    assert [type(found[one]) for one in ids[:3:2]] == [LabelledMail, LabelledMail]
    assert {type(found[one]) for one in ids[4:]} == {NotAsked}


@pytest.mark.rule("E87")
@pytest.mark.parametrize("trouble", TOKENS)
def test_trouble_with_the_token_passes(
    trouble: str, gmail: Gmail, grant: Grant, control: GmailControl, address: str
) -> None:
    for seed in SEEDS:
        control.clear_faults()
        control.fault(**TOKENS[trouble], seed=seed, mailbox=address)
        mailbox = gmail.open(grant)
        with pytest.raises(TryAgain):
            mailbox.cursor_now()
        assert all(isinstance(found, TryAgain) for found in mailbox.headers(["18a", "18b"]).values())
        control.clear_faults()
        assert mailbox.address() == address


@pytest.mark.rule("E84")
def test_an_expired_history_is_a_cursor_s_end_and_nothing_else_s(
    mailbox: GmailMailbox, control: GmailControl, address: str, ids: list[str]
) -> None:
    cursor = mailbox.cursor_now()
    control.fault("expire_history", mailbox=address, times=1)
    assert isinstance(mailbox.headers(ids[:1])[ids[0]], Fetched)
    with pytest.raises(CursorExpired):
        list(mailbox.changes_since(cursor))
    assert list(mailbox.changes_since(cursor))[-1].last


@pytest.mark.rule("W7")
def test_a_mail_that_history_shows_before_it_can_be_read_is_missing_and_then_there(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    cursor = mailbox.cursor_now()
    fault = control.fault("read_lag", mailbox=address, share=0.5, delay=600)
    ids = [found.id for found in control.deliver_many(Mail(address, RAW) for _ in range(30))]
    (page,) = mailbox.changes_since(cursor)
    assert [change.message_id for change in page.changes] == ids
    missing = {message_id for message_id, message in mailbox.headers(ids).items() if message is None}
    assert 0 < len(missing) < 30
    control.clear_faults(fault)
    assert all(isinstance(message, Fetched) for message in mailbox.headers(ids).values())


@pytest.mark.rule("E87")
@pytest.mark.parametrize(("table", "before", "most"), [("new", 295, 5), ("old", 2_995, 5)])
def test_the_limit_of_either_table_ends_a_burst_and_the_mailbox_waits(
    table: str, before: int, most: int, server: GmailServer, grant: Grant, control: GmailControl, address: str
) -> None:
    """As many units as the table gives a mailbox in a minute, and a wait that ends with the minute."""
    gmail = Gmail(server.url)
    mailbox = gmail.open(grant)
    ids = [found.id for found in control.deliver_many(Mail(address, RAW) for _ in range(12))]
    control.reset_counters()
    control.quota(enforced=True, table=table)
    for _ in range(before):
        server.world.meter.charge(address, "messages.get")
    found = list(mailbox.headers(ids).values())
    assert [isinstance(message, Fetched) for message in found] == [True] * most + [False] * (len(ids) - most)
    for refused in found[most:]:
        assert isinstance(refused, TryAgain)
        assert refused.whole_mailbox
        assert refused.after is not None
        assert 0 < refused.after.total_seconds() <= 62  # a Date has no fractions
    control.quota(table="new")
    gmail.close()


@pytest.mark.rule("E87")
def test_everything_at_once_ends_well(
    mailbox: GmailMailbox, control: GmailControl, address: str, ids: list[str]
) -> None:
    """All faults together, each for a tenth of the calls: what is asked for again and again is done."""
    for number, trouble in enumerate((*LINES.values(), *BATCHES.values(), *TOKENS.values())):
        control.fault(**{**trouble, "share": 0.1}, seed=number, mailbox=address)
    for kind in ("403.userRateLimitExceeded", "429", "500", "503", "empty_page", "repeat_page"):
        control.fault(kind, share=0.1, seed=7, mailbox=address)
    cursor = str(control.dump(address).messages[0].history_id - 1)
    left, seen = set(ids), set[str]()
    for _ in range(200):
        pages = told(lambda: list(mailbox.changes_since(cursor)))
        if isinstance(pages, list):
            seen |= {change.message_id for page in pages for change in page.changes}
        verdicts = mailbox.labels.change(dict.fromkeys(sorted(left), STAR))
        left = {message_id for message_id, verdict in verdicts.items() if verdict is not None}
        if not left and seen == set(ids):
            break
    assert (left, seen) == (set(), set(ids))
    assert starred(control, address) == set(ids)
