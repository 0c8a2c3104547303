"""The CRM's contacts, deals and users are taken in, from files and from messages (E8, E9, E12, E20)."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

import structlog

from domain.crm.records import (
    Change,
    ContactRecord,
    DealRecord,
    Record,
    RecordKind,
    Refusal,
    Remark,
    Row,
    Unread,
    UserRecord,
)
from handlers.connections import user_changes
from handlers.crm.ids import Named as Named
from handlers.crm.locations import Where, located
from handlers.crm.summary import Imported
from handlers.ports.store import InLocation, Store, Transaction

log = structlog.get_logger()

AT_ONCE = 1_000
"""Rows in one commit (W11), so that other processes can write between two."""

LOOK_AT = 250
"""Ids in one query or deletion; what belongs to a record is deleted with it."""

TOLD_AT_MOST = 1_000
"""Stages of an organisation that a process remembers at most; a CRM has dozens."""

MANY = 10
"""Deletions that are not asked about."""


class Stages:
    """Logs each stage without a category once for an organisation (E9)."""

    def __init__(self) -> None:
        self._told: defaultdict[int, set[str]] = defaultdict(set)
        self._lock = Lock()

    def say_uncategorised(self, records: Iterable[Record], organisation_id: int) -> None:
        for record in records:
            if not isinstance(record, DealRecord) or record.category is not None:
                continue
            if self._is_first(record.stage, organisation_id):
                log.warning(
                    "stage.uncategorised",
                    organisation_id=organisation_id,
                    stage=record.stage,
                    counts_as=record.counts_as.value,
                )

    def _is_first(self, stage: str, organisation_id: int) -> bool:
        with self._lock:
            told = self._told[organisation_id]
            if stage in told or len(told) == TOLD_AT_MOST:
                return False
            told.add(stage)
            return True


@dataclass(frozen=True, slots=True)
class Course:
    """How a file is taken in. `contacts` are ids that a file before it named. A `rehearsal` commits nothing."""

    kind: RecordKind | None = None
    contacts: Container[str] = ()
    rehearsal: bool = False


class _Rehearsed(Exception):
    """Ends a transaction that is not to be committed."""


def take_in(
    rows: Iterable[Row],
    store: Store,
    named: Named | None = None,
    course: Course | None = None,
    result: Imported | None = None,
    location: Where = None,
) -> Imported:
    """Write every good record, in short commits; a run that is stopped leaves whole records only.

    `named` gets the ids of all records, also of refused ones. `result` always says what was committed.
    """
    course, result = course or Course(), result or Imported()
    stages = Stages()
    for batch in _batches(_sifted(rows, result, Named() if named is None else named)):
        records = [one for one in batch if not isinstance(one, Refusal)]
        with suppress(_Rehearsed), store.begin("crm.put") as tx:
            here = located(location, tx)
            here.crm.put(records)
            _mark_outdated(batch, course.kind, here)
            followed = user_changes.follow(_users(records), (), here.organisation_id, tx)
            strangers = _count_strangers(records, course.contacts, here)
            misassigned = len(_misassigned(records, here))
            if course.rehearsal:
                raise _Rehearsed
        if not course.rehearsal:
            followed.say()
            stages.say_uncategorised(records, here.organisation_id)
        result.imported += len(records)
        result.strangers += strangers
        result.misassigned += misassigned
    return result


def refuse(
    kind: RecordKind,
    record_id: str,
    version: int | None,
    reason: str,
    store: Store,
    location: Where = None,
) -> None:
    """Note that a change was refused: the record is out of date, unless a newer change was made (E9)."""
    with store.begin("crm.refuse") as tx:
        located(location, tx).crm.mark_outdated(kind, {record_id: reason}, version)


def whole_ids(kind: RecordKind, store: Store, location: Where = None) -> Named:
    """The ids of the kind that have a separator in them (E107)."""
    found = Named()
    last = ""
    while True:
        with store.begin("crm.look", reads_only=True) as tx:
            ids = located(location, tx).crm.ids_with_separator(kind, last, LOOK_AT)
        for one in ids:
            found.add(one)
        if len(ids) < LOOK_AT:
            return found
        last = ids[-1]


def whole_roles(store: Store, location: Where = None) -> frozenset[str]:
    """The roles of users that have a separator in them."""
    with store.begin("crm.look", reads_only=True) as tx:
        return located(location, tx).crm.roles_with_separator()


def _mark_outdated(batch: Iterable[Record | Refusal], kind: RecordKind | None, here: InLocation) -> None:
    """Note known records whose last row was refused."""
    last = {one.id: one for one in batch}
    refused = {one.id: one.reason for one in last.values() if isinstance(one, Refusal) and one.id is not None}
    if kind is not None and refused:
        here.crm.mark_outdated(kind, refused, None)


def _count_strangers(records: Iterable[Record], contacts: Container[str], here: InLocation) -> int:
    """How many deals name contacts of which none is known, in the database or in the files of this run."""
    unsure = [
        deal.contact_ids
        for deal in records
        if isinstance(deal, DealRecord)
        and deal.contact_ids
        and not any(one in contacts for one in deal.contact_ids)
    ]
    known = here.crm.known(RecordKind.CONTACTS, {one for ids in unsure for one in ids}) if unsure else ()
    return sum(not any(one in known for one in ids) for ids in unsure)


def _misassigned(records: Iterable[Record], here: InLocation) -> list[ContactRecord]:
    """Contacts whose user is no member of this location. They are kept, because he may become one (T1)."""
    found = [one for one in records if isinstance(one, ContactRecord) and one.assigned_to]
    outside = here.crm.outsiders({one.assigned_to for one in found if one.assigned_to}) if found else ()
    return [one for one in found if one.assigned_to in outside]


def change(change: Change, store: Store, stages: Stages, location: Where = None) -> None:
    """Make one change of the CRM, unless a newer one of the same record was made before.

    Changes may be repeated and come in any order: each record ends as its newest change has it.
    """
    with store.begin("crm.change") as tx:
        here = located(location, tx)
        is_new = here.crm.change(change)
        followed = _follow(change, here.organisation_id, tx) if is_new else user_changes.Followed()
        misassigned = _misassigned([change.record] if is_new and change.record else (), here)
    say = log.bind(
        kind=change.kind.value, record_id=change.id, version=change.version, location_id=here.location.id
    )
    if not is_new:
        say.info("crm.ignored")
        return
    say.info("crm.changed", deleted=change.record is None)
    for reason in change.left_out:
        say.warning("crm.trimmed", reason=reason)
    for one in misassigned:
        say.warning("crm.misassigned", user_id=one.assigned_to)
    followed.say()
    if change.record is not None:
        stages.say_uncategorised([change.record], here.organisation_id)


def _follow(change: Change, organisation_id: int, tx: Transaction) -> user_changes.Followed:
    if change.kind is not RecordKind.USERS:
        return user_changes.Followed()
    if change.record is None:
        return user_changes.follow((), [change.id], organisation_id, tx)
    return user_changes.follow(_users([change.record]), (), organisation_id, tx)


def _users(records: Iterable[Record]) -> list[UserRecord]:
    """The users among the records; of several with one id the last."""
    return list({one.id: one for one in records if isinstance(one, UserRecord)}.values())


def count_absent(kind: RecordKind, named: Named, store: Store, location: Where = None) -> int:
    """How many records of the kind the file did not name."""
    return sum(len(absent) for absent in _absent(kind, named, store, location))


def count_all(kind: RecordKind, store: Store, location: Where = None) -> int:
    """How many records of the kind there are."""
    return count_absent(kind, Named(), store, location)


def too_many(absent: int, there: int) -> bool:
    """More than half of the records and more than ten: probably the file is the wrong one."""
    return absent > MANY and 2 * absent > there


def delete_absent(kind: RecordKind, named: Named, store: Store, location: Where = None) -> int:
    """Delete the records of the kind that the file did not name; returns how many."""
    deleted = 0
    for absent in _absent(kind, named, store, location):
        with store.begin("crm.delete") as tx:
            here = located(location, tx)
            deleted += here.crm.delete(kind, absent)
            users = absent if kind is RecordKind.USERS else ()
            followed = user_changes.follow((), users, here.organisation_id, tx)
        followed.say()
    return deleted


def _absent(kind: RecordKind, named: Named, store: Store, location: Where) -> Iterator[list[str]]:
    last = ""
    while True:
        with store.begin("crm.look", reads_only=True) as tx:
            ids = located(location, tx).crm.ids_after(kind, last, LOOK_AT)
        if not ids:
            return
        last = ids[-1]
        if absent := [record_id for record_id in ids if record_id not in named]:
            yield absent


def _sifted(rows: Iterable[Row], result: Imported, named: Named) -> Iterator[Record | Refusal]:
    """The rows that are about one record. What is to be reported goes into the result."""
    for row in rows:
        if isinstance(row, Remark):
            result.remarks.add(row)
            continue
        if isinstance(row, Unread):
            result.unread = row
            continue
        came_before = row.id is not None and not named.add(row.id)
        if came_before and row.id and not isinstance(row, Refusal):
            result.twice.add(row.id)
        if isinstance(row, Refusal):
            result.refused.add(row)
            if row.word is not None:
                result.words.add(row.word)
        yield row


def _batches(rows: Iterable[Record | Refusal]) -> Iterator[list[Record | Refusal]]:
    """Records for one commit each; a record is never split."""
    batch: list[Record | Refusal] = []
    size = 0
    for row in rows:
        more = 1 if isinstance(row, Refusal) else row.rows
        if batch and size + more > AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += more
    if batch:
        yield batch
