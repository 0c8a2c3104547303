"""The kind of data (D2) in each column about a mail, and how a writer leaves out what may not be kept."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from domain.retention import Data

_MAIL = {
    "message_id": Data.MESSAGE_ID,
    "author": Data.AUTHOR,
    "contact_address": Data.AUTHOR,
    "received_at": Data.RECEIVED_AT,
}
_FACTS = (
    *("id", "connection_id", "mailbox_id", "user_id", "kind", "outcome", "decided_at", "created_at", "late"),
    *("contact_id", "matched_by", "via_list", "in_inbox"),
    *("category", "deal_id", "replaces", "changed", "changed_at", "undone_at"),
    *("organisation_id", "location_id"),
)
COLUMNS: Mapping[str, Data] = _MAIL | dict.fromkeys(_FACTS, Data.FACTS)
"""The columns of `decisions` and `notifications`."""


def only(kept: Collection[Data], rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """These rows without the data that D2 forbids; no rows where not even the mail's id may be kept."""
    if Data.MESSAGE_ID not in kept:
        return ()
    return [{name: value if COLUMNS[name] in kept else None for name, value in row.items()} for row in rows]
