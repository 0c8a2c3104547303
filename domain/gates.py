"""Why a mail is not handled (D3, D4, D5, D7), in words for people (Z40)."""

from dataclasses import dataclass

from domain.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Gate:
    """The rule that stopped a mail, and what it says."""

    rule: str
    words: str


GATES = {
    Outcome.SKIP_INACTIVE: Gate("D3 row 1", "the connection was not active"),
    Outcome.SKIP_GONE: Gate("D3 row 2", "the mailbox no longer had it when its turn came"),
    Outcome.SKIP_DRAFT: Gate("D3 row 3", "it was a draft, or scheduled and not yet sent"),
    Outcome.SKIP_SPAM: Gate("D3 row 4", "it was in Spam"),
    Outcome.SKIP_TRASH: Gate("D3 row 5", "it was in Trash"),
    Outcome.SKIP_CHAT: Gate("D3 row 6", "it was a chat item"),
    Outcome.SKIP_TOO_OLD: Gate(
        "D3 row 7", "it was received before MailMagnet, or two-way sync, was switched on"
    ),
    Outcome.SKIP_SELF: Gate("D3 row 8", "everybody on it is an own address of the mailbox"),
    Outcome.SKIP_INTERNAL: Gate(
        "D3 row 9", "nobody from outside is on it: only own addresses and colleagues"
    ),
    Outcome.SKIP_EXCLUDED: Gate("D3 row 10", "the people outside on it are on the exclusion list"),
    Outcome.SKIP_OUTBOUND: Gate("D4", "it was sent from this side: only incoming mail is handled"),
    Outcome.SKIP_NO_CONTACT: Gate("D5", "its author's address is on no record of the CRM"),
    Outcome.SKIP_AUTOMATED: Gate(
        "D7 rows 1 and 7",
        "it is a report, a receipt, an automatic answer, an invitation or a newsletter, which starts no conversation",
    ),
    Outcome.SKIP_DETACHED: Gate("D7 row 3", "its conversation goes on in another location"),
    Outcome.SKIP_TAKEN_OUT: Gate("D7 row 3", "a user has taken its conversation out of the CRM"),
    Outcome.SKIP_OWNER_DELETED: Gate("D7 row 3", "the contact of its conversation has been deleted"),
    Outcome.SKIP_OTHER_LOCATION: Gate("D7 row 4", "its thread is kept in another location"),
    Outcome.SKIP_NOT_ASSIGNED: Gate(
        "D7 row 10", "its author is a contact that is not assigned to the mailbox's user"
    ),
    Outcome.SKIP_COLLEAGUE: Gate("D7 row 14", "a colleague wrote it, whose own mailbox is to bring it"),
}

NOBODYS = Gate(
    "D7 rows 1c, 11 and 13", "it came from nobody, or went to nobody, who is a contact or in the conversation"
)
"""What SKIP_NO_CONTACT says in two-way sync."""
