"""Content in the object store: written before the row that names it, and removed when none does (I8)."""

import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import delete, func, insert, select, update

from domain.errors import ObjectsAway, TryAgain, UnreadableObject
from domain.objects import Reserved
from handlers import copies, retention
from handlers.crm import closing, locations
from handlers.crm.locations import located
from infra.db.tables.conversations import files
from infra.db.tables.objects import objects, organisation_keys
from infra.objects.folder import FolderStore
from tests.handlers.conftest import House
from tests.worlds import HERE

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OURS = HERE.organisation_id
A_FILE = {"mail_id": "m", "name": "a", "claimed_type": "text/plain", "size": 7, "state": "kept"}


@pytest.fixture
def place(house: House, tmp_path: Path) -> House:
    """With an object store of its own."""
    return replace(house, context=replace(house.context, objects=FolderStore(tmp_path / "objects")))


def stored(tmp_path: Path) -> set[str]:
    """Names of the files in the store."""
    return {file.name for file in (tmp_path / "objects").rglob("*") if file.is_file()}


def keep(place: House, content: bytes, part: str, location: int = HERE.id) -> str:
    """Keep it as a file of a mail; returns its name."""
    [kept] = copies.keep(OURS, [content], place.context)
    name_it(place, kept, part, location)
    return kept.name


def name_it(place: House, kept: Reserved, part: str, location: int = HERE.id) -> None:
    with place.store.begin("tests.name") as tx:
        tx.of_organisation(OURS).objects.mark_used([kept])
        row = A_FILE | {"location_id": location, "part": part, "object": kept.name}
        tx.db.execute(insert(files).values(row))


def test_what_is_kept_is_read_again_and_is_sealed_where_it_lies(place: House, tmp_path: Path) -> None:
    one, two, again = copies.keep(OURS, [b"content", b"", b"content"], place.context)
    assert again == one
    assert [copies.read(OURS, kept.name, place.context) for kept in (one, two)] == [b"content", b""]
    assert copies.read(OURS, "0" * 64, place.context) is None
    assert stored(tmp_path) == {one.name, two.name}
    assert not [f for f in (tmp_path / "objects").rglob("*") if f.is_file() and b"content" in f.read_bytes()]
    assert copies.keep(OURS, [], place.context) == ()


def test_what_another_organisation_keeps_has_another_name_and_another_key(place: House) -> None:
    locations.add("other/main", place.store)
    with place.store.begin("tests.look") as tx:
        other = located("other/main", tx).organisation_id
    [here], [there] = (copies.keep(its, [b"content"], place.context) for its in (OURS, other))
    assert here.name != there.name
    with pytest.raises(UnreadableObject):
        copies.read(OURS, there.name, place.context)


def test_what_is_there_and_named_is_not_stored_again(place: House, tmp_path: Path) -> None:
    name = keep(place, b"content", "1")
    [file] = list((tmp_path / "objects").rglob(name))
    before = file.stat()
    assert keep(place, b"content", "2") == name
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.rule("E83")
def test_where_the_store_takes_nothing_nothing_is_named_and_later_it_is(place: House, tmp_path: Path) -> None:
    nowhere = replace(place.context, objects=FolderStore(tmp_path / "missing" / "objects"))
    with pytest.raises(ObjectsAway):
        copies.keep(OURS, [b"content"], nowhere)
    assert copies.read(OURS, keep(place, b"content", "1"), place.context) == b"content"


def age(place: House) -> None:
    """All that the database knows of objects was stored long ago."""
    with place.store.begin("tests.age") as tx:
        tx.db.execute(update(objects).values(stored_at=LONG_AGO))


def purge(place: House) -> None:
    with place.store.begin("tests.due") as tx:
        tx.retention.keep_turn("purge", -1)
    retention.purge(place.context)


def test_the_purge_removes_what_nothing_names_and_nothing_else(place: House, tmp_path: Path) -> None:
    named = keep(place, b"named", "1")
    [young] = copies.keep(OURS, [b"nobody names it"], place.context)
    purge(place)
    assert stored(tmp_path) == {named, young.name}
    age(place)
    with structlog.testing.capture_logs() as logs:
        purge(place)
    assert stored(tmp_path) == {named}
    assert [line["objects"] for line in logs if line["event"] == "ledger.purged"] == [1]
    assert copies.read(OURS, named, place.context) == b"named"


def test_a_purge_that_the_store_refuses_goes_on_with_the_rest_and_later_with_it(
    place: House, tmp_path: Path
) -> None:
    copies.keep(OURS, [b"content"], place.context)
    age(place)
    (tmp_path / "objects").rename(tmp_path / "away")
    (tmp_path / "objects").write_bytes(b"")
    with structlog.testing.capture_logs() as logs:
        purge(place)
    assert [line["reason"] for line in logs if line["event"] == "objects.postponed"] == ["objects_away"]
    (tmp_path / "objects").unlink()
    (tmp_path / "away").rename(tmp_path / "objects")
    with place.store.begin("tests.wait") as tx:
        tx.db.execute(update(objects).values(removing_at=LONG_AGO))
    purge(place)
    assert stored(tmp_path) == set()


class Writer(threading.Thread):
    """Keeps twelve contents that others keep too, and deletes every third of the rows again."""

    def __init__(self, number: int, place: House) -> None:
        super().__init__()
        self.number = number
        self.place = place
        self.kept: dict[str, bytes] = {}

    def run(self) -> None:
        for number in range(12):
            part, content = f"{self.number}.{number}", b"content %d" % (number % 4)
            while part not in self.kept:
                with suppress(TryAgain):
                    keep(self.place, content, part)
                    self.kept[part] = content
            if number % 3 == 0:
                self.forget(part)

    def forget(self, part: str) -> None:
        with self.place.store.begin("tests.forget") as tx:
            its = delete(files).where(files.c.part == part).returning(files.c.object)
            tx.of_organisation(OURS).objects.released([tx.db.execute(its).scalar_one()])
        del self.kept[part]


@pytest.mark.rule("I8")
def test_writers_and_the_purge_on_the_same_objects_lose_nothing(
    place: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a day of no time the purge takes whatever is not named at the moment at which it looks."""
    monkeypatch.setattr("infra.db.objects.UNUSED_FOR", timedelta())
    writers = [Writer(number, place) for number in range(3)]
    for writer in writers:
        writer.start()
    removed = 0
    while any(writer.is_alive() for writer in writers):
        removed += copies.remove_some(100, (), place.context)[0]
        time.sleep(0.01)  # SQLite has one writer
    for writer in writers:
        writer.join()
    with place.store.begin("tests.look") as tx:
        rows = tx.db.execute(select(files.c.part, files.c.object)).all()
    kept = {part: content for writer in writers for part, content in writer.kept.items()}
    assert removed
    assert {row.part: copies.read(OURS, row.object, place.context) for row in rows} == kept
    assert len(kept) == 24


@pytest.mark.rule("T5", "E77")
def test_what_a_location_kept_goes_with_it_and_what_another_one_names_stays(
    place: House, tmp_path: Path
) -> None:
    locations.add("main/second", place.store)
    with place.store.begin("tests.look") as tx:
        second = located("main/second", tx).location
    both = keep(place, b"both", "1")
    keep(place, b"both", "1", second.id)
    keep(place, b"its own", "2", second.id)
    [young] = copies.keep(OURS, [b"somebody is about to name it"], place.context)
    closing.delete("main/second", place.context)
    assert stored(tmp_path) == {both, young.name}
    assert copies.read(OURS, both, place.context) == b"both"


@pytest.mark.rule("T5")
def test_with_its_last_location_all_that_an_organisation_kept_is_gone(place: House, tmp_path: Path) -> None:
    locations.add("other/main", place.store)
    with place.store.begin("tests.look") as tx:
        other = located("other/main", tx).location
    ours = keep(place, b"ours", "1")
    copies.keep(other.organisation_id, [b"theirs", b"theirs too"], place.context)
    _, gone = closing.delete("other/main", place.context)
    assert gone
    assert stored(tmp_path) == {ours}
    with place.store.begin("tests.look") as tx:
        count = select(func.count()).select_from(organisation_keys)
        assert tx.db.scalar(count) == 1
