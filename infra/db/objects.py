"""What the database knows of stored objects, and the keys that seal and name them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, or_, select, update

from domain.errors import TryAgain
from domain.objects import REMOVED_WITHIN, UNUSED_FOR, Reserved, Unused
from domain.retention import After
from infra.db.retention import behind
from infra.db.sql import in_key_order, insert_new, lock, there_is
from infra.db.tables.conversations import files, mails
from infra.db.tables.objects import objects, organisation_keys
from infra.db.types import db_now
from infra.sealing import OrganisationKeys, new_keys, opened
from infra.secrets import Cipher

_KEY = (objects.c.organisation_id, objects.c.name)
_OLDEST = (objects.c.stored_at, *_KEY)
_NAMED = or_(
    there_is(mails.c.object, mails.c.object == objects.c.name),
    there_is(files.c.object, files.c.object == objects.c.name),
)
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""As if stored so long ago: what is released waits for nothing. Who reserved the object before is told by it too."""

BEING_REMOVED = "object_being_removed"


class ObjectRepository:
    """One organisation's keys and rows of objects within one transaction."""

    def __init__(self, db: Connection, organisation_id: int, cipher: Cipher) -> None:
        self._db = db
        self._organisation_id = organisation_id
        self._cipher = cipher
        self._here = objects.c.organisation_id == organisation_id

    def keys(self) -> OrganisationKeys | None:
        sealed = self._db.scalar(self._sealed())
        return opened(sealed, self._cipher) if sealed else None

    def make_keys(self) -> OrganisationKeys:
        row = {"organisation_id": self._organisation_id, "sealed": new_keys(self._cipher)}
        insert_new(self._db, organisation_keys, [row], created_at=db_now())
        return opened(self._db.execute(self._sealed()).scalar_one(), self._cipher)

    def reserve(self, sizes: Mapping[str, int]) -> Mapping[str, Reserved]:
        here = {"organisation_id": self._organisation_id}
        rows = [here | {"name": name, "size": size} for name, size in sorted(sizes.items())]
        insert_new(self._db, objects, rows, stored_at=db_now())
        found = self._db.execute(select(objects).where(*self._these(sizes))).all()
        if len(found) < len(sizes) or any(row.removing_at for row in found):
            raise TryAgain(BEING_REMOVED)
        return {row.name: Reserved(row.name, row.stored_at, row.used) for row in found}

    def mark_used(self, reserved: Iterable[Reserved]) -> None:
        wanted = {(one.name, one.stored_at) for one in reserved}
        if not wanted:
            return
        its = self._these({name for name, _ in wanted})
        lock(self._db, objects, *its)
        unmarked = objects.c.removing_at.is_(None)
        rows = self._db.execute(select(objects.c.name, objects.c.stored_at).where(*its, unmarked))
        if {(row.name, row.stored_at) for row in rows} != wanted:
            raise TryAgain(BEING_REMOVED)
        self._db.execute(update(objects).where(*its, ~objects.c.used).values(used=True))

    def released(self, names: Collection[str]) -> None:
        its = self._these(names)
        lock(self._db, objects, *its)
        loose = update(objects).where(*its, objects.c.used, ~_NAMED)
        self._db.execute(loose.values(used=False, stored_at=AT_ONCE))

    def release_some(self, limit: int) -> int:
        held = objects.c.used | (objects.c.stored_at > AT_ONCE)
        some = select(objects.c.name).where(self._here, held).order_by(objects.c.name).limit(limit)
        its = self._these(set(self._db.scalars(some)))
        lock(self._db, objects, *its)
        return self._db.execute(update(objects).where(*its).values(used=False, stored_at=AT_ONCE)).rowcount

    def are_there(self) -> bool:
        return self._db.scalar(select(objects.c.name).where(self._here).limit(1)) is not None

    def _sealed(self) -> Select[tuple[bytes]]:
        here = organisation_keys.c.organisation_id == self._organisation_id
        return select(organisation_keys.c.sealed).where(here)

    def _these(self, names: Collection[str]) -> tuple[Any, ...]:
        return self._here, objects.c.name.in_(sorted(names))


class UnusedObjectRepository:
    """Objects that nothing names, of all organisations, within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def mark(self, limit: int, after: After) -> Unused:
        old = (~objects.c.used, objects.c.stored_at < db_now(-UNUSED_FOR.total_seconds()))
        page = select(*_OLDEST).where(*old, *behind(after, _OLDEST)).order_by(*_OLDEST).limit(limit)
        rows = [tuple(row) for row in self._db.execute(page)]
        if not rows:
            return Unused((), None)
        these = _these([row[1:] for row in rows])
        loose = (*old, _removable(), ~_NAMED, *these)
        marked = update(objects).where(*these, in_key_order(self._db, objects, *loose, skip_locked=True))
        found = self._db.execute(marked.values(removing_at=db_now()).returning(*_KEY))
        objects_found = sorted((row.organisation_id, row.name) for row in found)
        return Unused(tuple(objects_found), rows[-1] if len(rows) == limit else None)

    def removed(self, gone: Collection[tuple[int, str]]) -> None:
        if gone:
            these = (*_these(gone), objects.c.removing_at.is_not(None))
            lock(self._db, objects, *these)
            self._db.execute(delete(objects).where(*these))


def _these(found: Collection[tuple[int, str]]) -> tuple[ColumnElement[bool], ...]:
    """Condition: these objects. No two organisations have objects of one name; of pairs SQLite would look for the first
    alone."""
    names = sorted({name for _, name in found})
    return objects.c.organisation_id.in_(sorted({its for its, _ in found})), objects.c.name.in_(names)


def _removable() -> ColumnElement[bool]:
    """Condition: nobody is removing the object, or who was is dead."""
    long_ago = db_now(-REMOVED_WITHIN.total_seconds())
    return objects.c.removing_at.is_(None) | (objects.c.removing_at < long_ago)
