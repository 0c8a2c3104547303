"""Reports for a location's people: the state of mailboxes, what was done with a mail, and with mail they sent (Z25)."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, select

from domain.connections.connections import Connection as Domain
from domain.connections.standing import Counted
from domain.crm.locations import Location
from domain.crm.records import RecordKind
from domain.message_records import MessageRecord
from domain.outbox import SendReport, SendState
from domain.outcomes import Outcome
from domain.reports import Bookmark, LedgerEntry, LedgerQuery, MailboxReport, Totals
from infra.db.crm.merges import is_merge_of, whose
from infra.db.crm.outdated import OutdatedRepository
from infra.db.ledger.outbox import read_item
from infra.db.mail.counts import counted
from infra.db.mail.entries import entries
from infra.db.mail.records import trails
from infra.db.mailboxes import status
from infra.db.tables.connections import connections
from infra.db.tables.crm import merges
from infra.db.tables.ledger import outbox
from infra.db.tables.mailboxes import mailboxes


class MailReportRepository:
    """Reports of one location within one transaction; nothing here writes."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location

    def totals(self, mailbox: str | None, due_after: float) -> Totals:
        mail = self._db.execute(status.all_mail(mailbox, self._location)).one()
        counted = self._db.execute(status.all_mailboxes(mailbox, self._location)).one()
        return status.totals(mail, counted, due_after)

    def mailboxes(self, mailbox: str | None = None, limit: int | None = None) -> tuple[MailboxReport, ...]:
        these = status.each(mailbox, limit, self._location)
        return tuple(map(status.report, self._db.execute(these)))

    def count_outdated(self) -> Mapping[RecordKind, int]:
        return OutdatedRepository(self._db, self._location).count()

    def entries(self, query: LedgerQuery, after: Bookmark | None, mails: int) -> tuple[LedgerEntry, ...]:
        return entries(self._db, self._location, query, after, mails)

    def trails(self, message_id: str, mailbox: str | None = None) -> tuple[MessageRecord, ...]:
        return trails(self._db, self._location, message_id, mailbox)

    def counted(self, connection: Domain) -> Mapping[Outcome | None, Counted]:
        rows = self._db.execute(counted(self._location, connection.id, connection.mailbox_id))
        return {row.outcome and Outcome(row.outcome): Counted(row.mails, row.last_day) for row in rows}

    def sendings(
        self, user_id: str | None, mailbox: str | None, state: SendState | None, limit: int
    ) -> tuple[SendReport, ...]:
        wanted = [
            column == value
            for column, value in (
                (connections.c.user_id, user_id),
                (mailboxes.c.address, mailbox),
                (outbox.c.state, state and state.value),
            )
            if value is not None
        ]
        rows = self._db.execute(
            select(
                outbox, mailboxes.c.address, connections.c.user_id, whose(outbox.c.contact_id).label("whose")
            )
            .join(mailboxes, mailboxes.c.id == outbox.c.mailbox_id)
            .join(connections, connections.c.id == outbox.c.connection_id)
            .outerjoin(merges, is_merge_of(connections.c.location_id, outbox.c.contact_id))
            .where(connections.c.location_id == self._location.id, *wanted)
            .order_by(outbox.c.id.desc())
            .limit(limit)
        )
        return tuple(
            SendReport(replace(read_item(row), contact_id=row.whose), row.address, row.user_id)
            for row in rows
        )
