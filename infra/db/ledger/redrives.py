"""When the sweep asks again for the work that waits in a mailbox: one row a mailbox, however much waits (W2, W13)."""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    Update,
    bindparam,
    case,
    func,
    literal,
    select,
    true,
    union_all,
    update,
)

from domain.connections.connections import ConnectionState
from domain.ids import MailboxId
from domain.ledger import Step
from infra.db.sql import key_order, set_each, there_is
from infra.db.tables.connections import connections
from infra.db.tables.ledger import IS_WAITING, steps
from infra.db.tables.mailboxes import AWAKE, mailboxes
from infra.db.types import db_now, seconds

_WITHIN = db_now(seconds("within"))
SOONER = case((mailboxes.c.redrive_at <= _WITHIN, mailboxes.c.redrive_at), else_=_WITHIN)
"""The earlier of the mailbox's moment and "within" seconds from now."""


@cache
def _sooner(dialect: str, *, skip_locked: bool) -> Update:
    """It has no condition on the present moment, so that it waits for a row that `redrive` has locked to write that
    nothing waits."""
    this = mailboxes.c.id == bindparam("this")
    free = key_order(dialect, mailboxes, this, skip_locked=skip_locked)
    return update(mailboxes).where(this, free).values(redrive_at=SOONER)


class RedriveRepository:
    """The moments of `redrive` within one transaction. `redrive_after`: seconds (W2)."""

    def __init__(self, db: Connection, redrive_after: float) -> None:
        self._db = db
        self._redrive_after = redrive_after

    def redrive_within(self, mailbox_id: MailboxId, within: float, *, skip_locked: bool = False) -> None:
        """`skip_locked` skips a locked row, for work that waited before: it has a moment, which may then be later."""
        sooner = _sooner(self._db.dialect.name, skip_locked=skip_locked)
        self._db.execute(sooner, {"this": mailbox_id, "within": within})

    def redrive(self, limit: int) -> Mapping[MailboxId, tuple[Step, ...]]:
        """Each mailbox is looked at again when its next lease or wait ends, after `redrive_after` seconds at most; not
        at all when nothing waits (W2).

        One row a mailbox is read, however much waits there. A locked mailbox is looked at next time.
        """
        moment = mailboxes.c.redrive_at
        due = select(mailboxes.c.id).where(AWAKE, moment <= db_now()).order_by(moment).limit(limit)
        # Locked before the look: work that comes meanwhile is either seen, or its own commit sets a moment.
        looked_at = self._db.scalars(due.with_for_update(skip_locked=True)).all()
        if not looked_at:
            return {}
        rows = self._db.execute(_waiting(looked_at, self._redrive_after)).all()
        moments: dict[MailboxId, list[datetime]] = {mailbox_id: [] for mailbox_id in looked_at}
        for row in rows:
            if row.ready or row.next_at:
                moments[row.id].append(min(row.again_at, row.next_at or row.again_at))
        set_each(self._db, mailboxes.c.redrive_at, {i: min(its, default=None) for i, its in moments.items()})
        asked: dict[MailboxId, tuple[Step, ...]] = dict.fromkeys(looked_at, ())
        for row in rows:
            if row.ready and row.signed_in:
                asked[row.id] += (Step(row.step),)
        return asked


def _waiting(mailbox_ids: Collection[MailboxId], again_after: float) -> Select[Any]:
    """By mailbox and step: whether any is ready, and when the next one will be."""
    kinds = union_all(*(select(literal(step.value).label("step")) for step in Step)).subquery()
    waits = (steps.c.mailbox_id == mailboxes.c.id, steps.c.step == kinds.c.step, IS_WAITING)
    first = select(func.min(steps.c.ready_at)).where(*waits)
    later = first.where(steps.c.ready_at > db_now())
    signed_in = there_is(
        connections.c.id,
        connections.c.mailbox_id == mailboxes.c.id,
        connections.c.state == ConnectionState.ACTIVE.value,
    )
    asked = select(
        mailboxes.c.id,
        kinds.c.step,
        (first.scalar_subquery() <= db_now()).label("ready"),
        later.scalar_subquery().label("next_at"),
        db_now(again_after).label("again_at"),
        signed_in.label("signed_in"),
    )
    return asked.select_from(mailboxes.join(kinds, true())).where(mailboxes.c.id.in_(mailbox_ids))
