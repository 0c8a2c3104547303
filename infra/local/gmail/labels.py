"""A mailbox's labels (Gmail "Manage labels"; FACTS §3): system ones, the user's, and their rules."""

import re
from dataclasses import dataclass
from functools import cache

from infra.local.gmail.http import discovery
from infra.local.gmail.http.errors import ApiError, Json, conflict, invalid, not_found

HIDDEN = {"messageListVisibility": "hide", "labelListVisibility": "labelHide"}
SYSTEM: dict[str, dict[str, str]] = {
    "CHAT": HIDDEN,
    "SENT": {},
    "INBOX": {},
    "IMPORTANT": HIDDEN,
    "TRASH": HIDDEN,
    "DRAFT": {},
    "SPAM": HIDDEN,
    "CATEGORY_FORUMS": HIDDEN,
    "CATEGORY_UPDATES": HIDDEN,
    "CATEGORY_PERSONAL": HIDDEN,
    "CATEGORY_PROMOTIONS": HIDDEN,
    "CATEGORY_SOCIAL": HIDDEN,
    "STARRED": {},
    "UNREAD": {},
}
FIXED = frozenset({"SENT", "DRAFT", "CHAT"})
"""Labels that Gmail sets itself; clients cannot add or remove them."""

RESERVED = frozenset(name.lower() for name in SYSTEM) | {
    *("all mail", "archive", "bin", "chats", "drafts", "imap", "muted", "outbox", "scheduled", "sent mail"),
    *("snoozed", "starred", "[gmail]", "[imap]", "buzz", "phishing", "notes", "voicemail"),
}
MAX_LABELS = 10_000
"""The Label schema of the discovery document names the number; what Google answers at it is not documented
and is taken to be what every other impossible label gets, 400 invalidArgument."""
MAX_NAME = 225
COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(slots=True)
class Label:
    """One label; `shown` holds the optional fields as Gmail sends them."""

    id: str
    name: str
    shown: Json

    @property
    def system(self) -> bool:
        """Whether it is a system label."""
        return self.id in SYSTEM

    def as_json(self) -> Json:
        """The Label resource without its counts."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "system" if self.system else "user",
            **self.shown,
        }


@cache
def palette() -> frozenset[str]:
    """The colours a label may have; Google lists them only in the schema's description."""
    colour = discovery.load().schemas["LabelColor"]["properties"]["textColor"]
    return frozenset(COLOUR.findall(colour["description"]))


class Labels:
    """The labels of one mailbox, `most` of them with the system's. Not locked: the mailbox's lock guards it."""

    def __init__(self) -> None:
        self._by_id = {name: Label(name, name, dict(shown)) for name, shown in SYSTEM.items()}
        self._by_name = {name.casefold(): name for name in SYSTEM}
        self._number = 0
        self.most = MAX_LABELS

    def __contains__(self, label_id: str) -> bool:
        return label_id in self._by_id

    def all(self) -> list[Label]:
        """All labels: the system labels, then the user's in order of creation."""
        return list(self._by_id.values())

    def get(self, label_id: str) -> Label:
        """The label of this id. Raises 404."""
        label = self._by_id.get(label_id)
        if label is None:
            raise not_found()
        return label

    def named(self, name: str) -> Label | None:
        """The label of this name, whatever its case; None without one."""
        label_id = self._by_name.get(name.strip().casefold())
        return self._by_id[label_id] if label_id else None

    def create(self, body: Json) -> Label:
        """Create a label. Raises 400 for a reserved or impossible name, 409 for a name that exists."""
        name = self._good_name(body.get("name", ""), own="")
        if len(self._by_id) >= self.most:
            raise invalid("Maximum number of labels reached")
        shown = self._shown(body, {"messageListVisibility": "show", "labelListVisibility": "labelShow"})
        self._number += 1
        label = Label(f"Label_{self._number}", name, shown)
        self._by_id[label.id] = label
        self._by_name[name.casefold()] = label.id
        return label

    def change(self, label_id: str, body: Json, *, replace: bool) -> Label:
        """labels.update (`replace`) and labels.patch. Raises 400, 404 or 409."""
        label = self.get(label_id)
        if label.system:
            raise invalid("Invalid update to system label")
        if "name" in body or replace:
            name = self._good_name(body.get("name", ""), own=label.id)
            del self._by_name[label.name.casefold()]
            self._by_name[name.casefold()] = label.id
            label.name = name
        defaults = {"messageListVisibility": "show", "labelListVisibility": "labelShow"}
        label.shown = self._shown(body, defaults if replace else label.shown)
        return label

    def delete(self, label_id: str) -> None:
        """Delete a label. Raises 404, and 400 for a system label."""
        label = self.get(label_id)
        if label.system:
            raise invalid("Invalid delete request")
        del self._by_id[label_id]
        del self._by_name[label.name.casefold()]

    def _good_name(self, name: str, own: str) -> str:
        name = name.strip()
        parts = name.split("/")
        if (
            not name
            or len(name) > MAX_NAME
            or name.casefold() in RESERVED
            or parts[0].casefold() == "[gmail]"
        ):
            raise invalid("Invalid label name")
        if any(not part.strip() for part in parts):
            raise invalid("Invalid label name")
        if self._by_name.get(name.casefold(), own) != own:
            raise conflict()
        return name

    @staticmethod
    def _shown(body: Json, before: Json) -> Json:
        shown = dict(before)
        for field in ("messageListVisibility", "labelListVisibility"):
            if field in body:
                shown[field] = body[field]
        if "color" in body:
            shown["color"] = _colour(body["color"])
        return shown


def _colour(colour: Json) -> Json:
    chosen = {name: str(colour.get(name, "")).lower() for name in ("textColor", "backgroundColor")}
    for value in chosen.values():
        if value not in palette():
            raise _bad_colour(value)
    return chosen


def _bad_colour(value: str) -> ApiError:
    return invalid(f"Label color {value} is not on the allowed color palette")
