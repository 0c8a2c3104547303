"""What is changed on a mail in its mailbox, by the labels that it carries and the folder that it lies in (D10, I6)."""

from dataclasses import dataclass, field
from enum import StrEnum

from domain.mail.folders import PUT_AWAY, Folder

OUT_OF_REACH = PUT_AWAY | {Folder.DRAFTS}
"""Mail that lies there is not sorted."""


@dataclass(frozen=True, slots=True)
class LabelledMail:
    """A mail as the mailbox shows it now. Lives in memory only (D2)."""

    folder: Folder
    label_ids: frozenset[str]
    thread_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LabelChange:
    """What is changed on a mail: labels put on it and taken off, by the provider's ids, and whether it leaves the
    Inbox or goes back there."""

    add: frozenset[str]
    remove: frozenset[str]
    leave_inbox: bool = False
    to_inbox: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.add or self.remove or self.leave_inbox or self.to_inbox)


NO_CHANGE = LabelChange(frozenset(), frozenset())


class LeftBecause(StrEnum):
    """Why undoing leaves a mail as it is: the user has changed it since (I6)."""

    LABEL_GONE = "label_gone"
    OTHER_LABEL = "other_label"
    IN_INBOX = "in_inbox"
    SPAM_OR_TRASH = "spam_or_trash"
    GONE = "gone"


def sorting_change(
    folder: Folder,
    label_ids: frozenset[str],
    own_label: str,
    crm_labels: frozenset[str],
    put_by_us: frozenset[str],
) -> LabelChange | None:
    """What sorting does to a message that gets `own_label`, None when the user's choice wins (D10).

    `put_by_us` are the CRM labels that we have put on this message and not taken off again. The user has
    chosen when it carries another CRM label (E60), lacks one of ours (E59; the wanted one may merely not have
    been set before a crash), or has gone to Spam or Trash meanwhile. It leaves the Inbox only if it is there: who
    moves a mail back between our look and our call keeps it there (E58).
    """
    ours = put_by_us & crm_labels
    if (label_ids & crm_labels) - ours or (ours - {own_label}) - label_ids:
        return None
    if folder in OUT_OF_REACH:
        return None
    return LabelChange(
        frozenset({own_label}), label_ids & (ours - {own_label}), leave_inbox=folder is Folder.INBOX
    )


def replacing_change(
    folder: Folder,
    label_ids: frozenset[str],
    own_label: str,
    crm_labels: frozenset[str],
    put_by_us: frozenset[str],
) -> LabelChange | None:
    """The same for an earlier mail of the contact's thread: only where another label of ours is, and without
    touching its place in the Inbox (D10, E47)."""
    found = sorting_change(folder, label_ids, own_label, crm_labels, put_by_us)
    return LabelChange(found.add, found.remove) if found and found.remove else None


def is_users_choice(shown: LabelledMail, crm_labels: frozenset[str], *, was_in_inbox: bool) -> bool:
    """Whether the user has put a mail into order himself since it was matched, by what it carries now and of which
    none is ours: all that there is where no history tells (E84, I6)."""
    return bool(shown.label_ids & crm_labels) or (was_in_inbox and shown.folder is not Folder.INBOX)


def restoring_change(
    shown: LabelledMail, change: LabelChange, crm_labels: frozenset[str]
) -> LabelChange | LeftBecause:
    """What undoes the `change` that sorting has made; nothing to be changed where that has been done already.

    A CRM label that we have replaced meanwhile is not put back: it was as wrong as the one after it (E47).
    """
    back, in_inbox = change.remove - crm_labels, shown.folder is Folder.INBOX
    if shown.folder in OUT_OF_REACH:
        return LeftBecause.SPAM_OR_TRASH
    if (shown.label_ids & crm_labels) - change.add:
        return LeftBecause.OTHER_LABEL
    if not shown.label_ids & change.add:
        restored = back <= shown.label_ids and (in_inbox or not change.leave_inbox)
        return NO_CHANGE if restored else LeftBecause.LABEL_GONE
    if in_inbox:
        return LeftBecause.IN_INBOX
    return LabelChange(back, change.add, to_inbox=change.leave_inbox)
