"""Events of conversations: their numbers, who is handed them, and that none appears later than a younger one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import insert, select, update

from domain.channels import ChannelKind, Target
from domain.conversations.events import ConversationEvent, EventKind, NewEvent
from domain.crm.locations import Location
from domain.ids import ChannelId
from domain.mail.messages import Direction
from infra.db.store import Store, Transaction
from infra.db.tables.channels import channels
from infra.db.tables.crm import locations, organisations
from infra.db.tables.events import event_deliveries
from tests.conversations import conversation
from tests.worlds import HERE

HOOK = Target("https://hooks.example.com/x", "whsec_c2VjcmV0")


def started(conversation_id: str = "c1") -> NewEvent:
    return NewEvent(EventKind.STARTED, conversation_id, "m1", Direction.INBOUND)


def more(conversation_id: str = "c1", mail_id: str = "m2") -> NewEvent:
    return NewEvent(EventKind.MESSAGE_ADDED, conversation_id, mail_id, Direction.OUTBOUND, "uwe", 7)


def add(store: Store, *new: NewEvent, location: Location = HERE) -> frozenset[ChannelId]:
    with store.begin("tests.add") as tx:
        return tx.of(location).events.add(*new)


def listed(store: Store, after: int = 0, limit: int = 100) -> tuple[ConversationEvent, ...]:
    with store.begin("tests.list") as tx:
        return tx.of(HERE).events.after(after, limit)


def numbers(store: Store) -> list[tuple[str, int]]:
    return [(one.conversation_id, one.sequence) for one in listed(store)]


@pytest.mark.rule("I2")
def test_the_events_of_a_conversation_are_numbered_in_the_order_in_which_they_happen(store: Store) -> None:
    conversation(store, "c1", "ann")
    conversation(store, "c2", "ann")
    add(store, started(), more())
    add(store, more("c2"), started("c1"), more("c2"))
    assert numbers(store) == [("c1", 1), ("c1", 2), ("c2", 1), ("c1", 3), ("c2", 2)]


@pytest.mark.rule("D2")
def test_an_event_says_ids_and_facts_of_ours(store: Store) -> None:
    conversation(store, "c1", "ann")
    add(store, NewEvent(EventKind.FAILED, "c1", "m1", Direction.OUTBOUND, "uwe", 7, "sendingLimit"))
    [one] = listed(store)
    assert one == ConversationEvent(
        id=one.id,
        kind=EventKind.FAILED,
        location="main/main",
        conversation_id="c1",
        sequence=1,
        contact_id="ann",
        mail_id="m1",
        direction=Direction.OUTBOUND,
        user_id="uwe",
        sending_id=7,
        reason="sendingLimit",
        created_at=one.created_at,
    )


def test_they_are_listed_from_any_place_on(store: Store) -> None:
    conversation(store, "c1", "ann")
    add(store, *(more() for _ in range(5)))
    everything = listed(store)
    assert listed(store, everything[1].id, 2) == everything[2:4]
    assert listed(store, everything[-1].id) == ()


@pytest.mark.rule("I2")
def test_what_is_rolled_back_leaves_no_gap(store: Store) -> None:
    conversation(store, "c1", "ann")
    add(store, started())
    with suppress(ZeroDivisionError), store.begin("tests.add") as tx:
        tx.of(HERE).events.add(more())
        raise ZeroDivisionError
    add(store, more())
    assert numbers(store) == [("c1", 1), ("c1", 2)]


def test_an_event_needs_its_conversation(store: Store) -> None:
    conversation(store, "c1", "ann", location_id=elsewhere(store).id)
    with pytest.raises(LookupError):
        add(store, started())


@pytest.mark.rule("I2")
def test_writers_at_once_number_without_gaps_and_in_the_order_of_their_ids(
    store: Store, second_store: Store
) -> None:
    """Each names its conversations in another order, and every third changes its mind."""
    conversation(store, "c1", "ann")
    conversation(store, "c2", "ann")
    together = threading.Barrier(6)

    def run(n: int) -> None:
        here = (store, second_store)[n % 2]
        together.wait()
        for turn in range(12):
            pair = (more("c1"), more("c2"))
            with suppress(ZeroDivisionError), here.begin("tests.add") as tx:
                tx.of(HERE).events.add(*(pair if (n + turn) % 2 else reversed(pair)))
                if turn % 3 == 2:
                    raise ZeroDivisionError

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    found = numbers(store)
    for one in ("c1", "c2"):
        assert [sequence for its, sequence in found if its == one] == list(range(1, 49))


@pytest.mark.rule("I1")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_event_appears_with_a_lower_id_than_one_that_was_listed(store: Store, second_store: Store) -> None:
    conversation(store, "c1", "ann")
    conversation(store, "c2", "ann")
    with ThreadPoolExecutor(1) as pool:
        with store.begin("tests.slow") as tx:
            tx.of(HERE).events.add(started("c1"))
            add(second_store, started("c2"))
            reading = pool.submit(listed, second_store)
            with pytest.raises(TimeoutError):
                reading.result(0.5)
        assert [one.conversation_id for one in reading.result(10)] == ["c1", "c2"]


@pytest.mark.rule("I11")
def test_only_webhooks_of_the_whole_organisation_get_events(store: Store) -> None:
    there = elsewhere(store)
    with store.begin("tests.channels") as tx:
        its = tx.of(HERE).channels.add(None, ChannelKind.WEBHOOK, HOOK)
        tx.of(HERE).channels.add("uwe", ChannelKind.WEBHOOK, HOOK)
        tx.of(HERE).channels.add(None, ChannelKind.APPRISE, Target("slack://a/b/c"))
        off = tx.of(HERE).channels.add(None, ChannelKind.WEBHOOK, HOOK)
        tx.db.execute(update(channels).where(channels.c.id == off).values(state="off"))
        others = tx.of(there).channels.add(None, ChannelKind.WEBHOOK, HOOK)
    conversation(store, "c1", "ann")
    conversation(store, "c1", "ann", location_id=there.id)
    assert add(store, started(), more()) == {its}
    assert add(store, started(), location=there) == {others}
    with store.begin("tests.look") as tx:
        assert waiting(tx) == [its, its, others]


@pytest.mark.rule("E92")
def test_a_channel_gets_no_event_from_before_it_was_made(store: Store) -> None:
    conversation(store, "c1", "ann")
    assert add(store, started()) == frozenset()
    with store.begin("tests.channels") as tx:
        its = tx.of(HERE).channels.add(None, ChannelKind.WEBHOOK, HOOK)
    assert add(store, more()) == {its}
    with store.begin("tests.look") as tx:
        assert waiting(tx) == [its]


def waiting(tx: Transaction) -> list[int]:
    return list(tx.db.scalars(select(event_deliveries.c.channel_id).order_by(event_deliveries.c.event_id)))


def elsewhere(store: Store) -> Location:
    """A location of another organisation."""
    with store.begin("tests.elsewhere") as tx:
        new = tx.db.execute(insert(organisations).values(name="acme")).inserted_primary_key
        organisation_id = int(new[0]) if new else 0
        place = insert(locations).values(organisation_id=organisation_id, name="berlin")
        key = tx.db.execute(place).inserted_primary_key
        return Location(int(key[0]) if key else 0, organisation_id)
