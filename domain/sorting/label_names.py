"""What the CRM labels are called: a setting of the organisation (Part I, Z14, E66)."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.crm.categories import ByCategory, Category
from domain.errors import Refused
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


@dataclass(frozen=True, slots=True)
class LabelNameRules:
    """What a provider takes for the name of a label: so many characters at most, and neither a name nor a first level
    that it keeps for itself, written in whatever case."""

    longest: int
    kept_names: frozenset[str]
    kept_levels: frozenset[str]


def named(words: Sequence[str]) -> ByCategory:
    """One of the sets by its name, or three names: closing this month, open, customers. Raises Refused."""
    if len(words) == 1 and words[0].lower() in SETS:
        return SETS[words[0].lower()]
    if len(words) != len(LABEL_NAMES):
        raise Refused(
            f"label-names is one of {', '.join(SETS)}, or three names: for deals that close this month, for open "
            "deals, for customers (rule Z14)"
        )
    names = [unicodedata.normalize("NFC", word).strip() for word in words]
    for name in names:
        if not all(_levels(name)) or any(map(breaks, name)):
            raise Refused(f"{name or 'an empty word'} is no name for a label (rule Z14)")
    if len({name.casefold() for name in names}) < len(names):
        raise Refused(
            "two labels cannot have one name: a mailbox does not tell them apart by upper and lower case either "
            "(rule Z14)"
        )
    return dict(zip(LABEL_NAMES, names, strict=True))


def check_taken(names: Iterable[str], rules: LabelNameRules, title: str) -> None:
    """Raises Refused where one is a name that the provider of this title does not take."""
    for name in names:
        if len(name) > rules.longest:
            raise Refused(
                f"a label's name has {rules.longest} characters at most, not {len(name)} (rule Z14)"
            )
        if name.casefold() in rules.kept_names or _levels(name)[0].casefold() in rules.kept_levels:
            raise Refused(f"{name} is a name that {title} keeps for itself: choose another (rule Z14)")


def _levels(name: str) -> list[str]:
    return [level.strip() for level in name.split("/")]
