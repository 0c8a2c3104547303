"""Two-way sync: mail joins conversations, on both databases (D6, D7, E44 to E53, E101 to E104, H47)."""

from dataclasses import dataclass

import pytest
from sqlalchemy import func, select, update

from domain.connections.connections import Mode
from domain.ids import MailboxId
from handlers import matching
from infra.db.tables.connections import connections
from infra.db.tables.conversations import conversations, mail_sources, mails, participants
from infra.db.tables.crm import contacts
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions
from tests.handlers.conftest import House
from tests.journeys.world import UWE

ANN, BOB, CID, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cid", "eve"))
FIRST, ANSWER, NEXT = "<1@example.com>", "<2@firm.example>", "<3@example.com>"


@dataclass(frozen=True, slots=True)
class Held:
    """A conversation as the database has it: its owner, and Message-IDs of its mails by the time they came."""

    contact_id: str
    mails: tuple[str | None, ...]


def letter(
    sender: str, to: str, message_id: str, *, answers: str = "", cc: str = "", subject: str = "The offer"
) -> bytes:
    """A mail of these people."""
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", "Date: Sun, 15 Mar 2026 10:00:00 +0100"]
    lines += [f"Message-ID: {message_id}"] if message_id else []
    lines += [f"Cc: {cc}"] if cc else []
    lines += [f"In-Reply-To: {answers}", f"References: {answers}"] if answers else []
    return "\r\n".join([*lines, "", "How much is it?"]).encode()


@pytest.fixture
def synced(house: House) -> House:
    """Uwe's mailbox is synced; Ann and Cid are his, Bob is nobody's."""
    house.connect(sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id.in_(["ann", "cid"])).values(assigned_to="uwe"))
    return house


def held(house: House) -> list[Held]:
    """All conversations, the first begun first."""
    with house.store.engine.connect() as db:
        rows = db.execute(
            select(conversations).order_by(conversations.c.started_at, conversations.c.id)
        ).all()
        return [
            Held(
                row.contact_id,
                tuple(
                    db.scalars(
                        select(mails.c.rfc_message_id)
                        .where(mails.c.conversation_id == row.id)
                        .order_by(mails.c.received_at, mails.c.id)
                    )
                ),
            )
            for row in rows
        ]


def plain(message_id: str) -> str:
    return message_id.strip("<>")


def arrive(house: House, raw: bytes, labels: list[str] | None = None) -> str | None:
    """It comes into Uwe's mailbox and is handled; returns how that ended."""
    message_id = house.gmail.deliver(UWE, raw, labels=labels).id
    house.catch_up()
    return house.outcomes()[message_id]


@pytest.mark.rule("D1", "H11")
def test_a_synced_connection_has_its_mode_and_its_start(synced: House) -> None:
    with synced.store.engine.connect() as db:
        row = db.execute(select(connections)).one()
    assert row.mode == Mode.SYNC_GMAIL.value
    assert row.sync_since is not None
    assert row.magnet_since is None


@pytest.mark.rule("H8", "H14", "H15", "D7-8", "D7-2", "D7-12", "D6-1", "D6-4")
def test_a_contact_writes_the_user_answers_in_gmail_and_the_contact_again(synced: House) -> None:
    assert arrive(synced, letter(ANN, UWE, FIRST)) == "sync.started"
    assert arrive(synced, letter(UWE, ANN, ANSWER, answers=FIRST), ["SENT"]) == "sync.appended"
    assert arrive(synced, letter(ANN, UWE, NEXT, answers=ANSWER)) == "sync.appended"

    assert held(synced) == [Held("ann", (plain(FIRST), plain(ANSWER), plain(NEXT)))]
    with synced.store.engine.connect() as db:
        assert [row.direction for row in db.execute(select(mails).order_by(mails.c.received_at))] == [
            "inbound",
            "outbound",
            "inbound",
        ]
        assert db.scalar(select(conversations.c.mails)) == 3


@pytest.mark.rule("D7-10", "D7-11", "D7-13", "D2-4")
def test_of_mail_that_is_refused_nothing_is_kept_but_its_id_and_outcome(synced: House) -> None:
    assert arrive(synced, letter(BOB, UWE, FIRST)) == "skip.not_assigned"
    assert arrive(synced, letter(EVE, UWE, NEXT)) == "skip.no_contact"
    assert arrive(synced, letter(UWE, EVE, ANSWER), ["SENT"]) == "skip.no_contact"

    assert held(synced) == []
    with synced.store.engine.connect() as db:
        for table in (mails, mail_sources, participants):
            assert db.scalar(select(func.count()).select_from(table)) == 0
        assert all(row.author is None for row in db.execute(select(decisions)))


@pytest.mark.rule("E103", "D7-11", "D7-13")
def test_what_was_refused_before_its_conversation_began_is_decided_again(synced: House) -> None:
    assert arrive(synced, letter(EVE, UWE, FIRST, cc=ANN)) == "skip.no_contact"
    assert arrive(synced, letter(ANN, UWE, NEXT, answers=FIRST, cc=EVE)) == "sync.started"

    assert set(synced.outcomes().values()) == {"sync.started", "sync.appended"}
    [one] = held(synced)
    assert one.contact_id == "ann"
    assert set(one.mails) == {plain(FIRST), plain(NEXT)}
    with synced.store.engine.connect() as db:
        waiting = select(steps.c.step).where(steps.c.state == "waiting", steps.c.step != "copy")
        assert db.scalars(waiting).all() == []


@pytest.mark.rule("E103", "D7-11")
def test_what_was_refused_is_decided_again_when_its_thread_comes_into_a_conversation_later(
    synced: House,
) -> None:
    """Gmail has two threads for what is one conversation, which begins in the other."""
    refused = synced.gmail.deliver(UWE, letter(EVE, UWE, NEXT, answers=ANSWER, cc=ANN))
    synced.catch_up()
    assert arrive(synced, letter(ANN, UWE, ANSWER, answers=FIRST, subject="Something else")) == "sync.started"
    synced.gmail.deliver(UWE, letter(ANN, UWE, FIRST), thread_id=refused.thread_id)
    synced.catch_up()

    assert synced.outcomes()[refused.id] == "sync.appended"
    [one] = held(synced)
    assert set(one.mails) == {plain(FIRST), plain(ANSWER), plain(NEXT)}


@pytest.mark.rule("E103", "D6-1")
def test_a_late_mail_that_links_two_conversations_makes_them_one(synced: House) -> None:
    arrive(synced, letter(CID, UWE, NEXT, answers=ANSWER, subject="Something else"))
    arrive(synced, letter(ANN, UWE, FIRST))
    assert len(held(synced)) == 2

    arrive(synced, letter(UWE, ANN, ANSWER, answers=FIRST, cc=CID), ["SENT"])

    [one] = held(synced)
    assert one.contact_id == "ann"
    assert len(one.mails) == 3
    with synced.store.engine.connect() as db:
        assert db.scalar(select(conversations.c.mails)) == 3


@pytest.mark.rule("E45", "H15")
def test_the_same_subject_alone_begins_another_conversation(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    arrive(synced, letter(CID, UWE, NEXT))
    assert [one.contact_id for one in held(synced)] == ["ann", "cid"]


@pytest.mark.rule("H47", "E104")
def test_the_same_mail_twice_in_a_mailbox_is_one_and_without_an_id_two(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    assert arrive(synced, letter(ANN, UWE, FIRST)) == "sync.appended"
    assert held(synced) == [Held("ann", (plain(FIRST),))]
    with synced.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(mail_sources)) == 2


@pytest.mark.rule("E52")
def test_a_mail_in_two_mailboxes_of_a_location_is_stored_once(synced: House) -> None:
    carla = "carla@firm.example"
    synced.connect("carla", carla, sync=True, magnet=False, sorting=False)
    arrive(synced, letter(ANN, f"{UWE}, {carla}", FIRST))
    synced.gmail.deliver(carla, letter(ANN, f"{UWE}, {carla}", FIRST))
    synced.catch_up(MailboxId(2))

    assert held(synced) == [Held("ann", (plain(FIRST),))]
    with synced.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(mail_sources)) == 2


@pytest.mark.rule("E103", "D7-11", "W10")
def test_an_answer_that_was_decided_before_the_mail_it_answers_is_decided_again(synced: House) -> None:
    """The first mail of the thread comes first, and its worker is slow."""
    first = synced.gmail.deliver(UWE, letter(ANN, UWE, FIRST))
    poison = synced.gmail.poison(UWE, first.id)
    synced.catch_up()
    assert arrive(synced, letter(EVE, UWE, NEXT, answers=FIRST)) == "skip.no_contact"

    synced.gmail.clear_faults(poison)
    synced.let_time_pass()
    synced.catch_up()
    matching.match(MailboxId(1), synced.context)
    synced.pump()

    [one] = held(synced)
    assert set(one.mails) == {plain(FIRST), plain(NEXT)}
