"""Why a mail from the CRM was not sent, in words for people."""

from domain.outbox import (
    DRAFT_GONE,
    INTERRUPTED,
    LOOKED_FOR,
    MAY_NOT_CONNECT,
    SENDING_LIMIT,
    SIGN_IN,
    SWITCHED_OFF,
    TOO_LATE,
)

_WORDS = {
    INTERRUPTED: "whoever asked for it was cut off; nothing was sent",
    SIGN_IN: "the user has to sign in again",
    SWITCHED_OFF: "the mailbox was disconnected",
    MAY_NOT_CONNECT: "the user has no permission for mail any more",
    DRAFT_GONE: "its draft was deleted in Gmail, or changed and sent there by hand",
    TOO_LATE: "Gmail could not be reached for a day; the draft is still there",
    LOOKED_FOR: "being looked for in Gmail",
    SENDING_LIMIT: "Gmail's own limit of mails a day is reached; the draft is still there",
}
"""What our reasons mean; any other is Google's word."""


def reason_in_words(reason: str | None) -> str:
    """Why a mail was not sent, for people."""
    return _WORDS.get(reason or "", f"Gmail says {reason}")
