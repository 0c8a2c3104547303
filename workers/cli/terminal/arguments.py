"""Arguments that several commands take, and what is said of a wrong one."""

import re
from typing import NoReturn

from domain.mail.addresses import canonical
from workers.cli.terminal.output import fail

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_=-]{1,256}")


def mailbox_address(text: str | None) -> str | None:
    """The address of a mailbox in its exact form; ends the command where the text is no address."""
    if text is None:
        return None
    address = canonical(text)
    if address is None:
        fail("that is no mailbox address", code=2)
    return address


def is_message_id(text: str) -> bool:
    """Whether it has the form of a message id, at any provider. Whether there is such a mail, its provider knows."""
    return _MESSAGE_ID.fullmatch(text) is not None


def unknown_mail(mailbox: str | None) -> NoReturn:
    """Ends a command that was asked about a mail that the ledger does not know."""
    where = " in this mailbox" if mailbox else ""
    fail(f"the ledger knows no mail of this id{where}; `lodestone ledger` lists what it knows", code=2)
