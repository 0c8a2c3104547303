"""The Gmail adapter against the local Gmail: putting labels on at the lower price, and having them."""

import pytest

from domain.crm.categories import Category
from domain.errors import GiveUp, LabelRefused, TryAgain
from domain.mailboxes.accounts import Grant
from domain.sorting.label_changes import LabelChange
from domain.sorting.label_names import LABEL_NAMES
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from infra.local.gmail.control.client import Mail
from infra.local.gmail.labels import MAX_LABELS
from tests.providers import granted

RAW = b"From: Bob <bob@example.com>\r\nTo: ana@example.com\r\nSubject: Hello\r\n\r\nHi.\r\n"
STAR = LabelChange(frozenset({"STARRED"}), frozenset())
ARCHIVE = LabelChange(frozenset({"STARRED"}), frozenset(), leave_inbox=True)
UNKNOWN = LabelChange(frozenset({"Label_999"}), frozenset())


@pytest.fixture
def grant(control: GmailControl, address: str) -> Grant:
    user = control.create_mailbox(address)
    return granted(user)


@pytest.fixture
def mailbox(gmail: Gmail, grant: Grant, control: GmailControl) -> GmailMailbox:
    mailbox = gmail.open(grant)
    mailbox.cursor_now()
    control.reset_counters()
    mailbox.spent.units = mailbox.spent.requests = 0
    return mailbox


def deliver(control: GmailControl, address: str, messages: int) -> list[str]:
    return [found.id for found in control.deliver_many(Mail(address, RAW) for _ in range(messages))]


def starred(control: GmailControl, address: str) -> int:
    return sum("STARRED" in message.label_ids for message in control.dump(address).messages)


@pytest.mark.parametrize(
    ("messages", "requests", "units"),
    [
        pytest.param(0, 0, 0, id="nothing to do is no request"),
        pytest.param(1, 1, 5, id="one modify, alone"),
        pytest.param(9, 1, 45, id="nine modify in a batch are cheaper"),
        pytest.param(10, 1, 50, id="ten cost what one batchModify does"),
        pytest.param(60, 1, 50, id="sixty are a bargain"),
    ],
)
def test_the_cheaper_way_is_taken(
    mailbox: GmailMailbox, control: GmailControl, address: str, messages: int, requests: int, units: int
) -> None:
    ids = deliver(control, address, messages)
    assert mailbox.labels.change(dict.fromkeys(ids, STAR)) == dict.fromkeys(ids)
    assert starred(control, address) == messages
    assert (mailbox.spent.requests, mailbox.spent.units) == (requests, units)
    counters = control.counters()
    assert (counters.http_requests, counters.units) == (requests, units)


def test_small_groups_share_their_batches(mailbox: GmailMailbox, control: GmailControl, address: str) -> None:
    ids = deliver(control, address, 41)
    changes = dict.fromkeys(ids[:25], STAR) | dict.fromkeys(ids[25:33], ARCHIVE)
    changes |= {ids[n]: LabelChange(frozenset({"STARRED", "IMPORTANT"}), frozenset()) for n in range(33, 40)}
    changes[ids[40]] = LabelChange(frozenset(), frozenset())
    assert mailbox.labels.change(changes) == dict.fromkeys(ids)
    counters = control.counters()
    assert (counters.calls_of("messages.batchModify"), counters.calls_of("messages.modify")) == (1, 15)
    assert counters.http_requests == mailbox.spent.requests == 2
    assert counters.units == mailbox.spent.units == 50 + 15 * 5
    archived = [m for m in control.dump(address).messages if "INBOX" not in m.label_ids]
    assert [m.id for m in archived] == ids[25:33]


def test_the_prices_decide(gmail: Gmail, server: GmailServer, control: GmailControl, grant: Grant) -> None:
    cheap = Gmail(server.url, costs={"messages.batchModify": 10})
    mailbox = cheap.open(grant)
    mailbox.labels.change(dict.fromkeys(["18a", "18b"], STAR))
    assert mailbox.spent.units == 10
    cheap.close()


def test_batch_modify_takes_a_thousand_at_most(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    ids = deliver(control, address, 1_002)
    assert mailbox.labels.change(dict.fromkeys(ids, STAR)) == dict.fromkeys(ids)
    assert starred(control, address) == 1_002
    assert mailbox.spent.units == control.counters().units == 50 + 2 * 5


def test_a_message_fails_by_itself(mailbox: GmailMailbox, control: GmailControl, address: str) -> None:
    good, poisoned = deliver(control, address, 2)
    draft = control.deliver(address, RAW, labels=["DRAFT"]).id
    control.poison(address, poisoned)
    verdicts = mailbox.labels.change(dict.fromkeys([good, poisoned, draft, "18a"], STAR))
    assert verdicts[good] is None
    assert isinstance(verdicts["18a"], LookupError)
    later, never = verdicts[poisoned], verdicts[draft]
    assert isinstance(later, TryAgain)
    assert (later.reason, later.whole_mailbox) == ("backendError", False)
    assert isinstance(never, GiveUp)
    assert never.reason == "failedPrecondition"
    assert isinstance(mailbox.labels.change({"18a": STAR})["18a"], LookupError)
    assert mailbox.spent.units == control.counters().units


def test_a_refusal_of_batch_modify_leaves_each_to_itself(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    ids = deliver(control, address, 10)
    control.fault("404", ["messages.batchModify"])
    assert mailbox.labels.change(dict.fromkeys(ids, STAR)) == dict.fromkeys(ids)
    control.clear_faults()
    control.fault("503", ["messages.batchModify"])
    verdicts = mailbox.labels.change(dict.fromkeys([*ids, "18a"], ARCHIVE))
    assert {str(verdict) for verdict in verdicts.values()} == {"backendError"}


@pytest.mark.rule("E87")
def test_once_the_mailbox_is_limited_nothing_more_is_sent(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    ids = deliver(control, address, 60)
    control.quota(enforced=True, per_minute=3 * 20)
    found = list(mailbox.headers(ids).values())
    assert mailbox.spent.requests == 1
    assert not any(isinstance(message, TryAgain) for message in found[:3])
    for trouble in found[3:]:
        assert isinstance(trouble, TryAgain)
        assert trouble.whole_mailbox
        assert trouble.after is not None
        assert 50 < trouble.after.total_seconds() <= 62
    groups = dict.fromkeys(ids[:12], STAR) | dict.fromkeys(ids[12:24], ARCHIVE) | {ids[30]: UNKNOWN}
    verdicts = mailbox.labels.change(groups)
    assert mailbox.spent.requests == 2
    assert {type(verdict) for verdict in verdicts.values()} == {TryAgain}


@pytest.mark.rule("E47")
@pytest.mark.parametrize("messages", [0, 1, 3, 30])
def test_a_change_in_threads_names_them(
    mailbox: GmailMailbox, control: GmailControl, address: str, messages: int
) -> None:
    found = control.deliver_many(Mail(address, RAW) for _ in range(messages))
    threads = {one.id: one.thread_id for one in found}
    assert mailbox.labels.change_in_threads(dict.fromkeys(threads, STAR)) == threads
    assert starred(control, address) == messages
    assert mailbox.spent.units == control.counters().units == 5 * messages


@pytest.mark.rule("E47")
def test_mail_under_a_label_is_listed_by_its_sender(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    ids = deliver(control, address, 502)
    control.deliver(address, RAW.replace(b"bob@", b"eva@"), labels=["Ours"])
    control.deliver(address, RAW, labels=["Ours", "TRASH"])
    control.change_labels(address, ids[:501], add=["Ours"])
    label = next(i for i, name in control.dump(address).labels.items() if name == "Ours")
    found = mailbox.labels.under(label, "bob@example.com")
    assert found == {message_id: message_id for message_id in ids[:501]}
    assert (mailbox.spent.requests, mailbox.spent.units) == (2, 10)
    assert mailbox.labels.under("Label_999", "bob@example.com") == {}
    assert mailbox.labels.under(label, 'odd"one @example.com') == {}
    control.fault("503", ["messages.list"], times=1)
    with pytest.raises(TryAgain):
        mailbox.labels.under(label, "bob@example.com")


@pytest.mark.rule("Z14")
def test_labels_are_made_once_and_shown(mailbox: GmailMailbox, control: GmailControl, address: str) -> None:
    made = mailbox.labels.ensure(LABEL_NAMES, {})
    assert {category: control.dump(address).labels[i] for category, i in made.items()} == LABEL_NAMES
    assert mailbox.spent.units == control.counters().units == 1 + 3 * 5
    assert mailbox.labels.ensure(LABEL_NAMES, {}) == mailbox.labels.ensure(LABEL_NAMES, made) == made
    assert mailbox.spent.requests == 4 + 2


def test_a_name_or_label_too_many_is_final(mailbox: GmailMailbox, server: GmailServer, address: str) -> None:
    with pytest.raises(LabelRefused, match=r"^invalidArgument$"):
        mailbox.labels.ensure({Category.OPEN: "Inbox"}, {})
    labels = server.world.mailbox(address).labels
    for number in range(MAX_LABELS - len(labels.all())):
        labels.create({"name": f"Number {number}"})
    with pytest.raises(LabelRefused, match=r"^invalidArgument$"):
        mailbox.labels.ensure(LABEL_NAMES, {})
