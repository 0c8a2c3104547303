"""Arguments that several commands take, and what is said of a wrong one."""

from typing import NoReturn

from domain.mail.addresses import canonical
from workers.cli.terminal.output import fail


def mailbox_address(text: str | None) -> str | None:
    """The address of a mailbox in its exact form; ends the command where the text is no address."""
    if text is None:
        return None
    address = canonical(text)
    if address is None:
        fail("that is no mailbox address", code=2)
    return address


def unknown_mail(mailbox: str | None) -> NoReturn:
    """Ends a command that was asked about a mail that the ledger does not know."""
    where = " in this mailbox" if mailbox else ""
    fail(f"the ledger knows no mail of this id{where}; `lodestone ledger` lists what it knows", code=2)
