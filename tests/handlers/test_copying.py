"""What a mail of a conversation holds is kept: text at once, files by their step, of a refused mail nothing (D2)."""

from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from domain.events import MailJoined
from domain.ids import MailboxId
from domain.mail.copies import from_bytes
from domain.quota import Purpose, Quota
from handlers import copies
from handlers.conversations import copying
from handlers.units import Tally
from infra.db.tables.conversations import files, mails
from infra.db.tables.crm import contacts
from infra.db.tables.ledger import steps
from infra.db.tables.mailboxes import mailboxes
from infra.db.tables.objects import objects
from infra.objects.folder import FolderStore
from tests.handlers.conftest import House
from tests.handlers.test_conversations import ANN, EVE, FIRST, letter
from tests.journeys.world import UWE

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 200


@pytest.fixture
def synced(house: House) -> House:
    """Uwe's mailbox is synced; Ann is his."""
    house.connect(sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to="uwe"))
    return house


def with_file(name: str, content: bytes, kind: tuple[str, str] = ("application", "pdf")) -> bytes:
    """A mail of Ann's with a file."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ANN, UWE, "The offer"
    message["Message-ID"], message["Date"] = FIRST, "Sun, 15 Mar 2026 10:00:00 +0100"
    message.set_content("See the file.")
    message.add_attachment(content, maintype=kind[0], subtype=kind[1], filename=name)
    return message.as_bytes()


def states(house: House) -> list[str]:
    """Of the copying steps."""
    with house.store.engine.connect() as db:
        return list(db.scalars(select(steps.c.state).where(steps.c.step == "copy")))


def tries(house: House) -> list[int]:
    """Of the copying steps, those that counted."""
    with house.store.engine.connect() as db:
        return list(db.scalars(select(steps.c.attempts).where(steps.c.step == "copy")))


def read_object(house: House, name: str | None) -> bytes:
    assert name is not None
    found: bytes | None = copies.read(1, name, house.context)
    assert found is not None
    return found


def the_object(house: House) -> str | None:
    with house.store.engine.connect() as db:
        name: str | None = db.scalar(select(mails.c.object))
        return name


@pytest.mark.rule("D2-4", "I7")
def test_what_a_mail_says_is_kept_by_its_one_paid_read(synced: House) -> None:
    synced.gmail.reset_counters()
    synced.gmail.deliver(UWE, letter(ANN, UWE, FIRST))
    synced.catch_up()

    body = from_bytes(read_object(synced, the_object(synced)))
    assert "How much is it?" in body.text()
    assert states(synced) == ["done"]
    counted = synced.gmail.counters()
    assert (counted.calls_of("messages.get"), counted.calls_of("threads.get")) == (1, 0)


@pytest.mark.rule("D2-4")
def test_of_a_refused_mail_nothing_is_stored(synced: House) -> None:
    synced.gmail.deliver(UWE, letter(EVE, UWE, FIRST))
    synced.catch_up()
    with synced.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(objects)) == 0


@pytest.mark.rule("D14-1g", "H39")
def test_a_file_is_copied_and_what_it_is_stands_beside_what_it_claims(synced: House) -> None:
    synced.gmail.deliver(UWE, with_file("offer.doc", PDF, ("application", "msword")))
    synced.catch_up()
    with synced.store.engine.connect() as db:
        row = db.execute(select(files)).one()
    assert (row.name, row.claimed_type, row.sniffed_type) == (
        "offer.doc",
        "application/msword",
        "application/pdf",
    )
    assert (row.state, row.size) == ("kept", len(PDF))
    assert read_object(synced, row.object) == PDF
    assert states(synced) == ["done"]


@pytest.mark.rule("E83", "W2")
def test_a_store_that_is_away_is_asked_again_and_the_mail_is_there_meanwhile(
    synced: House,
) -> None:
    nowhere = replace(synced.context, objects=FolderStore(Path("/dev/full/objects")))
    away = replace(synced, context=nowhere)
    away.gmail.deliver(UWE, letter(ANN, UWE, FIRST))
    away.catch_up()
    assert the_object(synced) is None
    assert states(synced) == ["waiting"]
    synced.let_time_pass()
    synced.queue.emit(MailJoined(MailboxId(1)))
    synced.pump()

    assert "How much is it?" in from_bytes(read_object(synced, the_object(synced))).text()
    assert states(synced) == ["done"]


@pytest.mark.rule("E38")
def test_a_mail_that_is_gone_before_its_files_are_copied_keeps_its_text(synced: House) -> None:
    message_id = synced.gmail.deliver(UWE, with_file("offer.pdf", PDF)).id
    synced.catch_up_only()
    synced.run_next()
    synced.gmail.delete(UWE, [message_id])
    copying.copy(MailboxId(1), synced.context)

    with synced.store.engine.connect() as db:
        assert db.scalars(select(files.c.state)).all() == ["gone"]
    assert "See the file." in from_bytes(read_object(synced, the_object(synced))).text()
    assert states(synced) == ["done"]


@pytest.mark.rule("E88", "E87")
@pytest.mark.parametrize("kind", ["500", "400.failedPrecondition"])
def test_a_file_that_can_never_be_had_is_set_aside_and_its_mailbox_goes_on(synced: House, kind: str) -> None:
    synced.gmail.fault(kind, ["messages.attachments.get"])
    synced.gmail.deliver(UWE, with_file("offer.pdf", PDF))
    synced.catch_up()
    for number in range(12):
        synced.let_time_pass()
        copying.copy(MailboxId(1), synced.context)
        assert resting(synced) == 0, number
    assert states(synced) == ["set_aside"]
    assert "See the file." in from_bytes(read_object(synced, the_object(synced))).text()
    later = synced.gmail.deliver(UWE, letter(ANN, UWE, "<later@example.com>")).id
    synced.catch_up()
    assert synced.outcomes()[later] == "sync.started"


@pytest.mark.rule("E87")
def test_files_wait_for_the_next_minute_and_new_mail_does_not(synced: House) -> None:
    quota = Quota(mailbox_minute=1_000, project_minute=100_000, read=20)
    house = replace(synced, context=replace(synced.context, tally=Tally(quota, "test")))
    house.gmail.deliver(UWE, with_file("offer.pdf", PDF))
    another = Tally(quota, "another")
    another.add(MailboxId(1), Purpose.MATCH, 800)
    another.tell(house.queue)
    with capture_logs() as logs:
        house.catch_up()
    [slowed] = [entry for entry in logs if entry["event"] == "mailbox.slowed"]
    assert (slowed["purpose"], slowed["reason"]) == ("copy", "quota_of_mailbox")
    assert (states(house), tries(house), resting(house)) == (["waiting"], [0], 0)
    later = house.gmail.deliver(UWE, letter(ANN, UWE, "<later@example.com>")).id
    house.catch_up()
    assert house.outcomes()[later] == "sync.started"

    house.queue.redis.flushall()  # a minute has passed
    house.let_time_pass()
    copying.copy(MailboxId(1), house.context)
    assert states(house) == ["done", "done"]
    with house.store.engine.connect() as db:
        assert db.scalars(select(files.c.state)).all() == ["kept"]


def resting(house: House) -> int:
    """How often in a row the mailbox has failed."""
    with house.store.engine.connect() as db:
        return int(db.scalars(select(mailboxes.c.failures)).one())
