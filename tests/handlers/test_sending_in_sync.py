"""Mail from the CRM with two-way sync: one mail in Sent and one in its conversation, which says what became of it."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.errors import GiveUp, Refused
from domain.ids import MailboxId
from domain.mail.composition import Attachment, MailRequest, Person
from handlers.connections import disconnecting
from handlers.outbox import drafts
from infra.db.tables.conversations import conversations, files, mail_sources, mails, participants
from infra.db.tables.crm import contacts
from infra.db.tables.events import events
from infra.db.tables.ledger import outbox
from tests.handlers.conftest import House
from tests.handlers.test_sending import due, in_label
from tests.journeys.world import UWE

ANN, BOB = "ann@example.com", "bob@example.com"
TO_ANN = MailRequest("uwe", "Dear Ann,\nour offer.\n", "Our offer", contact_id="ann")


@pytest.fixture
def synced(house: House) -> House:
    """Uwe's mailbox is synced, and Ann, who is his, has one too."""
    house.gmail.create_mailbox(ANN)
    house.connect(sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to="uwe"))
    return house


def rows(house: House, table: Any) -> list[Any]:
    with house.store.engine.connect() as db:
        return list(db.execute(select(table).order_by(*table.primary_key.columns)))


def told(house: House) -> list[tuple[str, int, str | None]]:
    """The events: kind, sequence, reason."""
    return [(one.kind, one.sequence, one.reason) for one in rows(house, events)]


def mail_of_ann(message_id: str, subject: str = "Question", answers: str = "") -> bytes:
    lines = [f"From: {ANN}", f"To: {UWE}", f"Subject: {subject}", f"Message-ID: {message_id}"]
    return "\r\n".join([*lines, *([f"In-Reply-To: {answers}"] if answers else []), "", "Yes?"]).encode()


def answer_of_ann(house: House, subject: str = "Re: Our offer") -> str | None:
    """Ann answers what lies in her inbox; returns how that ended for Uwe."""
    [asked] = [one for one in house.gmail.dump(ANN).messages if "INBOX" in one.label_ids]
    head = house.gmail.raw(ANN, asked.id).partition(b"\r\n\r\n")[0].decode()
    [its_id] = [line[12:] for line in head.split("\r\n") if line.lower().startswith("message-id: ")]
    raw = mail_of_ann("<a1@example.com>", subject, its_id)
    message_id = house.gmail.deliver(UWE, raw).id
    house.catch_up()
    return house.outcomes()[message_id]


@pytest.mark.rule("H7", "H36", "H41", "D6-2", "D7-1a", "D15-1", "Z16")
def test_a_mail_from_a_contacts_page_starts_a_conversation_and_is_shown_as_sent(synced: House) -> None:
    asked = drafts.ask(replace(TO_ANN, attachments=(Attachment("Preis.pdf", b"%PDF"),)), synced.context)

    [mail] = rows(synced, mails)
    [conversation] = rows(synced, conversations)
    assert (mail.state, mail.user_id, mail.outbox_id, mail.direction) == (
        "sending",
        "uwe",
        asked.id,
        "outbound",
    )
    assert (mail.author, mail.subject, mail.preview) == (UWE, "Our offer", "Dear Ann, our offer.")
    assert (conversation.contact_id, conversation.mails, conversation.answered_here) == ("ann", 1, True)
    assert conversation.id == mail.conversation_id
    assert [(one.role, one.address, one.contact_id) for one in rows(synced, participants)] == [
        ("from", UWE, None),
        ("to", ANN, "ann"),
    ]
    assert [(one.name, one.size) for one in rows(synced, files)] == [("Preis.pdf", 4)]
    assert told(synced) == [("conversation.started", 1, None), ("conversation.message_added", 2, None)]

    synced.pump()
    [sent] = in_label(synced, "SENT")
    [source] = rows(synced, mail_sources)
    assert (source.message_id, source.thread_id, source.mail_id) == (sent.id, sent.thread_id, mail.id)
    assert [one.state for one in rows(synced, mails)] == ["sent"]
    assert told(synced)[2:] == [("send.sent", 3, None)]


@pytest.mark.rule("D7-1a", "H47", "H15", "E103")
def test_the_sent_copy_is_the_same_mail_and_answers_find_it(synced: House) -> None:
    drafts.ask(TO_ANN, synced.context)
    synced.pump()
    [before] = rows(synced, mails)
    synced.catch_up()
    [sent] = in_label(synced, "SENT")

    [mail] = rows(synced, mails)
    assert mail.id == before.id
    assert mail.rfc_message_id is not None
    assert mail.rfc_message_id in synced.gmail.raw(UWE, sent.id).decode()
    assert mail.identity != before.identity
    assert synced.outcomes()[sent.id] == "sync.appended"
    assert answer_of_ann(synced) == "sync.appended"
    [conversation] = rows(synced, conversations)
    assert conversation.mails == len(rows(synced, mails)) == 2


@pytest.mark.rule("D7-1a", "W13")
def test_the_copy_may_be_seen_before_the_sending_is_written_down(synced: House) -> None:
    drafts.ask(TO_ANN, synced.context)
    with synced.store.engine.connect() as db:
        [row] = db.execute(select(outbox))
    with synced.store.begin("tests.claim") as tx:
        claimed = tx.outbox.claim(MailboxId(1), "dies", 60)
    assert claimed is not None
    with synced.store.begin("tests.open", reads_only=True) as tx:
        connection = tx.connections.get(row.connection_id)
    assert connection is not None
    assert connection.grant is not None
    synced.context.open(connection.grant).drafts.send(row.draft_id)  # and dies
    synced.catch_up()
    [mail] = rows(synced, mails)
    assert (mail.state, bool(mail.rfc_message_id)) == ("sent", True)

    due(synced)
    [mail] = rows(synced, mails)
    assert mail.state == "sent"
    assert [kind for kind, _, _ in told(synced)].count("send.sent") == 1
    assert len(in_label(synced, "SENT")) == 1


@pytest.mark.rule("E103", "H14", "D7-1a")
def test_an_answer_that_comes_before_the_copy_is_seen_is_in_the_same_conversation(synced: House) -> None:
    drafts.ask(TO_ANN, synced.context)
    synced.pump()
    assert answer_of_ann(synced, "Re: Our offer") == "sync.appended"
    synced.catch_up()
    [conversation] = rows(synced, conversations)
    assert conversation.mails == len(rows(synced, mails)) == 2
    assert {one.conversation_id for one in rows(synced, mails)} == {conversation.id}


@pytest.mark.rule("H40", "D15", "I2")
def test_a_mail_that_fails_is_shown_with_its_reason_and_asked_again_it_is_the_same_mail(
    synced: House,
) -> None:
    synced.gmail.fault("403.domainPolicy", ["drafts.create"], times=1)
    with pytest.raises(GiveUp):
        drafts.ask(TO_ANN, synced.context, key="offer-17")
    [failed] = rows(synced, mails)
    assert (failed.state, failed.reason) == ("failed", "domainPolicy")
    assert told(synced)[2:] == [("send.failed", 3, "domainPolicy")]

    drafts.ask(replace(TO_ANN, text="Dear Ann, once more."), synced.context, key="offer-17")
    synced.pump()
    synced.catch_up()
    [mail] = rows(synced, mails)
    assert (mail.id, mail.state, mail.reason) == (failed.id, "sent", None)
    assert mail.preview == "Dear Ann, once more."
    assert told(synced)[3:] == [("send.sent", 4, None)]


@pytest.mark.rule("H40", "D15")
def test_gmails_own_limit_is_shown_as_failed(synced: House) -> None:
    synced.gmail.limit_sending(UWE, 0)
    drafts.ask(TO_ANN, synced.context)
    synced.pump()
    [mail] = rows(synced, mails)
    assert (mail.state, mail.reason) == ("failed", "sendingLimit")
    assert told(synced)[-1] == ("send.failed", 3, "sendingLimit")


@pytest.mark.rule("H40", "D12")
def test_what_was_on_its_way_when_the_mailbox_was_disconnected_has_failed(synced: House) -> None:
    drafts.ask(TO_ANN, synced.context)
    disconnecting.disconnect("uwe", synced.context)
    [mail] = rows(synced, mails)
    assert (mail.state, mail.reason) == ("failed", "switched_off")
    assert told(synced)[-1] == ("send.failed", 3, "switched_off")


@pytest.mark.rule("D6-5", "D7-1a")
def test_a_mail_to_a_contacts_address_belongs_to_the_contact_and_one_to_a_stranger_to_nobody(
    synced: House,
) -> None:
    to_stranger = MailRequest("uwe", "Hello.", "Hello", to=(Person("nora@example.com"),))
    drafts.ask(to_stranger, synced.context)
    assert rows(synced, conversations) == []
    drafts.ask(replace(to_stranger, cc=(Person(ANN),)), synced.context)
    assert [one.contact_id for one in rows(synced, conversations)] == ["ann"]


@pytest.mark.rule("D14", "D14-3g", "H39")
def test_files_above_25_mb_are_refused_and_nothing_is_kept(synced: House) -> None:
    large = replace(TO_ANN, attachments=(Attachment("a", bytes(25 * 1_048_576 + 1)),))
    with pytest.raises(Refused, match="25 MB together"):
        drafts.ask(large, synced.context)
    assert rows(synced, mails) == rows(synced, conversations) == rows(synced, outbox) == []


@pytest.mark.rule("H47", "E52", "D7-1a")
def test_a_copy_that_a_colleague_got_before_is_the_same_mail(synced: House) -> None:
    asked = synced.gmail.deliver(UWE, mail_of_ann("<a0@example.com>")).id
    synced.catch_up()
    synced.connect(user="eva", address="eva@firm.example", sync=True, magnet=False, sorting=False)
    answer = MailRequest("uwe", "Yes.", reply_to=asked, cc=(Person("eva@firm.example"),))
    drafts.ask(answer, synced.context)
    synced.pump()
    synced.catch_up(MailboxId(2))
    assert len(rows(synced, mails)) == 3
    synced.catch_up()

    [conversation] = rows(synced, conversations)
    [first, second] = rows(synced, mails)
    assert {one.mailbox_id for one in rows(synced, mail_sources) if one.mail_id == second.id} == {1, 2}
    assert (conversation.mails, conversation.root_id, second.state) == (2, first.id, "sent")
    assert [one.mail_id for one in rows(synced, participants) if one.role == "cc"] == [second.id]
