"""What the mails of a file say about the mailbox they come from: its address, and each mail's labels."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from email.errors import MessageError
from email.header import decode_header, make_header
from pathlib import Path

from domain.mail.addresses import read_list
from domain.mail.headers import Fields, by_name
from infra.local.gmail.mail import headers

_WORDS = Path(__file__).with_name("takeout_words.tsv")
_NO_LABEL = re.compile(r"Label_\d+|IMAP_\S+", re.IGNORECASE)
"""An id without a name, and the keywords that mail programs leave by IMAP."""

_DECORATION = str.maketrans({":": " ", **dict.fromkeys("\"'`´„“”«»‹›‚‘’「」", " ")})
_ENTRY = re.compile(r'\s*(?:"((?:[^"\\]|\\.|"")*)"\s*|([^,]*))(?:,|$)', re.DOTALL)


def plain(name: str) -> str:
    """A label's name without case, colons and quotes: `Kategorie: "Werbung"` and `Kategorie Werbung` are one."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().translate(_DECORATION).split())


def _system() -> dict[str, str]:
    """Gmail's own labels by their names in its users' languages, "" for names of what is *not* there (archived,
    opened) and of what Gmail's API does not know.

    German, French, Spanish and Czech exports were seen; the other words are those of Gmail's screens, with all forms
    that an export may have. A word that is missing counts as the user's own, and the summary names it.
    """
    labels, *languages = csv.reader(_WORDS.read_text(encoding="utf-8").splitlines(), delimiter="\t")
    return {
        plain(word): "" if label == "NOTHING" else label
        for cells in languages
        for label, cell in zip(labels[1:], cells[1:], strict=True)
        for word in cell.split("|")
    }


SYSTEM = _system()


def read_fields(raw: bytes) -> Fields:
    """The header of a mail, exactly as the local Gmail shows it to Lodestone."""
    end, _ = headers.body_start(raw, 0, len(raw))
    return by_name(headers.read(raw, 0, end))


def label_names(values: Sequence[str]) -> list[str]:
    """The entries of X-Gmail-Labels: encoded words, folds, and quotes around names with a comma."""
    names: dict[str, None] = {}
    for value in values:
        text = " ".join(_decoded(value).split())
        for quoted, plain in _ENTRY.findall(text):
            name = re.sub(r'\\(.)|""', lambda m: m[1] or '"', quoted) if quoted else plain
            if name.strip():
                names[name.strip()] = None
    return list(names)


class Labels:
    """The labels that each mail is delivered with. `make` makes one of the user's own and says whether Gmail
    takes the name; a name that it does not take is left out. `own`: how many mails had each of the user's own."""

    def __init__(self, make: Callable[[str], bool]) -> None:
        self.own: Counter[str] = Counter()
        self._make = make
        self._known: dict[str, bool] = {}

    def of(self, fields: Fields) -> list[str] | None:
        """None for a mail without X-Gmail-Labels, which arrives in the Inbox like any new mail."""
        values = fields.get("x-gmail-labels", ())
        if not values:
            return None
        found = [self._label(name) for name in label_names(values)]
        return list(dict.fromkeys(label for label in found if label))

    def _label(self, name: str) -> str | None:
        system = SYSTEM.get(plain(name))
        if system is not None or _NO_LABEL.fullmatch(name):
            return system
        key = name.casefold()
        if key not in self._known:
            self._known[key] = self._make(name)
        self.own[name] += 1
        return name if self._known[key] else None


class Addressees:
    """Whose mailbox this is: the address that most mails name as Delivered-To or To."""

    def __init__(self) -> None:
        self._mails: Counter[str] = Counter()
        self._delivered: Counter[str] = Counter()

    def add(self, fields: Fields) -> None:
        """Each mail counts once for each address."""
        delivered = set(_addresses(fields.get("delivered-to", ())))
        self._delivered.update(delivered)
        self._mails.update(delivered | set(_addresses(fields.get("to", ()))))

    def commonest(self) -> str | None:
        """Where two are equal the one that mail was delivered to counts; None when no mail names any."""
        ranked = sorted(self._mails, key=lambda a: (-self._mails[a], -self._delivered[a], a))
        return ranked[0] if ranked else None


def _addresses(values: Iterable[str]) -> list[str]:
    return [address for value in values for address in read_list(value).addresses]


def _decoded(value: str) -> str:
    """The standard library joins words before it decodes them: Takeout cuts characters in two."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, MessageError):
        return value
