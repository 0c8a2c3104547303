"""The object store, and what the database knows of it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from domain.objects import Reserved, Unused
from domain.retention import After


class ObjectStore(Protocol):
    """Keeps bytes by name. Names are hex digits, eight or more. One per process, for all threads.

    Every call may raise ObjectsAway: the store is full, away or lets us do nothing. Then it may have been done in part,
    and repeating does no harm. A call takes a minute or two at most.
    """

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Store all of these; when it returns they outlast a loss of power. What has such a name is replaced, at once:
        a reader finds the old bytes or the new ones."""

    def get(self, name: str) -> bytes | None:
        """What was stored by that name, None when nothing is."""

    def delete(self, names: Collection[str]) -> None:
        """Remove these. One that is not there is removed already."""

    def tidy(self) -> None:
        """Remove what a put that was cut off has left, a day after it began."""


class OrganisationKeys(Protocol):
    """An organisation's keys. They are the same as long as the organisation is there."""

    def name(self, content: bytes) -> str:
        """The object's name (`domain.objects.name_of`)."""

    def seal(self, content: bytes) -> bytes:
        """The content as only these keys can read it (age, X25519)."""

    def unseal(self, sealed: bytes) -> bytes:
        """Raises UnreadableObject where it was not sealed with these keys, or was damaged."""


class ObjectRepository(Protocol):
    """One organisation's rows of objects, and its keys.

    A row is there before its object is (`reserve`) and until after it is gone. Who writes a row that names an object
    says so in the same transaction (`mark_used`), who deletes one too (`released`).
    """

    def keys(self) -> OrganisationKeys | None:
        """None where nothing was kept for the organisation yet. Raises WrongKey when they are sealed with a key that is
        not among the token keys."""

    def make_keys(self) -> OrganisationKeys:
        """As `keys`, but makes them where there are none."""

    def reserve(self, sizes: Mapping[str, int]) -> Mapping[str, Reserved]:
        """A row for each name; `sizes` are bytes. Raises TryAgain when one of the objects is just being removed."""

    def mark_used(self, reserved: Iterable[Reserved]) -> None:
        """These objects are named now. Locks their rows until the commit. Raises TryAgain when one of them was removed
        since it was reserved: its content is to be kept anew."""

    def released(self, names: Collection[str]) -> None:
        """Rows that named these objects are deleted. What no other row names is removed as soon as somebody looks
        (`UnusedObjectRepository`). Locks the objects' rows until the commit."""

    def release_some(self, limit: int) -> int:
        """As `released`, for up to `limit` of all that the organisation has, whatever names it. Returns how many."""

    def are_there(self) -> bool:
        """Whether the organisation has any."""


class UnusedObjectRepository(Protocol):
    """Objects that nothing names, of all organisations: for the purge."""

    def mark(self, limit: int, after: After) -> Unused:
        """Of up to `limit` objects that were released, or that nothing has named for UNUSED_FOR, mark those to be
        removed that nobody else is removing. What is marked cannot be reserved or named. `after`: where the last
        stretch ended."""

    def removed(self, objects: Collection[tuple[int, str]]) -> None:
        """Delete the rows of these objects, which are gone from the store."""
