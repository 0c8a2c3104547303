"""The ledger and the mailboxes as they are at one moment."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from domain.crm.locations import Location
from infra.db.tables.connections import connections
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.db.tables.mailboxes import mailboxes
from infra.local.gmail import Dump, GmailControl
from tests.chaos.boxes import Seat
from tests.chaos.oracle import Case
from tests.chaos.places import Place, places_in
from tests.chaos.reading import reading


@dataclass(slots=True)
class Books:
    """`told` are the notifications of mail, `notified` how many there are by connection and mail."""

    mailbox_ids: Mapping[str, int]
    locations: Mapping[Place, Location]
    connection_ids: Mapping[tuple[Place, str], int]
    messages: frozenset[tuple[int, str]]
    decisions: Mapping[tuple[int, str], Row[Any]]
    steps: Mapping[tuple[int, str, str, int], Row[Any]]
    told: Sequence[Row[Any]]
    notified: Counter[tuple[int, str]]
    crm_labels: Mapping[str, Mapping[str, str]]
    dumps: Mapping[str, Dump]

    @staticmethod
    def read(case: Case, database_url: str, gmail: GmailControl) -> "Books":
        with reading(database_url) as db:
            boxes = db.execute(select(mailboxes)).all()
            told = db.execute(select(notifications).where(notifications.c.kind == "mail")).all()
            locations = places_in(db)
            places = {location.id: place for place, location in locations.items()}
            return Books(
                {row.address: row.id for row in boxes},
                locations,
                {(places[row.location_id], row.user_id): row.id for row in db.execute(select(connections))},
                frozenset((row.mailbox_id, row.message_id) for row in db.execute(select(messages))),
                {(row.connection_id, row.message_id): row for row in db.execute(select(decisions))},
                {
                    (row.mailbox_id, row.message_id, row.step, row.connection_id): row
                    for row in db.execute(select(steps))
                },
                told,
                Counter((row.connection_id, row.message_id) for row in told),
                {row.address: {label: category for category, label in row.labels.items()} for row in boxes},
                {box.address: gmail.dump(box.address) for box in case.boxes},
            )

    def connection_of(self, seat: Seat) -> int:
        return self.connection_ids[seat.place, seat.user]

    def decision(self, seat: Seat, message_id: str) -> Row[Any] | None:
        return self.decisions.get((self.connection_of(seat), message_id))


def evidence(case: Case, database_url: str, message_id: str) -> Iterator[str]:
    """What was done with a mail, and what the ledger says about it."""
    sent = next((sent for sent in case.sent if sent.id == message_id), None)
    if sent:
        yield f"{sent.letter} hand={sent.hand or '-'} {sent.hand_label} settled={sent.settled}"
    with reading(database_url) as db:
        for table in (messages, steps, decisions, notifications):
            for row in db.execute(select(table).where(table.c.message_id == message_id)):
                known = (f"{name}={value}" for name, value in row._mapping.items() if value is not None)
                yield f"{table.name}: {', '.join(known)}"
