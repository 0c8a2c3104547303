"""Raw mails on disk: one append-only file, read back by offset, so that RAM holds none of them."""

import os
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where a mail lies in the spool."""

    offset: int
    length: int


class Spool:
    """Safe for many threads; gone when closed. `folder` None is the system's temporary folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(prefix="gmail-spool-", dir=folder)  # noqa: SIM115 - lives until close()
        self._end = 0
        self._guard = threading.Lock()

    def append(self, raw: bytes) -> Place:
        """Keep a mail; returns where it lies."""
        with self._guard:
            offset, self._end = self._end, self._end + len(raw)
        view, at = memoryview(raw), offset
        while view:
            written = os.pwrite(self._file.fileno(), view, at)
            view, at = view[written:], at + written
        return Place(offset, len(raw))

    def read(self, place: Place) -> bytes:
        """The mail as it was appended."""
        pieces: list[bytes] = []
        at, left = place.offset, place.length
        while left:
            piece = os.pread(self._file.fileno(), left, at)
            if not piece:
                raise EOFError("the spool is shorter than its index")
            pieces.append(piece)
            at, left = at + len(piece), left - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
