"""Objects as files of a folder."""

import errno
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from domain.errors import ObjectsAway
from infra.faults import reached

DIGITS: Final = 2
"""So many of a name's digits name its folder: of ten million objects each of 256 folders has 40,000."""

INCOMING: Final = "incoming"
"""The folder in which files are written before they get their name. It is made last: where it is, all folders are."""

AT_ONCE: Final = 8
"""Files that one call waits for the disk with."""

LEFT_FOR: Final = 86_400.0
"""Seconds after which a file that has no name yet is taken to be left over from a crash."""

_NAME: Final = re.compile(r"[0-9a-f]{8,}")
_REASONS: Final = {
    errno.ENOSPC: "objects_full",
    errno.EDQUOT: "objects_full",
    errno.EFBIG: "objects_full",
    errno.EACCES: "objects_refused",
    errno.EPERM: "objects_refused",
    errno.EROFS: "objects_refused",
}


class FolderStore:
    """Each object is a file. The folder itself is made with the first object; the one above it is there."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / INCOMING
        self._is_laid_out = False

    def put(self, objects: Mapping[str, bytes]) -> None:
        """All are written, all synced, all named, and then their folders synced: so the file system writes its journal
        a few times for all of them."""
        with _translated(), reached("objects.put"):
            self._lay_out()
            places = {name: self._place(name) for name in objects}
            with self._written(objects) as written:
                for name, file in written.items():
                    file.replace(places[name])
            _sync_all({place.parent for place in places.values()})

    def get(self, name: str) -> bytes | None:
        with _translated():
            try:
                return self._place(name).read_bytes()
            except FileNotFoundError:
                self._incoming.stat()  # where the whole store is away nobody knows of one object
                return None

    def delete(self, names: Collection[str]) -> None:
        with _translated(), reached("objects.delete"):
            places = [self._place(name) for name in names]
            self._lay_out()
            for place in places:
                place.unlink(missing_ok=True)
            _sync_all(
                {place.parent for place in places}
            )  # fails where the store is away, which holds them still

    def tidy(self) -> None:
        with _translated(), suppress(FileNotFoundError), os.scandir(self._incoming) as files:
            for file in files:
                with suppress(FileNotFoundError):
                    if file.stat().st_mtime < time.time() - LEFT_FOR:
                        os.unlink(file)

    def _place(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("no name of an object")
        return self._root / name[:DIGITS] / name

    def _lay_out(self) -> None:
        if self._is_laid_out or self._incoming.is_dir():
            self._is_laid_out = True
            return
        self._root.mkdir(0o700, exist_ok=True)
        for number in range(16**DIGITS):
            (self._root / f"{number:0{DIGITS}x}").mkdir(0o700, exist_ok=True)
        _sync(self._root)
        self._incoming.mkdir(0o700, exist_ok=True)
        _sync(self._root)
        _sync(self._root.parent)
        self._is_laid_out = True

    @contextmanager
    def _written(self, objects: Mapping[str, bytes]) -> Iterator[dict[str, Path]]:
        """The objects as files without a name yet, on the disk. What the block leaves of them is removed."""
        written: dict[str, Path] = {}
        try:
            for name, content in objects.items():
                written[name] = self._incoming / f"{name}-{secrets.token_hex(8)}"
                with open(written[name], "xb", opener=_only_ours) as file:
                    file.write(content)
            _sync_all(written.values())
            yield written
        finally:
            for path in written.values():
                path.unlink(missing_ok=True)


def _only_ours(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(path: Path) -> None:
    """What the file or folder holds is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sync_all(paths: Collection[Path]) -> None:
    """Side by side: the disk then writes for several of them at once, which makes four times as many a second."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(_sync, paths):
            pass


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ObjectsAway(_REASONS.get(error.errno or 0, "objects_away")) from None
