"""The outbox: mail that users send from the CRM, ids and state only (Z16, D15, W2).

`domain.retention` does not apply here: D2 is about mail that is found in a mailbox, and this table holds what the CRM
asked us to send, whatever features the mailbox has on. No column holds a word, a header or an address of the mail.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, or_, select

from domain.ids import ConnectionId, MailboxId
from domain.outbox import DAY, DRAFT_GONE, DailyQuota, NewItem, OutboxItem, SendState
from infra.db.ledger.claims import OUTBOX, redrive
from infra.db.sql import in_key_order, insert_returning
from infra.db.tables.ledger import outbox
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import db_now

_THIS = outbox.c.id == bindparam("this")
_AWAKE = select(mailboxes.c.id).where(mailboxes.c.id == outbox.c.mailbox_id, mailboxes.c.paused_at.is_(None))
_COUNTS = or_(outbox.c.state != SendState.FAILED.value, outbox.c.reason == DRAFT_GONE)
"""The mail counts against the daily limit: it was sent, may have been, or will be (D15)."""


class OutboxRepository:
    """Outbox items within one transaction. `redrive_after`: seconds (W2)."""

    def __init__(self, db: Connection, redrive_after: float) -> None:
        self._db = db
        self._redrive_after = redrive_after

    def daily_quota(self, mailbox_id: MailboxId) -> DailyQuota | None:
        paused_at = select(mailboxes.c.paused_at).where(mailboxes.c.id == mailbox_id).with_for_update()
        mailbox = self._db.execute(paused_at).one_or_none()
        if mailbox is None:
            return None
        counted = select(func.count(), func.min(outbox.c.created_at)).where(
            outbox.c.mailbox_id == mailbox_id,
            outbox.c.created_at > db_now(-DAY.total_seconds()),
            _COUNTS,
        )
        used, oldest = self._db.execute(counted).one()
        return DailyQuota(used, oldest and oldest + DAY, paused=mailbox.paused_at is not None)

    def add(self, asked: NewItem, owner: str, lease: float) -> OutboxItem | None:
        row = {**_columns(asked), "key": asked.key, "state": SendState.DRAFTING.value, "owner": owner}
        due = {**OUTBOX.at(db_now(lease)), "created_at": db_now()}
        added = insert_returning(self._db, outbox, [row], outbox.c.id, **due)
        return self.get(added[0].id) if added else None

    def get(self, item_id: int) -> OutboxItem | None:
        return self._one(outbox.c.id == item_id)

    def by_key(self, key: str) -> OutboxItem | None:
        return self._one(outbox.c.key == key)

    def reopen(self, item_id: int, asked: NewItem, owner: str, lease: float) -> OutboxItem | None:
        anew = {
            "state": SendState.DRAFTING.value,
            "reason": None,
            "attempts": 0,
            "looks": 0,
            "ended_at": None,
        }
        claimed = OUTBOX.claim(outbox.c.id == item_id, **_columns(asked), **anew, created_at=db_now())
        self._db.execute(claimed, {"me": owner, "lease": lease})
        return self.get(item_id)

    def claim(self, mailbox_id: MailboxId, owner: str, lease: float) -> OutboxItem | None:
        """Two statements, as the UPDATE cannot return the former state."""
        first = select(outbox).where(outbox.c.mailbox_id == mailbox_id, OUTBOX.ready, _AWAKE.exists())
        row = self._db.execute(
            first.order_by(outbox.c.id).limit(1).with_for_update(skip_locked=True)
        ).one_or_none()
        if row is None:
            return None
        before = read_item(row)
        drafting = before.state is SendState.DRAFTING
        state = before.state if drafting else SendState.SENDING
        claimed = OUTBOX.claim(outbox.c.id == row.id, state=state.value)
        self._db.execute(claimed, {"me": owner, "lease": lease})
        return replace(before, attempts=before.attempts + 1)

    def extend(self, item: OutboxItem, owner: str, lease: float) -> None:
        OUTBOX.extend(self._db, owner, lease, outbox.c.id == item.id)

    def drafted(self, item: OutboxItem, owner: str, draft_id: str) -> bool:
        again_at = db_now(self._redrive_after)
        waits = {"state": SendState.WAITING.value, "draft_id": draft_id, "redrive_at": again_at}
        return self._end(item, owner, OUTBOX.release(_THIS, counted=True, **waits), after=0)

    def finish(
        self, item: OutboxItem, owner: str, state: SendState, *, sent_id: str | None, reason: str | None
    ) -> bool:
        ended = {"state": state.value, "sent_id": sent_id, "reason": reason}
        return self._end(item, owner, OUTBOX.finish(_THIS, **ended))

    def release(
        self, item: OutboxItem, owner: str, after: float, state: SendState, reason: str | None, looks: int
    ) -> bool:
        waits = {"state": state.value, "reason": reason, "looks": looks}
        return self._end(item, owner, OUTBOX.release(_THIS, counted=True, **waits), after=after)

    def _end(self, item: OutboxItem, owner: str, change: Any, **values: float) -> bool:
        return self._db.execute(change, {"this": item.id, "me": owner, **values}).rowcount == 1

    def redrive(self, limit: int) -> tuple[int, ...]:
        moment, name = outbox.c.redrive_at, outbox.c.mailbox_id
        return redrive(self._db, moment, limit, self._redrive_after, OUTBOX.waits, name=name)

    def delete(self, connection_id: ConnectionId) -> None:
        of_connection = outbox.c.connection_id == connection_id
        self._db.execute(delete(outbox).where(of_connection, in_key_order(self._db, outbox, of_connection)))

    def _one(self, where: ColumnElement[bool]) -> OutboxItem | None:
        row = self._db.execute(select(outbox).where(where)).one_or_none()
        return read_item(row) if row else None


def _columns(asked: NewItem) -> dict[str, Any]:
    return {
        "mailbox_id": asked.mailbox_id,
        "connection_id": asked.connection_id,
        "contact_id": asked.contact_id,
    }


def read_item(row: Any) -> OutboxItem:
    """An outbox item, of its row."""
    return OutboxItem(
        id=row.id,
        mailbox_id=row.mailbox_id,
        connection_id=row.connection_id,
        key=row.key,
        state=SendState(row.state),
        contact_id=row.contact_id,
        draft_id=row.draft_id,
        sent_id=row.sent_id,
        reason=row.reason,
        attempts=row.attempts,
        looks=row.looks,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
