"""A contact's page: whose mailboxes are to be asked for it, of all the users'."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from redis import Redis
from sqlalchemy import text

from domain.errors import Refused
from handlers.context import Context
from handlers.live_view import live
from handlers.units import Tally
from infra.gmail.costs import NEW_QUOTA
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.objects.folder import FolderStore
from infra.queue import RedisQueue
from tests.scale.frame import ROUNDS, Figure, Place, statements
from tests.worlds import HERE

_SHARE = (
    """INSERT INTO shared_contacts (location_id, connection_id, contact_id)
       SELECT 1, id, 'c1' FROM connections WHERE id <= 10""",
    "UPDATE connections SET sharing = 'custom' WHERE id <= 10",
    "UPDATE connections SET sharing = 'public' WHERE id > 10 AND id <= 20",
    "UPDATE users SET role = 'desk' WHERE id IN ('u21', 'u22', 'u23', 'u24', 'u25')",
)
"""25 colleagues who share their mail of the contact, in each of the ways."""


def page(place: Place) -> Iterator[Figure]:
    """All that is ours of it, up to the first question to Gmail."""
    with place.copy() as other:
        with other.store.begin("scale.share") as tx:
            for statement in _SHARE:
                tx.db.execute(text(statement))
            tx.of(HERE).settings.set("sharing-roles", {"desk": "public"})
        context = Context(
            other.store,
            {NAME: Gmail()},
            RedisQueue(Redis(), lambda _: None),
            FolderStore(Path("nowhere")),
            owner="scale",
            tally=Tally(NEW_QUOTA),
        )

        def show() -> None:
            with suppress(Refused):  # nobody's mailbox: so Gmail is not asked
                live.show("c1", "u500", context, limit=20, mailbox="nobody@firm.example")

        clock = time.thread_time if other.is_sqlite else time.perf_counter  # SQLite works in our own thread
        taken = []
        for _ in range(ROUNDS):
            began = clock()
            show()
            taken.append(1000 * (clock() - began))
        yield Figure("record page, 25 colleagues share", min(taken), "ms", 20)
        yield Figure("record page, 25 colleagues share", statements(other.store, show), "statements", 8)
