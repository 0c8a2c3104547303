"""What sorting goes by: which mail has which label, and what label is being replaced on earlier mail (E47). Mail of a
merged record belongs to the record that stays (E71)."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    Subquery,
    and_,
    bindparam,
    exists,
    literal_column,
    select,
    union_all,
    update,
)

from domain.crm.categories import Category, ContactCategory
from domain.crm.locations import Location
from domain.ledger import Claim, Link, Sortable, StepKey
from domain.outcomes import Outcome
from domain.sorting.label_names import LABEL_NAMES
from domain.sorting.plans import ConnectionContact, EarlierLabel, Replacement
from infra.db.crm.merges import is_merge_of, same_as, whose
from infra.db.ledger.statements import by_connection
from infra.db.sql import there_is
from infra.db.tables.crm import merges
from infra.db.tables.mail import decisions, messages
from infra.db.types import NOW

_ITS_MAIL = (
    messages.c.mailbox_id == decisions.c.mailbox_id,
    messages.c.message_id == decisions.c.message_id,
    messages.c.touched,
)
TOUCHED = exists().where(*_ITS_MAIL)
"""The user has changed a CRM label on the mail (I6)."""


class SortingRepository:
    """What sorting goes by, for mail in one location's connections, within one transaction. A contact here is the
    record that the mail's record counts for."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location

    def sortable(self, claims: Collection[Claim]) -> Mapping[StepKey, Sortable]:
        return {
            StepKey(row.message_id, row.connection_id): Sortable(
                link(row, row.whose),
                tuple(Category(name) for name in (row.category, row.category and row.replaces) if name),
                bool(row.touched),
            )
            for these in of_claims(claims)
            for row in self._db.execute(_SORTABLE, these | {"here": self._location.id})
        }

    def labelled_before(
        self, claims: Collection[Claim]
    ) -> tuple[Mapping[ConnectionContact, frozenset[EarlierLabel]], tuple[Replacement, ...]]:
        earlier: dict[ConnectionContact, frozenset[EarlierLabel]] = {}
        halves: list[Replacement] = []
        for these in of_claims(claims):
            connection_id = these["of_connection"]
            for row in self._db.execute(_LABELLED_BEFORE, these | {"here": self._location.id}):
                contact = ConnectionContact(connection_id, row.whose)
                if row.replaces is None:
                    one = EarlierLabel(Category(row.category), row.author)
                    earlier[contact] = earlier.get(contact, frozenset()) | {one}
                else:
                    was, now = Category(row.replaces), Category(row.category)
                    halves.append(Replacement(row.message_id, contact, was, now, bool(row.touched)))
        return earlier, tuple(halves)

    def replace(
        self,
        contact: ConnectionContact,
        old: Category,
        new: ContactCategory,
        message_ids: Collection[str],
    ) -> tuple[Replacement, ...]:
        rows = self._db.execute(
            update(decisions)
            .where(
                decisions.c.connection_id == contact.connection_id,
                decisions.c.message_id.in_(message_ids),
                decisions.c.contact_id.in_(same_as(self._location.id, contact.contact_id)),
                decisions.c.category == old.value,
                decisions.c.changed.is_not(None),
                decisions.c.replaces.is_(None),
                decisions.c.undone_at.is_(None),
                ~TOUCHED,
            )
            .values(category=new.category.value, deal_id=new.deal_id, replaces=decisions.c.category)
            .returning(decisions.c.message_id, decisions.c.replaces)
        ).all()
        return tuple(
            Replacement(row.message_id, contact, Category(row.replaces), new.category) for row in rows
        )


class ReplacementRepository:
    """Replacements within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def replaced(self, replaced: Mapping[Replacement, str]) -> None:
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

    def not_replaced(self, replacements: Collection[Replacement]) -> None:
        for one in replacements:
            back = {"category": one.old.value, "deal_id": None, "replaces": None}
            self._db.execute(update(decisions).where(*_intent(one)).values(back))


def of_claims(claims: Collection[Claim]) -> Iterator[dict[str, Any]]:
    """The parameters of OF, once a connection."""
    for connection_id, mails in by_connection(claims).items():
        yield {"of_connection": connection_id, "mails": mails}


def link(row: Row[Any], contact_id: str, labelled: str | None = None) -> Link:
    """The link of a row of `decisions`."""
    how = (row.in_inbox is not False, row.via_list, Outcome(labelled) if labelled else None)
    return Link(contact_id, row.contact_address, row.matched_by, row.author, row.received_at, *how)


def _intent(one: Replacement) -> tuple[ColumnElement[bool], ...]:
    return (
        decisions.c.connection_id == one.contact.connection_id,
        decisions.c.message_id == one.message_id,
        decisions.c.category == one.new.value,
        decisions.c.replaces == one.old.value,
    )


# Built once, see infra/db/ledger/statements.py.
_HERE = bindparam("here", type_=BigInteger())
_ITS = decisions.c.connection_id == bindparam("of_connection")
OF = and_(_ITS, decisions.c.message_id.in_(bindparam("mails")))
_MERGED = decisions.outerjoin(merges, is_merge_of(_HERE, decisions.c.contact_id))
_WHOSE = whose(decisions.c.contact_id).label("whose")
_SORTABLE = select(decisions, _WHOSE, TOUCHED.label("touched")).select_from(_MERGED).where(OF)


def _people() -> CTE:
    """The contacts of these mails, and the records that count for them. They are few, so all else is joined from
    outside to them."""
    meant = select(_WHOSE, decisions.c.category).select_from(_MERGED).where(OF).distinct().cte("meant")
    counting = and_(merges.c.location_id == _HERE, merges.c.counts_for == meant.c.whose)
    return union_all(
        select(meant.c.whose, meant.c.whose.label("contact_id"), meant.c.category),
        select(meant.c.whose, merges.c.record_id, meant.c.category).select_from(
            meant.outerjoin(merges, counting)
        ),
    ).cte("people")


def _before() -> CompoundSelect[Any]:
    """Earlier mail is read by label and author, the first mail of each: the index leads from one author to the next,
    however much mail a contact has."""
    its, people = _ITS, _people()
    touched = there_is(messages.c.message_id, *_ITS_MAIL)
    names: Iterator[Any] = (select(literal_column(f"'{name}'").label("category")) for name in LABEL_NAMES)
    kinds: CompoundSelect[Any] = union_all(*names)
    kind = kinds.subquery("kinds").c.category
    sought = select(people.c.whose, people.c.contact_id, kind).where(kind != people.c.category)

    def first(of: CTE | Subquery, *after: ColumnElement[bool]) -> ColumnElement[str]:
        of_group = (decisions.c.contact_id == of.c.contact_id, decisions.c.category == of.c.category)
        found = select(decisions.c.author).where(its, *of_group, decisions.c.replaces.is_(None))
        found = found.where(*_STANDS, ~touched, *after).order_by(decisions.c.author)
        return found.limit(literal_column("1")).correlate(of).scalar_subquery().label("author")

    groups = sought.distinct().subquery("sought")
    authors = select(*groups.c, first(groups)).cte("authors", recursive=True)
    *group, author = authors.c
    onward = first(authors, decisions.c.author > author)
    authors = authors.union_all(select(*group, onward).where(author.is_not(None)))
    columns = (decisions.c.replaces, decisions.c.message_id, TOUCHED.label("touched"))
    none: Iterator[Any] = (literal_column("NULL").label(column.name) for column in columns)
    half = (_WHOSE, decisions.c.contact_id, decisions.c.category, decisions.c.author, *columns)
    theirs = decisions.c.contact_id.in_(select(people.c.contact_id))
    return union_all(
        select(*half).select_from(_MERGED).where(its, theirs, decisions.c.replaces.is_not(None), *_STANDS),
        select(*authors.c, *none).where(authors.c.author.is_not(None)),
    )


_STANDS = (
    decisions.c.category.is_not(None),
    decisions.c.changed.is_not(None),
    decisions.c.undone_at.is_(None),
)
"""The mail was labelled by us, and that was not undone."""

_LABELLED_BEFORE = _before()
