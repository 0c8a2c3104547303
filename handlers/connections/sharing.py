"""Who besides the owner may see a mailbox's mail, as its owner wants it (D13)."""

from domain.connections.connections import Connection, Wishes
from domain.errors import Refused
from handlers.ports.store import InLocation, Transaction

MOST_DOMAINS = 5
"""Domains that a user may exclude from sharing."""


def check(user_id: str, wishes: Wishes, here: InLocation) -> None:
    """Raises Refused for what D13 does not have: more than five domains, a record that the user cannot open."""
    if len(wishes.excluded_domains or ()) > MOST_DOMAINS:
        raise Refused(f"at most {MOST_DOMAINS} domains can be excluded from sharing (table D13)")
    for contact_id, shared in wishes.contacts.items():
        if shared and not here.contacts.may_open(contact_id, user_id):
            raise Refused(f"there is no contact {contact_id}")


def keep(connection: Connection, wishes: Wishes, tx: Transaction) -> None:
    """Record what the owner wants of D13."""
    tx.connections.share(connection.id, wishes.sharing, wishes.excluded_domains)
    for contact_id, shared in wishes.contacts.items():
        tx.connections.share_contact(connection, contact_id, shared=shared)
