"""The ledger's queue: which mail waits for which step, and who is working on it (W2–W4)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    or_,
    select,
    tuple_,
    union,
    update,
)

from domain.ledger import ALONE_AFTER, Ahead, Claim, Cost, Planned, State, Step
from domain.outcomes import Outcome
from infra.db.decisions import DecisionRows
from infra.db.entries import UNDONE
from infra.db.redrives import RedriveRows
from infra.db.schema import connections, decisions, mailboxes, steps
from infra.db.sql import in_key_order, insert_new, lock
from infra.db.types import db_now

_KEY = (steps.c.gmail_id, steps.c.connection_id)
_STOPPED = and_(
    steps.c.step == Step.SORT.value,
    steps.c.state == State.DONE.value,
    steps.c.outcome == Outcome.LABEL_FAILED.value,
    exists().where(connections.c.id == steps.c.connection_id, connections.c.sorting_trouble.is_(None)),
)
"""Not sorted because sorting was stopped, which it no longer is (E67)."""

_ITS = exists().where(steps.c.mailbox_id == bindparam("its"), steps.c.state == State.WAITING.value)
_READY = steps.c.ready_at <= db_now()
_COMING = or_(steps.c.owner.is_not(None), (steps.c.attempts == 0) & _READY)
_AHEAD = select(
    *(_ITS.where(steps.c.step == step.value, _COMING).label(step) for step in Step),
    _ITS.where(steps.c.step == Step.MATCH.value, _READY).label("ready"),
)


class LedgerRows(RedriveRows):
    """The queue side of the ledger within one transaction. `redrive_after`: seconds, see W2."""

    def __init__(self, db: Connection, redrive_after: float) -> None:
        super().__init__(db, redrive_after)
        self._decisions = DecisionRows(db)

    def plan(self, mailbox_id: int, planned: Sequence[tuple[str, int, Planned]]) -> None:
        """Add steps as (message, connection, plan); a step that is there already stays as it is (I2)."""
        insert_new(
            self._db,
            steps,
            [
                {
                    "mailbox_id": mailbox_id,
                    "gmail_id": gmail_id,
                    "step": plan.step.value,
                    "connection_id": connection_id,
                    "state": plan.state.value,
                    "outcome": plan.outcome and plan.outcome.value,
                }
                for gmail_id, connection_id, plan in planned
            ],
            ready_at=db_now(),
        )

    def claim(
        self,
        mailbox_id: int,
        step: Step,
        limit: int,
        owner: str,
        lease: float,
        connection_ids: Collection[int] = (0,),
    ) -> tuple[Claim, ...]:
        """Take up to `limit` waiting steps for `lease` seconds, oldest mail first; others skip them (W2).

        What has already failed in company is taken alone, after all the rest (W3).
        """
        theirs = (
            steps.c.mailbox_id == mailbox_id,
            steps.c.step == step.value,
            steps.c.connection_id.in_(connection_ids),
        )
        in_company = self._claim(limit, owner, lease, *theirs, steps.c.attempts < ALONE_AFTER)
        return in_company or self._claim(1, owner, lease, *theirs, steps.c.attempts >= ALONE_AFTER)

    def extend(self, mailbox_id: int, step: Step, owner: str, lease: float) -> None:
        """What this owner has claimed in the mailbox is his for `lease` seconds from now."""
        its = (steps.c.mailbox_id == mailbox_id, steps.c.step == step.value)
        mine = (*its, steps.c.state == State.WAITING.value, steps.c.owner == owner)
        lock(self._db, steps, *mine)
        self._db.execute(update(steps).where(*mine).values(ready_at=db_now(lease)))

    def held(
        self, mailbox_id: int, step: Step, claims: Iterable[Claim], owner: str
    ) -> frozenset[tuple[str, int]]:
        """Which of the claims are still ours, as (message, connection); locked until the commit."""
        rows = self._db.execute(
            select(*_KEY)
            .where(self._these(mailbox_id, step, claims), steps.c.owner == owner)
            .order_by(*steps.primary_key.columns)
            .with_for_update()
        )
        return frozenset((row.gmail_id, row.connection_id) for row in rows)

    def finish(
        self, mailbox_id: int, step: Step, done: Mapping[Claim, Outcome | None], cost: Mapping[str, Cost]
    ) -> None:
        """End the steps; `cost` by message. Callers finish only what `held` returned."""
        alike: dict[tuple[Outcome | None, Cost | None], list[Claim]] = {}
        for claim, outcome in done.items():
            alike.setdefault((outcome, cost.get(claim.gmail_id)), []).append(claim)
        lock(self._db, steps, self._these(mailbox_id, step, done))
        for (outcome, spent), claims in alike.items():
            values: dict[str, Any] = {
                "state": State.DONE.value,
                "outcome": outcome and outcome.value,
                "owner": None,
            }
            if spent:
                values |= {
                    "units": steps.c.units + spent.units,
                    "seconds": steps.c.seconds + spent.seconds,
                    "shared_by": spent.shared_by,
                }
            self._db.execute(update(steps).where(self._these(mailbox_id, step, claims)).values(values))

    def release(
        self,
        mailbox_id: int,
        step: Step,
        claims: Collection[Claim],
        owner: str,
        after: float,
        *,
        counted: bool,
    ) -> None:
        """Give claims back, to be tried again after so many seconds; a try that is not their fault is not counted."""
        self.redrive_within(mailbox_id, after, skip_locked=True)  # its turn is before the steps'
        values: dict[str, Any] = {"owner": None, "ready_at": db_now(after)}
        if not counted:
            values["attempts"] = steps.c.attempts - 1
        mine = (self._these(mailbox_id, step, claims), steps.c.owner == owner)
        self._db.execute(self._changed(mailbox_id, *mine).values(values))

    def set_aside(
        self, mailbox_id: int, step: Step, claims: Collection[Claim], connection_ids: Collection[int]
    ) -> None:
        """End what has used up its tries, with `label.failed` for want of a better word in Part J (E88)."""
        self._db.execute(
            self._changed(mailbox_id, self._these(mailbox_id, step, claims)).values(
                state=State.SET_ASIDE.value, outcome=Outcome.LABEL_FAILED.value, owner=None
            )
        )
        if step is Step.MATCH:
            self._decisions.skip(
                mailbox_id, dict.fromkeys((c.gmail_id for c in claims), Outcome.LABEL_FAILED), connection_ids
            )
        else:
            self._decisions.conclude(dict.fromkeys(claims, Outcome.LABEL_FAILED), {})

    def aside(self, mailbox: str | None, limit: int) -> tuple[tuple[int, str], ...]:
        """Up to so many mails that `retry` is good for, as (mailbox, message)."""
        named = () if mailbox is None else (mailboxes.c.address == mailbox,)
        theirs = steps.c.mailbox_id.in_(select(mailboxes.c.id).where(*named))
        mail = select(steps.c.mailbox_id, steps.c.gmail_id)
        decided = (decisions.c.connection_id == steps.c.connection_id) & (
            decisions.c.gmail_id == steps.c.gmail_id
        )
        found = union(
            mail.where(theirs, UNDONE, steps.c.state == State.SET_ASIDE.value),
            mail.join(decisions, decided).where(
                theirs,
                decisions.c.mailbox_id == steps.c.mailbox_id,
                decisions.c.outcome == Outcome.LABEL_FAILED.value,
                _STOPPED,
            ),
        )
        return tuple((row.mailbox_id, row.gmail_id) for row in self._db.execute(found.limit(limit)))

    def retry(self, mailbox_id: int, gmail_ids: Collection[str]) -> frozenset[str]:
        """What was set aside waits again as if never tried, and may come to another outcome (E88); so does what
        was not sorted because sorting was stopped, if it no longer is (E67). Returns the mails it was so for."""
        self.redrive_within(mailbox_id, 0)
        theirs = steps.c.gmail_id.in_(gmail_ids)
        rows = self._db.execute(
            self._changed(mailbox_id, theirs, or_(steps.c.state == State.SET_ASIDE.value, _STOPPED))
            .values(
                state=State.WAITING.value,
                outcome=None,
                attempts=0,
                owner=None,
                ready_at=db_now(),
            )
            .returning(steps.c.gmail_id, steps.c.step, steps.c.connection_id)
        ).all()
        unmatched = {row.gmail_id for row in rows if row.step == Step.MATCH.value}
        others = [(row.connection_id, row.gmail_id) for row in rows if row.step != Step.MATCH.value]
        failures = (
            decisions.c.mailbox_id == mailbox_id,
            decisions.c.outcome == Outcome.LABEL_FAILED.value,
        )
        self._db.execute(delete(decisions).where(*failures, decisions.c.gmail_id.in_(unmatched)))
        theirs = tuple_(decisions.c.connection_id, decisions.c.gmail_id).in_(others)
        self._db.execute(update(decisions).where(*failures, theirs).values(outcome=None))
        return frozenset(row.gmail_id for row in rows)

    def unblock_sorting(self, mailbox_id: int, claims: Collection[Claim]) -> None:
        """What is announced may be sorted (I5)."""
        self._db.execute(
            self._changed(
                mailbox_id,
                self._these(mailbox_id, Step.SORT, claims),
                steps.c.state == State.BLOCKED.value,
            ).values(state=State.WAITING.value, ready_at=db_now())
        )

    def ahead(self, mailbox_id: int) -> Ahead:
        """What waits in the mailbox, however much it is: the first of each kind tells."""
        row = self._db.execute(_AHEAD, {"its": mailbox_id}).one()
        return Ahead(frozenset(step for step in Step if getattr(row, step)), row.ready)

    def _claim(self, limit: int, owner: str, lease: float, *which: ColumnElement[bool]) -> tuple[Claim, ...]:
        free = (
            select(*_KEY)
            .join(
                decisions,
                (decisions.c.connection_id == steps.c.connection_id)
                & (decisions.c.gmail_id == steps.c.gmail_id),
                isouter=True,
            )
            .where(*which, steps.c.state == State.WAITING.value, steps.c.ready_at <= db_now())
            .order_by(decisions.c.received_at, steps.c.gmail_id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=steps)
            .cte("free")  # evaluated once: as a subquery PostgreSQL may run it per row, past the limit
        )
        rows = self._db.execute(
            update(steps)
            .where(*which, tuple_(*_KEY).in_(select(free)))
            .values(
                owner=owner,
                attempts=steps.c.attempts + 1,
                ready_at=db_now(lease),
            )
            .returning(steps.c.gmail_id, steps.c.connection_id, steps.c.attempts)
        )
        return tuple(Claim(row.gmail_id, row.connection_id, row.attempts) for row in rows)

    def _these(self, mailbox_id: int, step: Step, claims: Iterable[Claim]) -> ColumnElement[bool]:
        its = (steps.c.mailbox_id == mailbox_id, steps.c.step == step.value)
        return and_(*its, tuple_(*_KEY).in_([claim.key for claim in claims]))

    def _changed(self, mailbox_id: int, *where: ColumnElement[bool], skip_locked: bool = False) -> Update:
        """An UPDATE of these steps of the mailbox."""
        its = steps.c.mailbox_id == mailbox_id
        return update(steps).where(its, in_key_order(self._db, steps, its, *where, skip_locked=skip_locked))
