"""What is asked for a mail that joins a conversation reads no table from end to end, and never a whole conversation
where one row tells."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.event import listen

from domain.conversations.mails import Grown, Sought, Source
from domain.ids import ConnectionId, MailboxId
from infra.db.conversations.joining import ConversationRepository
from infra.db.conversations.statements import CONVERSATIONS
from infra.db.store import Store
from infra.db.tables.connections import connections
from infra.db.tables.conversations import conversations, files, mail_links, mail_sources, mails, participants
from infra.db.tables.ledger import outbox
from tests.plans import plans, read_whole
from tests.worlds import HERE, START, World

MANY = 2_000
LONG = "long"
"""A conversation of half of the mails."""


def fill(store: Store, many: int = MANY) -> None:
    """Mails of mailbox 1, half of them in one conversation, the others in one each."""
    here = {"location_id": HERE.id}
    names = [f"m{n:07}" for n in range(many)]

    def its(n: int) -> str:
        return LONG if n % 2 else f"c{n:07}"

    def at(n: int) -> dict[str, object]:
        return {"received_at": START + timedelta(minutes=n)}

    rows_of_mails = [
        here
        | at(n)
        | {
            "id": name,
            "conversation_id": its(n),
            "identity": f"i{n}",
            "rfc_message_id": f"{name}@example.com",
            "author": f"a{n}@example.com",
            "author_name": "",
            "direction": "inbound",
            "mail_class": "human",
            "subject": "Offer",
            "preview": "",
            "added_at": START,
            "object": f"o{n}",
        }
        for n, name in enumerate(names)
    ]
    begun = {"contact_id": "ann", "state": "active", "subject": "Offer", "started_at": START}
    ids = [LONG, *(f"c{n:07}" for n in range(0, many, 2))]
    rows_of_conversations = [here | begun | {"id": one, "last_mail_at": START} for one in ids]
    sources = [
        here
        | at(n)
        | {
            "mailbox_id": 1,
            "message_id": f"g{n}",
            "mail_id": name,
            "connection_id": 999,
            "thread_id": f"t{n}",
        }
        for n, name in enumerate(names)
    ]
    links = [
        here | {"mail_id": name, "rfc_message_id": f"m{n - 2:07}@example.com"} for n, name in enumerate(names)
    ]
    people = [
        here | {"mail_id": name, "role": "from", "position": 0, "address": f"a{n}@example.com", "name": ""}
        for n, name in enumerate(names)
    ]
    file = {"part": "1", "name": "a.pdf", "claimed_type": "", "size": 1, "state": "kept"}
    of_files = [here | file | {"mail_id": name, "object": f"f{name}"} for name in names]
    sent = {"mailbox_id": 1, "connection_id": 1, "state": "sent"} | dict.fromkeys(
        ("created_at", "ready_at", "redrive_at"), START
    )
    sendings = [sent | {"key": f"k{n}"} for n in range(many)]
    with store.begin("tests.fill") as tx:
        for table, rows in (
            (conversations, rows_of_conversations),
            (mails, rows_of_mails),
            (mail_sources, sources),
            (mail_links, links),
            (participants, people),
            (files, of_files),
            (outbox, sendings),
        ):
            for start in range(0, len(rows), 1_000):
                tx.db.execute(insert(table), rows[start : start + 1_000])
        if tx.db.dialect.name == "postgresql":
            tx.db.execute(text("ANALYZE"))


def sought(mail_id: str = "new") -> Sought:
    source = Source(MailboxId(1), "g5", ConnectionId(1), "t5", START)
    return Sought(
        mail_id, "i5", "m0000005@example.com", ("m0000003@example.com", "m0000004@example.com"), source, "k"
    )


Asked = Callable[[ConversationRepository], object]

JOINING: dict[str, Asked] = {
    "around": lambda here: here.around([sought(), sought("other")]),
    "people of a thread": lambda here: here.people(1, "t5", LONG),
    "participants": lambda here: here.participants(LONG),
    "names": lambda here: here.names([LONG, "c0000002"]),
    "owner": lambda here: here.owner_of("m0000005"),
    "thread": lambda here: here.thread_of(MailboxId(1), "g5"),
    "received": lambda here: here.received_at("m0000005"),
    "sources": lambda here: here.add_sources({sought().source: "m0000005"}),
    "unite": lambda here: here.unite({"m0000005": "m0000003"}),
    "merge": lambda here: here.merge(["c0000002"], LONG),
    "grow": lambda here: here.grow([Grown(LONG, "m0000001", START, 1, "ann")]),
    "to copy": lambda here: here.to_copy(MailboxId(1), "g5"),
    "contents": lambda here: here.keep_contents({"m0000005": "o1"}),
    "files": lambda here: here.files_gone("m0000005"),
}


@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in JOINING.items()])
def test_what_a_mail_asks_that_joins_reads_no_table_from_end_to_end(world: World, ask: Asked) -> None:
    fill(world.store)
    found = plans(world.store, lambda tx: ask(tx.of(HERE).conversations))
    assert found
    assert not [line for plan in found for line in read_whole(plan)], found


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whether_a_long_conversation_goes_on_is_told_by_its_newest_mails(world: World) -> None:
    """The others are all of a connection that was ended."""
    fill(world.store)
    with world.store.begin("tests.woken") as tx:
        newest = mail_sources.c.mail_id == f"m{MANY - 1:07}"
        tx.db.execute(update(mail_sources).where(newest).values(connection_id=world.connection_id))
        tx.db.execute(update(connections).values(sync_since=START))
        its = {"here": HERE.id, "ids": [LONG]}
        [row] = tx.db.execute(CONVERSATIONS, its).all()
        assert row.goes_on
        asked: list[Any] = []
        listen(tx.db, "before_cursor_execute", lambda *one: asked.append(one[2:4]))
        tx.db.execute(CONVERSATIONS, its)
        [(statement, parameters)] = asked
        explained = tx.db.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        found = explained.scalar_one()
    assert read_of(found, "mails_conversation") == 1


def read_of(plan: Any, index: str) -> int:
    """Rows that the plan has read by an index, also those that it did not take."""
    if isinstance(plan, list):
        return sum(read_of(one, index) for one in plan)
    if not isinstance(plan, dict):
        return 0
    mine = 0
    if plan.get("Index Name") == index:
        mine = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return int(mine) + sum(read_of(one, index) for one in plan.values())
