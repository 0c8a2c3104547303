"""Under which contact a conversation is shown (D6)."""

from domain.conversations.correspondents import Correspondents
from domain.crm.contacts import Hit, best
from domain.mail.messages import Direction


def owner(way: Direction, contacts: Correspondents) -> Hit | None:
    """The contact whom the mail that starts a conversation gives it to (D6 rows 4 to 6); None where no contact counts.

    Rows 1 and 2 need no mail: an owner stays, and who writes from a contact's page has chosen one.
    """
    if way is Direction.INBOUND:
        return best(contacts.author)
    return best(next(iter(contacts.recipients), ()))


def filed_owner(contacts: Correspondents) -> Hit | None:
    """The contact under whom a mail is filed by BCC address (D6 row 3): the first in To, else the first in Cc. None
    where one is to be made of the first outside recipient."""
    return best(next(iter(contacts.to + contacts.cc), ()))
