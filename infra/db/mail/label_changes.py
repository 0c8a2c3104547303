"""A label change as `decisions.changed` has it: what was added and what was removed, the Inbox among the labels."""

from collections.abc import Mapping

from domain.label_changes import LabelChange

_INBOX = "INBOX"


def to_json(change: LabelChange) -> dict[str, list[str]]:
    """What sorting has changed never puts a mail into the Inbox."""
    removed = change.remove | {_INBOX} if change.leave_inbox else change.remove
    return {"added": sorted(change.add), "removed": sorted(removed)}


def from_json(changed: Mapping[str, list[str]]) -> LabelChange:
    removed = frozenset(changed["removed"])
    return LabelChange(frozenset(changed["added"]), removed - {_INBOX}, leave_inbox=_INBOX in removed)
