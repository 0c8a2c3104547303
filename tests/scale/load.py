"""A deployment of 100,000 mailboxes as rows, made by the database itself: a minute or two on either one.

Everything hangs on numbers: mailbox n is user n's and connection n's, contact c is `c<c>@customer.example`, and mail
m belongs to mailbox 1 + m % mailboxes. So any row can name its data without asking for it. Of mail the oldest have
the lowest numbers, and the first `announced` are of contacts: on the users' lists, and labelled. Records
lie in the order of their ids, which saves half of the time; mail in the order in which it came.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, NullPool, create_engine, inspect, text

_DAY = 86_400_000
_SERIAL = ("mailboxes", "connections", "notifications", "outbox")


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything there is. `old` mails of `messages` are past their retention, and as many users have
    sent one from the CRM; so many records were deleted long ago, too."""

    mailboxes: int = 100_000
    contacts: int = 1_000_000
    messages: int = 1_000_000
    old: int = 100_000
    announced: int = 150_000

    @property
    def steps(self) -> int:
        """A matching step per mail, and two more for what is announced and sorted."""
        return self.messages + 2 * self.announced


def of_mailboxes(mailboxes: int) -> Size:
    """The same world with fewer mailboxes."""
    return Size(mailboxes, 10 * mailboxes, 10 * mailboxes, mailboxes, 3 * mailboxes // 2)


def load(engine: Engine, size: Size, say: Callable[[str], None]) -> None:
    """Fill an empty database, migrated to this release or to the one before, and let it count what it holds."""
    began = time.monotonic()
    now = round(datetime.now(UTC).timestamp() * 1000)
    with engine.connect() as db:
        _numbers(db, max(size.mailboxes, size.contacts, size.messages))
        for into, rows in _STATEMENTS:
            db.execute(text(_of_main(db, into, rows)), _values(rows, size, now))
            db.commit()
            say(f"{into.split()[0]} filled, {time.monotonic() - began:.0f} s")
        db.execute(text("DROP TABLE numbers"))
        if db.dialect.name == "postgresql":
            for table in _SERIAL:
                last = f"pg_get_serial_sequence('{table}', 'id'), max(id)"
                db.execute(text(f"SELECT setval({last}) FROM {table}"))  # noqa: S608
        db.commit()
    count(engine)
    say(f"loaded in {time.monotonic() - began:.0f} s")


def _of_main(db: Connection, into: str, rows: str) -> str:
    """The statement. Each row is of main/main, where the schema knows any other: before migration 0006 it does not."""
    table, _, columns = into.partition("(")
    there = {one["name"] for one in inspect(db).get_columns(table.strip())}
    if "gmail_id" in there:  # before migration 0007
        columns = columns.replace("message_id", "gmail_id")
    front = {name: value for name, value in _IN_FRONT.items() if name in there}
    values = rows.replace("SELECT ", f"SELECT {', '.join([*front.values(), ''])}", 1)
    return f"INSERT INTO {table} ({', '.join([*front, columns])} {values}"


_IN_FRONT = {
    **dict.fromkeys(("organisation_id", "location_id"), "1"),
    "provider": "'gmail'",
    "provider_key": "'u' || n || '@firm.example'",
}
"""Columns that the schema has from some migration on."""


def count(engine: Engine) -> None:
    """Let it count what it holds, as it does by itself in time."""
    plain = create_engine(engine.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with plain.connect() as db:
        db.execute(text("ANALYZE" if db.dialect.name == "sqlite" else "VACUUM ANALYZE"))


def _numbers(db: Connection, most: int) -> None:
    series = "SELECT n FROM generate_series(1, :most) AS n"
    if db.dialect.name == "sqlite":
        series = (
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :most) SELECT n FROM c"
        )
    db.execute(text("CREATE TEMPORARY TABLE numbers (n BIGINT PRIMARY KEY)"))
    db.execute(text(f"INSERT INTO numbers {series}"), {"most": most})


def _values(sql: str, size: Size, now: int) -> dict[str, int]:
    known = {
        "mailboxes": size.mailboxes,
        "contacts": size.contacts,
        "messages": size.messages,
        "old": size.old,
        "announced": size.announced,
        "now": now,
        "since": now - 400 * _DAY,
        "kept": now - 10 * _DAY,
        "past": now - 40 * _DAY,
        "long_ago": now - 390 * _DAY,
        "due": now + DUE_IN,
    }
    return {name: value for name, value in known.items() if f":{name}" in sql}


DUE_IN = 7 * _DAY
"""Milliseconds. Nothing is due while figures are taken, of a database that was kept for a few days neither."""

_STATEMENTS = (
    ("users (id, name)", "SELECT 'u' || n, 'User ' || n FROM numbers WHERE n <= :mailboxes"),
    (
        "user_addresses (user_id, address, loose)",
        """SELECT 'u' || n, 'u' || n || '@firm.example', 'u' || n || '@firm.example'
           FROM numbers WHERE n <= :mailboxes""",
    ),
    (
        """mailboxes
             (id, address, cursor, settled_cursor, settled_at, labels, synced_at, pushed_at, sync_due_at,
              watch_until, watch_due_at, watch_renewed_at, compare_due_at, compared_at, mails_compared)""",
        """SELECT n, 'u' || n || '@firm.example', '' || (1000 + n), '' || (1000 + n), :now,
             '{"CTM": "Label_1", "CUSTOMER": "Label_3", "OPEN": "Label_2"}', :now, :now, :due + n,
             :due, :due + n, :now, :due + n, :now, 10
           FROM numbers WHERE n <= :mailboxes""",
    ),
    (
        "mailbox_addresses (mailbox_id, address, loose)",
        "SELECT n, 'u' || n || '@firm.example', 'u' || n || '@firm.example' FROM numbers WHERE n <= :mailboxes",
    ),
    (
        "connections (id, user_id, mailbox_id, mode, state, magnet_since, sorting_since, created_at)",
        "SELECT n, 'u' || n, n, 'LIVE', 'active', :since, :since, :since FROM numbers WHERE n <= :mailboxes",
    ),
    (
        "contacts (id, kind, name, assigned_to, created_at)",
        """SELECT 'c' || n, 'contact', 'Contact ' || n, 'u' || (1 + n % :mailboxes), :since
           FROM numbers WHERE n <= :contacts ORDER BY 'c' || n""",
    ),
    (
        "contact_addresses (contact_id, address, loose)",
        """SELECT 'c' || n, 'c' || n || '@customer.example', 'c' || n || '@customer.example'
           FROM numbers WHERE n <= :contacts ORDER BY 'c' || n""",
    ),
    (
        "crm_versions (kind, record_id, version)",
        "SELECT 'contacts', 'c' || n, n FROM numbers WHERE n <= :contacts ORDER BY 'c' || n",
    ),
    (
        "crm_versions (kind, record_id, version)",
        "SELECT 'contacts', 'x' || n, n FROM numbers WHERE n <= :old",
    ),
    ("deals (id, stage, category)", "SELECT 'd' || n, 'won', 'WON' FROM numbers WHERE n <= :mailboxes"),
    ("deal_contacts (deal_id, contact_id)", "SELECT 'd' || n, 'c' || n FROM numbers WHERE n <= :mailboxes"),
    (
        "messages (mailbox_id, message_id, came_by, seen_at)",
        """SELECT 1 + n % :mailboxes, 'm' || n, 'push', CASE WHEN n <= :old THEN :past ELSE :kept END + n
           FROM numbers WHERE n <= :messages""",
    ),
    (
        "steps (mailbox_id, message_id, step, connection_id, state, attempts, ready_at, units)",
        """SELECT 1 + n % :mailboxes, 'm' || n, 'match', 0, 'done', 1, :kept, 21
           FROM numbers WHERE n <= :messages""",
    ),
    (
        """decisions
             (connection_id, message_id, mailbox_id, outcome, contact_id, contact_address, matched_by, author,
              received_at, category, in_inbox, changed, changed_at, decided_at)""",
        """SELECT 1 + n % :mailboxes, 'm' || n, 1 + n % :mailboxes, 'label.customer', 'c' || n,
             'c' || n || '@customer.example', 'exact', 'c' || n || '@customer.example', :kept + n, 'CUSTOMER', true,
             '{"added": ["Label_3"], "removed": ["INBOX"]}', :kept + n, :kept + n
           FROM numbers WHERE n <= :announced""",
    ),
    (
        "decisions (connection_id, message_id, mailbox_id, outcome, decided_at)",
        """SELECT 1 + n % :mailboxes, 'm' || n, 1 + n % :mailboxes, 'skip.no_contact', :kept + n
           FROM numbers WHERE n > :announced AND n <= :messages""",
    ),
    (
        "steps (mailbox_id, message_id, step, connection_id, state, outcome, attempts, ready_at, units)",
        """SELECT 1 + n % :mailboxes, 'm' || n, 'announce', 1 + n % :mailboxes, 'done', 'magnet.notified', 1,
             :kept, 0
           FROM numbers WHERE n <= :announced""",
    ),
    (
        "steps (mailbox_id, message_id, step, connection_id, state, outcome, attempts, ready_at, units)",
        """SELECT 1 + n % :mailboxes, 'm' || n, 'sort', 1 + n % :mailboxes, 'done', 'label.customer', 1,
             :kept, 5
           FROM numbers WHERE n <= :announced""",
    ),
    (
        "notifications (id, kind, connection_id, user_id, message_id, contact_id, author, received_at, created_at)",
        """SELECT n, 'mail', 1 + n % :mailboxes, 'u' || (1 + n % :mailboxes), 'm' || n, 'c' || n,
             'c' || n || '@customer.example', CASE WHEN n <= :old THEN :long_ago ELSE :kept END + n,
             CASE WHEN n <= :old THEN :long_ago ELSE :kept END + n
           FROM numbers WHERE n <= :announced""",
    ),
    (
        """outbox (id, mailbox_id, connection_id, contact_id, key, draft_id, sent_id, state, attempts, ready_at,
             redrive_at, created_at, ended_at)""",
        """SELECT n, 1 + n % :mailboxes, 1 + n % :mailboxes, 'c' || n, 'key-' || n, 'r' || n, 's' || n, 'sent', 1,
             :past, :past, :past + n, :past + n
           FROM numbers WHERE n <= :old""",
    ),
)
