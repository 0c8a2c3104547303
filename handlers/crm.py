"""Taking in the CRM's contacts, deals and users, as often as one likes (E8, E9, E12, E20)."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock

import structlog

from domain.crm import Change, DealRecord, Record, Records, Refusal, UserRecord
from handlers import profiles
from handlers.ports import Store, Transaction

log = structlog.get_logger()

AT_ONCE = 1_000
"""Rows of one commit (W11): other processes write between two of them."""

LOOK_AT = 250
"""Ids of one look or deletion: what belongs to a record goes with it."""

TOLD_AT_MOST = 1_000
"""Stages: a CRM has dozens, and a process that remembers lives long."""

MANY = 10
"""Deletions that are worth a question."""


class Named:
    """The ids that a file names, as eight-byte hashes: a million records take 8 MB.

    Should two ids ever share a hash, a record stays that could have gone.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        self._in_order = True

    def add(self, record_id: str) -> None:
        self._hashes.append(hash(record_id))
        self._in_order = False

    def __contains__(self, record_id: str) -> bool:
        if not self._in_order:
            self._hashes = array("q", sorted(self._hashes))
            self._in_order = True
        wanted = hash(record_id)
        place = bisect_left(self._hashes, wanted)
        return place < len(self._hashes) and self._hashes[place] == wanted


class Stages:
    """The stages without category that were told of, each once (E9)."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._lock = Lock()

    def say_uncategorised(self, records: Iterable[Record]) -> None:
        for record in records:
            if isinstance(record, DealRecord) and record.category is None and self._is_first(record.stage):
                log.warning("stage.uncategorised", stage=record.stage, counts_as=record.counts_as.value)

    def _is_first(self, stage: str) -> bool:
        with self._lock:
            if stage in self._told or len(self._told) == TOLD_AT_MOST:
                return False
            self._told.add(stage)
            return True


@dataclass(slots=True)
class Imported:
    """What came of one file."""

    imported: int = 0
    refused: list[Refusal] = field(default_factory=list)
    deleted: int = 0


def take_in(rows: Iterable[Record | Refusal], store: Store, named: Named | None = None) -> Imported:
    """Write every good record, a short commit at a time: whoever stops it leaves complete records only.

    `named` learns the ids of all records, refused ones too.
    """
    result = Imported()
    stages = Stages()
    for batch in _batches(_good(rows, result, named)):
        with store.begin("crm.put") as tx:
            tx.crm.put(batch)
            followed = profiles.follow(_users(batch), (), tx)
        followed.say()
        result.imported += len(batch)
        stages.say_uncategorised(batch)
    return result


def change(change: Change, store: Store, stages: Stages) -> None:
    """Make one change of the CRM, unless a newer one of the same record came before it.

    Repeated, reordered and interleaved in any way, changes leave each record as its newest one has it.
    """
    with store.begin("crm.change") as tx:
        is_new = tx.crm.change(change)
        followed = _follow(change, tx) if is_new else profiles.Followed()
    say = log.bind(kind=change.kind.value, record_id=change.id, version=change.version)
    if not is_new:
        say.info("crm.ignored")
        return
    say.info("crm.changed", deleted=change.record is None)
    followed.say()
    if change.record is not None:
        stages.say_uncategorised([change.record])


def _follow(change: Change, tx: Transaction) -> profiles.Followed:
    if change.kind is not Records.USERS:
        return profiles.Followed()
    if change.record is None:
        return profiles.follow((), [change.id], tx)
    return profiles.follow(_users([change.record]), (), tx)


def _users(records: Iterable[Record]) -> list[UserRecord]:
    """The users among the records, each as the last of that id has him."""
    return list({one.id: one for one in records if isinstance(one, UserRecord)}.values())


def count_absent(kind: Records, named: Named, store: Store) -> int:
    """How many records of the kind no row named."""
    return sum(len(absent) for absent in _absent(kind, named, store))


def count_all(kind: Records, store: Store) -> int:
    """How many records of the kind there are."""
    return count_absent(kind, Named(), store)


def too_many(absent: int, there: int) -> bool:
    """More than half, and more than a handful: rather the wrong file than so many losses."""
    return absent > MANY and 2 * absent > there


def delete_absent(kind: Records, named: Named, store: Store) -> int:
    """Delete the records of the kind that no row named; returns how many."""
    deleted = 0
    for absent in _absent(kind, named, store):
        with store.begin("crm.delete") as tx:
            deleted += tx.crm.delete(kind, absent)
            followed = profiles.follow((), absent if kind is Records.USERS else (), tx)
        followed.say()
    return deleted


def _absent(kind: Records, named: Named, store: Store) -> Iterator[list[str]]:
    last = ""
    while True:
        with store.begin("crm.look", reads_only=True) as tx:
            ids = tx.crm.ids_after(kind, last, LOOK_AT)
        if not ids:
            return
        last = ids[-1]
        if absent := [record_id for record_id in ids if record_id not in named]:
            yield absent


def _good(rows: Iterable[Record | Refusal], result: Imported, named: Named | None) -> Iterator[Record]:
    for row in rows:
        if named is not None and row.id is not None:
            named.add(row.id)
        if isinstance(row, Refusal):
            result.refused.append(row)
        else:
            yield row


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """As many records as make up one commit; a record is never split."""
    batch: list[Record] = []
    rows = 0
    for record in records:
        if batch and rows + record.rows > AT_ONCE:
            yield batch
            batch, rows = [], 0
        batch.append(record)
        rows += record.rows
    if batch:
        yield batch
