"""The ids that we give. Those of the database are whole numbers, and none of one kind is taken for another."""

import secrets
from datetime import datetime
from typing import NewType

MailboxId = NewType("MailboxId", int)
ConnectionId = NewType("ConnectionId", int)
ChannelId = NewType("ChannelId", int)

NO_CONNECTION = ConnectionId(0)
"""Of a step that is a mail's and not yet a connection's."""


def sortable_id(now: datetime) -> str:
    """A new id of a conversation or a mail: 24 letters and digits that nobody can guess, later ones behind earlier
    ones."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"
