"""Mail that history or a list named: what is new, gone, moved out of Spam, or touched by the user (W5, W7, W9)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    Update,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from domain.crm.categories import Category, category_of
from domain.ids import ConnectionId, MailboxId
from domain.ledger import Planned, State, Step
from domain.mailboxes.history import Found, Touch, is_ours
from domain.outcomes import PROVISIONAL, Outcome
from infra.db.ledger.claims import STEPS
from infra.db.ledger.steps import LedgerRepository
from infra.db.mail.decisions import DecisionRepository
from infra.db.mailboxes.history import TOLD_WITHIN, HistoryRepository
from infra.db.sql import in_key_order, insert_returning
from infra.db.tables.ledger import IS_WAITING, steps
from infra.db.tables.mail import decisions, messages
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import NOW, db_now

GONE_AFTER_TIMES = 3
GONE_AFTER_SECONDS = 60
_TOLD_WITHIN = literal(TOLD_WITHIN // timedelta(milliseconds=1), BigInteger())


class MessageRepository:
    """Mail within one transaction."""

    def __init__(self, db: Connection, ledger: LedgerRepository, decided: DecisionRepository) -> None:
        self._db = db
        self._ledger = ledger
        self._decisions = decided
        self._history = HistoryRepository(db)

    def record(
        self,
        mailbox_id: MailboxId,
        found: Found,
        came_by: str,
        connection_ids: Collection[ConnectionId],
        labels: Mapping[Category, str],
    ) -> tuple[str, ...]:
        retaken = self._take_back(mailbox_id, found.reopened)
        self._forget_provisional(mailbox_id, found.reopened)
        verdicts: dict[str, Outcome | None] = dict.fromkeys((*found.new, *found.reopened)) | dict(
            found.dropped
        )
        for message_id in self._decided(mailbox_id, found.reopened):
            del verdicts[message_id]
        fresh = self._add_messages(mailbox_id, verdicts, came_by)
        waiting = tuple(i for i, verdict in verdicts.items() if verdict is None and i in fresh)
        ended = {i: verdict for i, verdict in verdicts.items() if verdict is not None and i in fresh}
        self._ledger.plan(mailbox_id, [(i, 0, Planned(Step.MATCH, State.WAITING)) for i in waiting])
        self._ledger.plan(mailbox_id, [(i, 0, Planned(Step.MATCH, State.DONE)) for i in ended])
        ended |= dict.fromkeys(self._end_deleted(mailbox_id, found.deleted), Outcome.SKIP_GONE)
        self._decisions.skip(mailbox_id, ended, connection_ids)
        self._reopen(mailbox_id, found.reopened)
        self._mark_touched(mailbox_id, found, labels)
        return (*waiting, *retaken)

    def count_missing(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        self._db.execute(
            self._changed(mailbox_id, message_ids).values(
                missing=messages.c.missing + 1,
                missing_since=func.coalesce(messages.c.missing_since, db_now()),
            )
        )
        gone = select(messages.c.message_id).where(
            messages.c.mailbox_id == mailbox_id,
            messages.c.message_id.in_(message_ids),
            messages.c.missing >= GONE_AFTER_TIMES,
            messages.c.missing_since <= db_now(-GONE_AFTER_SECONDS),
        )
        return frozenset(self._db.scalars(gone))

    def just_reopened(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        rows = select(messages.c.message_id).where(
            messages.c.mailbox_id == mailbox_id,
            messages.c.message_id.in_(message_ids),
            messages.c.reopened_at > db_now(-GONE_AFTER_SECONDS),
        )
        return frozenset(self._db.scalars(rows))

    def reopen_refused(
        self, mailbox_id: MailboxId, connection_id: ConnectionId, message_ids: Collection[str]
    ) -> int:
        refused = (
            decisions.c.connection_id == connection_id,
            decisions.c.mailbox_id == mailbox_id,
            decisions.c.outcome == Outcome.SKIP_NO_CONTACT.value,
        )
        these = decisions.c.message_id.in_(message_ids)
        again = self._db.scalars(select(decisions.c.message_id).where(*refused, these)).all()
        if again:
            of_mailbox = steps.c.mailbox_id == mailbox_id
            match = (of_mailbox, steps.c.step == Step.MATCH.value, steps.c.message_id.in_(again))
            self._db.execute(STEPS.retry(of_mailbox, in_key_order(self._db, steps, *match), outcome=None))
            self._db.execute(delete(decisions).where(*refused, decisions.c.message_id.in_(again)))
            self._ledger.redrive_within(mailbox_id, 0)
        return len(again)

    def refused_since(self, mailbox_id: MailboxId, connection_id: ConnectionId, moment: datetime) -> bool:
        its = select(messages.c.message_id).join(
            decisions,
            (decisions.c.connection_id == connection_id) & (decisions.c.message_id == messages.c.message_id),
        )
        refused = its.where(
            messages.c.mailbox_id == mailbox_id,
            messages.c.seen_at >= moment,
            decisions.c.outcome == Outcome.SKIP_NO_CONTACT.value,
        )
        return self._db.scalar(refused.limit(1)) is not None

    def touched(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        rows = select(messages.c.message_id).where(
            messages.c.mailbox_id == mailbox_id, messages.c.message_id.in_(message_ids), messages.c.touched
        )
        return frozenset(self._db.scalars(rows))

    def touch(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> None:
        self._db.execute(self._changed(mailbox_id, message_ids).values(touched=True))

    def _decided(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> Sequence[str]:
        """Mail that was handled before. Of labelled mail the decision is kept longer than the message."""
        if not message_ids:
            return ()
        return self._db.scalars(_DECIDED, {"of_mailbox": mailbox_id, "these": list(message_ids)}).all()

    def _add_messages(
        self, mailbox_id: MailboxId, message_ids: Iterable[str], came_by: str
    ) -> frozenset[str]:
        rows = [{"mailbox_id": mailbox_id, "message_id": i, "came_by": came_by} for i in message_ids]
        fresh = insert_returning(self._db, messages, rows, messages.c.message_id, seen_at=NOW)
        return frozenset(row.message_id for row in fresh)

    def _take_back(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> Sequence[str]:
        """Undo the claims of mail that leaves Spam while it is matched: what was fetched before is not to be recorded
        (W9). This counts as no try: while a mailbox's history cannot be used, each list does it again."""
        if not message_ids:
            return ()
        claimed = (*_waiting(mailbox_id, message_ids), steps.c.owner.is_not(None))
        these = in_key_order(self._db, steps, *claimed)
        taken = STEPS.take_back(steps.c.mailbox_id == mailbox_id, these)
        return self._db.scalars(taken.returning(steps.c.message_id)).all()

    def _forget_provisional(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> None:
        """Forget mail that was decided as lying in Spam, Trash or Drafts and has left there: it is handled as new (E36,
        E37, W9)."""
        if not message_ids:
            return
        these = (
            decisions.c.mailbox_id == mailbox_id,
            decisions.c.message_id.in_(message_ids),
            decisions.c.outcome.in_([outcome.value for outcome in PROVISIONAL]),
        )
        forgotten = self._db.scalars(select(decisions.c.message_id).where(*these).distinct()).all()
        self._delete(steps, mailbox_id, forgotten)
        self._db.execute(delete(decisions).where(*these))
        self._delete(messages, mailbox_id, forgotten)

    def _reopen(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> None:
        if message_ids:
            self._db.execute(self._changed(mailbox_id, message_ids).values(reopened_at=db_now()))

    def _delete(self, table: Table, mailbox_id: MailboxId, message_ids: Collection[str]) -> None:
        of_mailbox = table.c.mailbox_id == mailbox_id
        these = in_key_order(self._db, table, of_mailbox, table.c.message_id.in_(message_ids))
        self._db.execute(delete(table).where(of_mailbox, these))

    def _end_deleted(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> Sequence[str]:
        if not message_ids:
            return ()
        these = in_key_order(self._db, steps, *_waiting(mailbox_id, message_ids))
        ended = STEPS.call_off(steps.c.mailbox_id == mailbox_id, these)
        return self._db.scalars(ended.returning(steps.c.message_id)).all()

    def _mark_touched(self, mailbox_id: MailboxId, found: Found, labels: Mapping[Category, str]) -> None:
        # Matching sees by itself what lies in Spam or Trash. Mail that it matched was put away after that, by the user.
        by_user = set(self._matched(mailbox_id, found.put_away)) if found.put_away else set[str]()
        if found.touched:
            intended, former = self._intents(mailbox_id, found.touched, labels)
            by_user |= {
                t.message_id
                for t in found.touched
                if not is_ours(t, intended.get(t.message_id), former.get(t, ()))
            }
        if by_user:
            self.touch(mailbox_id, by_user)

    def _intents(
        self, mailbox_id: MailboxId, touched: Collection[Touch], labels: Mapping[Category, str]
    ) -> tuple[Mapping[str, str | None], Mapping[Touch, Collection[str | None]]]:
        """Returns, by mail, the label that we intend it to have; and, by change, the labels that we had put on it
        before (E47).

        History may tell late of a label that we have put on and replaced since, but not after it has settled. Once it
        has told of the replacement too, only a change before that one can be ours.
        """
        settled_at = mailboxes.c.settled_at
        untold = or_(settled_at.is_(None), decisions.c.changed_at >= settled_at - _TOLD_WITHIN)
        rows = self._db.execute(
            select(
                decisions.c.message_id,
                decisions.c.category,
                decisions.c.replaces,
                case((untold, decisions.c.outcome)).label("outcome"),
            )
            .join(mailboxes, mailboxes.c.id == decisions.c.mailbox_id)
            .where(
                decisions.c.mailbox_id == mailbox_id,
                decisions.c.message_id.in_({touch.message_id for touch in touched}),
                decisions.c.category.is_not(None),
            )
        ).all()
        intended = {row.message_id: labels.get(Category(row.category)) for row in rows}
        former: dict[str, set[str | None]] = {}
        for row in rows:
            before = (
                row.replaces and Category(row.replaces),
                row.outcome and category_of(Outcome(row.outcome)),
            )
            former[row.message_id] = {labels.get(category) for category in before if category}
        doubtful = [t for t in touched if t.added and t.label_id in former.get(t.message_id, ())]
        meant = {t.message_id: label for t in doubtful if (label := intended[t.message_id])}
        told = self._history.told(mailbox_id, meant) if meant else {}
        return intended, {
            t: former[t.message_id]
            for t in doubtful
            if t.message_id not in told or t.position < told[t.message_id]
        }

    def _matched(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        these = (decisions.c.mailbox_id == mailbox_id, decisions.c.message_id.in_(message_ids))
        found = select(decisions.c.message_id).where(*these, decisions.c.contact_id.is_not(None))
        return frozenset(self._db.scalars(found))

    def _changed(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> Update:
        """An UPDATE of these messages, locked in key order."""
        of_mailbox = messages.c.mailbox_id == mailbox_id
        return update(messages).where(
            of_mailbox, in_key_order(self._db, messages, of_mailbox, messages.c.message_id.in_(message_ids))
        )


def _waiting(mailbox_id: MailboxId, message_ids: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """Condition: matching steps of these mails that wait or are being worked on."""
    return (
        steps.c.mailbox_id == mailbox_id,
        steps.c.message_id.in_(message_ids),
        steps.c.step == Step.MATCH.value,
        IS_WAITING,
    )


_DECIDED = (
    select(decisions.c.message_id)
    .where(decisions.c.mailbox_id == bindparam("of_mailbox"), decisions.c.message_id.in_(bindparam("these")))
    .distinct()
)
"""Built once, see infra/db/ledger/statements.py."""
