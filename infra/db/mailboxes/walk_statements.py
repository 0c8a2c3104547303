"""A walk's statements on its mailbox's row, built once (see infra/db/ledger/statements.py).

The row is locked before results are recorded, and written once a page: on PostgreSQL each write makes a new version of
it.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Update, and_, bindparam, case, select, update

from infra.db.ledger.redrives import SOONER
from infra.db.mailboxes.troubles import walked
from infra.db.tables.mailboxes import AWAKE, mailboxes
from infra.db.types import NOW, Instant

_ROW = mailboxes.c.id == bindparam("this")
LOCK_AT = (
    select(NOW)
    .where(_ROW, mailboxes.c.cursor.is_not_distinct_from(bindparam("old")), AWAKE)
    .with_for_update()
)
_REST = mailboxes.c.resting_until
_ENDED = {"sync_due_at": case((_REST > NOW, _REST), else_=bindparam("due_at", type_=Instant())), **walked()}
"""A rest that another job has set meanwhile stays, as the provider asked for it (E87)."""
STAY = update(mailboxes).where(_ROW, mailboxes.c.cursor == bindparam("old"), AWAKE).values(_ENDED)
_PUSHED, _MISSED = mailboxes.c.mails_pushed, mailboxes.c.mails_missed
_AS_BEFORE = and_(bindparam("were_pushed") == _PUSHED, bindparam("were_missed") == _MISSED)
_COUNTED = {
    "mails_pushed": case((_AS_BEFORE, bindparam("pushed")), else_=_PUSHED),
    "mails_missed": case((_AS_BEFORE, bindparam("missed")), else_=_MISSED),
}
"""How much mail push has brought by now; unchanged where the watch was restarted meanwhile."""


@cache
def kept(*, ended: bool, counted: bool, waits: bool) -> Update:
    """Write the cursors, and with them what the arguments name: the walk's end, push recall, the moment of
    `redrive`."""
    values: dict[str, Any] = {}
    if ended:
        values |= _ENDED
    if counted:
        values |= _COUNTED
    if waits:
        values["redrive_at"] = SOONER
    changed = update(mailboxes).where(_ROW)
    return changed.values(values) if values else changed


def end(began_at: datetime, due_after: float) -> dict[str, Any]:
    """The parameters of a walk's end: the next walk is due `due_after` seconds after this one began (Z33)."""
    return {"synced_at": began_at, "due_at": began_at + timedelta(seconds=due_after)}
