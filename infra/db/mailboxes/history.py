"""Where we stand in each mailbox's history, and which changes were judged (E84, E108, W5, W8)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, union, update

from domain.ids import MailboxId
from domain.mailboxes.comparisons import Compared, Missing
from domain.mailboxes.history import Change, ChangeKind, Cursors, Touch, touches
from domain.mailboxes.watches import WalkEnd
from domain.outcomes import PROVISIONAL
from infra.db.ledger.claims import redrive
from infra.db.mailboxes import walk_statements
from infra.db.sql import insert_new
from infra.db.tables.mail import decisions, messages
from infra.db.tables.mailboxes import AWAKE, judged, mailboxes
from infra.db.types import NOW, db_now

TOLD_WITHIN = timedelta(seconds=120)
"""How late a provider tells of a change at most (E108)."""

_COLUMNS = (
    *("cursor", "settled_cursor", "settled_at", "settling_cursor", "settling_at", "walk_began_at"),
    *("refused_at", "compare_due_at", "compared_at"),
)


class HistoryRepository:
    """The mailboxes' histories within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def begin(self, mailbox_id: MailboxId, cursor: str) -> None:
        """Set the cursor of a mailbox that has none (W8)."""
        new = (mailboxes.c.id == mailbox_id, mailboxes.c.cursor.is_(None))
        values = {
            "cursor": cursor,
            "settled_cursor": cursor,
            "settled_at": db_now(),
            "compare_due_at": db_now(),
        }
        self._db.execute(update(mailboxes).where(*new).values(values))

    def lock_at(self, mailbox_id: MailboxId, cursor: str | None) -> datetime | None:
        return self._db.execute(walk_statements.LOCK_AT, {"this": mailbox_id, "old": cursor}).scalar()

    def advance(
        self,
        mailbox_id: MailboxId,
        cursors: Cursors,
        *,
        settled: int | None = None,
        ended: WalkEnd | None = None,
        redrive_within: float | None = None,
    ) -> None:
        values = {
            "this": mailbox_id,
            "cursor": cursors.at,
            "settled_cursor": cursors.settled,
            "settled_at": cursors.settled_at,
            "settling_cursor": cursors.settling,
            "settling_at": cursors.settling_at,
            "walk_began_at": cursors.began_at,
            "refused_at": cursors.refused_at,
        }
        counts = ended.recall if ended else None
        if ended:
            values |= walk_statements.end(ended.began_at, ended.due_after)
        if counts:
            old, new = counts
            values |= {"pushed": new.pushed, "missed": new.missed}
            values |= {"were_pushed": old.pushed, "were_missed": old.missed}
        if redrive_within is not None:
            values["within"] = redrive_within
        kept = walk_statements.kept(
            ended=ended is not None, counted=counts is not None, waits=redrive_within is not None
        )
        self._db.execute(kept, values)
        if settled is not None and cursors.settled_at is not None:
            self._forget_judged(mailbox_id, str(settled), cursors.settled_at)

    def stay(self, mailbox_id: MailboxId, cursor: str, began_at: datetime, due_after: float) -> bool:
        these = {"this": mailbox_id, "old": cursor} | walk_statements.end(began_at, due_after)
        return self._db.execute(walk_statements.STAY, these).rowcount == 1

    def forget(self, mailbox_id: MailboxId) -> None:
        """Delete the cursor and what was judged: the mailbox's last feature was switched off."""
        self._db.execute(delete(judged).where(judged.c.mailbox_id == mailbox_id))
        nothing = dict.fromkeys(_COLUMNS) | {"mails_compared": 0, "mails_late": 0}
        self._db.execute(update(mailboxes).where(mailboxes.c.id == mailbox_id).values(nothing))

    def known(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        """Which of these mails the ledger has. Of labelled mail the decision is kept longer than the message."""
        if not message_ids:
            return frozenset()
        return frozenset(self._db.scalars(_KNOWN, {"this": mailbox_id, "mails": list(message_ids)}))

    def news(
        self, mailbox_id: MailboxId, changes: Sequence[Change], crm_labels: frozenset[str]
    ) -> tuple[Change, ...]:
        arrived = {change.message_id for change in changes if change.kind is ChangeKind.ARRIVED}
        known = self.known(mailbox_id, arrived)
        told = {change: touches(change, crm_labels) for change in changes}
        again = self._judge(mailbox_id, frozenset[Touch]().union(*told.values()))
        news = []
        for change in changes:
            if change.kind is ChangeKind.ARRIVED and change.message_id in known:
                continue
            if old := told[change] & again:
                left = change.label_ids.difference(touch.label_id for touch in old)
                if not left:
                    continue
                change = replace(change, label_ids=left)
            news.append(change)
        return tuple(news)

    def lock_awake(self, mailbox_id: MailboxId) -> bool:
        this = (
            mailboxes.c.id == mailbox_id,
            mailboxes.c.cursor.is_not(None),
            AWAKE,
        )
        return self._db.scalar(select(mailboxes.c.id).where(*this).with_for_update()) is not None

    def missing(self, mailbox_id: MailboxId, message_ids: Collection[str], came_by: str) -> Missing:
        known = self.known(mailbox_id, message_ids)
        shut = select(decisions.c.message_id).where(
            decisions.c.mailbox_id == mailbox_id,
            decisions.c.message_id.in_(message_ids),
            decisions.c.outcome.in_([outcome.value for outcome in PROVISIONAL]),
        )
        late = select(func.count()).where(
            messages.c.mailbox_id == mailbox_id,
            messages.c.message_id.in_(message_ids),
            messages.c.came_by == came_by,
        )
        rescued = tuple(self._db.scalars(shut.distinct()))
        new = tuple(message_id for message_id in message_ids if message_id not in known)
        return Missing(new, rescued, self._db.scalar(late) or 0)

    def is_compare_due(self, mailbox_id: MailboxId, within: float) -> bool:
        due = (mailboxes.c.id == mailbox_id, mailboxes.c.compare_due_at <= db_now(within))
        return self._db.scalar(select(mailboxes.c.id).where(*due)) is not None

    def redrive_comparisons(self, limit: int, again_after: float) -> tuple[MailboxId, ...]:
        return redrive(self._db, mailboxes.c.compare_due_at, limit, again_after, AWAKE)

    def hasten_comparison(self, mailbox_id: MailboxId, seconds: float) -> None:
        later = (mailboxes.c.id == mailbox_id, mailboxes.c.compare_due_at > db_now(seconds))
        self._db.execute(update(mailboxes).where(*later).values(compare_due_at=db_now(seconds)))

    def compared(self, mailbox_id: MailboxId, found: Compared | None, due_at: datetime) -> None:
        this = (mailboxes.c.id == mailbox_id, mailboxes.c.cursor.is_not(None))
        values: dict[str, Any] = {"compare_due_at": due_at}
        if found:
            values |= {"compared_at": db_now(), "mails_compared": found.mails, "mails_late": found.late}
        self._db.execute(update(mailboxes).where(*this).values(values))

    def told(self, mailbox_id: MailboxId, touches: Mapping[str, str]) -> Mapping[str, int]:
        """By mail the last position at which history has told that this label was put on it, as far as that is kept."""
        rows = self._db.execute(_TOLD, {"this": mailbox_id, "mails": list(touches)})
        found: dict[str, int] = {}
        for row in rows:
            if touches[row.message_id] == row.label_id:
                found[row.message_id] = max(found.get(row.message_id, 0), int(row.record_id))
        return found

    def _judge(self, mailbox_id: MailboxId, touched: Collection[Touch]) -> frozenset[Touch]:
        """Note these changes as judged. Returns those that were judged before."""
        if not touched:
            return frozenset()
        records = {"this": mailbox_id, "records": list({str(touch.position) for touch in touched})}
        before = frozenset(
            Touch(row.message_id, row.label_id, row.added, int(row.record_id))
            for row in self._db.execute(_JUDGED, records)
        )
        rows = [
            {
                "mailbox_id": mailbox_id,
                "record_id": str(touch.position),
                "message_id": touch.message_id,
                "label_id": touch.label_id,
                "added": touch.added,
            }
            for touch in touched
            if touch not in before
        ]
        insert_new(self._db, judged, rows, judged_at=NOW)
        return before

    def _forget_judged(self, mailbox_id: MailboxId, settled: str, settled_at: datetime) -> None:
        """Delete judged changes up to the settled position, if they were judged more than TOLD_WITHIN before it
        settled: later ones still help to tell our own changes from the user's (W5). Positions are compared as numbers
        of any length."""
        values = {"settled": settled, "digits": len(settled), "until": settled_at - TOLD_WITHIN}
        self._db.execute(_FORGET, {"this": mailbox_id} | values)


def cursors_of(row: Any) -> Cursors | None:
    """The cursors of a mailbox's row; None where it has no cursor."""
    if row.cursor is None:
        return None
    return Cursors(
        row.cursor,
        row.settled_cursor or row.cursor,
        row.settled_at,
        row.settling_cursor,
        row.settling_at,
        row.walk_began_at,
        row.refused_at,
    )


# Built once, see infra/db/ledger/statements.py.
_KNOWN = union(
    *(
        select(table.c.message_id).where(
            table.c.mailbox_id == bindparam("this"), table.c.message_id.in_(bindparam("mails"))
        )
        for table in (messages, decisions)
    )
)
_OF_MAILBOX = judged.c.mailbox_id == bindparam("this")
_JUDGED = select(judged).where(_OF_MAILBOX, judged.c.record_id.in_(bindparam("records")))
_TOLD = select(judged.c.message_id, judged.c.label_id, judged.c.record_id).where(
    _OF_MAILBOX, judged.c.message_id.in_(bindparam("mails")), judged.c.added
)
_LENGTH = func.length(judged.c.record_id)
_FORGET = delete(judged).where(
    _OF_MAILBOX,
    or_(
        bindparam("digits") > _LENGTH,
        and_(bindparam("digits") == _LENGTH, judged.c.record_id <= bindparam("settled")),
    ),
    judged.c.judged_at <= bindparam("until"),
)
