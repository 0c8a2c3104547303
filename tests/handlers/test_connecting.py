"""Two people connect one mailbox at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text

from domain.connections.connections import Sharing, Wishes
from domain.errors import Refused
from domain.ids import MailboxId
from domain.mailboxes.accounts import AccountKey, Grant
from handlers.connections import aliases, connecting
from infra.db.store import Store
from tests.handlers.conftest import House
from tests.journeys.world import UWE, wait_for
from tests.providers import entered_by
from tests.worlds import HERE, connect


@dataclass(frozen=True, slots=True)
class Watching:
    """The real way into Gmail, that tells when a watch was asked for: then only the recording is left."""

    gmail: Any
    asked: Event

    def open(self, grant: Grant) -> Any:
        mailbox, asked = self.gmail.open(grant), self.asked

        class It:
            def __getattr__(self, name: str) -> Any:
                return getattr(mailbox, name)

            def watch(self, topic: str) -> Any:
                watch = mailbox.watch(topic)
                asked.set()
                return watch

        return It()


@pytest.mark.rule("E76")
def test_of_two_who_connect_a_mailbox_at_once_one_is_refused(house: House, second_store: Store) -> None:
    grant, asked = house.grant(UWE), Event()
    context = entered_by(house.context, Watching(house.context, asked), store=second_store)
    with ThreadPoolExecutor(1) as thread:
        with house.store.begin("tests.first") as tx:
            tx.mailboxes.reserve(AccountKey("gmail", UWE))
            connect(tx, tx.mailboxes.add(AccountKey("gmail", UWE), UWE), "uwe")
            other = thread.submit(
                connecting.save,
                "carla",
                grant,
                Wishes(magnet=True, sharing=Sharing.PRIVATE),
                context=context,
            )
            assert asked.wait(60)
            if house.store.engine.dialect.name == "postgresql":
                assert wait_for(lambda: is_waited_for(house.store)), "the second does not wait for the first"
        with pytest.raises(Refused, match="MailMagnet is on for this mailbox with user uwe"):
            other.result()


@pytest.mark.rule("Z15")
def test_of_two_mailboxes_that_a_user_connects_at_once_one_is_refused(
    house: House, second_store: Store
) -> None:
    grant, asked = house.grant(UWE), Event()
    context = entered_by(house.context, Watching(house.context, asked), store=second_store)
    with ThreadPoolExecutor(1) as thread:
        with house.store.begin("tests.first") as tx:
            tx.of(HERE).users.reserve("uwe")
            connect(
                tx, tx.mailboxes.add(AccountKey("gmail", "other@firm.example"), "other@firm.example"), "uwe"
            )
            other = thread.submit(
                connecting.save, "uwe", grant, Wishes(magnet=True, sharing=Sharing.PRIVATE), context=context
            )
            assert asked.wait(60)
            if house.store.engine.dialect.name == "postgresql":
                assert wait_for(lambda: is_waited_for(house.store)), "the second does not wait for the first"
        with pytest.raises(Refused, match="another mailbox connected"):
            other.result()


@pytest.mark.rule("E14")
def test_of_two_who_register_an_address_at_once_one_is_refused(house: House, second_store: Store) -> None:
    house.connect()
    carla = house.connect("carla", "carla@firm.example")
    with ThreadPoolExecutor(1) as thread:
        with house.store.begin("tests.first") as tx:
            tx.of(HERE).aliases.reserve("uwe@old.example")
            connection = tx.connections.get(carla)
            assert connection
            tx.of(HERE).aliases.add(connection, "uwe@old.example")
            other = thread.submit(aliases.add, "uwe", "uwe@old.example", second_store)
            if house.store.engine.dialect.name == "postgresql":
                assert wait_for(lambda: is_waited_for(house.store)), "the second does not wait for the first"
        with pytest.raises(Refused, match="another mailbox has this address"):
            other.result()


@pytest.mark.rule("E86", "W2")
def test_signing_in_again_and_losing_the_old_sign_in_never_wait_for_each_other(house: House) -> None:
    connection_id = house.connect()
    if house.store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer")
    with ThreadPoolExecutor(1) as other:
        with house.store.begin("tests.lose") as tx:
            connection = tx.connections.get(connection_id)
            assert connection is not None
            assert tx.connections.need_sign_in(connection)
            again = other.submit(house.connect)
            assert wait_for(lambda: is_waited_for(house.store))
            tx.mailboxes.stop_scheduling(connection.mailbox_id)
        assert again.result() == connection_id
    with house.store.begin("tests.look") as tx:
        assert [c.id for c in tx.connections.working(MailboxId(1))] == [connection_id]


def is_waited_for(store: Store) -> bool:
    """Whether anybody waits for a lock of PostgreSQL's."""
    with store.engine.connect() as db:
        return bool(db.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
