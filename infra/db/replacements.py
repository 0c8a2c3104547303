"""Another label for earlier mail of a contact: what is under which, and what is being replaced (E47)."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Connection,
    Subquery,
    bindparam,
    exists,
    literal_column,
    select,
    union_all,
    update,
)

from domain.labels import LABEL_NAMES, Category, Earlier, Replacing, Sorted
from domain.ledger import Claim
from infra.db.ledger_statements import by_connection
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
        self, claims: Collection[Claim]
    ) -> tuple[Mapping[tuple[int, str], frozenset[Earlier]], tuple[Replacing, ...]]:
        """What of the mail of these claims' contacts we have put under other labels than is intended for them and
        nobody has touched since, and what a crash has left half replaced, touched or not (E47). The former by
        connection and contact."""
        earlier: dict[tuple[int, str], frozenset[Earlier]] = {}
        halves: list[Replacing] = []
        for connection_id, mails in by_connection(claims).items():
            for row in self._db.execute(_LABELLED_BEFORE, {"of_connection": connection_id, "mails": mails}):
                contact = connection_id, row.contact_id
                if row.replaces is None:
                    one = Earlier(Category(row.category), row.author)
                    earlier[contact] = earlier.get(contact, frozenset()) | {one}
                else:
                    was, now = Category(row.replaces), Category(row.category)
                    halves.append(Replacing(row.gmail_id, *contact, was, now, bool(row.touched)))
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


def _before() -> CompoundSelect[Any]:
    """However much mail a contact has, it is looked at by label and author, the first of each: from one author to the
    next by the index. Built once, see ledger_statements."""
    its = decisions.c.connection_id == bindparam("of_connection")
    mail = (its, decisions.c.gmail_id.in_(bindparam("mails")))
    names: Iterator[Any] = (select(literal_column(f"'{name}'").label("category")) for name in LABEL_NAMES)
    kinds: CompoundSelect[Any] = union_all(*names)
    kind = kinds.subquery("kinds").c.category
    sought = select(decisions.c.contact_id, kind).where(*mail, kind != decisions.c.category)

    def first(of: CTE | Subquery, *after: ColumnElement[bool]) -> ColumnElement[str]:
        of_group = (decisions.c.contact_id == of.c.contact_id, decisions.c.category == of.c.category)
        found = select(decisions.c.author).where(its, *of_group, decisions.c.replaces.is_(None))
        found = found.where(*_STANDS, ~TOUCHED, *after).order_by(decisions.c.author)
        return found.limit(literal_column("1")).correlate(of).scalar_subquery().label("author")

    groups = sought.distinct().subquery("sought")
    authors = select(groups.c.contact_id, groups.c.category, first(groups)).cte("authors", recursive=True)
    onward = first(authors, decisions.c.author > authors.c.author)
    authors = authors.union_all(
        select(authors.c.contact_id, authors.c.category, onward).where(authors.c.author.is_not(None))
    )
    columns = (decisions.c.replaces, decisions.c.gmail_id, TOUCHED.label("touched"))
    none: Iterator[Any] = (literal_column("NULL").label(column.name) for column in columns)
    half = (decisions.c.contact_id, decisions.c.category, decisions.c.author, *columns)
    contacts = select(decisions.c.contact_id).where(*mail)
    return union_all(
        select(*half).where(
            its, decisions.c.contact_id.in_(contacts), decisions.c.replaces.is_not(None), *_STANDS
        ),
        select(*authors.c, *none).where(authors.c.author.is_not(None)),
    )


_STANDS = (
    decisions.c.category.is_not(None),
    decisions.c.changed.is_not(None),
    decisions.c.undone_at.is_(None),
)
"""Labelled by us, and not undone."""

_LABELLED_BEFORE = _before()
