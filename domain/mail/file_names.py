"""The names of a mail's files, safe to show and to save under."""

import re
import unicodedata
from typing import Final

from domain.mail.safe_text import safe_line

MAX_FILE_NAME: Final = 120
"""Bytes, which file systems count; they take 255, and a name may get a folder's or a number's ending."""

_MAX_ENDING = 20
_DEVICES = frozenset(
    {
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"),
    }
)
_MEANT_OTHERWISE = re.compile(r'[\x00-\x1f/\\:*?"<>|\N{REPLACEMENT CHARACTER}]')
_USUAL = {
    "message/rfc822": "mail.eml",
    "application/ms-tnef": "winmail.dat",
    "application/vnd.ms-tnef": "winmail.dat",
    "text/plain": "text.txt",
    "text/html": "text.html",
    "text/calendar": "invitation.ics",
}
"""What a file of a type is called that has no name (H46)."""


def safe_name(name: str, number: int, mime_type: str = "") -> str:
    """A file name for an attachment: without folders, not hidden, and with no special meaning to any system. One that
    has no name is called by its type or its number in the mail."""
    plain = safe_line(unicodedata.normalize("NFC", name))
    plain = _MEANT_OTHERWISE.sub("_", plain).lstrip(" .-")
    stem, dot, ending = plain.rstrip(" .").rpartition(".")
    stem, ending = (stem, dot + ending[:_MAX_ENDING]) if dot else (ending, "")
    plain = _cut(stem, MAX_FILE_NAME - len(ending.encode())) + ending
    if not plain.strip("._ ") or plain.partition(".")[0].strip().lower() in _DEVICES:
        return _USUAL.get(mime_type.lower(), f"attachment-{number}")
    return plain


def _cut(text: str, length: int) -> str:
    """At most `length` bytes."""
    return text.encode()[:length].decode(errors="ignore").rstrip(" .")
