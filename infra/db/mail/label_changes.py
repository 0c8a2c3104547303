"""A label change as the JSON of `decisions.changed`: labels added and removed, the Inbox as one of them."""

from collections.abc import Mapping

from domain.sorting.label_changes import LabelChange

_INBOX = "INBOX"


def to_json(change: LabelChange) -> dict[str, list[str]]:
    """The Inbox can only be among the removed ones: sorting never puts a mail there."""
    removed = change.remove | {_INBOX} if change.leave_inbox else change.remove
    return {"added": sorted(change.add), "removed": sorted(removed)}


def from_json(changed: Mapping[str, list[str]]) -> LabelChange:
    removed = frozenset(changed["removed"])
    return LabelChange(frozenset(changed["added"]), removed - {_INBOX}, leave_inbox=_INBOX in removed)
