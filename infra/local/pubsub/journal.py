"""The journal keeps every change through a kill: each is appended to one file, as a head and a protobuf message.

Each record is written at once and never synced, so it survives the end of the process but not of the machine. A record
that the kill cut short is dropped; any other damage is refused.
"""

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from infra.local.pubsub import checks, wire
from infra.local.pubsub.wire import Wire

MAGIC = b"Lodestone Pub/Sub journal 1\n"
TOPIC, TOPIC_DELETED, SUBSCRIPTION, SUBSCRIPTION_DELETED = b"T", b"t", b"S", b"s"
PUBLISHED, WAITING, ACKNOWLEDGED, ATTEMPTS = b"P", b"W", b"A", b"D"
MESSAGES: dict[bytes, Any] = {
    TOPIC: wire.Topic,
    TOPIC_DELETED: wire.DeleteTopicRequest,
    SUBSCRIPTION: wire.Subscription,
    SUBSCRIPTION_DELETED: wire.DeleteSubscriptionRequest,
    PUBLISHED: wire.PublishRequest,
    WAITING: wire.PublishRequest,  # for one subscription, which `topic` names
    ACKNOWLEDGED: wire.AcknowledgeRequest,  # by message ids
    ATTEMPTS: wire.ModifyAckDeadlineRequest,  # message ids, and in place of seconds how often delivered
}
Record = tuple[bytes, Wire]

_HEAD = struct.Struct(">cII")  # the kind, the message's length and its checksum
_HEAD_CHECK = struct.Struct(">I")
_HEAD_SIZE = _HEAD.size + _HEAD_CHECK.size


class JournalError(Exception):
    """The journal cannot be used. The message is one line that says why and what to do."""


class Journal:
    """The open journal of one server; safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        """Lock the folder for this server. Nothing is read or written yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "journal"
        self._guard = threading.Lock()
        self._output: BinaryIO | None = None
        self._size = 0
        self._lock = (folder / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise JournalError(f"{folder} is in use by another Pub/Sub: give this one its own.") from error

    def records(self) -> Iterator[Record]:
        """The records of an earlier server, oldest first. Raises JournalError when the file is damaged."""
        if not self._file.exists():
            return
        with self._file.open("rb") as source:
            if source.read(len(MAGIC)) != MAGIC:
                raise self._damaged(0)
            at = len(MAGIC)
            while len(head := source.read(_HEAD_SIZE)) == _HEAD_SIZE:
                kind, length, checksum = _HEAD.unpack(head[: _HEAD.size])
                if _HEAD_CHECK.pack(zlib.crc32(head[: _HEAD.size])) != head[_HEAD.size :]:
                    raise self._damaged(at)
                content = source.read(length)
                if len(content) < length:
                    return  # the kill cut it short
                if zlib.crc32(content) != checksum or kind not in MESSAGES:
                    raise self._damaged(at)
                yield kind, MESSAGES[kind].FromString(content)
                at += _HEAD_SIZE + length

    def begin(self, records: Iterable[Record]) -> None:
        """Replace the file by one with these records, to which write() appends."""
        fresh = self._file.with_suffix(".new")
        with fresh.open("wb") as output:
            output.write(MAGIC)
            for kind, message in records:
                output.write(_framed(kind, message))
            self._size = output.tell()
        fresh.replace(self._file)
        self._output = self._file.open("ab", buffering=0)

    def write(self, kind: bytes, message: Wire) -> None:
        """Append a record and hand it to the system. Raises UNAVAILABLE, with nothing written, when that fails."""
        record = _framed(kind, message)
        with self._guard:
            if self._output is None:
                return  # closed: the server stops
            try:
                written = self._output.write(record)
            except OSError:
                written = 0
            if written != len(record):
                os.truncate(self._file, self._size)
                raise checks.unavailable("The journal cannot be written: is the disk full?")
            self._size += written

    def close(self) -> None:
        """Unlock the folder."""
        with self._guard:
            if self._output:
                self._output.close()
                self._output = None
        self._lock.close()

    def _damaged(self, at: int) -> JournalError:
        return JournalError(f"{self._file} is damaged at byte {at}: move it away to start with nothing.")


def _framed(kind: bytes, message: Wire) -> bytes:
    content: bytes = message.SerializeToString()
    head = _HEAD.pack(kind, len(content), zlib.crc32(content))
    return head + _HEAD_CHECK.pack(zlib.crc32(head)) + content
