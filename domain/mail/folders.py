"""Where a mail lies, in words that hold at every provider."""

from enum import StrEnum


class Folder(StrEnum):
    """Each mail lies in one of them. `OTHER` is the archive, or a folder of the user's own."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    SPAM = "spam"
    TRASH = "trash"
    CHAT = "chat"
    OTHER = "other"


PUT_AWAY = frozenset({Folder.SPAM, Folder.TRASH})
