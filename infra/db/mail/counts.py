"""How many mails the ledger has for a connection, by outcome (H50)."""

from typing import Any

from sqlalchemy import Select, case, func, select

from domain.crm.locations import Location
from domain.ids import ConnectionId, MailboxId
from infra.db.mail.kept import DECISIONS, messages_of
from infra.db.tables.mail import decisions, messages
from infra.db.types import db_now

_DAY = 86_400


def counted(location: Location, connection_id: ConnectionId, mailbox_id: MailboxId) -> Select[Any]:
    """A row for each outcome, None where there is none yet. It reads the mailbox's mail that the ledger keeps."""
    decided = (
        (decisions.c.connection_id == connection_id)
        & (decisions.c.mailbox_id == messages.c.mailbox_id)
        & (decisions.c.message_id == messages.c.message_id)
        & DECISIONS
    )
    return (
        select(
            decisions.c.outcome,
            func.count().label("mails"),
            func.count(case((messages.c.seen_at >= db_now(-_DAY), 1))).label("last_day"),
        )
        .select_from(messages)
        .outerjoin(decisions, decided)
        .where(messages.c.mailbox_id == mailbox_id, messages_of(location))
        .group_by(decisions.c.outcome)
    )
