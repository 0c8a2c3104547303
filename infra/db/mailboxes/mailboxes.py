"""Mailboxes: their addresses, watches and labels, and when each is next due (W8)."""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, case, delete, exists, func, select, update

from domain.crm.categories import ByCategory, Category
from domain.ids import MailboxId
from domain.mail.addresses import loose
from domain.mailboxes.accounts import AccountKey
from domain.mailboxes.state import MailboxState
from domain.mailboxes.watches import Recall, Unwatched, Watch, WatchState
from infra.db.connections import crm_labels
from infra.db.connections.aliases import REGISTERED, counts
from infra.db.features import works
from infra.db.ledger.claims import redrive
from infra.db.mailboxes.history import HistoryRepository, cursors_of
from infra.db.mailboxes.troubles import NO_CONFLICT, NO_TROUBLE, TroubleRepository
from infra.db.sql import insert_new, key_order, lock, take_turn
from infra.db.tables.connections import connections
from infra.db.tables.mailboxes import AWAKE, mailbox_addresses, mailboxes
from infra.db.types import NOW, db_now


class MailboxRepository(TroubleRepository):
    """Mailboxes within one transaction."""

    def get(self, mailbox_id: MailboxId) -> MailboxState | None:
        row = self._db.execute(_GET, {"this": mailbox_id}).one_or_none()
        if row is None:
            return None
        return MailboxState(
            id=row.id,
            account=AccountKey(row.provider, row.provider_key),
            address=row.address,
            cursors=cursors_of(row),
            synced_at=row.synced_at,
            resting_until=row.resting_until,
            failures=row.failures,
            refusals=row.refusals,
            sorting_due_at=row.sorting_due_at,
            labels={Category(name): label_id for name, label_id in row.labels.items()},
            watch=watch_state(row),
            trouble=row.trouble,
            own_name=row.own_name or "",
            read_at=row.read_at,
        )

    def id_of(self, account: AccountKey) -> MailboxId | None:
        its = (mailboxes.c.provider == account.provider, mailboxes.c.provider_key == account.key)
        return self._db.scalar(select(mailboxes.c.id).where(*its))

    def ids(self, address: str | None = None) -> tuple[MailboxId, ...]:
        named = () if address is None else (mailboxes.c.address == address,)
        return tuple(self._db.scalars(select(mailboxes.c.id).where(*named).order_by(mailboxes.c.id)))

    def paused_at(self, mailbox_id: MailboxId) -> datetime | None:
        return self._db.scalar(select(mailboxes.c.paused_at).where(mailboxes.c.id == mailbox_id))

    def add(self, account: AccountKey, address: str, paused_at: datetime | None = None) -> MailboxId:
        new = {"provider": account.provider, "provider_key": account.key, "address": address, "labels": {}}
        insert_new(self._db, mailboxes, [{**new, "paused_at": paused_at}])
        mailbox_id = self.id_of(account)
        if mailbox_id is None:
            raise LookupError("mailbox vanished while it was added")
        return mailbox_id

    def reserve(self, account: AccountKey) -> None:
        take_turn(self._db, f"mailbox {account.provider} {account.key}")

    def lock(self, mailbox_ids: Collection[MailboxId]) -> None:
        lock(self._db, mailboxes, mailboxes.c.id.in_(mailbox_ids))

    def rename(self, mailbox_id: MailboxId, address: str) -> bool:
        if set(self.ids(address)) - {mailbox_id}:
            return False
        former = select(mailboxes.c.address).where(mailboxes.c.id == mailbox_id)
        self.keep_own_addresses(mailbox_id, {address, *self._db.scalars(former)})
        key = mailboxes.c.provider_key
        self._set(
            mailbox_id, address=address, provider_key=case((key == mailboxes.c.address, address), else_=key)
        )
        return True

    def own_addresses(self, mailbox_id: MailboxId) -> frozenset[str]:
        return self.own_and_registered(mailbox_id)[0]

    def own_and_registered(self, mailbox_id: MailboxId) -> tuple[frozenset[str], frozenset[str]]:
        rows = self._db.execute(_OWN, {"this": mailbox_id}).all()
        return frozenset(row[0] for row in rows), frozenset(row[0] for row in rows if row[1])

    def keep_own_addresses(self, mailbox_id: MailboxId, addresses: Collection[str]) -> None:
        rows = [{"mailbox_id": mailbox_id, "address": a, "loose": loose(a)} for a in addresses]
        insert_new(self._db, mailbox_addresses, rows)
        here = mailbox_addresses.c
        known = (here.mailbox_id == mailbox_id, here.address.in_(addresses), here.alias_of.is_not(None))
        self._db.execute(update(mailbox_addresses).where(*known).values(alias_of=None))

    def keep_own_name(self, mailbox_id: MailboxId, name: str) -> None:
        self._set(mailbox_id, own_name=name or None)

    def keep_labels(self, mailbox_id: MailboxId, labels: ByCategory, names: ByCategory) -> None:
        crm_labels.keep(self._db, mailbox_id, labels, names)
        self._set(mailbox_id, **NO_CONFLICT)

    def note_push(self, account: AccountKey) -> MailboxId | None:
        its = {"of_provider": account.provider, "its_key": account.key}
        return self._db.scalar(_pushed(self._db.dialect.name), its) or self._db.scalar(_WATCHED, its)

    def start_watch(
        self, mailbox_id: MailboxId, watch: Watch, due_after: float, *, restarted: bool = False
    ) -> None:
        HistoryRepository(self._db).begin(mailbox_id, watch.cursor)
        self._set(
            mailbox_id,
            **({"mails_pushed": 0, "mails_missed": 0} if restarted else {}),
            watch_until=watch.expires_at,
            watch_renewed_at=db_now(),
            watch_failed_at=None,
            watch_trouble=None,
            watch_due_at=db_now(due_after),
            **_BEGUN,
        )

    def start_unwatched(self, mailbox_id: MailboxId, begun: Unwatched, retry_after: float) -> None:
        HistoryRepository(self._db).begin(mailbox_id, begun.cursor)
        self._set(mailbox_id, **_BEGUN)
        self.watch_failed(mailbox_id, begun.trouble, retry_after)

    def keep_watch(self, mailbox_id: MailboxId, due_after: float) -> None:
        self._set(mailbox_id, watch_due_at=db_now(due_after))

    def watch_failed(
        self, mailbox_id: MailboxId, reason: str, retry_after: float, *, stopped: bool = False
    ) -> None:
        due_at = db_now(retry_after)
        self._set(
            mailbox_id,
            watch_failed_at=db_now(),
            watch_trouble=reason,
            watch_due_at=due_at,
            **({"watch_until": None} if stopped else {}),
        )

    def hasten_watch(self, mailbox_id: MailboxId) -> None:
        self._set(mailbox_id, watch_due_at=db_now())

    def forget(self, mailbox_id: MailboxId) -> None:
        HistoryRepository(self._db).forget(mailbox_id)
        self._set(
            mailbox_id,
            synced_at=None,
            sync_due_at=None,
            redrive_at=None,
            pushed_at=None,
            swept_at=None,
            watch_until=None,
            watch_due_at=None,
            watch_renewed_at=None,
            watch_failed_at=None,
            watch_trouble=None,
            mails_pushed=0,
            mails_missed=0,
            **NO_TROUBLE,
            **NO_CONFLICT,
        )

    def stop_scheduling(self, mailbox_id: MailboxId) -> None:
        self._db.execute(select(mailboxes.c.id).where(mailboxes.c.id == mailbox_id).with_for_update())
        working = exists().where(connections.c.mailbox_id == mailbox_id, works())
        idle = (mailboxes.c.id == mailbox_id, ~working)
        self._db.execute(update(mailboxes).where(*idle).values(sync_due_at=None, watch_due_at=None))

    def schedule(self, mailbox_id: MailboxId) -> None:
        self._set(
            mailbox_id,
            sync_due_at=db_now(),
            watch_due_at=func.coalesce(mailboxes.c.watch_due_at, db_now()),
            resting_until=None,
        )

    def pause_by_operator(self, address: str | None, after: int, limit: int) -> tuple[MailboxId, ...]:
        return self._change_paused(AWAKE, address, after, limit, paused_at=db_now())

    def resume_by_operator(self, address: str | None, after: int, limit: int) -> tuple[MailboxId, ...]:
        now = case((mailboxes.c.cursor.is_not(None), db_now()))
        due = {"sync_due_at": now, "watch_due_at": now, "watch_renewed_at": None}
        asked_for = case((mailboxes.c.redrive_at.is_not(None), db_now()))
        return self._change_paused(~AWAKE, address, after, limit, paused_at=None, redrive_at=asked_for, **due)

    def _change_paused(
        self, which: ColumnElement[bool], address: str | None, after: int, limit: int, **values: Any
    ) -> tuple[MailboxId, ...]:
        """The rows are locked in order, then changed as a range of ids: looked up one by one, PostgreSQL would read the
        whole table for each thousand."""
        these = (which,) if address is None else (which, mailboxes.c.address == address)
        some = select(mailboxes.c.id).where(mailboxes.c.id > after, *these)
        locked = some.order_by(mailboxes.c.id).limit(limit).with_for_update().subquery()
        last = self._db.scalar(select(func.max(locked.c.id)))
        if last is None:
            return ()
        changed = update(mailboxes).where(mailboxes.c.id > after, mailboxes.c.id <= last, *these)
        return tuple(sorted(self._db.scalars(changed.values(values).returning(mailboxes.c.id)).all()))

    def delete(self, mailbox_id: MailboxId) -> None:
        self._db.execute(delete(mailboxes).where(mailboxes.c.id == mailbox_id))

    def is_watch_due(self, mailbox_id: MailboxId, within: float) -> bool:
        due = (mailboxes.c.id == mailbox_id, mailboxes.c.watch_due_at <= db_now(within))
        return self._db.scalar(select(mailboxes.c.id).where(*due)) is not None

    def redrive_syncs(self, limit: int, again_after: float) -> tuple[MailboxId, ...]:
        due_at = mailboxes.c.sync_due_at
        return redrive(self._db, due_at, limit, again_after, AWAKE, swept_at=NOW)

    def redrive_watches(self, limit: int, again_after: float) -> tuple[MailboxId, ...]:
        return redrive(self._db, mailboxes.c.watch_due_at, limit, again_after, AWAKE)


def watch_state(row: Any) -> WatchState:
    """The watch of a mailbox's row."""
    return WatchState(
        until=row.watch_until,
        renewed_at=row.watch_renewed_at,
        failed_at=row.watch_failed_at,
        trouble=row.watch_trouble,
        pushed_at=row.pushed_at,
        recall=Recall(row.mails_pushed, row.mails_missed),
    )


_BEGUN = {
    "synced_at": func.coalesce(mailboxes.c.synced_at, db_now()),
    "sync_due_at": func.coalesce(mailboxes.c.sync_due_at, db_now()),
}
"""The moments of a mailbox that begins: it was looked into now and is due now, unless they are set already."""

# Built once, see infra/db/ledger/statements.py.
_THIS = mailboxes.c.id == bindparam("this")
_GET = select(mailboxes, NOW.label("read_at")).where(_THIS)
_OWN = select(mailbox_addresses.c.address, REGISTERED).where(
    mailbox_addresses.c.mailbox_id == bindparam("this"), counts()
)
_IS_WATCHED = (
    mailboxes.c.provider == bindparam("of_provider"),
    mailboxes.c.provider_key == bindparam("its_key"),
    mailboxes.c.cursor.is_not(None),
)
_WATCHED = select(mailboxes.c.id).where(*_IS_WATCHED)


@cache
def _pushed(dialect: str) -> Update:
    free = key_order(dialect, mailboxes, *_IS_WATCHED, skip_locked=True)
    return update(mailboxes).where(*_IS_WATCHED, free).values(pushed_at=NOW).returning(mailboxes.c.id)
