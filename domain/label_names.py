"""What the CRM labels are called in Gmail: a setting of the organisation (Part I, Z14, E66)."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from domain.crm.categories import ByCategory, Category
from domain.mail.headers import breaks

LABEL_NAMES: Final[ByCategory] = {
    Category.CTM: "Deals Closing This Month (CTM)",
    Category.OPEN: "Open Deals",
    Category.CUSTOMER: "Customers",
}
"""The three CRM labels, by their default names (Z14, E66); the organisation may have chosen others."""

SETS: Final[Mapping[str, ByCategory]] = {
    "english": LABEL_NAMES,
    "spanish": {
        Category.CTM: "Negocios que se cierran este mes (CTM)",
        Category.OPEN: "Negocios abiertos",
        Category.CUSTOMER: "Clientes",
    },
    "german": {
        Category.CTM: "Abschlüsse in diesem Monat (CTM)",
        Category.OPEN: "Offene Geschäfte",
        Category.CUSTOMER: "Kunden",
    },
    "french": {
        Category.CTM: "Affaires à conclure ce mois-ci (CTM)",
        Category.OPEN: "Affaires en cours",
        Category.CUSTOMER: "Clients",
    },
}

MAX_NAME: Final = 225
"""Characters of a label's name that Gmail takes."""

_RESERVED = frozenset(
    {
        *(
            "inbox",
            "sent",
            "draft",
            "drafts",
            "spam",
            "trash",
            "bin",
            "unread",
            "starred",
            "important",
            "chat",
            "chats",
        ),
        *(
            "all mail",
            "archive",
            "sent mail",
            "muted",
            "snoozed",
            "scheduled",
            "outbox",
            "imap",
            "buzz",
            "phishing",
        ),
        *(
            "notes",
            "voicemail",
            "category_personal",
            "category_social",
            "category_promotions",
            "category_updates",
        ),
        *("category_forums", "[gmail]", "[imap]"),
    }
)


class Unusable(ValueError):
    """Names that Gmail, or a user, could not tell apart or take; the text says why."""


def named(words: Sequence[str]) -> ByCategory:
    """One of the sets by its name, or three names: closing this month, open, customers. Raises Unusable."""
    if len(words) == 1 and words[0].lower() in SETS:
        return SETS[words[0].lower()]
    if len(words) != len(LABEL_NAMES):
        raise Unusable(
            f"label-names is one of {', '.join(SETS)}, or three names: for deals that close this month, for open "
            "deals, for customers"
        )
    names = [unicodedata.normalize("NFC", word).strip() for word in words]
    for name in names:
        _check(name)
    if len({name.casefold() for name in names}) < len(names):
        raise Unusable(
            "two labels cannot have one name: Gmail does not tell them apart by upper and lower case either"
        )
    return dict(zip(LABEL_NAMES, names, strict=True))


def _check(name: str) -> None:
    levels = [level.strip() for level in name.split("/")]
    if not all(levels) or any(map(breaks, name)):
        raise Unusable(f"{name or 'an empty word'} is no name for a label")
    if len(name) > MAX_NAME:
        raise Unusable(f"a label's name has {MAX_NAME} characters at most, not {len(name)}")
    if name.casefold() in _RESERVED or levels[0].casefold() in ("[gmail]", "[imap]"):
        raise Unusable(f"{name} is a name that Gmail keeps for itself: choose another")
