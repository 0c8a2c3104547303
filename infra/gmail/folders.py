"""Gmail's labels as the one folder in which a mail lies."""

from collections.abc import Collection

from domain.mail.folders import Folder

SENT = "SENT"
INBOX = "INBOX"
SCHEDULED = "SCHEDULED"
"""A mail that is to be sent later, should Gmail show it so (FACTS §3)."""

FOLDERS = {
    "DRAFT": Folder.DRAFTS,
    SCHEDULED: Folder.DRAFTS,
    "SPAM": Folder.SPAM,
    "TRASH": Folder.TRASH,
    "CHAT": Folder.CHAT,
    INBOX: Folder.INBOX,
    SENT: Folder.SENT,
}
"""The first that a mail carries says where it lies."""


def folder_of(label_ids: Collection[str]) -> Folder:
    """A mail under none of these labels is archived."""
    return next((folder for label, folder in FOLDERS.items() if label in label_ids), Folder.OTHER)
