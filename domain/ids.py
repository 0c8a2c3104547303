"""The ids that our own database gives. They are whole numbers, and none of one kind is taken for another."""

from typing import NewType

MailboxId = NewType("MailboxId", int)
ConnectionId = NewType("ConnectionId", int)
ChannelId = NewType("ChannelId", int)

NO_CONNECTION = ConnectionId(0)
"""Of a step that is a mail's and not yet a connection's."""
