"""Many ids in little memory."""

from array import array
from bisect import bisect_left

_RECENT = 100_000


class Named:
    """The ids that a file names, as hashes of eight bytes: a million records take 8 MB.

    If two ids share a hash, an absent record is not deleted, and an id is reported as repeated.
    """

    def __init__(self) -> None:
        self._sorted = array("q")
        self._recent: set[int] = set()

    def add(self, record_id: str) -> bool:
        """Add an id; False when it was there."""
        wanted = hash(record_id)
        if self._has(wanted):
            return False
        self._recent.add(wanted)
        if len(self._recent) == _RECENT:
            self._sorted = array("q", sorted((*self._sorted, *self._recent)))
            self._recent.clear()
        return True

    def __contains__(self, record_id: object) -> bool:
        return self._has(hash(record_id))

    def _has(self, wanted: int) -> bool:
        if wanted in self._recent:
            return True
        place = bisect_left(self._sorted, wanted)
        return place < len(self._sorted) and self._sorted[place] == wanted
