"""The privacy proof: words that stand in mails and nowhere else, and the search for them in all that is kept."""

import base64
import quopri
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from redis import Redis


@dataclass(frozen=True, slots=True)
class Canaries:
    """One word for each kind of content that table D2 forbids, new in every run."""

    token: str = field(default_factory=lambda: "".join(secrets.choice("bdfgklmnprstvz") for _ in range(10)))

    @property
    def subject(self) -> str:
        """Stands in every subject."""
        return f"Grüße-{self.token}"

    @property
    def body(self) -> str:
        """Stands in every body."""
        return f"Körper-{self.token}"

    @property
    def attachment(self) -> str:
        """The name of every attachment."""
        return f"anhang-{self.token}.pdf"

    @property
    def name(self) -> str:
        """The display name of a third party."""
        return f"Dritte {self.token}"

    def third_party(self, local: str = "dritte") -> str:
        """The address of somebody who is nobody in the CRM."""
        return f"{local}.{self.token}@elsewhere.example"

    @property
    def words(self) -> tuple[str, ...]:
        """All of them, and the part that they share."""
        return self.subject, self.body, self.attachment, self.name, self.third_party(), self.token


@dataclass(slots=True)
class Proof:
    """What was searched, and what should not have been there: (where, which word)."""

    files: int = 0
    redis_keys: int = 0
    size: int = 0
    found: list[tuple[str, str]] = field(default_factory=list)
    tested: bool = True

    def add(self, other: "Proof") -> None:
        """Two searches as one."""
        self.files = max(self.files, other.files)
        self.redis_keys += other.redis_keys
        self.size += other.size
        self.found = list(dict.fromkeys([*self.found, *other.found]))


class Search:
    """Looks for words in every form in which a program may have kept them. Nothing is decompressed.

    `piece` is how many bytes of a file are searched at once; pieces overlap.
    """

    def __init__(self, words: Sequence[str], piece: int = 4 << 20) -> None:
        self._piece = piece
        self._plain = [(word, form.lower()) for word in words for form in _plain_forms(word)]
        self._exact = [(word, form) for word in words for form in _base64_forms(word)]
        self._overlap = max(len(form) for _, form in (*self._plain, *self._exact))

    def in_bytes(self, data: bytes) -> set[str]:
        """The words that are in there."""
        lower = data.lower()
        return {word for word, form in self._plain if form in lower} | {
            word for word, form in self._exact if form in data
        }

    def in_folder(self, folder: Path, but: Path | None = None) -> Proof:
        """Every file below the folder, whatever its name: database, -wal, -shm, append-only files, logs.

        `but` is a folder in it that is not ours.
        """
        proof = Proof()
        files = (path for path in folder.rglob("*") if path.is_file())
        for file in sorted(path for path in files if but is None or but not in path.parents):
            with suppress(FileNotFoundError):
                words, size = self._in_file(file)
                proof.files += 1
                proof.size += size
                proof.found += [(str(file.relative_to(folder)), word) for word in sorted(words)]
        return proof

    def in_redis(self, redis: "Redis") -> Proof:
        """Every key with its value, as Redis would give it to anybody, and as it would dump it."""
        proof = Proof()
        for key in redis.scan_iter(count=500):
            pieces = [key, redis.dump(key) or b"", *_value(redis, key)]
            proof.redis_keys += 1
            proof.size += sum(map(len, pieces))
            words: set[str] = set().union(*map(self.in_bytes, pieces))
            proof.found += [(f"redis {key.decode(errors='replace')}", word) for word in sorted(words)]
        return proof

    def _in_file(self, file: Path) -> tuple[set[str], int]:
        words: set[str] = set()
        size, rest = 0, b""
        with file.open("rb") as content:
            while piece := content.read(self._piece):
                size += len(piece)
                words |= self.in_bytes(rest + piece)
                rest = (rest + piece)[-self._overlap :]
        return words, size


def self_test(words: Sequence[str], folder: Path) -> bool:
    """Plant every form of every word in a scratch file: a search that misses one proves nothing."""
    search = Search(words)
    file = folder / "planted"
    try:
        for word in words:
            for form in (*_plain_forms(word), word.upper().encode(), *_planted_base64(word)):
                file.write_bytes(b"x" * 1_000 + form + b"\n")
                if not any(found == word for _, found in search.in_folder(folder).found):
                    return False
        return True
    finally:
        file.unlink(missing_ok=True)


def _plain_forms(word: str) -> set[bytes]:
    """As text, in a header or body, in JSON and in an address line; letter case does not count."""
    utf8 = word.encode()
    escaped = word.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00")
    forms = {utf8, word.encode("latin-1", "replace"), word.encode("utf-16-le"), escaped}
    forms |= {quopri.encodestring(utf8).strip(), quopri.encodestring(utf8, header=True).strip()}
    forms |= {quote(word).encode(), word.upper().encode(), word.lower().encode()}
    return forms


def _base64_forms(word: str) -> set[bytes]:
    """The characters that the word alone decides, at each of the three places it can begin at in a group."""
    forms: set[bytes] = set()
    for variant in {word, word.lower(), word.upper()}:
        utf8 = variant.encode()
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + utf8)
            whole = (shift + len(utf8)) * 8 // 6
            inner = encoded[-(-shift * 8 // 6) : whole]
            forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


def _planted_base64(word: str) -> Iterator[bytes]:
    for before in (b"", b"a", b"bc"):
        yield base64.b64encode(before + word.encode() + b" and more")
        yield base64.urlsafe_b64encode(before + word.encode() + b" and more")


def _value(redis: "Redis", key: bytes) -> Iterable[bytes]:
    """The parts of a value, by its type."""
    kind: Any = redis.type(key)
    client: Any = redis
    if kind == b"hash":
        return [part for pair in client.hgetall(key).items() for part in pair]
    if kind == b"list":
        return list(client.lrange(key, 0, -1))
    if kind == b"set":
        return list(client.smembers(key))
    if kind == b"zset":
        return list(client.zrange(key, 0, -1))
    return [client.get(key) or b""] if kind == b"string" else []
