"""The folder of objects: on the disk, by nobody else's leave, and what a full or absent disk does."""

import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.errors import ObjectsAway
from infra.objects.folder import INCOMING, LEFT_FOR, FolderStore

NAME, OTHER = "0a" * 32, "0b" * 32


@contextmanager
def no_room_beyond(size: int) -> Iterator[None]:
    """As on a full disk the kernel takes a part of a file and then no more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def incoming(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "objects" / INCOMING).iterdir())


def test_on_a_full_disk_nothing_is_stored_by_half_and_what_was_there_stays(tmp_path: Path) -> None:
    objects = FolderStore(tmp_path / "objects")
    objects.put({NAME: b"before"})
    with no_room_beyond(1_000), pytest.raises(ObjectsAway, match="objects_full"):
        objects.put({OTHER: b"small", NAME: bytes(5_000)})
    assert (objects.get(NAME), objects.get(OTHER), incoming(tmp_path)) == (b"before", None, [])
    objects.put({NAME: bytes(5_000)})
    assert objects.get(NAME) == bytes(5_000)


def test_a_store_that_is_not_there_is_no_store_without_the_object(tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    objects = FolderStore(tmp_path / "mounted" / "objects")
    objects.put({NAME: b"one"})
    (tmp_path / "mounted").rename(tmp_path / "elsewhere")
    calls: tuple[Callable[[], object], ...] = (
        lambda: objects.get(NAME),
        lambda: objects.put({NAME: b"one"}),
        lambda: objects.delete([NAME]),
        lambda: FolderStore(tmp_path / "mounted" / "objects").delete([NAME]),
        lambda: FolderStore(tmp_path / "mounted" / "objects").put({NAME: b"one"}),
    )
    for call in calls:
        with pytest.raises(ObjectsAway, match="objects_away"):
            call()


def test_what_a_crash_has_left_is_swept_a_day_later(tmp_path: Path) -> None:
    objects = FolderStore(tmp_path / "objects")
    objects.tidy()
    objects.put({NAME: b"one"})
    old, young = (tmp_path / "objects" / INCOMING / f"{name}-0" for name in (NAME, OTHER))
    for file in (old, young):
        file.write_bytes(b"half of it")
    long_ago = old.stat().st_mtime - LEFT_FOR - 1
    os.utime(old, (long_ago, long_ago))
    objects.tidy()
    assert incoming(tmp_path) == [young]
    assert objects.get(NAME) == b"one"


@pytest.mark.parametrize(
    "name", ["", "0a", "../../../../etc/passwd", "0a/../../x0a", "0A" * 32, "0a" * 32 + "\n"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    objects = FolderStore(tmp_path / "objects")
    calls: tuple[Callable[[], object], ...] = (
        lambda: objects.get(name),
        lambda: objects.put({name: b""}),
        lambda: objects.delete([name]),
    )
    for call in calls:
        with pytest.raises(ValueError, match="no name"):
            call()


@pytest.mark.rule("I10")
def test_nobody_else_on_the_machine_may_look(tmp_path: Path) -> None:
    FolderStore(tmp_path / "objects").put({NAME: b"one"})
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "objects").rglob("*")}
    assert modes == {0o700, 0o600}
