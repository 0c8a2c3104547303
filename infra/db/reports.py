"""Reports for the operator, over all organisations."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from domain.crm.records import RecordKind
from domain.ids import MailboxId
from domain.reports import MailboxReport, Totals
from infra.db.mail.kept import DECISIONS
from infra.db.mailboxes import status
from infra.db.tables.crm import deals, organisations, outdated, settings
from infra.db.tables.mail import decisions, messages


class ReportRepository:
    """Reports within one transaction; nothing here writes."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def totals(self, mailbox: str | None, due_after: float) -> Totals:
        mail = self._db.execute(status.all_mail(mailbox)).one()
        counted = self._db.execute(status.all_mailboxes(mailbox)).one()
        return status.totals(mail, counted, due_after)

    def mailboxes(self, mailbox: str | None = None, limit: int | None = None) -> tuple[MailboxReport, ...]:
        return tuple(map(status.report, self._db.execute(status.each(mailbox, limit))))

    def changed_by_hand(
        self, since: datetime, mailbox_id: MailboxId | None = None
    ) -> Mapping[MailboxId, tuple[str, ...]]:
        named = () if mailbox_id is None else (decisions.c.mailbox_id == mailbox_id,)
        rows = self._db.execute(
            select(decisions.c.mailbox_id, decisions.c.message_id)
            .join(
                messages,
                (messages.c.mailbox_id == decisions.c.mailbox_id)
                & (messages.c.message_id == decisions.c.message_id),
            )
            .where(
                decisions.c.changed.is_not(None),
                decisions.c.changed_at >= since,
                decisions.c.undone_at.is_(None),
                messages.c.touched,
                DECISIONS,
                *named,
            )
            .order_by(decisions.c.mailbox_id, decisions.c.message_id)
        )
        found: dict[MailboxId, list[str]] = {}
        for row in rows:
            found.setdefault(row.mailbox_id, []).append(row.message_id)
        return {mailbox_id: tuple(ids) for mailbox_id, ids in found.items()}

    def count_outdated(self) -> Mapping[RecordKind, int]:
        rows = self._db.execute(select(outdated.c.kind, func.count()).group_by(outdated.c.kind))
        return {RecordKind(kind): times for kind, times in rows}

    def zones(self, limit: int) -> Mapping[int, str | None]:
        zone = and_(settings.c.organisation_id == organisations.c.id, settings.c.name == "time-zone")
        found = select(organisations.c.id, settings.c.value).outerjoin(settings, zone)
        rows = self._db.execute(found.order_by(organisations.c.id).limit(limit))
        return {row.id: row.value for row in rows}

    def uncategorised_stages(self, limit: int) -> tuple[Mapping[str, int], int]:
        of = deals.c.uncategorised
        stages = self._db.scalar(select(func.count(deals.c.stage.distinct())).where(of)) or 0
        rows = self._db.execute(
            select(deals.c.stage, func.count())
            .where(of)
            .group_by(deals.c.stage)
            .order_by(func.count().desc(), deals.c.stage)
            .limit(limit)
        )
        return {row[0]: row[1] for row in rows}, stages
