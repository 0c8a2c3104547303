"""Text from a mail as cells of a table, and its files as files of the user's own."""

import os
import sys
from pathlib import Path

from rich.cells import cell_len

from domain.mail.safe_text import safe_line


def fitted(text: str, width: int) -> str:
    """One safe line of exactly `width` terminal cells; wide letters take two. A longer text ends in dots."""
    line = safe_line(text)
    if cell_len(line) > width:
        while line and cell_len(line) > width - 1:
            line = line[: max(len(line) - max((cell_len(line) - width + 1) // 2, 1), 0)]
        line += "…"
    return line + " " * (width - cell_len(line))


def write_line(line: str) -> None:
    """A line on standard output, past rich, which would read markup and emoji codes in it."""
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(line.encode(encoding, "replace").decode(encoding) + "\n")


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
