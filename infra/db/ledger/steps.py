"""The ledger's queue: which mail waits for which step, and which process works on it (W2–W4)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, or_, select, tuple_, union, update

from domain.ids import NO_CONNECTION, ConnectionId, MailboxId
from domain.ledger import FAILED, Ahead, Claim, Cost, Planned, State, Step, StepKey
from domain.outcomes import Outcome
from infra.db.ledger import statements
from infra.db.ledger.claims import STEPS
from infra.db.ledger.redrives import RedriveRepository
from infra.db.mail import kept
from infra.db.mail.decisions import DecisionRepository
from infra.db.sql import in_key_order, insert_new
from infra.db.tables.connections import connections
from infra.db.tables.ledger import UNDONE, steps
from infra.db.tables.mail import decisions
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import NOW

_STOPPED = and_(
    steps.c.step == Step.SORT.value,
    steps.c.state == State.DONE.value,
    steps.c.outcome == Outcome.LABEL_FAILED.value,
    exists().where(connections.c.id == steps.c.connection_id, connections.c.sorting_trouble.is_(None)),
)
"""Not sorted because sorting was stopped, and it is not stopped any more (E67)."""


class LedgerRepository(RedriveRepository):
    """The ledger's queue within one transaction. `redrive_after`: seconds (W2)."""

    def __init__(self, db: Connection, redrive_after: float) -> None:
        super().__init__(db, redrive_after)
        self._decisions = DecisionRepository(db)

    def plan(self, mailbox_id: MailboxId, planned: Sequence[tuple[str, int, Planned]]) -> None:
        insert_new(
            self._db,
            steps,
            [
                {
                    "mailbox_id": mailbox_id,
                    "message_id": message_id,
                    "step": plan.step.value,
                    "connection_id": connection_id,
                    "state": plan.state.value,
                    "outcome": plan.outcome and plan.outcome.value,
                }
                for message_id, connection_id, plan in planned
            ],
            ready_at=NOW,
        )

    def claim(
        self,
        mailbox_id: MailboxId,
        step: Step,
        limit: int,
        owner: str,
        lease: float,
        connection_ids: Collection[ConnectionId] = (NO_CONNECTION,),
    ) -> tuple[Claim, ...]:
        theirs = {
            "of_mailbox": mailbox_id,
            "of_step": step.value,
            "of_connections": list(connection_ids),
            "lease": lease,
            "me": owner,
        }
        for alone, at_most in ((False, limit), (True, 1)):
            claiming = statements.claiming(self._db.dialect.name, alone=alone)
            rows = self._db.execute(claiming, theirs | {"at_most": at_most}).all()
            if rows:
                return tuple(Claim(row.message_id, row.connection_id, row.attempts) for row in rows)
        return ()

    def extend(self, mailbox_id: MailboxId, step: Step, owner: str, lease: float) -> None:
        its = (steps.c.mailbox_id == mailbox_id, steps.c.step == step.value)
        STEPS.extend(self._db, owner, lease, *its)

    def held(
        self, mailbox_id: MailboxId, step: Step, claims: Iterable[Claim], owner: str
    ) -> frozenset[StepKey]:
        claims = tuple(claims)
        rows = self._db.execute(statements.HELD, statements.among(mailbox_id, step, claims) | {"me": owner})
        return frozenset(StepKey(row.message_id, row.connection_id) for row in rows) & {c.key for c in claims}

    def finish(
        self,
        mailbox_id: MailboxId,
        step: Step,
        done: Mapping[Claim, Outcome | None],
        owner: str,
        cost: Mapping[str, Cost],
    ) -> None:
        """One statement for all steps with the same outcome and cost: in most batches that is all of them."""
        alike: dict[tuple[Outcome | None, Cost | None], list[Claim]] = {}
        for claim, outcome in done.items():
            alike.setdefault((outcome, cost.get(claim.message_id)), []).append(claim)
        for (outcome, spent), claims in alike.items():
            values: dict[str, Any] = {"their_outcome": outcome and outcome.value}
            if spent:
                values |= {"spent": spent.units, "taken": spent.seconds, "shared": spent.shared_by}
            for these in statements.these(mailbox_id, step, claims, owner):
                self._db.execute(statements.PAID if spent else statements.FINISHED, these | values)

    def release(
        self,
        mailbox_id: MailboxId,
        step: Step,
        claims: Collection[Claim],
        owner: str,
        after: float,
        *,
        counted: bool,
    ) -> None:
        self.redrive_within(mailbox_id, after, skip_locked=True)  # the mailbox is locked before its steps
        mine = self.held(mailbox_id, step, claims, owner)
        released = statements.RELEASED if counted else statements.RELEASED_UNCOUNTED
        theirs = [claim for claim in claims if claim.key in mine]
        for these in statements.these(mailbox_id, step, theirs, owner):
            self._db.execute(released, these | {"after": after})

    def set_aside(
        self,
        mailbox_id: MailboxId,
        step: Step,
        claims: Collection[Claim],
        owner: str,
        connection_ids: Collection[ConnectionId],
    ) -> None:
        ended: set[StepKey] = set()
        values = {"their_outcome": FAILED[step].value}
        for these in statements.these(mailbox_id, step, claims, owner):
            rows = self._db.execute(statements.SET_ASIDE, these | values)
            ended |= {StepKey(row.message_id, row.connection_id) for row in rows}
        outcomes = {claim: FAILED[step] for claim in claims if claim.key in ended}
        if step is Step.MATCH:
            failed = {claim.message_id: outcome for claim, outcome in outcomes.items()}
            self._decisions.skip(mailbox_id, failed, connection_ids)
        else:
            self._decisions.conclude(outcomes, {})

    def aside(self, mailbox: str | None, limit: int) -> tuple[tuple[MailboxId, str], ...]:
        named = () if mailbox is None else (mailboxes.c.address == mailbox,)
        theirs = and_(steps.c.mailbox_id.in_(select(mailboxes.c.id).where(*named)), kept.STEPS)
        mail = select(steps.c.mailbox_id, steps.c.message_id)
        decided = (decisions.c.connection_id == steps.c.connection_id) & (
            decisions.c.message_id == steps.c.message_id
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
        return tuple((row.mailbox_id, row.message_id) for row in self._db.execute(found.limit(limit)))

    def retry(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        self.redrive_within(mailbox_id, 0)
        its = steps.c.mailbox_id == mailbox_id
        failed = or_(steps.c.state == State.SET_ASIDE.value, _STOPPED)
        these = in_key_order(self._db, steps, its, steps.c.message_id.in_(message_ids), failed)
        named = (steps.c.message_id, steps.c.step, steps.c.connection_id)
        rows = self._db.execute(STEPS.retry(its, these, outcome=None).returning(*named)).all()
        unmatched = {row.message_id for row in rows if row.step == Step.MATCH.value}
        others = [(row.connection_id, row.message_id) for row in rows if row.step != Step.MATCH.value]
        its = decisions.c.mailbox_id == mailbox_id
        never = (its, decisions.c.outcome == Outcome.MATCH_FAILED.value)
        failures = (its, decisions.c.outcome == Outcome.LABEL_FAILED.value)
        self._db.execute(delete(decisions).where(*never, decisions.c.message_id.in_(unmatched)))
        theirs = tuple_(decisions.c.connection_id, decisions.c.message_id).in_(others)
        again = (decisions.c.message_id.in_({message_id for _, message_id in others}), theirs)
        self._db.execute(update(decisions).where(*failures, *again).values(outcome=None))
        return frozenset(row.message_id for row in rows)

    def call_off(
        self, mailbox_id: MailboxId, step: Step, steps_: Collection[tuple[str, ConnectionId]]
    ) -> None:
        its = (steps.c.mailbox_id == mailbox_id, steps.c.step == step.value)
        for connection_id in sorted({connection_id for _, connection_id in steps_}):
            messages = [message_id for message_id, of in steps_ if of == connection_id]
            these = (*its, steps.c.connection_id == connection_id, steps.c.message_id.in_(messages), UNDONE)
            self._db.execute(STEPS.call_off(*its, in_key_order(self._db, steps, *these)))

    def unblock_sorting(self, mailbox_id: MailboxId, claims: Collection[Claim]) -> frozenset[StepKey]:
        rows = self._db.execute(
            statements.unblock(self._db.dialect.name), statements.among(mailbox_id, Step.SORT, claims)
        )
        return frozenset(StepKey(row.message_id, row.connection_id) for row in rows)

    def ahead(self, mailbox_id: MailboxId) -> Ahead:
        """Each kind of step is answered by its first row, however many wait."""
        row = self._db.execute(statements.AHEAD, {"of_mailbox": mailbox_id}).one()
        coming, ready = row[: len(Step)], row[len(Step) :]
        return Ahead(frozenset(compress(Step, coming)), frozenset(compress(Step, ready)))
