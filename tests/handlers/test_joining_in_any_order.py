"""The store joins mails as the rules say, in whatever order and batches they come, on both databases (E103, D6-1)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Table, delete, insert, select, update

from domain.connections.connections import Connection, Mode
from domain.crm.contacts import ContactKind
from domain.ids import MailboxId
from domain.mail.addresses import loose
from domain.mail.content import MailContent, MimePart
from domain.mail.folders import Folder
from handlers.conversations.joining import candidate, join_all
from handlers.people import look_up
from infra.db.store import Store
from infra.db.tables.connections import connections
from infra.db.tables.conversations import (
    conversations,
    files,
    mail_links,
    mail_sources,
    mails,
    participants,
)
from infra.db.tables.crm import contact_addresses, contacts
from infra.db.tables.events import events
from tests.domain.conversations.test_arrivals import Mail, hanging_together
from tests.worlds import HERE, START, make_world

PEOPLE = ("ann@example.com", "bob@example.com", "cid@example.com")
SUBJECTS = ("Offer", "Re: Offer", "AW: Offer", "Fwd: Offer", "Bill", "")
OWN = {1: "uwe@firm.example", 2: "carla@firm.example"}
WORLDS = 20
KEPT: tuple[Table, ...] = (events, files, participants, mail_links, mail_sources, mails, conversations)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail comes into a mailbox under this id of the provider's."""

    mail: Mail
    mailbox: int
    thread_id: str
    message_id: str


def some_mails(chance: Random, *, reused: bool) -> list[Mail]:
    """Of a few people, into one mailbox or two; with Message-IDs that are missing, and with `reused` ones."""
    number = chance.randint(2, 9)
    ids = [f"i{n}@x.example" if chance.random() < 0.85 else None for n in range(number)]
    if reused:
        ids = [chance.choice([one, "i0@x.example"]) for one in ids]
    found = []
    for n, rfc_message_id in enumerate(ids):
        earlier = [one for one in (*ids[:n], "unseen@x.example") if one not in (None, rfc_message_id)]
        copies = [(mailbox, chance.choice("tu")) for mailbox in chance.sample([1, 2], chance.randint(1, 2))]
        found.append(
            Mail(
                id=f"m{n}",
                received_at=START + timedelta(minutes=n),
                rfc_message_id=rfc_message_id,
                names=tuple(sorted(set(chance.choices(earlier, k=chance.randint(0, 2))))),
                subject=chance.choice(SUBJECTS),
                outside=frozenset(chance.sample(PEOPLE, chance.randint(1, 2))),
                copies=frozenset(copies if rfc_message_id else copies[:1]),
            )
        )
    return found


def arrivals_of(those: Sequence[Mail]) -> list[Arrival]:
    return [
        Arrival(mail, mailbox, thread_id, f"{mail.id}-{mailbox}")
        for mail in those
        for mailbox, thread_id in sorted(mail.copies)
    ]


def doubled(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Some come twice into the same mailbox."""
    again = [one for one in arrivals[::2] if one.mail.rfc_message_id]
    return [
        *arrivals,
        *(Arrival(one.mail, one.mailbox, one.thread_id, f"{one.message_id}-again") for one in again),
    ]


def content(one: Arrival) -> MailContent:
    author, *others = sorted(one.mail.outside)
    sent_at = one.mail.received_at.strftime("%a, %d %b %Y %H:%M:%S +0000")
    headers = [("From", author), ("To", ", ".join((OWN[one.mailbox], *others))), ("Date", sent_at)]
    headers += [("Subject", one.mail.subject)]
    headers += [("Message-ID", f"<{one.mail.rfc_message_id}>")] if one.mail.rfc_message_id else []
    headers += [("References", " ".join(f"<{name}>" for name in one.mail.names))] if one.mail.names else []
    body = MimePart("text/plain", tuple(headers), content=b"How much is it?", size=15)
    return MailContent(one.message_id, one.thread_id, Folder.INBOX, one.mail.received_at, "", body)


@pytest.fixture
def synced(store: Store) -> dict[int, Connection]:
    """Two synced mailboxes by id. Everybody is a contact, and need not be assigned."""
    worlds = [
        make_world(store, address, user, sorting=False)
        for user, address in (("uwe", OWN[1]), ("carla", OWN[2]))
    ]
    with store.engine.begin() as db:
        on = {"mode": Mode.SYNC_GMAIL.value, "sync_since": START, "magnet_since": None}
        db.execute(update(connections).values(on))
        for address in PEOPLE:
            name = address.partition("@")[0]
            who = {
                "location_id": 1,
                "id": name,
                "kind": ContactKind.CONTACT.value,
                "name": name,
                "created_at": START,
            }
            db.execute(insert(contacts).values(who))
            its = {"location_id": 1, "contact_id": name, "address": address, "loose": loose(address)}
            db.execute(insert(contact_addresses).values(its))
    with store.begin("tests.settings") as tx:
        tx.of(HERE).location_settings.set("assignment-inbound", False)
        found = [tx.connections.get(world.connection_id) for world in worlds]
    return {one.mailbox_id: one for one in found if one is not None}


def joined(
    store: Store, synced: dict[int, Connection], arrivals: Sequence[Arrival], batch: int
) -> dict[frozenset[str], tuple[str, str]]:
    """The mails that are together when all have come, `batch` at a time, with their root and owner."""
    waiting = list(arrivals)
    while waiting:
        these = waiting[:batch]
        these = [one for one in these if one.mailbox == these[0].mailbox]
        waiting = [one for one in waiting if one not in these]
        connection = synced[these[0].mailbox]
        own = frozenset({OWN[these[0].mailbox]})
        those = [candidate(c, c.message(own), connection) for c in map(content, these)]
        with store.begin("tests.join") as tx:
            tx.of(HERE).conversations.take_turns([one.sought for one in those])
            messages = [one.message for one in those]
            people = look_up(MailboxId(these[0].mailbox), HERE, messages, tx, everybody=True)
            join_all(those, people, frozenset(), tx.of(HERE))
    return kept(store)


def kept(store: Store) -> dict[frozenset[str], tuple[str, str]]:
    """Read, and cleared for the next ones."""
    with store.engine.begin() as db:
        names = {row.mail_id: row.message_id.partition("-")[0] for row in db.execute(select(mail_sources))}
        together = defaultdict[str, set[str]](set)
        for row in db.execute(select(mails)):
            together[row.conversation_id].add(names[row.id])
        rows = db.execute(select(conversations)).all()
        assert {row.id: row.mails for row in rows} == {its: len(those) for its, those in together.items()}
        found = {frozenset(together[row.id]): (names[row.root_id], row.contact_id) for row in rows}
        for table in KEPT:
            db.execute(delete(table))
    return found


@pytest.mark.rule("E103", "E52", "E45", "E53", "E104", "H47", "D6-1")
def test_mails_in_any_order_and_batches_are_joined_as_they_hang_together(
    store: Store, synced: dict[int, Connection]
) -> None:
    for seed in range(WORLDS):
        chance = Random(seed)
        those = some_mails(chance, reused=False)
        expected = {
            group: (
                min(group),
                sorted(next(m for m in those if m.id == min(group)).outside)[0].partition("@")[0],
            )
            for group in hanging_together(those)
        }
        arrivals = doubled(arrivals_of(those))
        shuffled = chance.sample(arrivals, len(arrivals))

        assert joined(store, synced, arrivals, 25) == expected, f"in order, together: {seed}"
        assert joined(store, synced, arrivals[::-1], 1) == expected, f"reversed, one by one: {seed}"
        assert joined(store, synced, shuffled, chance.randint(2, 5)) == expected, (
            f"shuffled, some at a time: {seed}"
        )


@pytest.mark.rule("E103", "E104", "H47")
def test_message_ids_that_are_used_again_join_the_same_in_any_order(
    store: Store, synced: dict[int, Connection]
) -> None:
    for seed in range(WORLDS):
        chance = Random(seed)
        those = some_mails(chance, reused=True)
        expected = hanging_together(those)
        arrivals = arrivals_of(those)
        shuffled = chance.sample(arrivals, len(arrivals))

        assert set(joined(store, synced, arrivals, 25)) == expected, f"in order, together: {seed}"
        assert set(joined(store, synced, shuffled, chance.randint(1, 3))) == expected, f"shuffled: {seed}"
