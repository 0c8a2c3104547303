"""Text from a mail is made safe for whoever looks at it.

Escape sequences would control a terminal. Bidirectional marks show another text than is there, and invisible letters
make two texts look the same.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that Unicode allows to be ignored, and the blank of Braille."""

_LINE_ENDS = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_MOST_MARKS: Final = 3


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
