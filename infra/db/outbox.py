"""The outbox: mail that users send from the CRM, ids and state only (Z16, D15, W2)."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from domain.outbox import DAY, DRAFT_GONE, Room, Sending, SendReport, SendState
from infra.db.schema import connections, mailboxes, outbox
from infra.db.sql import in_key_order, insert_returning
from infra.db.types import db_now

_OPEN = outbox.c.ended_at.is_(None)
_AWAKE = select(mailboxes.c.id).where(mailboxes.c.id == outbox.c.mailbox_id, mailboxes.c.paused_at.is_(None))
_COUNTS = or_(outbox.c.state != SendState.FAILED.value, outbox.c.reason == DRAFT_GONE)
"""Against the daily limit: what has gone out, may have, or will (D15)."""


class OutboxRows:
    """Sendings within one transaction. `redrive_after`: seconds, see W2."""

    def __init__(self, db: Connection, redrive_after: float) -> None:
        self._db = db
        self._redrive_after = redrive_after

    def room(self, mailbox_id: int) -> Room | None:
        """How much of the daily limit is used; None when there is no such mailbox. Whoever else asks waits until
        we commit, so that two at once cannot both take the last place."""
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
        return Room(used, oldest and oldest + DAY, paused=mailbox.paused_at is not None)

    def add(
        self, mailbox_id: int, connection_id: int, contact_id: str | None, key: str, within: float
    ) -> Sending | None:
        """A mail is about to be handed to Gmail, for so many seconds; None when the key is taken."""
        row = {
            "mailbox_id": mailbox_id,
            "connection_id": connection_id,
            "contact_id": contact_id,
            "key": key,
            "state": SendState.DRAFTING.value,
        }
        due = {"ready_at": db_now(within), "redrive_at": db_now(within), "created_at": db_now()}
        added = insert_returning(self._db, outbox, [row], outbox.c.id, **due)
        return self.get(added[0].id) if added else None

    def get(self, sending_id: int) -> Sending | None:
        """One of them, None when it is gone."""
        return self._one(outbox.c.id == sending_id)

    def by_key(self, key: str) -> Sending | None:
        """The one with this key."""
        return self._one(outbox.c.key == key)

    def remove(self, sending: Sending) -> None:
        """As if it had never been asked for."""
        self._db.execute(delete(outbox).where(outbox.c.id == sending.id))

    def drafted(self, sending_id: int, draft_id: str) -> bool:
        """Gmail has it: it waits to be sent. False when it was taken for interrupted meanwhile."""
        return self._of_caller(
            sending_id,
            state=SendState.WAITING.value,
            draft_id=draft_id,
            ready_at=db_now(),
            redrive_at=db_now(self._redrive_after),
        )

    def not_drafted(self, sending_id: int, reason: str) -> bool:
        """Gmail has not taken it."""
        return self._of_caller(
            sending_id, state=SendState.FAILED.value, reason=reason, ended_at=db_now(), owner=None
        )

    def abandon(self, sending_id: int) -> bool:
        """Nobody knows whether Gmail has it. The caller was told that it failed, and so it shall, once what may have
        come to be there can be seen."""
        after = db_now(self._redrive_after)
        return self._of_caller(sending_id, ready_at=after, redrive_at=after)

    def _of_caller(self, sending_id: int, **values: Any) -> bool:
        mine = (
            outbox.c.id == sending_id,
            outbox.c.state == SendState.DRAFTING.value,
            outbox.c.attempts == 0,
        )
        return self._db.execute(update(outbox).where(*mine).values(values)).rowcount == 1

    def claim(self, mailbox_id: int, owner: str, lease: float) -> Sending | None:
        """The one that was asked for first of those that are due, for `lease` seconds ours (W2); its try is counted.

        What waited is "sending" from this commit on: whoever finds it so looks whether it was sent. The state that
        is returned is that of before.
        """
        due = (
            select(outbox)
            .where(outbox.c.mailbox_id == mailbox_id, _OPEN, outbox.c.ready_at <= db_now(), _AWAKE.exists())
            .order_by(outbox.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = self._db.execute(due).one_or_none()
        if row is None:
            return None
        drafting = row.state == SendState.DRAFTING.value
        self._db.execute(
            update(outbox)
            .where(outbox.c.id == row.id)
            .values(
                owner=owner,
                state=row.state if drafting else SendState.SENDING.value,
                attempts=outbox.c.attempts + 1,
                ready_at=db_now(lease),
                redrive_at=db_now(lease),
            )
        )
        return _read(row)

    def extend(self, sending: Sending, owner: str, lease: float) -> None:
        """Ours for `lease` seconds from now, if it still is."""
        mine = (outbox.c.id == sending.id, outbox.c.owner == owner, _OPEN)
        due = {"ready_at": db_now(lease), "redrive_at": db_now(lease)}
        self._db.execute(update(outbox).where(*mine).values(due))

    def sent(self, sending: Sending, owner: str, sent_id: str) -> bool:
        """It has gone out. False when it is somebody else's meanwhile."""
        return self._end(
            sending, owner, state=SendState.SENT.value, sent_id=sent_id, reason=None, ended_at=db_now()
        )

    def failed(self, sending: Sending, owner: str, reason: str) -> bool:
        """It was not sent and never will be."""
        return self._end(sending, owner, state=SendState.FAILED.value, reason=reason, ended_at=db_now())

    def give_back(
        self, sending: Sending, owner: str, state: SendState, reason: str, after: float, looks: int
    ) -> bool:
        """To be taken up again after so many seconds, in this state."""
        return self._end(
            sending,
            owner,
            state=state.value,
            reason=reason,
            looks=looks,
            ready_at=db_now(after),
            redrive_at=db_now(after),
        )

    def _end(self, sending: Sending, owner: str, **values: Any) -> bool:
        mine = (outbox.c.id == sending.id, outbox.c.owner == owner, _OPEN)
        return self._db.execute(update(outbox).where(*mine).values(owner=None, **values)).rowcount == 1

    def stalled(self, limit: int) -> tuple[int, ...]:
        """Mailboxes in which something is due although nobody takes it; asked for again from now (W2)."""
        due = select(outbox.c.id).where(_OPEN, outbox.c.redrive_at <= db_now()).order_by(outbox.c.redrive_at)
        free = due.limit(limit).with_for_update(skip_locked=True).cte("free")
        asked = self._db.scalars(
            update(outbox)
            .where(outbox.c.id.in_(select(free)))
            .values(redrive_at=db_now(self._redrive_after))
            .returning(outbox.c.mailbox_id)
        )
        return tuple(sorted(set(asked)))

    def delete(self, connection_id: int) -> None:
        """All that was kept of mail sent over this connection (D12)."""
        of_connection = outbox.c.connection_id == connection_id
        self._db.execute(delete(outbox).where(of_connection, in_key_order(self._db, outbox, of_connection)))

    def reports(
        self, user_id: str | None, mailbox: str | None, state: SendState | None, limit: int
    ) -> tuple[SendReport, ...]:
        """The newest first, of one user, mailbox and state where they are named."""
        wanted = [
            column == value
            for column, value in (
                (connections.c.user_id, user_id),
                (mailboxes.c.address, mailbox),
                (outbox.c.state, state and state.value),
            )
            if value is not None
        ]
        rows = self._db.execute(
            select(outbox, mailboxes.c.address, connections.c.user_id)
            .join(mailboxes, mailboxes.c.id == outbox.c.mailbox_id)
            .join(connections, connections.c.id == outbox.c.connection_id)
            .where(and_(True, *wanted))
            .order_by(outbox.c.id.desc())
            .limit(limit)
        )
        return tuple(SendReport(_read(row), row.address, row.user_id) for row in rows)

    def _one(self, where: ColumnElement[bool]) -> Sending | None:
        row = self._db.execute(select(outbox).where(where)).one_or_none()
        return _read(row) if row else None


def _read(row: Any) -> Sending:
    return Sending(
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
