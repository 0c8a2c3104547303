"""Gmail through Google's own client: the port `MailProvider`."""

from infra.gmail.costs import NEW_COSTS, OLD_COSTS, REMOTE_CALLS, Spent
from infra.gmail.delegation import NoServiceAccount, ServiceAccount
from infra.gmail.grants import GoogleGrant
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail

__all__ = [
    "NEW_COSTS",
    "OLD_COSTS",
    "REMOTE_CALLS",
    "Gmail",
    "GmailMailbox",
    "GoogleGrant",
    "NoServiceAccount",
    "ServiceAccount",
    "Spent",
]
