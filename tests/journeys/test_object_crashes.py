"""Whoever stores content or removes it is killed at each commit and call: no row names what is not there, and after
the purge nothing is there that no row names (I8)."""

import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from infra.db.store import Store
from infra.db.tables.conversations import files
from infra.db.tables.objects import objects
from infra.objects.folder import FolderStore
from tests.forks import fork_keeper, fork_remover
from tests.worlds import KEY

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WRITING = ("copies.make_keys", "copies.reserve", "objects.put", "tests.name")
REMOVING = ("sweep.mark_objects", "objects.delete", "sweep.forget_objects")


@dataclass(slots=True)
class Shelf:
    """A database and a folder of objects. `kept`: contents that are named by the end."""

    store: Store
    folder: Path
    environment: dict[str, str]
    kept: list[bytes] = field(default_factory=list)

    def keep(self, content: bytes, die_at: str = "") -> int | None:
        keeper = fork_keeper(self.environment | {"LODESTONE_DIE_AT": die_at}, content)
        keeper.join(60)
        if keeper.exitcode == 0:
            self.kept.append(content)
        return keeper.exitcode

    def remove(self, die_at: str = "") -> int | None:
        """As a day later."""
        with self.store.begin("tests.age") as tx:
            tx.db.execute(update(objects).where(~objects.c.used).values(stored_at=LONG_AGO))
            marked = objects.c.removing_at.is_not(None)
            tx.db.execute(update(objects).where(marked).values(removing_at=LONG_AGO))
        remover = fork_remover(self.environment | {"LODESTONE_DIE_AT": die_at})
        remover.join(60)
        return remover.exitcode

    def named(self) -> dict[str, bytes]:
        """What the rows name, as it is read."""
        shelf = FolderStore(self.folder)
        with self.store.begin("tests.look") as tx:
            keys = tx.of_organisation(1).objects.keys()
            names = set(tx.db.scalars(select(files.c.object)))
        found = {name: shelf.get(name) or b"" for name in names}
        assert keys is not None
        return {name: keys.unseal(sealed) for name, sealed in found.items()}

    def stored(self) -> set[str]:
        return {file.name for file in self.folder.rglob("*") if file.is_file()}

    def rows(self) -> set[str]:
        with self.store.begin("tests.look") as tx:
            return set(tx.db.scalars(select(objects.c.name)))


@pytest.fixture
def shelf(store: Store, database_url: str, tmp_path: Path) -> Shelf:
    environment = {
        "LODESTONE_DATABASE_URL": database_url,
        "LODESTONE_TOKEN_KEYS": KEY,
        "LODESTONE_OBJECTS": str(tmp_path / "objects"),
    }
    return Shelf(store, tmp_path / "objects", environment)


@pytest.mark.rule("I8", "E83")
@pytest.mark.parametrize("point", WRITING)
def test_a_writer_killed_before_and_after_it_leaves_nothing_that_the_purge_does_not_remove(
    shelf: Shelf, point: str
) -> None:
    for side in ("before", "after"):
        content = f"{point}.{side}".encode()
        where = f"{point}.{side}"
        if point == "copies.make_keys" and side == "after":
            with shelf.store.begin("tests.no_keys") as tx:
                assert tx.of_organisation(1).objects.keys() is None
        assert shelf.keep(content, where) == -signal.SIGKILL, "the fault point was not reached"
    assert shelf.remove() == 0
    assert set(shelf.named().values()) == ({b"tests.name.after"} if point == "tests.name" else set())
    assert shelf.stored() == set(shelf.named()) == shelf.rows()
    for side in ("before", "after"):
        shelf.keep(f"{point}.{side}".encode())
    assert set(shelf.kept) <= set(shelf.named().values())
    assert shelf.stored() == set(shelf.named()) == shelf.rows()


@pytest.mark.rule("I8", "E83")
@pytest.mark.parametrize("point", REMOVING)
def test_a_purge_killed_before_and_after_it_is_ended_by_the_next_one_and_harms_nothing(
    shelf: Shelf, point: str
) -> None:
    assert shelf.keep(b"named") == 0
    for side in ("before", "after"):
        assert shelf.keep(b"left over", "objects.put.after") == -signal.SIGKILL
        assert shelf.remove(f"{point}.{side}") == -signal.SIGKILL, "the fault point was not reached"
        assert set(shelf.named().values()) == {b"named"}
        assert shelf.remove() == 0
        assert shelf.stored() == set(shelf.named()) == shelf.rows()
    assert shelf.keep(b"left over") == 0
    assert set(shelf.named().values()) == {b"named", b"left over"}
