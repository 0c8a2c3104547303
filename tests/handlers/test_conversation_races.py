"""Mails of one thread that are taken in at the same moment, on a database with several writers (D6, E52, E103)."""

from functools import partial
from itertools import cycle

import pytest
from sqlalchemy import select

from domain.events import MailboxChanged
from domain.ids import MailboxId
from domain.ledger import BATCH_SIZE
from handlers import matching
from infra.db.tables.conversations import conversations, mail_sources, mails
from tests.handlers.conftest import House
from tests.handlers.test_conversations import ANN, letter
from tests.handlers.test_merge_races import at_once
from tests.journeys.world import UWE
from tests.worlds import HERE

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

ROUNDS = 20
TEAM = {"uwe": UWE, "carla": "carla@firm.example", "kim": "kim@firm.example"}


@pytest.fixture
def team(house: House) -> House:
    """Three mailboxes that are synced; any contact may write to each."""
    with house.store.begin("tests.begin") as tx:
        tx.of(HERE).location_settings.set("assignment-inbound", value=False)
    for user_id, address in TEAM.items():
        house.connect(user_id, address, sync=True, magnet=False, sorting=False)
    return house


def found(house: House, *addresses: str) -> list[MailboxId]:
    """The ledger learns of what came to these; the mailboxes."""
    those = [MailboxId(number) for number, one in enumerate(TEAM.values(), 1) if one in addresses]
    for mailbox_id in those:
        house.sent.clear()
        house.queue.emit(MailboxChanged(mailbox_id))
        house.run_next()
    return those


def match_at_once(house: House, *mailboxes: MailboxId) -> None:
    """Each by a job in a thread of its own; then what is left."""
    at_once(*(partial(matching.match, mailbox_id, house.context) for mailbox_id in mailboxes))
    house.let_time_pass()
    for mailbox_id in mailboxes:
        matching.match(mailbox_id, house.context)


def together(house: House) -> list[list[str]]:
    """Message-IDs by conversation, of those that there are."""
    with house.store.engine.connect() as db:
        rows = db.execute(select(mails.c.conversation_id, mails.c.rfc_message_id)).all()
        ids = set(db.scalars(select(conversations.c.id)))
    assert {row.conversation_id for row in rows} == ids
    return [sorted(str(row.rfc_message_id) for row in rows if row.conversation_id == one) for one in ids]


@pytest.mark.rule("D6-1", "E103", "E81", "W11")
def test_mails_of_one_thread_in_three_mailboxes_at_once_make_one_conversation(team: House) -> None:
    """A chain whose middle links both ends; nobody has two of the mails."""
    expected = []
    for number in range(ROUNDS):
        ids = [f"<{n}.{number}@example.com>" for n in range(3)]
        chain = zip(TEAM.values(), ids, ["", *ids], strict=False)
        for address, message_id, answered in chain:
            team.gmail.deliver(address, letter(ANN, address, message_id, answers=answered))
        match_at_once(team, *found(team, *TEAM.values()))
        expected.append(sorted(one.strip("<>") for one in ids))
    assert sorted(together(team)) == sorted(expected)


@pytest.mark.rule("E52", "H47", "E103", "W11")
def test_the_same_mail_in_three_mailboxes_at_once_is_kept_once(team: House) -> None:
    everybody = ", ".join(TEAM.values())
    for number in range(ROUNDS):
        raw = letter(ANN, everybody, f"<{number}@example.com>", subject=f"Offer {number}")
        for address in TEAM.values():
            team.gmail.deliver(address, raw)
        match_at_once(team, *found(team, *TEAM.values()))
    assert sorted(map(len, together(team))) == [1] * ROUNDS
    with team.store.engine.connect() as db:
        assert len(db.scalars(select(mail_sources.c.mail_id)).all()) == 3 * ROUNDS


@pytest.mark.rule("D6-1", "E103", "W2", "W11")
def test_two_jobs_with_mails_of_one_thread_of_a_mailbox_make_one_conversation(team: House) -> None:
    """More than a batch, so that each job has some of them; the younger ones may be first. Mailboxes take turns, for
    each has its limit of units."""
    for number, box in zip(range(6), cycle(TEAM.values()), strict=False):
        ids = [f"<{n}.{number}@example.com>" for n in range(BATCH_SIZE + 5)]
        for message_id, answered in zip(ids, ["", *ids], strict=False):
            subject = f"Offer {number}"
            team.gmail.deliver(box, letter(ANN, box, message_id, answers=answered, subject=subject))
        [mailbox_id] = found(team, box)
        match_at_once(team, mailbox_id, mailbox_id)
    assert sorted(map(len, together(team))) == [BATCH_SIZE + 5] * 6
