"""Delete what is kept no longer: one stretch of a table a transaction, by an index, oldest first (D2, W11).

Locked rows are waited for, in the order of the tables that Store's docstring gives.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    literal,
    select,
    tuple_,
    update,
)

from domain.crm.locations import Location
from domain.crm.records import RecordKind
from domain.ledger import State
from domain.retention import After, Forgotten
from infra.db.crm.merges import MergeRepository
from infra.db.crm.records import CrmRepository
from infra.db.features import keeps_labelled
from infra.db.ledger.claims import DELIVERIES, EVENT_DELIVERIES, Claims
from infra.db.sql import among, change_these, in_key_order, insert_new, lock, there_is
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections, sign_ins
from infra.db.tables.crm import crm_versions, locations, merges
from infra.db.tables.events import event_deliveries, events
from infra.db.tables.ledger import UNDONE, duties, outbox, steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.db.types import db_now

_DAY = 86_400
_MAIL = (messages.c.mailbox_id, messages.c.message_id)
_SEEN = (messages.c.seen_at, *_MAIL)
_UNFINISHED = there_is(
    steps.c.state,
    steps.c.mailbox_id == messages.c.mailbox_id,
    steps.c.message_id == messages.c.message_id,
    UNDONE,
    steps.c.state.in_([State.WAITING.value, State.BLOCKED.value]),
)
_SORTS = there_is(connections.c.id, connections.c.id == decisions.c.connection_id, keeps_labelled())
_LABELLED = and_(decisions.c.category.is_not(None), _SORTS)
_ON_ITS_WAY = there_is(
    deliveries.c.state,
    deliveries.c.notification_id == notifications.c.id,
    deliveries.c.state == State.WAITING.value,
)
_MERGED_INTO = there_is(
    merges.c.record_id,
    merges.c.location_id == crm_versions.c.location_id,
    merges.c.survivor == crm_versions.c.record_id,
    crm_versions.c.kind == RecordKind.CONTACTS.value,
)
_PRIVATE = ("contact_id", "contact_address", "matched_by", "author", "received_at", "in_inbox", "deal_id")


class RetentionRepository:
    """Old rows within one transaction. `limit`: rows to look at; `after`: where the last stretch ended."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def take_turn(self, duty: str, seconds: float) -> bool:
        insert_new(self._db, duties, [{"name": duty}], due_at=db_now())
        due = (duties.c.name == duty, duties.c.due_at <= db_now())
        return self._db.execute(update(duties).where(*due).values(due_at=db_now(seconds))).rowcount == 1

    def keep_turn(self, duty: str, seconds: float) -> None:
        self._db.execute(update(duties).where(duties.c.name == duty).values(due_at=db_now(seconds)))

    def mails(self, days: int, limit: int, after: After) -> Forgotten:
        old = select(*_SEEN).where(messages.c.seen_at < db_now(-_DAY * days), *behind(after))
        rows = self._db.execute(old.order_by(*_SEEN).limit(limit)).all()
        if not rows:
            return Forgotten(0, None)
        last = tuple(rows[-1])
        found = sorted((row.mailbox_id, row.message_id) for row in rows)
        # A locked step stays done. Waiting steps are not locked, so that work on them is not held up.
        self._lock(steps, found, steps.c.state.in_([State.DONE.value, State.SET_ASIDE.value]))
        unfinished = select(*_MAIL).where(*behind(after), *_up_to(last), _UNFINISHED)
        waiting = {(row.mailbox_id, row.message_id) for row in self._db.execute(unfinished)}
        done = [mail for mail in found if mail not in waiting]
        if done:
            self._forget(done)
        return Forgotten(len(done), last if len(rows) == limit else None)

    def _forget(self, mails: Sequence[tuple[int, str]]) -> None:
        change_these(self._db, delete(steps), _mail_of(steps), mails)
        self._lock(decisions, mails)
        change_these(self._db, delete(decisions).where(~_LABELLED), _mail_of(decisions), mails)
        private: dict[str, Any] = dict.fromkeys(_PRIVATE) | {"via_list": False}
        change_these(self._db, update(decisions).values(private), _mail_of(decisions), mails)
        self._lock(messages, mails)
        change_these(self._db, delete(messages), _mail_of(messages), mails)

    def _lock(self, table: Table, mails: Sequence[tuple[int, str]], *where: ColumnElement[bool]) -> None:
        if self._db.dialect.name == "postgresql":
            lock(self._db, table, among(_mail_of(table), mails), *where)

    def notifications(self, days: int, limit: int, after: After) -> Forgotten:
        old, more = self._old(notifications.c.id, notifications.c.created_at, days, limit, after)
        these = notifications.c.id.in_(old)
        if not old:
            return Forgotten(0, None)
        lock(self._db, notifications, these)
        lock(self._db, deliveries, deliveries.c.notification_id.in_(old))  # the cascade deletes them
        return Forgotten(self._db.execute(delete(notifications).where(these, ~_ON_ITS_WAY)).rowcount, more)

    def deliveries(self, days: int, limit: int, after: After) -> Forgotten:
        return self._given_up(DELIVERIES, notifications, days, limit, after)

    def event_deliveries(self, days: int, limit: int, after: After) -> Forgotten:
        return self._given_up(EVENT_DELIVERIES, events, days, limit, after)

    def _given_up(self, claims: Claims, what: Table, days: int, limit: int, after: After) -> Forgotten:
        """`what` is delivered; by its id and the channel's the rows are gone through."""
        table = claims.table
        of_what = list(table.primary_key.columns)[1]
        key = (of_what, table.c.channel_id)
        page = select(*key, (what.c.created_at < db_now(-_DAY * days)).label("old"))
        page = page.join(what, what.c.id == of_what)
        behind = (of_what >= after[0], what.c.id >= after[0], tuple_(*key) > tuple_(*after)) if after else ()
        rows = self._db.execute(page.where(*behind).order_by(*key).limit(limit)).all()
        old = [(row[1], row[0]) for row in rows if row.old]
        lost: dict[int, int] = {}
        for its in sorted({channel_id for channel_id, _ in old}):
            these = (table.c.channel_id == its, of_what.in_([n for c, n in old if c == its]))
            free = in_key_order(self._db, table, *these, claims.idle)
            lost[its] = self._db.execute(delete(table).where(table.c.channel_id == its, free)).rowcount
        more = len(rows) == limit and rows[-1].old
        return Forgotten(sum(lost.values()), tuple(rows[-1])[:2] if more else None, lost)

    def events(self, days: int, limit: int, after: After) -> Forgotten:
        old, more = self._old(events.c.id, events.c.created_at, days, limit, after)
        if not old:
            return Forgotten(0, None)
        these = events.c.id.in_(old)
        lock(self._db, events, these)
        lock(self._db, event_deliveries, event_deliveries.c.event_id.in_(old))  # the cascade deletes them
        return Forgotten(self._db.execute(delete(events).where(these)).rowcount, more)

    def sent(self, days: int, limit: int, after: After) -> Forgotten:
        old, more = self._old(outbox.c.id, outbox.c.created_at, days, limit, after)
        if not old:
            return Forgotten(0, None)
        these = outbox.c.id.in_(old)
        lock(self._db, outbox, these)
        return Forgotten(self._db.execute(delete(outbox).where(these)).rowcount, more)

    def versions(self, days: int, limit: int, after: After) -> Forgotten:
        key = tuple(crm_versions.primary_key.columns)
        is_old = crm_versions.c.deleted_at < db_now(-_DAY * days)
        page = self._oldest(crm_versions.c.deleted_at, days, limit, after)
        if not page:
            return Forgotten(0, None)
        old = sorted(row[1:] for row in page)
        if self._db.dialect.name == "postgresql":
            lock(self._db, crm_versions, among(key, old))
        rows = change_these(self._db, delete(crm_versions).where(is_old, ~_MERGED_INTO), key, old)
        return Forgotten(rows, page[-1] if len(page) == limit else None)

    def merges(self, days: int, limit: int) -> Forgotten:
        old = [row[1:] for row in self._oldest(merges.c.settled_at, days, limit)]
        if not old:
            return Forgotten(0, None)
        location_id = old[0][0]
        its_organisation = select(locations.c.organisation_id).where(locations.c.id == location_id)
        location = Location(location_id, self._db.execute(its_organisation).scalar_one())
        its = MergeRepository(self._db, location)
        its.take_turn(alone=True)
        before = db_now(-_DAY * days)
        still, outlived = its.old([one for where, one in old if where == location_id], before)
        records = CrmRepository(self._db, location).delete(RecordKind.CONTACTS, outlived) if outlived else 0
        more = len(old) == limit or any(where != location_id for where, _ in old)
        return Forgotten(records + its.forget(still, outlived, before), (location_id,) if more else None)

    def sign_ins(self) -> None:
        self._db.execute(delete(sign_ins).where(sign_ins.c.expires_at <= db_now()))

    def _oldest(self, moment: Column[Any], days: int, limit: int, after: After = ()) -> list[tuple[Any, ...]]:
        """Rows whose moment is more than `days` ago, by its index: the moment and the key of each."""
        order = (moment, *moment.table.primary_key)
        page = select(*order).where(moment < db_now(-_DAY * days), *behind(after, order))
        return [tuple(row) for row in self._db.execute(page.order_by(*order).limit(limit))]

    def _old(
        self, key: Any, made_at: Any, days: int, limit: int, after: After
    ) -> tuple[list[int], After | None]:
        """The next keys above `after` whose rows are old, for a key that grows with time. Also where to go on; None at
        the end."""
        page = select(key, (made_at < db_now(-_DAY * days)).label("old")).where(
            key > (after[0] if after else 0)
        )
        rows = self._db.execute(page.order_by(key).limit(limit)).all()
        more = len(rows) == limit and rows[-1].old
        return [row[0] for row in rows if row.old], (rows[-1][0],) if more else None


def behind(after: After, order: Sequence[Column[Any]] = _SEEN) -> tuple[ColumnElement[bool], ...]:
    """Rows after that place. The first condition is for the index, which has the first column alone."""
    return (order[0] >= after[0], tuple_(*order) > _bound(after, order)) if after else ()


def _up_to(last: After) -> tuple[ColumnElement[bool], ...]:
    return messages.c.seen_at <= last[0], tuple_(*_SEEN) <= _bound(last, _SEEN)


def _bound(place: After, order: Sequence[Column[Any]]) -> ColumnElement[Any]:
    return tuple_(*(literal(value, column.type) for value, column in zip(place, order, strict=True)))


def _mail_of(table: Table) -> tuple[Column[Any], Column[Any]]:
    return table.c.mailbox_id, table.c.message_id
