"""Own addresses that the provider does not list: an administrator registers them as aliases of a connection (E14)."""

from dataclasses import dataclass

from domain.ids import MailboxId


@dataclass(frozen=True, slots=True)
class Holders:
    """Who has an address, by D5's loose comparison: contacts and leads, the CRM's users by their login addresses,
    mailboxes at which the provider lists it, mailboxes for which it is registered."""

    contacts: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    listed: frozenset[int] = frozenset()
    registered: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Alias:
    """A registered one. While somebody else has the address too it does not count, and `held_by` says who."""

    user_id: str
    mailbox: str
    address: str
    held_by: str | None = None


def held_by(holders: Holders, user_id: str, mailbox_id: MailboxId) -> str | None:
    """Who else has the address, None when it may count as the user's own.

    It may have come to him after it was registered: a contact is not refused for it, the alias gives way, because
    what counts as our own is never announced. It counts again when he has it no more.
    """
    if holders.contacts:
        return f"contact {min(holders.contacts)}"
    if others := holders.users - {user_id}:
        return f"user {min(others)}"
    if holders.listed - {mailbox_id}:
        return "another mailbox"
    return None


def why_not(holders: Holders, user_id: str, mailbox_id: MailboxId) -> str | None:
    """Why it is not registered for this user's mailbox; None when it may be."""
    other = held_by(holders, user_id, mailbox_id)
    if other is None and holders.registered - {mailbox_id}:
        other = "another mailbox"
    if other is not None:
        return f"{other} has this address: it cannot be an alias of user {user_id} (rule E14)"
    if mailbox_id in holders.listed:
        return "the provider lists this address: it is the mailbox's own without being registered (rule E14)"
    return None
