"""What the operator sees of the mailboxes, and the user of his notifications (Z25)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

TOO_LONG = timedelta(minutes=10)
"""A mail is sorted at most so long after it arrived (Z33)."""


@dataclass(frozen=True, slots=True)
class MailboxReport:
    """One mailbox as it stands. `signed_in`: an active connection with MailMagnet on; `needs_sign_in`: one
    whose grant has ended. `waiting` and `set_aside` count mails."""

    address: str
    signed_in: bool
    needs_sign_in: bool
    resting_until: datetime | None
    trouble: str | None
    synced_at: datetime | None
    watch_until: datetime | None
    pushed_at: datetime | None
    swept_at: datetime | None
    waiting: int
    set_aside: int
    oldest_waiting_at: datetime | None

    def state(self, now: datetime) -> str:
        """In one word, or a few."""
        if not self.signed_in:
            return "reauth needed" if self.needs_sign_in else "off"
        if self.resting_until is None or self.resting_until <= now:
            return "active"
        why = f" ({self.trouble})" if self.trouble else ""
        return f"resting until {self.resting_until:%Y-%m-%d %H:%M:%S} UTC{why}"


@dataclass(frozen=True, slots=True)
class Totals:
    """All mailboxes together. `oldest_waiting_at` is when the mail was first seen that waits the longest; mail
    of a mailbox that nobody is signed in to waits for its user and is not counted there (E86)."""

    mailboxes: int
    waiting: int
    set_aside: int
    oldest_waiting_at: datetime | None

    def late(self, now: datetime) -> bool:
        """Whether a mail waits longer than the rules allow."""
        return self.oldest_waiting_at is not None and now - self.oldest_waiting_at > TOO_LONG


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as the CRM shows it; `name` is the contact record's, None when that is gone (Z25)."""

    id: int
    name: str | None
    author: str
    received_at: datetime
    gmail_id: str
    contact_id: str
