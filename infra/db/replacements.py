"""Another label for earlier mail of a contact: what is under which, and what is being replaced (E47)."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, case, exists, or_, select, update

from domain.labels import Category, Earlier, Replacing, Sorted
from infra.db.schema import decisions, messages
from infra.db.types import NOW

TOUCHED = exists().where(
    messages.c.mailbox_id == decisions.c.mailbox_id,
    messages.c.gmail_id == decisions.c.gmail_id,
    messages.c.touched,
)
"""The user has changed a CRM label on the mail (I6)."""


class ReplacementRows:
    """Replacements within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def labelled_before(
        self, mailbox_id: int, contact_ids: Collection[str]
    ) -> tuple[Mapping[tuple[int, str], frozenset[Earlier]], tuple[Replacing, ...]]:
        """What of these contacts' mail we have labelled and nobody has touched since, and what a crash has left
        half replaced, touched or not (E47). The former by connection and contact."""
        open_ = decisions.c.replaces.is_not(None)
        gmail_id = case((open_, decisions.c.gmail_id))
        rows = self._db.execute(
            select(
                decisions.c.connection_id,
                decisions.c.contact_id,
                decisions.c.category,
                decisions.c.author,
                decisions.c.replaces,
                gmail_id.label("gmail_id"),
                TOUCHED.label("touched"),
            )
            .where(
                decisions.c.mailbox_id == mailbox_id,
                decisions.c.category.is_not(None),
                decisions.c.contact_id.in_(contact_ids),
                decisions.c.changed.is_not(None),
                decisions.c.undone_at.is_(None),
                or_(open_, ~TOUCHED),
            )
            .distinct()
        ).all()
        earlier: dict[tuple[int, str], frozenset[Earlier]] = {}
        for row in rows:
            if row.replaces is None:
                one = Earlier(Category(row.category), row.author)
                contact = row.connection_id, row.contact_id
                earlier[contact] = earlier.get(contact, frozenset()) | {one}
        halves = [
            Replacing(
                row.gmail_id,
                row.connection_id,
                row.contact_id,
                Category(row.replaces),
                Category(row.category),
                bool(row.touched),
            )
            for row in rows
            if row.replaces is not None
        ]
        return earlier, tuple(halves)

    def replace(
        self, connection_id: int, contact_id: str, wanted: Sorted, old: Category, gmail_ids: Collection[str]
    ) -> tuple[Replacing, ...]:
        """Which of these mails, listed under the label of `old`, are the contact's and have it of us; that of `wanted`
        from now on: the intent, committed before Gmail is called, so that history's news of it is known as ours
        (W5, E47)."""
        rows = self._db.execute(
            update(decisions)
            .where(
                decisions.c.connection_id == connection_id,
                decisions.c.gmail_id.in_(gmail_ids),
                decisions.c.contact_id == contact_id,
                decisions.c.category == old.value,
                decisions.c.changed.is_not(None),
                decisions.c.replaces.is_(None),
                decisions.c.undone_at.is_(None),
                ~TOUCHED,
            )
            .values(category=wanted.category.value, deal_id=wanted.deal_id, replaces=decisions.c.category)
            .returning(decisions.c.gmail_id, decisions.c.replaces)
        ).all()
        return tuple(
            Replacing(row.gmail_id, connection_id, contact_id, Category(row.replaces), wanted.category)
            for row in rows
        )

    def replaced(self, replaced: Mapping[Replacing, str]) -> None:
        """Gmail has done it; by mail the id of the label that it carries now. `changed` stays what the calls
        added and removed in all."""
        for one, label_id in replaced.items():
            these = _intent(one)
            changed = self._db.scalar(select(decisions.c.changed).where(*these).with_for_update())
            if changed:
                values = {
                    "changed": changed | {"added": [label_id]},
                    "changed_at": NOW,
                    "replaces": None,
                }
                self._db.execute(update(decisions).where(*these).values(values))

    def not_replaced(self, replacing: Collection[Replacing]) -> None:
        """These mails stay under their old label, or without it: the intent is taken back."""
        for one in replacing:
            back = {"category": one.old.value, "deal_id": None, "replaces": None}
            self._db.execute(update(decisions).where(*_intent(one)).values(back))


def _intent(one: Replacing) -> tuple[ColumnElement[bool], ...]:
    return (
        decisions.c.connection_id == one.connection_id,
        decisions.c.gmail_id == one.gmail_id,
        decisions.c.category == one.new.value,
        decisions.c.replaces == one.old.value,
    )
