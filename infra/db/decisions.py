"""What was decided about each mail, and the notifications that came of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, select, tuple_, update

from domain.labels import LabelChange, Sorted
from domain.ledger import Claim, Link, State, Step
from domain.outcomes import Outcome
from infra.db.schema import connections, decisions, notifications, steps
from infra.db.sql import insert_new, insert_returning
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
                }
                for gmail_id, connection_id, link, outcome in linked
            ]
        )

    def links(self, claims: Collection[Claim]) -> Mapping[tuple[str, int], Link]:
        """The links of these mails, by (message, connection)."""
        rows = self._db.execute(select(decisions).where(_of(claims)))
        return {
            (row.gmail_id, row.connection_id): Link(
                row.contact_id, row.contact_address, row.matched_by, row.author, row.received_at
            )
            for row in rows
        }

    def intended(self, claims: Collection[Claim]) -> frozenset[tuple[str, int]]:
        """Those for which an intent was committed before, as (message, connection) (W5)."""
        known = select(decisions.c.gmail_id, decisions.c.connection_id)
        rows = self._db.execute(known.where(_of(claims), decisions.c.category.is_not(None)))
        return frozenset((row.gmail_id, row.connection_id) for row in rows)

    def intend(self, intents: Mapping[Claim, Sorted]) -> None:
        """What sorting is about to do, committed before it does it (W5)."""
        alike: dict[Sorted, list[Claim]] = {}
        for claim, intent in intents.items():
            alike.setdefault(intent, []).append(claim)
        for intent, claims in alike.items():
            values = {"category": intent.category.value, "deal_id": intent.deal_id}
            self._db.execute(update(decisions).where(_of(claims)).values(values))

    def conclude(self, outcomes: Mapping[Claim, Outcome], changed: Mapping[Claim, LabelChange]) -> None:
        """The final outcome of sorted mail, and what was added and removed in Gmail."""
        alike: dict[tuple[Outcome, LabelChange | None], list[Claim]] = {}
        for claim, outcome in outcomes.items():
            alike.setdefault((outcome, changed.get(claim)), []).append(claim)
        for (outcome, change), claims in alike.items():
            values: dict[str, Any] = {"outcome": outcome.value}
            if change:
                values["changed"] = {"added": sorted(change.add), "removed": sorted(change.remove)}
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

    def notify(
        self, user_id: str, claims: Collection[Claim], links: Mapping[tuple[str, int], Link]
    ) -> list[str]:
        """Put notifications on the user's list, each once (I2); returns the messages newly announced."""
        rows = []
        for claim in sorted(claims, key=lambda claim: links[claim.gmail_id, claim.connection_id].received_at):
            link = links[claim.gmail_id, claim.connection_id]
            rows.append(
                {
                    "connection_id": claim.connection_id,
                    "user_id": user_id,
                    "gmail_id": claim.gmail_id,
                    "contact_id": link.contact_id,
                    "author": link.author,
                    "received_at": link.received_at,
                }
            )
        return insert_returning(self._db, notifications, rows, notifications.c.gmail_id, created_at=db_now())

    def purge(self, mailbox_id: int, gmail_ids: Collection[str]) -> None:
        """Forget these decisions, but for the id and category of labelled mail while sorting is on."""
        these = (decisions.c.mailbox_id == mailbox_id, decisions.c.gmail_id.in_(gmail_ids))
        sorts = select(connections.c.id).where(connections.c.sorting_since.is_not(None))
        kept = (decisions.c.category.is_not(None), decisions.c.connection_id.in_(sorts))
        self._db.execute(delete(decisions).where(*these, ~and_(*kept)))
        private = dict.fromkeys(
            ("contact_id", "contact_address", "matched_by", "author", "received_at", "deal_id")
        )
        self._db.execute(update(decisions).where(*these).values(private))

    def _add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        insert_new(self._db, decisions, rows, decided_at=db_now())


def _of(claims: Collection[Claim]) -> Any:
    pairs = [(claim.connection_id, claim.gmail_id) for claim in claims]
    return tuple_(decisions.c.connection_id, decisions.c.gmail_id).in_(pairs)
