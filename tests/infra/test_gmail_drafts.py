"""Drafts and sending through the adapter, against the local Gmail: each request goes out once."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import GiveUp, TryAgain, Unanswered
from domain.mail.composition import EncodedMail, OutgoingMail, Person, Unsendable
from domain.outbox import SENDING_LIMIT, Draft
from infra.gmail.about import MAX_MAIL_SIZE
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl
from infra.mime import encode

SINCE = datetime.now(UTC) - timedelta(minutes=1)


def mail(address: str, text: str = "A secret.") -> OutgoingMail:
    return OutgoingMail(Person(address), (Person("bob@example.com"),), "Hello", text)


def create(mailbox: GmailMailbox, address: str, key: str = "key-1") -> str:
    """The id of a new draft."""
    return mailbox.drafts.create(EncodedMail(encode(mail(address), key)), silent).id


def silent(sent: int, total: int) -> None:
    pass


def labels(control: GmailControl, address: str) -> list[str]:
    """The label of each message of the mailbox that is a draft or was sent."""
    found = [one.label_ids & {"DRAFT", "SENT"} for one in control.dump(address).messages]
    return sorted(label for one in found for label in one)


def drafted(control: GmailControl, address: str) -> bytes:
    """The one draft, as Gmail has it."""
    [draft] = (one for one in control.dump(address).messages if "DRAFT" in one.label_ids)
    return control.raw(address, draft.id)


@pytest.mark.rule("Z16")
def test_a_draft_is_written_as_it_is_found_and_sent(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    raw = encode(mail(address), "key-1")
    made = mailbox.drafts.create(EncodedMail(raw), silent)
    draft = made.id
    assert made == Draft(draft, len(raw))
    assert drafted(control, address) == raw
    assert mailbox.drafts.exists(draft)
    assert mailbox.drafts.find("key-1", SINCE) == draft
    assert mailbox.drafts.find("key-2", SINCE) is None
    assert mailbox.drafts.find_sent("key-1", SINCE) is None

    sent = mailbox.drafts.send(draft)

    assert not mailbox.drafts.exists(draft)
    assert mailbox.drafts.find_sent("key-1", SINCE) == sent.message_id
    assert sent.thread_id == control.dump(address).messages[-1].thread_id
    assert mailbox.drafts.find("key-1", SINCE) is None
    assert labels(control, address) == ["SENT"]
    with pytest.raises(LookupError):
        mailbox.drafts.send(draft)


def test_what_it_costs_is_what_the_server_counts(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    draft = create(mailbox, address)
    mailbox.drafts.exists(draft)
    mailbox.drafts.find("key-1", SINCE)
    mailbox.drafts.send(draft)
    mailbox.drafts.find_sent("key-1", SINCE)
    mailbox.drafts.delete(draft)
    counters = control.counters()
    assert mailbox.spent.units == counters.by_mailbox[address]["units"]
    assert mailbox.spent.requests == counters.http_requests + counters.token_requests


def test_a_mail_of_gmails_full_size_goes_up_and_says_how_far_it_is(
    gmail: Gmail, mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    told: list[tuple[int, int]] = []
    room = MAX_MAIL_SIZE - len(encode(mail(address, ""), "key-1"))
    line = "x" * 70 + "\n"
    text = line * (room // 72) + "x" * (room % 72)
    raw = encode(mail(address, text), "key-1")
    assert len(raw) == MAX_MAIL_SIZE

    encoded = gmail.encode(mail(address, text), "key-1")
    made = mailbox.drafts.create(encoded, lambda sent, total: told.append((sent, total)))

    assert made.size == MAX_MAIL_SIZE
    assert drafted(control, address) == raw
    sent, total = told[-1]
    assert sent == total > MAX_MAIL_SIZE
    assert [one for one, _ in told] == sorted({one for one, _ in told})
    control.reset_counters()
    with pytest.raises(Unsendable, match="larger than Gmail takes"):
        gmail.encode(mail(address, text + "x"), "key-1")
    assert control.counters().http_requests == 0


@pytest.mark.rule("I2")
@pytest.mark.parametrize("kind", ["cut", "timeout", "half_answer"])
def test_a_request_whose_answer_is_lost_is_not_sent_again_by_any_library(
    gmail: Gmail, mailbox: GmailMailbox, control: GmailControl, address: str, kind: str
) -> None:
    """httplib2 would: on a line that it had kept open it takes a lost answer for a stale line."""
    how = {"after": True, "delay": 0.1 * (kind == "timeout")} if kind != "half_answer" else {"half": "short"}
    mailbox.cursor_now()
    control.fault(kind, ["drafts.create", "drafts.send"], mailbox=address, **how)
    with pytest.raises(Unanswered):
        create(mailbox, address)
    assert labels(control, address) == ["DRAFT"]
    draft_id = mailbox.drafts.find("key-1", SINCE)
    assert draft_id is not None
    with pytest.raises(Unanswered):
        mailbox.drafts.send(draft_id)
    control.clear_faults()
    assert labels(control, address) == ["SENT"]
    counted = control.counters().by_method
    assert (counted["drafts.create"]["calls"], counted["drafts.send"]["calls"]) == (1, 1)


@pytest.mark.rule("I2", "E87")
@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("403.userRateLimitExceeded", True),
        ("429", True),
        ("500", False),
        ("503", False),
    ],
)
def test_a_refusal_is_certain_and_an_outage_is_not(
    mailbox: GmailMailbox, control: GmailControl, address: str, kind: str, known: bool
) -> None:
    control.fault(kind, ["drafts.create"], mailbox=address)
    with pytest.raises(TryAgain) as error:
        create(mailbox, address)
    assert isinstance(error.value, Unanswered) is not known


@pytest.mark.rule("D15")
def test_gmails_own_limit_of_mails_is_no_limit_that_passes(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    control.limit_sending(address, 0)
    draft = create(mailbox, address)
    with pytest.raises(GiveUp) as refused:
        mailbox.drafts.send(draft)
    assert refused.value.reason == SENDING_LIMIT
