"""Opens a CSV file as text: its encoding, its delimiter, and files that are not CSV."""

import codecs
import re
import shutil
import sys
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from domain.errors import LodestoneError

DELIMITERS = (",", ";", "\t")
STANDARD_INPUT = Path("-")
WINDOWS = "cp1252"

_SEPARATOR_LINE = re.compile(r'"?sep=([^\w\s"\\]|\t)"?[\r\n]*', re.IGNORECASE)
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OTHERS = {
    b"PK\x03\x04": "a spreadsheet or another archive (.xlsx, .ods, .zip)",
    b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls)",
    b"\x1f\x8b": "compressed",
    b"%PDF": "a PDF",
}
_AT_ONCE = 1 << 20
_BEYOND_ASCII = bytes(range(0x80, 0x100))


class Unusable(LodestoneError):
    """The whole file cannot be imported. The text is one line that says why and what to do."""


def open_bytes(path: Path) -> BinaryIO:
    """Open the file. Standard input is copied first, because it is read more than once. Raises Unusable."""
    if path == STANDARD_INPUT:
        copy: BinaryIO = TemporaryFile()  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.seek(0)
        return copy
    try:
        return path.open("rb")
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None


def encoding_of(file: BinaryIO, name: str) -> str:
    """The encoding: by a byte order mark, else UTF-8 or Windows-1252, whichever fits more letters of the file.

    Raises Unusable for a file that is no CSV, or UTF-16 without a byte order mark.
    """
    beginning = file.read(4_096)
    file.seek(0)
    for mark, what in _OTHERS.items():
        if beginning.startswith(mark):
            raise Unusable(
                f"{name} is {what}, not CSV: open it in its program, choose Save As (or Download), there "
                "CSV UTF-8 (.csv), and import that file"
            )
    for mark, encoding in _BOMS.items():
        if beginning.startswith(mark):
            return encoding
    if b"\0" in beginning[:64]:
        raise Unusable(f"{name} is neither UTF-8 nor UTF-16 with a byte order mark: save it as CSV UTF-8")
    return _guessed(file)


def open_text(file: BinaryIO, encoding: str) -> TextIOWrapper:
    """The text from its beginning. Bytes that cannot be decoded stay in it, so that only their record is refused."""
    file.seek(0)
    errors = "strict" if encoding in ("utf-16", "utf-32") else "surrogateescape"
    return TextIOWrapper(file, encoding=encoding, errors=errors, newline="")


def named_delimiter(line: str) -> str | None:
    """The delimiter that a first line such as `sep=;` names for Excel; None for any other line."""
    found = _SEPARATOR_LINE.fullmatch(line)
    return found[1] if found else None


def _guessed(file: BinaryIO) -> str:
    """Compare the letters beyond ASCII that are valid UTF-8 with the bytes that are not.

    A byte that is not valid UTF-8 is a letter of Windows-1252, or damage.
    """
    decoder = codecs.getincrementaldecoder("utf-8")
    all_, sound = decoder("surrogateescape"), decoder("ignore")
    good = bad = 0
    more = True
    while more:
        chunk = file.read(_AT_ONCE)
        more = bool(chunk)
        read = len(sound.decode(chunk, not more))
        bad += len(all_.decode(chunk, not more)) - read
        good += read - len(chunk.translate(None, _BEYOND_ASCII))
    file.seek(0)
    return WINDOWS if bad > good else "utf-8"
