"""A connection with 500,000 mails is ended, while somebody else writes."""

import time
from collections.abc import Iterator
from threading import Event, Thread

from sqlalchemy import func, select, text

from domain.mailboxes.accounts import AccountKey
from handlers.connections import disconnecting
from infra.db.store import Store
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.secrets import Cipher
from tests.scale.frame import Figure, Place
from tests.scale.rows_mail import HERE, labelled
from tests.scale.rows_work import transactions, work_on
from tests.worlds import KEY

MAILS = 500_000
OF_CONNECTION = (decisions, notifications)
_TELL = """
INSERT INTO notifications (organisation_id, location_id, kind, connection_id, user_id, message_id, contact_id, author,
  received_at, created_at)
SELECT 1, 1, 'mail', connection_id, 'u' || connection_id, message_id, contact_id, author, received_at, decided_at
FROM decisions WHERE connection_id = :here AND contact_id = 'somebody'
"""


def leave(place: Place) -> Iterator[Figure]:
    """`lodestone disconnect` of a user whose mails have all been announced and labelled."""
    with place.copy() as other, work_on(other) as (context, _):
        labelled(other.store, MAILS, "somebody")
        with other.store.begin("scale.tell") as tx:
            tx.db.execute(text(_TELL), {"here": HERE})
        place.say(f"{MAILS:,} mails are there")
        with transactions(other) as longest, _Writing(other) as writer:
            began, spent = time.monotonic(), time.process_time()
            disconnecting.disconnect(f"u{HERE}", context)
            seconds, cpu = time.monotonic() - began, time.process_time() - spent
        if left := _left(other):
            raise AssertionError(f"{left} rows are left")
    place.say(f"disconnect of {MAILS:,} mails: {seconds:.0f} s in all, {cpu:.0f} s of CPU")
    yield Figure("longest transaction of a disconnect of 500,000", longest.seconds, "s", 0.5)
    yield Figure("slowest of who wrote meanwhile", writer.slowest, "s", 1)


class _Writing:
    """Somebody else, who writes a row every 20 ms: how long the slowest took."""

    def __init__(self, place: Place) -> None:
        self.slowest = 0.0
        self._store = Store(place.url, Cipher((KEY,)))
        self._done = Event()
        self._thread = Thread(target=self._write)

    def __enter__(self) -> "_Writing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._store.engine.dispose()

    def _write(self) -> None:
        number = HERE
        while not self._done.wait(0.02):
            number += 1
            began = time.monotonic()
            with self._store.begin("scale.write") as tx:
                tx.mailboxes.note_push(AccountKey("gmail", f"u{number}@firm.example"))
            self.slowest = max(self.slowest, time.monotonic() - began)


def _left(place: Place) -> int:
    of_mailbox = [table.c.mailbox_id == HERE for table in (messages, steps)]
    of_connection = [table.c.connection_id == HERE for table in OF_CONNECTION]
    with place.store.begin("scale.look", reads_only=True) as tx:
        return sum(
            tx.db.scalar(select(func.count()).where(its)) or 0 for its in (*of_mailbox, *of_connection)
        )
