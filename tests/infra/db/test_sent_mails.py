"""What is asked of mail from the CRM in conversations is found by indexes, however much mail there is."""

import pytest
from sqlalchemy import insert

from domain.ids import ConnectionId, MailboxId
from infra.db.store import Store
from infra.db.tables.ledger import outbox
from tests.infra.db.test_conversation_lists import MANY, many_conversations
from tests.plans import Ask, plans, read_whole
from tests.worlds import HERE, START, World

BOX = MailboxId(1)

ASKED: dict[str, Ask] = {
    "the newest to answer": lambda tx: tx.of(HERE).sent_mails.answerable("c7", None, BOX),
    "a mail to answer": lambda tx: tx.of(HERE).sent_mails.answerable("c7", "m7", BOX),
    "by its id in the mailbox": lambda tx: tx.of(HERE).sent_mails.lying_as(BOX, "m7"),
    "its conversation": lambda tx: tx.of(HERE).sent_mails.conversation_of("m7"),
    "by its row in the outbox": lambda tx: tx.of(HERE).sent_mails.written(7),
    "what a report names": lambda tx: tx.of(HERE).sent_mails.reported(BOX, ["key"], ["7@example.com"]),
    "what is on its way": lambda tx: tx.of(HERE).sent_mails.give_up(ConnectionId(7), "switched_off"),
}


@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in ASKED.items()])
def test_what_sending_asks_is_found_by_indexes(world: World, store: Store, ask: Ask) -> None:
    many_conversations(world, store)
    moments = dict.fromkeys(("ready_at", "redrive_at", "created_at"), START)
    with store.begin("tests.outbox") as tx:
        tx.db.execute(
            insert(outbox),
            [
                {"mailbox_id": n, "connection_id": n, "key": f"k{n}", "state": "waiting", **moments}
                for n in range(1, MANY)
            ],
        )
        if tx.db.dialect.name == "postgresql":
            tx.db.exec_driver_sql("ANALYZE")
    found = plans(store, ask)
    assert found
    assert not [line for plan in found for line in read_whole(plan)], found
