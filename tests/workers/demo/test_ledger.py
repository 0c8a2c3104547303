"""What the demo counts when a connection has ended."""

import pytest
from sqlalchemy import insert, select

from domain.ledger import Claim
from infra.db.store import Store
from infra.db.tables.channels import channels, deliveries
from infra.db.tables.mail import notifications
from infra.db.tables.schema import metadata
from tests.worlds import KEPT, START, World, arrive, connection_of, make_world, match
from workers.demo.ledger import COPIES, COUNTS, CRM, Ledger

LINKS = {"connection_id", "mailbox_id", "user_id", "address"}


def test_no_table_is_forgotten() -> None:
    linked = {name for name, table in metadata.tables.items() if LINKS & set(table.c.keys())}
    assert metadata.tables.keys() == CRM | COPIES | COUNTS | linked


@pytest.mark.rule("D12")
def test_the_rows_of_one_connection_are_counted_and_no_others(store: Store, database_url: str) -> None:
    uwe, eva = make_world(store), make_world(store, "eva@firm.example", "eva")
    tell(uwe, "uwe", "1")
    tell(eva, "eva", "2")
    tell(eva, "eva", "3")
    ledger = Ledger(database_url)
    try:
        about = {"connection_id": uwe.connection_id, "mailbox_id": uwe.mailbox_id}
        found = ledger.rows_about(**about, user_id="uwe", address="uwe@firm.example")
        nobody = ledger.rows_about(user_id="nobody", address="nobody@firm.example")
    finally:
        ledger.close()
    ones = ("mailboxes", "mailbox_addresses", "connections", "messages", "decisions", "notifications")
    assert {name: rows for name, rows in found.items() if rows} == dict.fromkeys([*ones, "deliveries"], 1) | {
        "steps": 3
    }
    assert not any(nobody.values())


def tell(world: World, user_id: str, message_id: str) -> None:
    """A mail that was announced and is on its way to a channel."""
    arrive(world, message_id)
    match(world, message_id)
    with world.store.begin("tests.tell") as tx:
        claims = [Claim(message_id, world.connection_id, 1)]
        tx.notifications.notify(connection_of(tx, world), claims, tx.decisions.links(claims), KEPT)
        channel = tx.db.execute(
            insert(channels).values(
                organisation_id=1, kind="webhook", target=b"", state="on", created_at=START
            )
        ).inserted_primary_key
        told = tx.db.scalar(select(notifications.c.id).where(notifications.c.message_id == message_id))
        tx.db.execute(
            insert(deliveries).values(
                channel_id=channel[0] if channel else 0,
                notification_id=told,
                user_id=user_id,
                state="waiting",
                ready_at=START,
                redrive_at=START,
            )
        )
