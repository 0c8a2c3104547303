"""What was decided about each mail."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    case,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from domain.labels import Category, Earlier, LabelChange, Labelled, Replacing, Sorted
from domain.ledger import Claim, Link, State, Step
from domain.outcomes import Outcome
from infra.db.schema import decisions, messages, steps
from infra.db.sql import insert_new
from infra.db.types import db_now


class DecisionRows:
    """Decisions within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def skip(self, mailbox_id: int, skipped: Mapping[str, Outcome], connection_ids: Collection[int]) -> None:
        """Mail that ends here: its id and the outcome, and no more (D2)."""
        self._add(
            [
                {"connection_id": c, "gmail_id": i, "mailbox_id": mailbox_id, "outcome": outcome.value}
                for i, outcome in skipped.items()
                for c in connection_ids
            ]
        )

    def link(self, mailbox_id: int, linked: Sequence[tuple[str, int, Link, Outcome | None]]) -> None:
        """Mail that belongs to somebody in the CRM, as (message, connection, link, outcome if final already)."""
        self._add(
            [
                {
                    "connection_id": connection_id,
                    "gmail_id": gmail_id,
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
                for gmail_id, connection_id, link, outcome in linked
            ]
        )

    def links(self, claims: Collection[Claim]) -> Mapping[tuple[str, int], Link]:
        """The links of these mails, by (message, connection)."""
        rows = self._db.execute(select(decisions).where(_of(claims)))
        return {(row.gmail_id, row.connection_id): _link(row) for row in rows}

    def intended(self, claims: Collection[Claim]) -> Mapping[tuple[str, int], tuple[Category, ...]]:
        """The intents that were committed before, by (message, connection), the last one first (W5)."""
        known = select(decisions).where(_of(claims), decisions.c.category.is_not(None))
        return {
            (row.gmail_id, row.connection_id): tuple(
                Category(name) for name in (row.category, row.replaces) if name
            )
            for row in self._db.execute(known)
        }

    def intend(self, intents: Mapping[Claim, Sorted]) -> None:
        """What sorting is about to do, committed before it does it (W5). What a try before intended instead is
        not forgotten: Gmail may have done it, and history tell of it only now."""
        alike: dict[Sorted, list[Claim]] = {}
        for claim, intent in intents.items():
            alike.setdefault(intent, []).append(claim)
        for intent, claims in alike.items():
            other = decisions.c.category != intent.category.value
            former = case((other, decisions.c.category), else_=decisions.c.replaces)
            values = {"category": intent.category.value, "deal_id": intent.deal_id, "replaces": former}
            self._db.execute(update(decisions).where(_of(claims)).values(values))

    def conclude(self, outcomes: Mapping[Claim, Outcome], changed: Mapping[Claim, LabelChange]) -> None:
        """The final outcome of sorted mail, and what was added and removed in Gmail."""
        alike: dict[tuple[Outcome, LabelChange | None], list[Claim]] = {}
        for claim, outcome in outcomes.items():
            alike.setdefault((outcome, changed.get(claim)), []).append(claim)
        for (outcome, change), claims in alike.items():
            values: dict[str, Any] = {"outcome": outcome.value, "replaces": None}
            if outcome in (Outcome.LABEL_NONE, Outcome.LABEL_OFF):
                values |= {"category": None, "deal_id": None}  # an intent that came to nothing
            if change:
                values["changed"] = {"added": sorted(change.add), "removed": sorted(change.remove)}
                values["changed_at"] = db_now()
            self._db.execute(update(decisions).where(_of(claims)).values(values))

    def conclude_announced(self, claims: Collection[Claim]) -> None:
        """The final outcome of announced mail whose sorting was decided before (leads, sorting off)."""
        sorting = (
            steps.c.mailbox_id == decisions.c.mailbox_id,
            steps.c.gmail_id == decisions.c.gmail_id,
            steps.c.connection_id == decisions.c.connection_id,
            steps.c.step == Step.SORT.value,
            steps.c.state == State.DONE.value,
        )
        outcome = select(steps.c.outcome).where(*sorting).scalar_subquery()
        self._db.execute(
            update(decisions).where(_of(claims), exists().where(*sorting)).values(outcome=outcome)
        )

    def labelled_before(
        self, mailbox_id: int, contact_ids: Collection[str]
    ) -> tuple[Mapping[tuple[int, str], frozenset[Earlier]], tuple[Replacing, ...]]:
        """What of these contacts' mail we have labelled and nobody has touched since, and what a crash has left
        half replaced, touched or not (E47). The former by connection and contact."""
        open_ = decisions.c.replaces.is_not(None)
        gmail_id = case((open_, decisions.c.gmail_id))
        rows = self._db.execute(
            select(
                decisions.c.connection_id,
                decisions.c.contact_id,
                decisions.c.category,
                decisions.c.author,
                decisions.c.replaces,
                gmail_id.label("gmail_id"),
                _TOUCHED.label("touched"),
            )
            .where(
                decisions.c.mailbox_id == mailbox_id,
                decisions.c.category.is_not(None),
                decisions.c.contact_id.in_(contact_ids),
                decisions.c.changed.is_not(None),
                decisions.c.undone_at.is_(None),
                or_(open_, ~_TOUCHED),
            )
            .distinct()
        ).all()
        earlier: dict[tuple[int, str], frozenset[Earlier]] = {}
        for row in rows:
            if row.replaces is None:
                one = Earlier(Category(row.category), row.author)
                contact = row.connection_id, row.contact_id
                earlier[contact] = earlier.get(contact, frozenset()) | {one}
        halves = [
            Replacing(
                row.gmail_id,
                row.connection_id,
                row.contact_id,
                Category(row.replaces),
                Category(row.category),
                bool(row.touched),
            )
            for row in rows
            if row.replaces is not None
        ]
        return earlier, tuple(halves)

    def replace(
        self, connection_id: int, contact_id: str, wanted: Sorted, old: Category, gmail_ids: Collection[str]
    ) -> tuple[Replacing, ...]:
        """Which of these mails, listed under the label of `old`, are the contact's and have it of us; that of `wanted`
        from now on: the intent, committed before Gmail is called, so that history's news of it is known as ours
        (W5, E47)."""
        rows = self._db.execute(
            update(decisions)
            .where(
                decisions.c.connection_id == connection_id,
                decisions.c.gmail_id.in_(gmail_ids),
                decisions.c.contact_id == contact_id,
                decisions.c.category == old.value,
                decisions.c.changed.is_not(None),
                decisions.c.replaces.is_(None),
                decisions.c.undone_at.is_(None),
                ~_TOUCHED,
            )
            .values(category=wanted.category.value, deal_id=wanted.deal_id, replaces=decisions.c.category)
            .returning(decisions.c.gmail_id, decisions.c.replaces)
        ).all()
        return tuple(
            Replacing(row.gmail_id, connection_id, contact_id, Category(row.replaces), wanted.category)
            for row in rows
        )

    def replaced(self, replaced: Mapping[Replacing, str]) -> None:
        """Gmail has done it; by mail the id of the label that it carries now. `changed` stays what the calls
        added and removed in all."""
        for one, label_id in replaced.items():
            these = _intent(one)
            changed = self._db.scalar(select(decisions.c.changed).where(*these).with_for_update())
            if changed:
                values = {
                    "changed": changed | {"added": [label_id]},
                    "changed_at": db_now(),
                    "replaces": None,
                }
                self._db.execute(update(decisions).where(*these).values(values))

    def not_replaced(self, replacing: Collection[Replacing]) -> None:
        """These mails stay under their old label, or without it: the intent is taken back."""
        for one in replacing:
            back = {"category": one.old.value, "deal_id": None, "replaces": None}
            self._db.execute(update(decisions).where(*_intent(one)).values(back))

    def count_labelled(self, since: datetime) -> Mapping[int, int]:
        """By mailbox, how many mails sorting has changed since and nobody after it."""
        rows = select(decisions.c.mailbox_id, func.count()).where(*_labelled_since(since))
        return dict(self._db.execute(rows.group_by(decisions.c.mailbox_id)).all())

    def labelled_since(
        self, mailbox_id: int, since: datetime, after: str, limit: int
    ) -> tuple[Labelled, ...]:
        """Those of one mailbox, by message id, of which only higher ones than `after`."""
        rows = self._db.execute(
            select(decisions.c.gmail_id, decisions.c.connection_id, decisions.c.changed)
            .where(
                decisions.c.mailbox_id == mailbox_id,
                decisions.c.gmail_id > after,
                *_labelled_since(since),
            )
            .order_by(decisions.c.gmail_id)
            .limit(limit)
        )
        return tuple(
            Labelled(
                row.gmail_id,
                row.connection_id,
                LabelChange(frozenset(row.changed["added"]), frozenset(row.changed["removed"])),
            )
            for row in rows
        )

    def undone(self, labelled: Collection[Labelled]) -> None:
        """What sorting changed on these mails is restored."""
        these = _of(Claim(one.gmail_id, one.connection_id, 0) for one in labelled)
        self._db.execute(update(decisions).where(these).values(undone_at=db_now()))

    def _add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        insert_new(self._db, decisions, rows, decided_at=db_now())


def _link(row: Row[Any]) -> Link:
    how = (row.in_inbox is not False, row.via_list)
    return Link(row.contact_id, row.contact_address, row.matched_by, row.author, row.received_at, *how)


_TOUCHED = exists().where(
    messages.c.mailbox_id == decisions.c.mailbox_id,
    messages.c.gmail_id == decisions.c.gmail_id,
    messages.c.touched,
)
"""The user has changed a CRM label on the mail (I6)."""


def _labelled_since(since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        decisions.c.changed.is_not(None),
        decisions.c.changed_at >= since,
        decisions.c.undone_at.is_(None),
        ~_TOUCHED,
    )


def _intent(one: Replacing) -> tuple[ColumnElement[bool], ...]:
    return (
        decisions.c.connection_id == one.connection_id,
        decisions.c.gmail_id == one.gmail_id,
        decisions.c.category == one.new.value,
        decisions.c.replaces == one.old.value,
    )


def _of(claims: Iterable[Claim]) -> ColumnElement[bool]:
    pairs = [(claim.connection_id, claim.gmail_id) for claim in claims]
    return tuple_(decisions.c.connection_id, decisions.c.gmail_id).in_(pairs)
