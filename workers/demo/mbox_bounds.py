"""Where one mail of an mbox ends and the next begins.

Programs agree on a line `From …` and on little else. What is in front of it, what it says, what follows it and
the Content-Length of the mail before decide together; where they cannot, it is said and not guessed.
"""

import os
import re
from enum import Enum
from typing import BinaryIO

EMPTY = frozenset((b"\n", b"\r\n"))

PEEK = 8 << 10
"""So much of what follows is looked at: in a mail's first header fields there is one that no text has."""

GLANCE = 100
"""As much as the longest name of a field and its colon: text is told from a header by it, at little cost."""

_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DATED = re.compile(
    rb"From (?:[^\r\n]{0,400}? )??\s{0,8}(?:(?:"
     rb"(?:" + _DAY + rb",?\s{1,4})?(?:" + _MONTH + rb"\s{1,4}\d{1,2}|\d{1,2}[ -]" + _MONTH + rb"[ -]\d{2,4})"
    + rb"|\d{4}-\d\d-\d\d"
    + rb")[\sT]{1,4}\d{1,2}:\d\d"
    # In any language: weekday, month and day or day and month, a time with seconds, at the end the year.
    + rb"|\S{1,20}\s{1,4}(?:\S{1,20}\s{1,4}\d{1,2}|\d{1,2}\.?\s{1,4}\S{1,20})\s{1,4}\d{1,2}:\d\d:\d\d"
      rb"(?:\s\S{1,6}){0,2}\s\d{4}\s{0,4}$)",
    re.IGNORECASE,
)  # fmt: skip
"""`From ann@example.com Sun Mar 15 12:00:00 2026`, with the senders and dates that mail programs write."""

_PATCH = re.compile(rb"From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001\s{0,4}$")
"""What git puts over a patch. The moment is the same over each, so that programs know it."""

_FIELD = re.compile(rb"[!-9;-~]{1,76}[ \t]*:")
_MAILS_OWN = re.compile(
    rb"(?:from|subject|message-id|received|return-path|delivered-to|envelope-to|reply-to|mime-version|content-type"
    rb"|dkim-signature|arc-seal|x-gm-thrid|x-gmail-labels|x-mozilla-status)[ \t]*:",
    re.IGNORECASE,
)
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,12})[ \t]*\r?\n?$", re.IGNORECASE)
_GAP = re.compile(rb"(?:\r?\n){0,2}")


class FromLineKind(Enum):
    """What stands behind `From `: sender and date, a patch's, nothing, or something else."""

    DATED = "dated"
    PATCH = "patch"
    BARE = "bare"
    NAMED = "named"


class FromLine(Enum):
    """What a line is."""

    BEGINS = "begins"
    TEXT = "text"
    INSIDE = "inside"
    DOUBTFUL = "doubtful"


def looks_like_a_header(file: BinaryIO) -> bool:
    """Whether a mail's header stands at the very beginning; the file is left there."""
    file.seek(0)
    found = _own_fields(file.read(PEEK)) > 1
    file.seek(0)
    return found


class Bounds:
    """One walk through a file. `step` takes every line, or piece of a long one, in order; `judge` says what the one
    just taken is. `separator` is the kind of the file's first From_ line, None while that is being looked for."""

    def __init__(self, file: BinaryIO, separator: FromLineKind | None) -> None:
        self.number = 0
        self._file = file
        self._separator = separator
        self._size = os.fstat(file.fileno()).st_size
        self._in_header = False
        self._length: int | None = None
        self._ends = 0

    def step(self, line: bytes, *, at_start: bool) -> None:
        """The file stands behind this line."""
        if not at_start:
            return
        self.number += 1
        if not self._in_header:
            return
        if line in EMPTY:
            self._in_header = False
            self._ends = self._end_by_length()
        elif found := _LENGTH.match(line):
            self._length = int(found[1])

    def first(self, line: bytes, *, follows_empty: bool) -> FromLineKind | None:
        """The kind of this line, when the file's first mail begins with it."""
        if not (follows_empty and line.startswith(b"From ")):
            return None
        self._separator = _kind(line)
        return self._separator if self._verdict(line, follows_empty=True) is FromLine.BEGINS else None

    def judge(self, line: bytes, *, follows_empty: bool) -> FromLine:
        """What a line `From …` is; where a mail begins with it, its header is read from here on."""
        verdict = self._verdict(line, follows_empty=follows_empty)
        if verdict is FromLine.BEGINS:
            self._in_header, self._length, self._ends = True, None, 0
        return verdict

    def _verdict(self, line: bytes, *, follows_empty: bool) -> FromLine:
        kind = _kind(line)
        begins_by_itself = kind is FromLineKind.DATED or kind is self._separator is FromLineKind.PATCH
        if self._file.tell() <= self._ends or (kind is FromLineKind.PATCH and not begins_by_itself):
            looks = (begins_by_itself and follows_empty) or self._own_fields()
            return FromLine.INSIDE if looks else FromLine.TEXT
        apart = follows_empty or bool(self._ends)
        if begins_by_itself:
            return FromLine.BEGINS if apart or self._own_fields() else FromLine.TEXT
        own_fields = self._own_fields()
        if kind is FromLineKind.BARE:
            unclear = FromLine.DOUBTFUL if apart and self._separator is FromLineKind.BARE else FromLine.TEXT
            return FromLine.BEGINS if own_fields else unclear
        if apart and own_fields and self._separator is FromLineKind.NAMED:
            return FromLine.BEGINS
        return FromLine.DOUBTFUL if own_fields > 1 else FromLine.TEXT

    def _own_fields(self) -> int:
        """How many fields of the header that follows are a mail's own."""
        here = self._file.tell()
        glance = self._file.read(GLANCE)
        found = _own_fields(glance + self._file.read(PEEK)) if _FIELD.match(glance) else 0
        self._file.seek(here)
        return found

    def _end_by_length(self) -> int:
        """Where the mail ends by its Content-Length, 0 when it has none or nothing begins there: programs that
        change a mail often leave that field as it was."""
        if self._length is None:
            return 0
        end = self._file.tell() + self._length
        if end > self._size:
            return 0
        there = self._peek(end - 1)
        gap = _GAP.match(there, 1)
        at = gap.end() if gap else 1
        if at == len(there):
            return end
        line, _, rest = there[at:].partition(b"\n")
        begins_a_line = at > 1 or there[:1] == b"\n"
        if (
            begins_a_line
            and line.startswith(b"From ")
            and (_kind(line) is FromLineKind.DATED or _own_fields(rest))
        ):
            return end
        return 0

    def _peek(self, at: int) -> bytes:
        """What stands there; the file is left where it was."""
        here = self._file.tell()
        self._file.seek(at)
        found = self._file.read(PEEK)
        self._file.seek(here)
        return found


def _kind(line: bytes) -> FromLineKind:
    if _PATCH.match(line):
        return FromLineKind.PATCH
    if _DATED.match(line):
        return FromLineKind.DATED
    return FromLineKind.NAMED if line[5:].strip() else FromLineKind.BARE


def _own_fields(text: bytes) -> int:
    """How many fields of the header that the text begins with are a mail's own; 0 where no header begins."""
    found = 0
    for n, line in enumerate(text.split(b"\n")):
        if n and line.startswith((b" ", b"\t", b">From ")):
            continue
        if not _FIELD.match(line):
            break
        found += bool(_MAILS_OWN.match(line))
    return found
