"""The ledger of the provider's units: written each minute, and what it says of a day (FACTS §4)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from domain.quota import PROJECT, SLOT, Quota, Spending
from handlers.context import Context


def write_down(context: Context) -> None:
    """What this process has spent goes into the ledger. A process that is killed takes with it what it had not
    written: a minute's at most."""
    for batch in context.tally.batches():
        with context.store.begin("units.write") as tx:
            tx.units.add(batch.key, batch.owner, batch.day, batch.rows)
        context.tally.written(batch)


def learn_day(context: Context) -> None:
    """What all processes have written down for today."""
    with context.store.begin("units.look", reads_only=True) as tx:
        spent = tx.units.of_day(context.tally.quota.day(datetime.now(UTC)))
    context.tally.know_day(spent.day)


@dataclass(frozen=True, slots=True)
class Spent:
    """A day's units: of the project, and of some mailboxes by their address, or id where nobody uses them now."""

    day: date
    quota: Quota
    project: Spending
    mailboxes: Mapping[str, Spending]


def spent(address: str | None, limit: int, context: Context) -> Spent | None:
    """Today's, the costliest mailboxes first, or of one; None when there is no such mailbox. The last minute is what
    the processes have told each other: unknown while Redis is away."""
    day = context.tally.quota.day(datetime.now(UTC))
    with context.store.begin("units.look", reads_only=True) as tx:
        mailbox_ids = () if address is None else tx.mailboxes.ids(address)
        if address is not None and not mailbox_ids:
            return None
        project = tx.units.of_day(day)
        found = tx.units.of_mailboxes(day, mailbox_ids) if address else tx.units.costliest(day, limit)
    if address and not found:
        found = {mailbox_ids[0]: (address, Spending({}))}
    minute = context.queue.spent(int(time.time()) // SLOT, [PROJECT, *found]) or {}
    return Spent(
        day,
        context.tally.quota,
        replace(project, minute=minute.get(PROJECT)),
        {
            name or f"mailbox {mailbox_id}": replace(spending, minute=minute.get(mailbox_id))
            for mailbox_id, (name, spending) in found.items()
        },
    )
