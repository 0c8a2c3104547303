"""The words a message's decision ends with (Part J), and how the last one follows from the steps."""

from enum import StrEnum


class Outcome(StrEnum):
    """One word per decision, as Part J spells them."""

    SKIP_INACTIVE = "skip.inactive"
    SKIP_OUTBOUND = "skip.outbound"
    SKIP_GONE = "skip.gone"
    SKIP_DRAFT = "skip.draft"
    SKIP_SPAM = "skip.spam"
    SKIP_TRASH = "skip.trash"
    SKIP_CHAT = "skip.chat"
    SKIP_TOO_OLD = "skip.too_old"
    SKIP_SELF = "skip.self"
    SKIP_INTERNAL = "skip.internal"
    SKIP_EXCLUDED = "skip.excluded"
    SKIP_NO_CONTACT = "skip.no_contact"
    SKIP_NOT_ASSIGNED = "skip.not_assigned"
    SKIP_COLLEAGUE = "skip.colleague"
    SKIP_AUTOMATED = "skip.automated"
    SKIP_DETACHED = "skip.detached"
    SKIP_OTHER_LOCATION = "skip.other_location"
    SKIP_OWNER_DELETED = "skip.owner_deleted"
    SKIP_TAKEN_OUT = "skip.taken_out"
    SYNC_STARTED = "sync.started"
    SYNC_APPENDED = "sync.appended"
    SYNC_FAILED = "sync.failed"
    MAGNET_NOTIFIED = "magnet.notified"
    MAGNET_NOT_ADDRESSED = "magnet.not_addressed"
    MAGNET_AUTOMATED = "magnet.automated"
    MAGNET_OFF = "magnet.off"
    MATCH_FAILED = "match.failed"
    LABEL_CTM = "label.ctm"
    LABEL_OPEN = "label.open"
    LABEL_CUSTOMER = "label.customer"
    LABEL_NONE = "label.none"
    LABEL_USER_CHOICE = "label.user_choice"
    LABEL_OFF = "label.off"
    LABEL_FAILED = "label.failed"


PROVISIONAL = frozenset({Outcome.SKIP_SPAM, Outcome.SKIP_TRASH, Outcome.SKIP_DRAFT})
"""Outcomes that a later one replaces when the user rescues or sends the mail (E36, W9)."""


def final(
    skip: Outcome | None = None,
    *,
    announced: bool = False,
    labelled: Outcome | None = None,
    syncs: bool = False,
    synced: Outcome | None = None,
) -> Outcome | None:
    """The outcome that a mail ends with (Part J, I9); None while a step is still to come.

    A stopped mail ends with `skip`. With two-way sync it ends with the outcome of D7, and the other steps are recorded
    beside it. Else it ends with the outcome of its label, once its announcement has ended too.
    """
    if skip is not None:
        return skip
    if syncs:
        return synced
    return labelled if announced else None
