"""The CRM labels of a mailbox: their ids, and the name of each when it was made or found (Z14, E54)."""

from typing import Any

from sqlalchemy import Connection, select, update

from domain.crm.categories import ByCategory, Category
from domain.ids import MailboxId
from domain.sorting.label_names import LABEL_NAMES
from infra.db.tables.mailboxes import mailboxes


def keep(db: Connection, mailbox_id: MailboxId, labels: ByCategory, names: ByCategory) -> None:
    """Keep the labels. One with the same id as before keeps its name; the others get theirs from `names`."""
    named = mailboxes.c.id == mailbox_id
    row = db.execute(select(mailboxes.c.labels, mailboxes.c.label_names).where(named)).one()
    former = called(row)
    now = {
        category: former[category] if row.labels.get(category) == label_id else names[category]
        for category, label_id in labels.items()
    }
    db.execute(update(mailboxes).where(named).values(labels=_by_text(labels), label_names=_by_text(now)))


def called(row: Any) -> dict[Category, str]:
    """The names of a mailbox's labels. Those made before names were kept have the default names."""
    kept = row.label_names or {}
    return {Category(name): kept.get(name, LABEL_NAMES[Category(name)]) for name in row.labels}


def _by_text(values: ByCategory) -> dict[str, str]:
    return {category.value: value for category, value in values.items()}
