"""Copies of one mail in several mailboxes, and what arrives beside them in one batch (E52, E103, H47)."""

from collections.abc import Sequence

import pytest
from sqlalchemy import delete, select, update

from domain.ids import MailboxId
from handlers.outbox import drafts
from infra.db.tables.conversations import conversations, mail_links, mail_sources, mails, participants
from infra.db.tables.crm import contacts
from tests.handlers.conftest import House
from tests.handlers.test_conversations import ANN, CID, FIRST, NEXT, Held, held, letter, plain
from tests.handlers.test_sending_in_sync import TO_ANN, answer_of_ann
from tests.journeys.world import UWE

CARLA = "carla@firm.example"
BOTH = f"{UWE}, {CARLA}"


@pytest.fixture
def two(house: House) -> House:
    """Uwe's and Carla's mailboxes are synced; Ann is Uwe's, Cid Carla's."""
    house.gmail.create_mailbox(ANN)
    house.connect(sync=True, magnet=False, sorting=False)
    house.connect("carla", CARLA, sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        for contact_id, user_id in (("ann", "uwe"), ("cid", "carla")):
            db.execute(update(contacts).where(contacts.c.id == contact_id).values(assigned_to=user_id))
    return house


def come(house: House, address: str, *raw: bytes) -> list[str | None]:
    """They come at once and are handled in one batch; returns how each ended."""
    ids = [house.gmail.deliver(address, one).id for one in raw]
    house.catch_up(MailboxId(1 if address == UWE else 2))
    return [house.outcomes()[one] for one in ids]


def assert_sound(house: House) -> None:
    """Whatever speaks of a mail speaks of one that is there, and each conversation has the mails that it counts."""
    with house.store.engine.connect() as db:
        there = set(db.scalars(select(mails.c.id)))
        for table in (mail_sources, mail_links, participants):
            assert set(db.scalars(select(table.c.mail_id))) <= there, table.name
        for row in db.execute(select(conversations)).all():
            its = set(db.scalars(select(mails.c.id).where(mails.c.conversation_id == row.id)))
            assert row.root_id in its
            assert row.mails == len(its)


def ids(those: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(plain, those))


@pytest.mark.rule("E52", "E103", "H47")
def test_a_mail_that_another_mailbox_has_brought_comes_twice_in_one_batch(two: House) -> None:
    mail = letter(ANN, BOTH, FIRST)
    come(two, UWE, mail)
    assert come(two, CARLA, mail, mail) == ["sync.appended"] * 2
    assert held(two) == [Held("ann", ids([FIRST]))]
    assert_sound(two)


@pytest.mark.rule("E52", "E103", "D7-2")
@pytest.mark.parametrize("at_once", [True, False])
def test_what_comes_beside_a_copy_in_its_thread_joins_its_conversation(two: House, at_once: bool) -> None:
    """Cid's mail names nothing: that it lies in the thread of the copy tells where it belongs."""
    first = letter(ANN, BOTH, FIRST, cc=CID)
    come(two, UWE, first)
    second = letter(CID, BOTH, NEXT, cc=ANN, subject="Re: The offer", answers="<1@example.com>")
    second = second.replace(b"In-Reply-To: <1@example.com>\r\n", b"").replace(b"References:", b"X-Named:")
    thread = two.gmail.deliver(CARLA, first).thread_id
    if not at_once:
        two.catch_up(MailboxId(2))
    two.gmail.deliver(CARLA, second, thread_id=thread)
    two.catch_up(MailboxId(2))
    assert held(two) == [Held("ann", ids([FIRST, NEXT]))]
    assert_sound(two)


@pytest.mark.rule("E52", "E103", "D6-1")
def test_a_copy_that_links_two_conversations_keeps_the_root_that_it_is(two: House) -> None:
    """Carla has Cid's mail, which begins one of its own, and then Ann's in the same thread."""
    come(two, UWE, letter(ANN, BOTH, FIRST, cc=CID))
    with two.store.engine.connect() as db:
        [root] = db.scalars(select(mails.c.id))
    thread = two.gmail.deliver(CARLA, letter(CID, BOTH, NEXT, cc=ANN)).thread_id
    two.catch_up(MailboxId(2))
    assert len(held(two)) == 2

    two.gmail.deliver(CARLA, letter(ANN, BOTH, FIRST, cc=CID), thread_id=thread)
    two.catch_up(MailboxId(2))

    assert held(two) == [Held("ann", ids([FIRST, NEXT]))]
    assert_sound(two)
    with two.store.engine.connect() as db:
        assert db.scalar(select(conversations.c.root_id)) == root


@pytest.mark.rule("D7-1a", "D7-3", "E73")
def test_the_sent_copy_and_its_answer_may_be_one_batch_after_the_owner_was_deleted(two: House) -> None:
    drafts.ask(TO_ANN, two.context)
    two.pump()
    with two.store.engine.begin() as db:
        db.execute(delete(contacts).where(contacts.c.id == "ann"))

    assert answer_of_ann(two) == "skip.owner_deleted"

    [conversation] = held(two)
    assert len(conversation.mails) == 1
    assert_sound(two)


HOSTILE = [
    pytest.param(b"<a\0b@example.com>", id="nul"),
    pytest.param(b"<a\xffb@example.com>", id="no UTF-8"),
    pytest.param(
        "".join(("<", *map(chr, range(0x20000, 0x20380)), "@example.com>")).encode(), id="3,600 bytes"
    ),
]


@pytest.mark.rule("E102", "E104")
@pytest.mark.parametrize("message_id", HOSTILE)
def test_an_id_that_no_database_takes_is_none(two: House, message_id: bytes) -> None:
    mail = letter(ANN, UWE, "<X>", answers="<Y>").replace(b"<X>", message_id)
    assert come(two, UWE, mail.replace(b"<Y>", message_id), letter(ANN, UWE, NEXT)) == ["sync.started"] * 2
    assert come(two, UWE, letter(ANN, UWE, NEXT)) == ["sync.appended"]
    assert_sound(two)


@pytest.mark.rule("E102")
def test_people_that_no_database_takes_keep_no_mail_out(two: House) -> None:
    to = f'"a\0b"@example.com, \0@example.com, "\x1b[0m" <c@example.com>, {UWE}'
    assert come(two, UWE, letter(ANN, to, FIRST, cc=f"{'x' * 5000}@example.com")) == ["sync.started"]
    assert_sound(two)
