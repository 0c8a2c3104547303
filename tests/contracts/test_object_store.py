"""What every object store promises (`handlers.ports.objects.ObjectStore`)."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from handlers.ports.objects import ObjectStore
from infra.objects import open_store
from infra.objects.buckets import BucketStore

NAME, OTHER = "0a" * 32, "0b" * 32
PLACES: dict[str, Callable[[Path], ObjectStore]] = {
    "folder": lambda place: open_store(str(place / "objects")),
    "memory": lambda _: BucketStore(MemoryStore()),
    "obstore's folder": lambda place: BucketStore(LocalStore(place / "objects", mkdir=True)),
}


@pytest.fixture(params=PLACES)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return PLACES[request.param](tmp_path)


def test_what_was_put_is_got_and_nothing_else(objects: ObjectStore) -> None:
    objects.put({NAME: b"one", OTHER: b""})
    assert (objects.get(NAME), objects.get(OTHER), objects.get("0c" * 32)) == (b"one", b"", None)


def test_putting_again_does_no_harm_and_the_last_bytes_count(objects: ObjectStore) -> None:
    for content in (b"one", b"one", b"another, and longer"):
        objects.put({NAME: content})
        assert objects.get(NAME) == content


def test_what_was_deleted_is_gone_and_what_is_gone_is_deleted(objects: ObjectStore) -> None:
    objects.put({NAME: b"one", OTHER: b"two"})
    for _ in range(2):
        objects.delete([NAME])
        assert (objects.get(NAME), objects.get(OTHER)) == (None, b"two")
    objects.delete([])


def test_many_at_once(objects: ObjectStore) -> None:
    many = {f"{number:064x}": bytes(number) for number in range(100)}
    objects.put(many)
    assert {name: objects.get(name) for name in many} == many
    objects.delete(many)
    assert not any(map(objects.get, many))


def test_a_reader_finds_the_old_bytes_or_the_new_ones(objects: ObjectStore) -> None:
    whole = {bytes([number]) * 300_000 for number in (1, 2)}
    objects.put({NAME: min(whole)})
    stop, seen = threading.Event(), set[bytes | None]()

    def read() -> None:
        while not stop.is_set():
            seen.add(objects.get(NAME))

    reader = threading.Thread(target=read)
    reader.start()
    for content in sorted(whole) * 20:
        objects.put({NAME: content})
    stop.set()
    reader.join()
    assert seen <= whole


def test_a_mails_files_of_any_size_come_back(objects: ObjectStore) -> None:
    large = bytes(range(256)) * 4096 * 26
    objects.put({NAME: large})
    assert objects.get(NAME) == large


def test_tidying_takes_nothing_that_was_put(objects: ObjectStore) -> None:
    objects.put({NAME: b"one"})
    objects.tidy()
    assert objects.get(NAME) == b"one"
