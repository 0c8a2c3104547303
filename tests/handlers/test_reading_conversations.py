"""A conversation that two-way sync has made, as its readers find and open it (D1, H41, H46, H52)."""

from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from domain.conversations.lists import Choice
from domain.errors import Refused
from domain.mail.copied import FileState
from handlers.conversations import reading
from handlers.conversations.reading import ShownMail
from infra.db.tables.crm import contact_viewers, contacts
from infra.objects.folder import FolderStore
from tests.handlers.conftest import House
from tests.journeys.world import UWE


@pytest.fixture
def talk(house: House) -> House:
    """Uwe's mailbox is synced, Ann is his; she has written, with a file, and he has answered in Gmail."""
    house.connect(sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to="uwe"))
    first = _letter("Ann <ann@example.com>", UWE, "1@example.com", "How much is it?")
    first.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="../plan.pdf")
    answer = _letter(
        UWE, "ann@example.com", "2@firm.example", "Ten.\n\nOn 1 Dec 2026 Ann wrote:\n> How much is it?"
    )
    answer["In-Reply-To"] = "<1@example.com>"
    house.gmail.deliver(UWE, first.as_bytes())
    house.catch_up()
    house.gmail.deliver(UWE, answer.as_bytes(), labels=["SENT"])
    house.catch_up()
    return house


def _letter(sender: str, to: str, message_id: str, text: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, "The plan"
    made["Message-ID"], made["Date"] = f"<{message_id}>", "Sun, 15 Mar 2026 10:00:00 +0100"
    made.set_content(text)
    return made


def _new(house: House) -> list[int]:
    page = reading.show("uwe", house.context, choice=Choice.NEW, limit=10)
    return [one.new_mails for one in page.conversations]


@pytest.mark.rule("H39", "H46", "H52")
def test_what_sync_has_kept_is_read_and_is_new_no_more(talk: House) -> None:
    assert _new(talk) == [1]
    [listed] = reading.show("uwe", talk.context, contact_id="ann", limit=10).conversations
    assert (listed.subject, listed.mails, listed.direction) == ("The plan", 2, "outbound")
    opened = reading.open_conversation(listed.id, "uwe", talk.context)
    assert opened
    question, answer = reading.mails(opened, talk.context)
    assert [_text(one) for one in (question, answer)] == [
        "How much is it?",
        "Ten.\n\nOn 1 Dec 2026 Ann wrote:\n> How much is it?",
    ]
    [file] = question.mail.files
    assert (file.name, file.state) == ("_plan.pdf", FileState.KEPT)
    assert reading.file_content(file, opened, talk.context) == b"%PDF"
    assert _new(talk) == []


@pytest.mark.rule("H52")
def test_a_store_that_is_not_there_hides_content_alone_and_nothing_counts_as_read(
    talk: House, tmp_path: Path
) -> None:
    without = replace(talk.context, objects=FolderStore(tmp_path / "nowhere"))
    [listed] = reading.show("uwe", without, limit=10).conversations
    opened = reading.open_conversation(listed.id, "uwe", without)
    assert opened
    assert [one.trouble for one in reading.mails(opened, without)] == ["objects_away", "objects_away"]
    assert _new(talk) == [1]


@pytest.mark.rule("D1")
def test_who_may_not_open_the_contact_is_told_of_nothing(talk: House) -> None:
    [listed] = reading.show("uwe", talk.context, limit=10).conversations
    with talk.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to="eva"))
        db.execute(insert(contact_viewers), {"location_id": 1, "contact_id": "ann", "user_id": "eva"})
    assert reading.open_conversation(listed.id, "uwe", talk.context) is None
    assert reading.show("uwe", talk.context, limit=10).conversations == ()
    with pytest.raises(Refused, match="no contact ann"):
        reading.show("uwe", talk.context, contact_id="ann", limit=10)


def _text(one: ShownMail) -> str:
    assert one.body is not None, one.trouble
    return one.body.text().strip()
