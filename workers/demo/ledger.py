"""What the ledger says of mails, read from outside: the database only, as any operator could."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from sqlalchemy import ColumnElement, Engine, Table, create_engine, false, func, make_url, or_, select

from domain.ledger import Step
from infra.db.sql import chunks
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections
from infra.db.tables.conversations import conversations, mail_sources, mails
from infra.db.tables.crm import contact_addresses
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.db.tables.mailboxes import mailboxes
from infra.db.tables.schema import metadata

CRM = frozenset(
    {
        *("organisations", "locations", "settings", "location_settings", "users", "user_addresses"),
        *("contacts", "contact_addresses", "contact_viewers", "merges"),
        *("deals", "deal_contacts", "crm_versions", "outdated"),
    }
)
"""The CRM's own records: they do not end with a connection."""

COPIES = frozenset(
    {
        *("conversations", "mails", "mail_sources", "mail_links", "participants", "files", "readings"),
        *("events", "event_deliveries"),
        *("objects", "organisation_keys"),
    }
)
"""Mail that two-way sync keeps: it stays when its connection ends (H34)."""

COUNTS = frozenset({"duties", "units", "unit_sums"})
"""Numbers of ours that say nothing of any mail, kept for 35 days: nor do they."""

_ORDER = {Step.ANNOUNCE.value: 0, Step.SORT.value: 1}


@dataclass(frozen=True, slots=True)
class MailEnding:
    """One mail's end: Part J's words in order, and whose mail it was if that is known."""

    outcomes: tuple[str, ...]
    contact_id: str | None
    author: str | None


@dataclass(frozen=True, slots=True)
class ConnectionNow:
    """A user's connection as it stands; `granted`: we hold a grant for it."""

    connection_id: int
    mailbox_id: int
    state: str
    granted: bool


class Ledger:
    """Reads only; never waits for a writer, nor makes one wait."""

    def __init__(self, database_url: str) -> None:
        self._engine = _reader(database_url)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def mailbox_id(self, address: str) -> int | None:
        """The mailbox of this address."""
        with self._engine.connect() as db:
            return db.scalar(select(mailboxes.c.id).where(mailboxes.c.address == address))

    def ended(self, mailbox_id: int, message_ids: Collection[str]) -> dict[str, MailEnding]:
        """Those of the mails that have their final outcome."""
        found: dict[str, MailEnding] = {}
        with self._engine.connect() as db:
            for chunk in chunks(set(message_ids)):
                final = select(
                    decisions.c.message_id, decisions.c.outcome, decisions.c.contact_id, decisions.c.author
                ).where(
                    decisions.c.mailbox_id == mailbox_id,
                    decisions.c.message_id.in_(chunk),
                    decisions.c.outcome.is_not(None),
                )
                rows = db.execute(final).all()
                made = select(steps.c.message_id, steps.c.step, steps.c.outcome).where(
                    steps.c.mailbox_id == mailbox_id,
                    steps.c.message_id.in_([row.message_id for row in rows]),
                    steps.c.step.in_(_ORDER),
                    steps.c.outcome.is_not(None),
                )
                words: dict[str, list[tuple[int, str]]] = {}
                for step in db.execute(made):
                    words.setdefault(step.message_id, []).append((_ORDER[step.step], step.outcome))
                for row in rows:
                    outcomes = [word for _, word in sorted(words.get(row.message_id, ()))]
                    if row.outcome not in outcomes:  # two-way sync comes before the others
                        outcomes.insert(0, row.outcome)
                    found[row.message_id] = MailEnding(tuple(outcomes), row.contact_id, row.author)
        return found

    def is_quiet(self, mailbox_id: int) -> bool:
        """Whether nothing waits for a worker."""
        waiting = (steps.c.mailbox_id == mailbox_id, steps.c.state.in_(("waiting", "blocked")))
        with self._engine.connect() as db:
            return db.scalar(select(steps.c.message_id).where(*waiting).limit(1)) is None

    def conversations(self, mailbox_id: int) -> Mapping[str, tuple[str, str]]:
        """Of each mail that two-way sync keeps its conversation, and the contact who owns that."""
        its = (
            select(mail_sources.c.message_id, conversations.c.id, conversations.c.contact_id)
            .join(
                mails,
                (mails.c.location_id == mail_sources.c.location_id) & (mails.c.id == mail_sources.c.mail_id),
            )
            .join(
                conversations,
                (conversations.c.location_id == mails.c.location_id)
                & (conversations.c.id == mails.c.conversation_id),
            )
            .where(mail_sources.c.mailbox_id == mailbox_id)
        )
        with self._engine.connect() as db:
            return {row.message_id: (row.id, row.contact_id) for row in db.execute(its)}

    def is_contact(self, address: str) -> bool:
        """Whether the CRM knows this address."""
        found = select(contact_addresses.c.contact_id).where(contact_addresses.c.address == address).limit(1)
        with self._engine.connect() as db:
            return db.scalar(found) is not None

    def link(self, user_id: str) -> ConnectionNow | None:
        """The user's connection, None without one."""
        found = select(
            connections.c.id, connections.c.mailbox_id, connections.c.state, connections.c.grant.is_not(None)
        )
        with self._engine.connect() as db:
            row = db.execute(found.where(connections.c.user_id == user_id)).one_or_none()
        return ConnectionNow(*row) if row else None

    def rows_about(self, **ids: int | str) -> dict[str, int]:
        """How many rows of each table but the CRM's, copies and counts has one of `ids`, named as columns are."""
        with self._engine.connect() as db:
            return {
                name: db.scalar(select(func.count()).select_from(table).where(_is_about(table, ids))) or 0
                for name, table in metadata.tables.items()
                if name not in CRM | COPIES | COUNTS
            }

    def came_by(self, mailbox_id: int, message_id: str) -> str | None:
        """Whether push or the sweep has brought it."""
        these = (messages.c.mailbox_id == mailbox_id, messages.c.message_id == message_id)
        with self._engine.connect() as db:
            return db.scalar(select(messages.c.came_by).where(*these))

    def last_sweep(self, mailbox_id: int) -> datetime | None:
        """When the last sweep of this mailbox began, if it has ended."""
        with self._engine.connect() as db:
            row = db.execute(
                select(mailboxes.c.swept_at, mailboxes.c.synced_at).where(mailboxes.c.id == mailbox_id)
            ).one_or_none()
        done = row is not None and row.swept_at is not None and row.synced_at >= row.swept_at
        return row.swept_at if row is not None and done else None

    def is_swept(self, mailbox_ids: Collection[int], *, calm: bool) -> bool:
        """Whether the last sweep of these mailboxes is over, and when `calm` no watch is due within the hour."""
        swept = select(func.count()).where(
            mailboxes.c.id.in_(mailbox_ids), mailboxes.c.swept_at <= mailboxes.c.synced_at
        )
        if calm:
            swept = swept.where(mailboxes.c.watch_due_at > datetime.now(UTC) + timedelta(hours=1))
        with self._engine.connect() as db:
            return db.scalar(swept) == len(mailbox_ids)

    def notified(self) -> Mapping[tuple[int, str], int]:
        """How many notifications there are, by mailbox id and mail."""
        query = (
            select(decisions.c.mailbox_id, notifications.c.message_id, func.count().label("times"))
            .join(
                decisions,
                (decisions.c.connection_id == notifications.c.connection_id)
                & (decisions.c.message_id == notifications.c.message_id),
            )
            .group_by(decisions.c.mailbox_id, notifications.c.message_id)
        )
        with self._engine.connect() as db:
            return {(row.mailbox_id, row.message_id): row.times for row in db.execute(query)}

    def count_notifications(self, connection_id: int, kind: str) -> int:
        """How many notifications of this kind there are of a connection."""
        these = (notifications.c.connection_id == connection_id, notifications.c.kind == kind)
        with self._engine.connect() as db:
            return db.scalar(select(func.count()).where(*these)) or 0

    def notification_ids(self) -> frozenset[int]:
        """Every notification that was committed."""
        with self._engine.connect() as db:
            return frozenset(db.scalars(select(notifications.c.id)))

    def rows_of(self, mailbox_id: int) -> int:
        """How many rows there are about mails of this mailbox."""
        with self._engine.connect() as db:
            count = select(func.count()).select_from(steps).where(steps.c.mailbox_id == mailbox_id)
            others = select(func.count()).select_from(decisions).where(decisions.c.mailbox_id == mailbox_id)
            return (db.scalar(count) or 0) + (db.scalar(others) or 0)


def _is_about(table: Table, ids: Mapping[str, int | str]) -> ColumnElement[bool]:
    """Columns are named for what they hold; a delivery is about what its notification is about."""
    if table is deliveries:
        told = select(notifications.c.id).where(_is_about(notifications, ids))
        return deliveries.c.notification_id.in_(told)
    return or_(false(), *(table.c[name] == value for name, value in ids.items() if name in table.c))


def _reader(database_url: str) -> Engine:
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True)
    return create_engine(f"sqlite:///file:{quote(url.database or '')}?mode=ro&uri=true", hide_parameters=True)
