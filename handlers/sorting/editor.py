"""The labels of a mailbox that is sorted."""

from domain.errors import GiveUp
from handlers.ports.capabilities import LabelEditor, Mailbox


def label_editor(mailbox: Mailbox) -> LabelEditor:
    """Raises GiveUp where the mailbox has no labels; sorting is never switched on there."""
    if mailbox.labels is None:
        raise GiveUp("no_labels")
    return mailbox.labels
