"""What makes a mailbox, or its sorting, wait (E67, E87)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, or_, update

from domain.ids import MailboxId
from infra.db.sql import there_is
from infra.db.tables.ledger import IS_WAITING, steps
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import db_now

NO_CONFLICT: dict[str, Any] = {"label_conflicts": 0, "sorting_due_at": None}
NO_TROUBLE: dict[str, Any] = {"resting_until": None, "failures": 0, "refusals": 0, "trouble": None}

_RESTS = mailboxes.c.resting_until > db_now()
_WAITS = there_is(steps.c.state, steps.c.mailbox_id == mailboxes.c.id, IS_WAITING)
"""A step waits in the mailbox, or is being worked on."""


class TroubleRepository:
    """The troubles of mailboxes within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def rest(
        self,
        mailbox_id: MailboxId,
        reason: str,
        seconds: float,
        *,
        unready: bool = False,
        counted: bool = True,
    ) -> None:
        until = db_now(seconds)
        longer = case((mailboxes.c.resting_until > until, mailboxes.c.resting_until), else_=until)
        refusals = mailboxes.c.refusals
        self._set(
            mailbox_id,
            resting_until=longer,
            sync_due_at=longer,
            redrive_at=longer,
            failures=mailboxes.c.failures + int(counted),
            refusals=case((_RESTS, refusals), else_=refusals + 1) if unready else refusals,
            trouble=reason,
        )

    def succeeded(self, mailbox_id: MailboxId) -> None:
        self._set(mailbox_id, **_forgotten(_RESTS))

    def labels_conflict(self, mailbox_id: MailboxId, waits: Sequence[timedelta]) -> timedelta | None:
        counted = update(mailboxes).where(mailboxes.c.id == mailbox_id)
        counted = counted.values(label_conflicts=mailboxes.c.label_conflicts + 1)
        number = self._db.scalars(counted.returning(mailboxes.c.label_conflicts)).one_or_none()
        if number is None or number > len(waits):
            self._set(mailbox_id, **NO_CONFLICT)
            return None
        wait = waits[int(number) - 1]
        self._set(mailbox_id, sorting_due_at=db_now(wait.total_seconds()))
        return wait

    def _set(self, mailbox_id: MailboxId, **values: Any) -> None:
        self._db.execute(update(mailboxes).where(mailboxes.c.id == mailbox_id).values(**values))


def walked() -> dict[str, Any]:
    """Values after the provider answered for the history. While mail waits the troubles stay: calls for it may still
    fail."""
    return _forgotten(or_(_RESTS, _WAITS))


def _forgotten(kept: ColumnElement[bool]) -> dict[str, Any]:
    """Values without the trouble, kept where `kept` holds. A rest that another job has set meanwhile stays, as the
    provider asked for it (E87)."""
    columns = mailboxes.c
    return {
        "resting_until": case((_RESTS, columns.resting_until), else_=None),
        "failures": case((kept, columns.failures), else_=0),
        "refusals": case((kept, columns.refusals), else_=0),
        "trouble": case((kept, columns.trouble), else_=None),
    }
