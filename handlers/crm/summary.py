"""What is reported of a file's records: the first of each kind, and how many more there are (E107)."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from domain.crm.records import Refusal, Remark, Unread

AT_MOST = 20
"""Lines that are shown for one reason, and ids or words for one list."""

_NUMBER = re.compile(r"\d[\d,]*")


class LineNotes:
    """Refusals or remarks. Iterating gives those to show. Reasons that differ only in numbers are one kind."""

    def __init__(self) -> None:
        self.count = 0
        self._shown: list[Refusal | Remark] = []
        self._kinds: Counter[str] = Counter()

    def add(self, one: Refusal | Remark) -> None:
        self.count += 1
        kind = _NUMBER.sub("N", one.reason)
        self._kinds[kind] += 1
        if self._kinds[kind] <= AT_MOST:
            self._shown.append(one)

    def __iter__(self) -> Iterator[Refusal | Remark]:
        return iter(self._shown)

    def __len__(self) -> int:
        return self.count

    def more(self) -> dict[str, int]:
        """By kind, how many are not shown."""
        return {kind: times - AT_MOST for kind, times in self._kinds.items() if times > AT_MOST}


@dataclass(slots=True)
class Sample:
    """The first of many ids or words, and how many there are in all."""

    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.shown) < AT_MOST and text not in self.shown:
            self.shown.append(text)


@dataclass(slots=True)
class Imported:
    """What came of one file.

    `twice` are ids that came more than once, `words` unknown words for categories. `strangers` counts deals that name
    contacts of which none is known, `misassigned` contacts whose user is a member of other locations only.
    """

    imported: int = 0
    refused: LineNotes = field(default_factory=LineNotes)
    remarks: LineNotes = field(default_factory=LineNotes)
    twice: Sample = field(default_factory=Sample)
    words: Sample = field(default_factory=Sample)
    strangers: int = 0
    misassigned: int = 0
    unread: Unread | None = None
    deleted: int = 0

    @property
    def in_part(self) -> bool:
        """Whether anything of the file was left out."""
        return bool(self.refused.count or self.remarks.count or self.twice.count or self.unread)
