"""A report of a mail that did not arrive marks that mail and is no mail of a conversation (D16-5, E32, H41)."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from domain.ids import MailboxId
from domain.mail.composition import Person
from handlers import matching
from handlers.outbox import drafts
from infra.db.tables.conversations import conversations, mail_sources, mails, participants
from infra.db.tables.mailboxes import mailboxes
from tests.handlers.conftest import House
from tests.handlers.test_sending import in_label
from tests.handlers.test_sending_in_sync import ANN, BOB, TO_ANN, rows, told
from tests.handlers.test_sending_in_sync import synced as synced
from tests.journeys.world import UWE

TO_BOTH = replace(TO_ANN, cc=(Person(BOB),))


def sent(house: House) -> str:
    """Uwe's mail to Ann and Bob goes out; its id in Gmail."""
    drafts.ask(TO_BOTH, house.context)
    house.pump()
    [one] = in_label(house, "SENT")
    return one.id


def report(house: House, message_id: str, *recipients: str, delayed: bool = False) -> str | None:
    """It is reported and handled; returns how that ended."""
    told_by = house.gmail.report(UWE, message_id, *recipients, delayed=delayed).id
    house.catch_up()
    return house.outcomes()[told_by]


def arrived(house: House) -> dict[str, str | None]:
    """By recipient what a report said of him."""
    return {one.address: one.delivery for one in rows(house, participants) if one.role != "from"}


def states(house: House) -> list[str | None]:
    return [one.state for one in rows(house, mails)]


@pytest.mark.rule("D16-5", "E32", "H41", "D7-1")
def test_a_bounce_marks_the_recipient_whom_it_names_and_is_no_mail(synced: House) -> None:
    message_id = sent(synced)
    assert report(synced, message_id, BOB) == "skip.automated"
    assert states(synced) == ["not_delivered"]
    assert arrived(synced) == {ANN: None, BOB: "failed"}
    [conversation] = rows(synced, conversations)
    assert conversation.mails == 1
    assert [one.message_id for one in rows(synced, mail_sources)] == [message_id]
    assert told(synced)[-1] == ("send.bounced", 4, "not_delivered")
    [contact] = {one.contact_id for one in rows(synced, conversations)}
    assert contact == "ann", "no contact mailer-daemon"


@pytest.mark.rule("D16-5", "H41")
def test_a_delay_shows_as_delayed_and_a_failure_that_follows_counts_more(synced: House) -> None:
    message_id = sent(synced)
    report(synced, message_id, ANN, BOB, delayed=True)
    assert (states(synced), arrived(synced)) == (["delayed"], {ANN: "delayed", BOB: "delayed"})
    report(synced, message_id, BOB)
    report(synced, message_id, ANN, BOB, delayed=True)
    assert (states(synced), arrived(synced)) == (["not_delivered"], {ANN: "delayed", BOB: "failed"})
    kinds = [(kind, reason) for kind, _, reason in told(synced)]
    assert kinds[-2:] == [("send.bounced", "delayed"), ("send.bounced", "not_delivered")]


@pytest.mark.rule("D16-5", "E32")
def test_before_the_sent_copy_is_known_the_report_is_understood_by_our_key(synced: House) -> None:
    message_id = sent(synced)
    assert [one.rfc_message_id for one in rows(synced, mails)] == [None]
    report(synced, message_id)
    [mail] = rows(synced, mails)
    assert mail.state == "not_delivered"


@pytest.mark.rule("D16-5", "E32")
def test_a_mail_that_the_user_wrote_in_gmail_is_marked_too(synced: House) -> None:
    raw = f"From: {UWE}\r\nTo: {ANN}\r\nSubject: By hand\r\n\r\nHello.\r\n"
    written = synced.gmail.write(UWE, raw.encode())
    synced.catch_up()
    report(synced, written.id)
    assert states(synced) == ["not_delivered"]
    assert [kind for kind, _, _ in told(synced)][-1] == "send.bounced"


@pytest.mark.rule("D16-5", "E32")
def test_a_report_of_another_mail_or_in_spam_changes_nothing(synced: House) -> None:
    message_id = sent(synced)
    stranger = synced.gmail.write(UWE, f"From: {UWE}\r\nTo: nora@example.com\r\n\r\nHello.\r\n".encode())
    assert report(synced, stranger.id) == "skip.automated"
    spam = synced.gmail.report(UWE, message_id, BOB).id
    synced.gmail.spam(UWE, spam)
    synced.catch_up()
    assert (states(synced), arrived(synced)) == (["sent"], {ANN: None, BOB: None})


@pytest.mark.rule("E88", "E87", "D16-5")
def test_a_report_whose_parts_can_never_be_had_is_set_aside_and_its_mailbox_goes_on(synced: House) -> None:
    message_id = sent(synced)
    synced.gmail.fault("500", ["messages.attachments.get"])
    told_by = synced.gmail.report(UWE, message_id, BOB).id
    synced.catch_up()
    for _ in range(12):
        synced.let_time_pass()
        matching.match(MailboxId(1), synced.context)
    assert synced.outcomes()[told_by] == "match.failed"
    with synced.store.engine.connect() as db:
        assert db.scalars(select(mailboxes.c.failures)).one() == 0
