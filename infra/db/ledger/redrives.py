"""When the sweep asks again for what waits in a mailbox: one row each, however much that is (W2, W13)."""

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

from domain.connections import ConnectionState
from domain.ledger import Step
from infra.db.sql import key_order, set_each, there_is
from infra.db.tables.mail import AWAKE, IS_WAITING, connections, mailboxes, steps
from infra.db.types import db_now, seconds

_WITHIN = db_now(seconds("within"))
SOONER = case((mailboxes.c.redrive_at <= _WITHIN, mailboxes.c.redrive_at), else_=_WITHIN)
"""The moment, in so many seconds "within" at the latest."""


@cache
def _sooner(dialect: str, *, skip_locked: bool) -> Update:
    """No condition on what it is now: a row that the re-driver has locked to say that nothing waits is waited for."""
    this = mailboxes.c.id == bindparam("this")
    free = key_order(dialect, mailboxes, this, skip_locked=skip_locked)
    return update(mailboxes).where(this, free).values(redrive_at=SOONER)


class RedriveRepository:
    """The re-driver's moments within one transaction. `redrive_after`: seconds, see W2."""

    def __init__(self, db: Connection, redrive_after: float) -> None:
        self._db = db
        self._redrive_after = redrive_after

    def redrive_within(self, mailbox_id: int, within: float, *, skip_locked: bool = False) -> None:
        """What waits in the mailbox is asked for again in so many seconds at the latest.

        `skip_locked`, where the moment may come later: it waits already, so that a moment is there.
        """
        sooner = _sooner(self._db.dialect.name, skip_locked=skip_locked)
        self._db.execute(sooner, {"this": mailbox_id, "within": within})

    def redrive(self, limit: int) -> Mapping[int, tuple[Step, ...]]:
        """A mailbox is looked at again when the next claim or wait ends, after the re-driver's time at the latest, and
        no more when nothing waits (W2).

        However much waits in a mailbox, it is one row to look at. Where nobody is signed in mail waits for the
        sign-in (E86). A mailbox that somebody has locked is looked at next time.
        """
        moment = mailboxes.c.redrive_at
        due = select(mailboxes.c.id).where(AWAKE, moment <= db_now()).order_by(moment).limit(limit)
        # Locked before the look, so that what comes to wait meanwhile is either seen or asked for by its own commit.
        looked_at = self._db.scalars(due.with_for_update(skip_locked=True)).all()
        if not looked_at:
            return {}
        rows = self._db.execute(_waiting(looked_at, self._redrive_after)).all()
        moments: dict[int, list[datetime]] = {mailbox_id: [] for mailbox_id in looked_at}
        for row in rows:
            if row.ready or row.next_at:
                moments[row.id].append(min(row.again_at, row.next_at or row.again_at))
        set_each(self._db, mailboxes.c.redrive_at, {i: min(its, default=None) for i, its in moments.items()})
        asked: dict[int, tuple[Step, ...]] = dict.fromkeys(looked_at, ())
        for row in rows:
            if row.ready and row.signed_in:
                asked[row.id] += (Step(row.step),)
        return asked


def _waiting(mailbox_ids: Collection[int], again_after: float) -> Select[Any]:
    """By mailbox and step: whether something is ready, and when something more will be."""
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
