"""The decisions about each mail."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    bindparam,
    case,
    func,
    select,
    update,
)

from domain.crm.categories import ContactCategory
from domain.ids import ConnectionId, MailboxId
from domain.ledger import Claim, Link, State, Step, StepKey
from domain.outcomes import Outcome, final
from domain.retention import ENDED, Data
from domain.sorting.label_changes import LabelChange
from domain.sorting.plans import SortedMail
from infra.db.mail import label_changes
from infra.db.mail.details import only
from infra.db.mail.kept import DECISIONS
from infra.db.mail.sorting import OF, TOUCHED, ReplacementRepository, link, of_claims
from infra.db.sql import insert_new
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions
from infra.db.types import NOW


class DecisionRepository(ReplacementRepository):
    """Decisions within one transaction."""

    def skip(
        self, mailbox_id: MailboxId, skipped: Mapping[str, Outcome], connection_ids: Collection[ConnectionId]
    ) -> None:
        self._add(
            ENDED,
            [
                {"connection_id": c, "message_id": i, "mailbox_id": mailbox_id, "outcome": outcome.value}
                for i, outcome in skipped.items()
                for c in connection_ids
            ],
        )

    def link(
        self,
        mailbox_id: MailboxId,
        linked: Sequence[tuple[str, int, Link, Outcome | None]],
        kept: Collection[Data],
    ) -> None:
        self._add(
            kept,
            [
                {
                    "connection_id": connection_id,
                    "message_id": message_id,
                    "mailbox_id": mailbox_id,
                    "outcome": outcome and outcome.value,
                    "contact_id": link.contact_id,
                    "contact_address": link.contact_address,
                    "matched_by": link.matched_by.value,
                    "author": link.author,
                    "received_at": link.received_at,
                    "in_inbox": link.in_inbox,
                    "via_list": link.via_list,
                }
                for message_id, connection_id, link, outcome in linked
            ],
        )

    def links(self, claims: Collection[Claim]) -> Mapping[StepKey, Link]:
        return {
            StepKey(row.message_id, row.connection_id): link(row, row.contact_id, row.labelled)
            for these in of_claims(claims)
            for row in self._db.execute(_LINKS, these)
        }

    def intend(self, intents: Mapping[Claim, ContactCategory]) -> None:
        alike: dict[ContactCategory, list[Claim]] = {}
        for claim, intent in intents.items():
            alike.setdefault(intent, []).append(claim)
        for intent, claims in alike.items():
            wanted = {"wanted": intent.category.value, "of_deal": intent.deal_id}
            for these in of_claims(claims):
                self._db.execute(_INTENDED, these | wanted)

    def conclude(self, outcomes: Mapping[Claim, Outcome], changed: Mapping[Claim, LabelChange]) -> None:
        alike: dict[tuple[Outcome, LabelChange | None], list[Claim]] = {}
        for claim, outcome in outcomes.items():
            alike.setdefault((outcome, changed.get(claim)), []).append(claim)
        for (outcome, change), claims in alike.items():
            ended = final(announced=True, labelled=outcome)
            values: dict[str, Any] = {"ended": ended and ended.value, "replaces": None}
            if outcome in (Outcome.LABEL_NONE, Outcome.LABEL_OFF):
                values |= {"category": None, "deal_id": None}  # an intent that came to nothing
            if change:
                values["changed"] = label_changes.to_json(change)
            for these in of_claims(claims):
                self._db.execute(_CHANGED if change else _CONCLUDED, these | values)

    def count_labelled(self, since: datetime) -> Mapping[MailboxId, int]:
        rows = select(decisions.c.mailbox_id, func.count()).where(*_labelled_since(since))
        return dict(self._db.execute(rows.group_by(decisions.c.mailbox_id)).all())

    def labelled_since(
        self, mailbox_id: MailboxId, since: datetime, after: str, limit: int
    ) -> tuple[SortedMail, ...]:
        rows = self._db.execute(
            select(decisions.c.message_id, decisions.c.connection_id, decisions.c.changed)
            .where(
                decisions.c.mailbox_id == mailbox_id,
                decisions.c.message_id > after,
                *_labelled_since(since),
            )
            .order_by(decisions.c.message_id)
            .limit(limit)
        )
        return tuple(
            SortedMail(row.message_id, row.connection_id, label_changes.from_json(row.changed))
            for row in rows
        )

    def undone(self, restored: Collection[SortedMail]) -> None:
        for these in of_claims([Claim(one.message_id, one.connection_id, 0) for one in restored]):
            self._db.execute(_THESE.values(undone_at=NOW), these)

    def _add(self, kept: Collection[Data], rows: Sequence[Mapping[str, Any]]) -> None:
        insert_new(self._db, decisions, only(kept, rows), decided_at=NOW)


def _labelled_since(since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        decisions.c.changed.is_not(None),
        decisions.c.changed_at >= since,
        decisions.c.undone_at.is_(None),
        ~TOUCHED,
        DECISIONS,
    )


# Built once, see infra/db/ledger/statements.py.
_LABELLED = select(steps.c.outcome).where(
    steps.c.mailbox_id == decisions.c.mailbox_id,
    steps.c.message_id == decisions.c.message_id,
    steps.c.connection_id == decisions.c.connection_id,
    steps.c.step == Step.SORT.value,
    steps.c.state == State.DONE.value,
)
_LINKS = select(decisions, _LABELLED.scalar_subquery().label("labelled")).where(OF)
_THESE = update(decisions).where(OF)
_CONCLUDED = _THESE.values(outcome=func.coalesce(decisions.c.outcome, bindparam("ended")))
"""The outcome of two-way sync is there already and stays (Part J)."""

_CHANGED = _CONCLUDED.values(changed_at=NOW)
_INTENDED = _THESE.values(
    category=bindparam("wanted"),
    deal_id=bindparam("of_deal"),
    replaces=case(
        (decisions.c.category != bindparam("wanted"), decisions.c.category), else_=decisions.c.replaces
    ),
)
