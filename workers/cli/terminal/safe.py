"""Text from a mail is made safe for a terminal and for a file name.

Escape sequences would control the terminal. Bidirectional marks show another text than is there, and invisible letters
make two texts look the same.
"""

import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Final

from rich.cells import cell_len

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that Unicode allows to be ignored, and the blank of Braille."""

_LINE_ENDS = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_MOST_MARKS: Final = 3
_MOST_NAME: Final = 120
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(10))}
)


def safe_line(text: str) -> str:
    """The text in one safe line."""
    return _safe(" ".join(_LINE_ENDS.split(text))).strip()


def safe_text(text: str) -> str:
    """The text in safe lines."""
    return "\n".join(_safe(line).rstrip() for line in _LINE_ENDS.split(text))


def _safe(line: str) -> str:
    shown: list[str] = []
    marks = 0
    for char in _INVISIBLE.sub("", line):
        kind = _kind(char)
        marks = marks + 1 if kind == "mark" else 0
        if kind == "control":
            shown.append("    " if char == "\t" else "\N{REPLACEMENT CHARACTER}")
        elif kind == "space":
            shown.append(" ")
        elif marks <= _MOST_MARKS and kind != "hidden":
            shown.append(char)
    return "".join(shown)


@lru_cache(maxsize=4096)
def _kind(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Cc", "Cs", "Co", "Cn"):
        return "control"
    if category in ("Cf", "Zl", "Zp"):
        return "hidden"
    if category == "Zs":
        return "space"
    return "mark" if category in ("Mn", "Me") else "letter"


def fitted(text: str, width: int) -> str:
    """One safe line of exactly `width` terminal cells; wide letters take two. A longer text ends in dots."""
    line = safe_line(text)
    if cell_len(line) > width:
        while line and cell_len(line) > width - 1:
            line = line[: max(len(line) - max((cell_len(line) - width + 1) // 2, 1), 0)]
        line += "…"
    return line + " " * (width - cell_len(line))


def safe_name(name: str, number: int) -> str:
    """A file name for an attachment: without folders, not hidden, and with no special meaning to any system."""
    plain = safe_line(unicodedata.normalize("NFC", name))
    plain = re.sub(r'[\x00-\x1f/\\:*?"<>|\N{REPLACEMENT CHARACTER}]', "_", plain).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    stem, ending = (stem, dot + ending[:20]) if dot else (plain, "")
    plain = _cut(stem, _MOST_NAME - len(ending.encode())) + ending
    if not plain.strip("._ ") or plain.partition(".")[0].lower() in _DEVICES:
        return f"attachment-{number}"
    return plain.lstrip("-") or f"attachment-{number}"


def _cut(text: str, length: int) -> str:
    """At most `length` bytes, which file systems count."""
    return text.encode()[:length].decode(errors="ignore")


def save(folder: Path, name: str, content: bytes) -> Path:
    """Write a new file that only its owner may read; where the name is taken it gets a number."""
    stem, dot, ending = name.partition(".")
    for number in range(1, 1_000):
        path = folder / (name if number == 1 else f"{stem}-{number}{dot}{ending}")
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(file, "wb") as out:
            out.write(content)
        return path
    raise FileExistsError(f"{folder} is full of files of this name")
