"""How much a mail's attachments may hold together (D14). Sizes are bytes of the decoded files."""

from collections.abc import Iterable
from typing import Final

MAX_ATTACHMENTS: Final = 25 * 1_048_576


def fits(size: int, taken: int) -> bool:
    """Whether a file still has room beside others of `taken` bytes; exactly at the limit it has."""
    return size <= MAX_ATTACHMENTS - taken


def all_fit(sizes: Iterable[int]) -> bool:
    """Whether a mail of files of these sizes may be sent."""
    return fits(sum(sizes), 0)


def which_fit(sizes: Iterable[int]) -> tuple[bool, ...]:
    """Of each file of a mail, in written order, whether it is copied: the next that has room is, even where one before
    it had none. The inline ones count (H46). A size below zero is a lie and takes nothing."""
    taken, found = 0, list[bool]()
    for size in sizes:
        found.append(fits(size, taken))
        taken += max(size, 0) if found[-1] else 0
    return tuple(found)
