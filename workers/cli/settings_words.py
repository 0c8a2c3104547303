"""The words of `lodestone settings set` are read into values; wrong ones are refused before anything is saved."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.connections.connections import Sharing, Wishes
from domain.crm.deals import DealCategory
from domain.crm.locations import LOCATION_SETTINGS
from domain.crm.records import category_word
from domain.errors import Refused
from domain.mail.addresses import canonical
from domain.sorting.label_names import named

Words = list[str]
EMPTY = ["-"]
_CATEGORIES = ", ".join(DealCategory)


def grouped(words: Words, names: Collection[str]) -> dict[str, list[Words]]:
    """By name of a setting the words that follow it. The id after `share-contact` may look like a name."""
    if words[0] not in names:
        raise Refused(f"{words[0]} is no setting here; {', '.join(names)} are")
    groups: dict[str, list[Words]] = {}
    values: Words = []
    for word in words:
        if word in names and not (values and values[0] == "share-contact" and len(values) == 1):
            values = [word]
            groups.setdefault(word, []).append(values)
        else:
            values.append(word)
    for name, several in groups.items():
        if len(several) > 1 and name != "share-contact":
            raise Refused(f"{name} is named twice")
        if any(len(one) == 1 for one in several):
            raise Refused(f"{name} is given no value")
    return {name: [one[1:] for one in several] for name, several in groups.items()}


def read_organisation(groups: Mapping[str, list[Words]]) -> tuple[dict[str, Any], set[str], set[str]]:
    """The values by name, and the users and roles that they name."""
    values = {name: ORGANISATION[name](several[0]) for name, several in groups.items()}
    only = values.get("sharing-only", {})
    users = {*values.get("sharing-users", ()), *only.get("users", ())}
    roles = {*values.get("sharing-roles", ()), *only.get("roles", ())}
    return values, users, roles


def read_wishes(groups: Mapping[str, list[Words]]) -> Wishes:
    """The changes of a connection."""
    return Wishes(
        magnet=_switch(groups, "magnet"),
        sorting=_switch(groups, "sorting"),
        dry_run=_switch(groups, "dry-run"),
        sharing=_option(_one("sharing", groups["sharing"][0])) if "sharing" in groups else None,
        excluded_domains=frozenset(_domains(groups["exclude-from-sharing"][0]))
        if "exclude-from-sharing" in groups
        else None,
        contacts=dict(_tick(words) for words in groups.get("share-contact", ())),
    )


def _switch(groups: Mapping[str, list[Words]], name: str) -> bool | None:
    return _is_on(name, _one(name, groups[name][0])) if name in groups else None


def _is_on(name: str, word: str) -> bool:
    if word not in ("on", "off"):
        raise Refused(f"{name} is on or off, not {word}")
    return word == "on"


def _switched(name: str, words: Words) -> bool:
    return _is_on(name, _one(name, words))


def _tick(words: Words) -> tuple[str, bool]:
    if len(words) != 2:
        raise Refused("share-contact needs a contact's id and on or off")
    return words[0], _is_on("share-contact", words[1])


def _one(name: str, words: Words) -> str:
    if len(words) > 1:
        raise Refused(f"{name} is one word, not {len(words)}")
    return words[0]


def _option(word: str) -> Sharing:
    try:
        return Sharing(word)
    except ValueError:
        raise Refused(f"{word} is no sharing option; {', '.join(Sharing)} are") from None


def _zone(words: Words) -> str:
    if len(words) > 1:
        raise Refused(f"time-zone is one zone, not {len(words)}")
    try:
        return ZoneInfo(words[0]).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(f"{words[0]} is no time zone; Europe/Berlin is one") from None


def _domains(words: Words) -> list[str]:
    return [] if words == EMPTY else sorted({_domain(word) for word in words})


def _domain(word: str, *, wanted: str = "domain") -> str:
    """The domain in the form that its addresses have."""
    probe = canonical(f"x@{word.removeprefix('@')}")
    if probe is None:
        raise Refused(f"{word or 'an empty word'} is no {wanted}; - alone empties the list")
    return probe.partition("@")[2]


def _domains_and_addresses(words: Words) -> list[str]:
    wanted = "domain or address"
    entries = set()
    for word in () if words == EMPTY else words:
        entry = canonical(word) if "@" in word else _domain(word, wanted=wanted)
        if entry is None:
            raise Refused(f"{word} is no {wanted}")
        entries.add(entry)
    return sorted(entries)


def _label_names(words: Words) -> list[str]:
    return list(named(["english"] if words == EMPTY else words).values())


def _options(words: Words) -> dict[str, str]:
    found = {}
    for word in () if words == EMPTY else words:
        who, _, option = word.rpartition("=")
        if not who:
            raise Refused(f"{word} is no choice; Sales=private is one")
        found[who] = _option(option).value
    return found


def _only(words: Words) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {"user": set(), "role": set()}
    for word in () if words == EMPTY else words:
        kind, _, who = word.partition(":")
        if kind not in found or not who:
            raise Refused(f"{word} names nobody; user:uwe or role:Head does")
        found[kind].add(who)
    return {f"{kind}s": sorted(those) for kind, those in found.items()}


def read_categories(words: Words) -> dict[str, str | None]:
    """What each word counts as; - takes a word back, and alone all of them."""
    if words == EMPTY:
        return {}
    if len(words) % 2:
        raise Refused(
            f'category needs a word and {_CATEGORIES}, or - to take it back: category "Closed Lost" LOST'
        )
    pairs = zip(words[::2], words[1::2], strict=True)
    return {_category_word(word): None if [name] == EMPTY else _category(name) for word, name in pairs}


def _category_word(word: str) -> str:
    found = category_word(word)
    if not found or found.upper() in DealCategory.__members__:
        raise Refused(f"{word or 'an empty word'} needs no other meaning: name a word of the CRM's own")
    return found


def _category(name: str) -> str:
    if name.upper() not in DealCategory.__members__:
        raise Refused(f"{name or 'an empty word'} is none of {_CATEGORIES}")
    return name.upper()


ORGANISATION: Mapping[str, Callable[[Words], Any]] = {
    "time-zone": _zone,
    "internal-domain": _domains,
    "exclude": _domains_and_addresses,
    "sharing-roles": _options,
    "sharing-users": _options,
    "sharing-only": _only,
    "sharing-exclude": _domains,
    "category": read_categories,
    "label-names": _label_names,
    **{name: partial(_switched, name) for name in LOCATION_SETTINGS},
}
"""How each setting of the organisation and of the location is read (T3)."""

CONNECTION = ("sharing", "magnet", "sorting", "dry-run", "exclude-from-sharing", "share-contact")
