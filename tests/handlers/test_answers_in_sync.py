"""Answering in a conversation: the mail answered is read from its copy, the answer lies in its thread (H45)."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from domain.errors import Refused
from domain.ids import MailboxId
from domain.mail.composition import Attachment, MailRequest, Person
from handlers import copies
from handlers.conversations import reading
from handlers.outbox import drafts
from handlers.outbox.preparing import Prepared, prepare
from infra.db.tables.conversations import conversations, files, mails, readings
from infra.db.tables.crm import contact_viewers, contacts
from tests.handlers.conftest import House
from tests.handlers.test_sending import in_label, read
from tests.handlers.test_sending_in_sync import ANN, BOB, TO_ANN, rows
from tests.journeys.world import UWE

EVA = "eva@firm.example"


@pytest.fixture
def synced(house: House) -> House:
    """Uwe's mailbox and Eva's are synced; Ann is Uwe's."""
    house.gmail.create_mailbox(ANN)
    house.connect(sync=True, magnet=False, sorting=False)
    house.connect(user="eva", address=EVA, sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to="uwe"))
    return house


def put(house: House, *lines: str, number: int = 1, text: str = "How much?", to: str = UWE) -> str:
    """A mail of Ann's where the lines say nothing else, which answers the first one; its id in Gmail."""
    named = {line.partition(":")[0] for line in lines}
    usual = [
        f"From: Ann Smith <{ANN}>",
        f"To: {to}",
        "Subject: Question",
        f"Message-ID: <{number}@example.com>",
    ]
    usual += ["References: <1@example.com>"] if number > 1 else []
    header = [*(line for line in usual if line.partition(":")[0] not in named), *lines]
    raw = "\r\n".join((*header, "", text, "")).encode()
    found = house.gmail.deliver(to, raw).id
    house.catch_up(MailboxId(1 if to == UWE else 2))
    return found


def conversation_id(house: House) -> str:
    [one] = rows(house, conversations)
    return str(one.id)


def answer(house: House, reply_to: str | None = None, **more: Any) -> MailRequest:
    usual: dict[str, Any] = {"user_id": "uwe", "text": "Ten.\n", "conversation_id": conversation_id(house)}
    return MailRequest(**(usual | {"reply_to": reply_to} | more))


def kept(house: House, message_id: str) -> str:
    """Our id of the mail with this Message-ID."""
    [mail] = [one for one in rows(house, mails) if one.rfc_message_id == message_id]
    return str(mail.id)


def whom(prepared: Prepared) -> list[str]:
    return [one.address for one in (*prepared.mail.to, *prepared.mail.cc)]


@pytest.mark.rule("H45", "H15", "D7-1a", "H52")
def test_by_default_the_newest_mail_that_came_in_and_a_person_has_written_is_answered(synced: House) -> None:
    put(synced)
    asked = put(synced, "Reply-To: office@example.com", number=2, text="How much, please?")
    put(synced, "Auto-Submitted: auto-replied", number=3)

    item = drafts.ask(answer(synced), synced.context)
    synced.pump()
    synced.catch_up()

    [sent] = in_label(synced, "SENT")
    mail = read(synced, sent.id)
    answered = synced.gmail.dump(UWE).message(asked)
    assert answered is not None
    assert sent.thread_id == answered.thread_id
    assert (mail["To"], mail["Subject"]) == ("office@example.com", "Re: Question")
    assert mail["In-Reply-To"] == "<2@example.com>"
    assert mail["References"].split() == ["<1@example.com>", "<2@example.com>"]
    body = mail.get_body()
    assert body is not None
    assert "> How much, please?" in body.get_content()
    [conversation] = rows(synced, conversations)
    assert (conversation.mails, conversation.contact_id, item.contact_id) == (4, "ann", "ann")
    [ours] = [one for one in rows(synced, mails) if one.state]
    assert (ours.state, ours.conversation_id, ours.user_id) == ("sent", conversation.id, "uwe")
    assert [(one.mail_id, one.user_id) for one in rows(synced, readings)] == [
        (kept(synced, "2@example.com"), "uwe")
    ]


@pytest.mark.rule("H45")
def test_the_mail_that_is_chosen_is_answered_and_all_are_those_it_names(synced: House) -> None:
    put(synced, f"Cc: {BOB}")
    put(synced, number=2)
    chosen = answer(synced, kept(synced, "1@example.com"), to_all=True)
    assert whom(prepare(chosen, synced.context)) == [ANN, BOB]


@pytest.mark.rule("H45", "H47")
def test_a_mail_from_the_crm_is_followed_up_to_whom_it_went(synced: House) -> None:
    drafts.ask(TO_ANN, synced.context)
    synced.pump()
    synced.catch_up()
    [first] = rows(synced, mails)
    with pytest.raises(Refused, match="nobody has written"):
        prepare(answer(synced), synced.context)

    prepared = prepare(answer(synced, first.id), synced.context)

    assert whom(prepared) == [ANN]
    assert prepared.mail.replies_to is not None
    assert prepared.mail.replies_to.chain() == (first.rfc_message_id,)


@pytest.mark.rule("H45", "D1")
def test_a_mail_of_another_users_mailbox_is_answered_by_its_headers_alone(synced: House) -> None:
    put(synced)
    drafts.ask(answer(synced, user_id="eva"), synced.context)
    synced.pump()
    [sent] = in_label(synced, "SENT", EVA)
    mail = read(synced, sent.id, EVA)
    assert (mail["To"], mail["In-Reply-To"]) == (ANN, "<1@example.com>")
    synced.catch_up(MailboxId(2))
    [conversation] = rows(synced, conversations)
    assert (conversation.mails, len(rows(synced, mails))) == (2, 2)


@pytest.mark.rule("D1", "H45")
def test_a_wrong_conversation_and_one_that_may_not_be_opened_get_the_same_answer(synced: House) -> None:
    put(synced)
    with synced.store.engine.begin() as db:
        db.execute(insert(contact_viewers).values(location_id=1, contact_id="ann", user_id="uwe"))
    said = set()
    for its in (conversation_id(synced), "nothing"):
        with pytest.raises(Refused) as refused:
            prepare(answer(synced, conversation_id=its, user_id="eva"), synced.context)
        said.add(str(refused.value).replace(its, "…"))
    assert len(said) == 1


@pytest.mark.rule("H45")
def test_a_mail_that_is_not_in_the_conversation_or_was_not_sent_cannot_be_answered(synced: House) -> None:
    put(synced)
    synced.gmail.limit_sending(UWE, 0)
    drafts.ask(answer(synced), synced.context)
    synced.pump()
    [failed] = [one for one in rows(synced, mails) if one.state]
    assert (failed.state, failed.reason) == ("failed", "sendingLimit")
    for wrong in (failed.id, "nothing"):
        with pytest.raises(Refused, match=f"has no mail {wrong}"):
            prepare(answer(synced, wrong), synced.context)


@pytest.mark.rule("H45", "D2")
def test_a_mail_whose_content_is_lost_cannot_be_answered(synced: House) -> None:
    put(synced)
    [mail] = rows(synced, mails)
    assert mail.object is not None
    synced.context.objects.delete([mail.object])
    with pytest.raises(Refused, match="cannot be read now"):
        prepare(answer(synced), synced.context)


@pytest.mark.rule("H45", "Z17a")
def test_whom_the_user_names_himself_counts_instead(synced: House) -> None:
    put(synced)
    assert whom(prepare(answer(synced, to=(Person("nora@example.com"),)), synced.context)) == [
        "nora@example.com"
    ]


@pytest.mark.rule("H45", "H15")
def test_what_is_answered_by_its_id_in_gmail_goes_on_in_its_conversation_too(synced: House) -> None:
    asked = put(synced)
    drafts.ask(MailRequest("uwe", "Ten.", reply_to=asked), synced.context)
    assert [one.conversation_id for one in rows(synced, mails)] == [conversation_id(synced)] * 2


@pytest.mark.rule("H7", "H40", "D2")
def test_what_was_written_is_kept_with_its_files_before_it_is_sent(synced: House) -> None:
    drafts.ask(replace(TO_ANN, attachments=(Attachment("Preis.pdf", b"%PDF-1"),)), synced.context)
    [file] = rows(synced, files)
    assert (file.state, file.sniffed_type, file.size) == ("kept", "application/pdf", 6)
    assert copies.read(1, file.object, synced.context) == b"%PDF-1"
    opened = reading.open_conversation(conversation_id(synced), "uwe", synced.context)
    assert opened is not None
    [shown] = reading.mails(opened, synced.context)
    assert shown.body is not None
    assert shown.body.text() == "Dear Ann,\nour offer."


@pytest.mark.rule("E103", "D7-1a", "H15", "I2")
def test_while_the_contacts_mail_arrives_the_user_answers_and_all_is_one_conversation(synced: House) -> None:
    put(synced)
    its = conversation_id(synced)
    for number in range(2, 6):
        raw = "\r\n".join(
            [
                f"From: {ANN}",
                f"To: {UWE}",
                "Subject: Re: Question",
                f"Message-ID: <{number}@example.com>",
                "References: <1@example.com>",
                "",
                "And?",
            ]
        )
        synced.gmail.deliver(UWE, raw.encode())
        together = threading.Barrier(2)

        def ask(together: threading.Barrier = together) -> None:
            together.wait()
            drafts.ask(answer(synced, kept(synced, "1@example.com")), synced.context)

        asking = threading.Thread(target=ask)
        asking.start()
        together.wait()
        synced.catch_up()
        asking.join()
        synced.pump()
    synced.catch_up()

    [conversation] = rows(synced, conversations)
    found = rows(synced, mails)
    assert (conversation.id, conversation.mails) == (its, len(found))
    assert sorted(str(one.state) for one in found) == ["None"] * 5 + ["sent"] * 4
    assert all(one.rfc_message_id for one in found)
