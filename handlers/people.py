"""What a location's CRM knows of the people on some mails."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.crm.contacts import ContactAddress, Hit, hits
from domain.crm.locations import Location
from domain.ids import MailboxId
from domain.mail.addresses import loose
from domain.mail.messages import Exclusions, Insiders, Message
from handlers.ports.store import Transaction


@dataclass(frozen=True, slots=True)
class People:
    """What the CRM knows of the people on some mails. `hits` are by address: the authors', or everybody's."""

    insiders: Insiders
    exclusions: Exclusions
    hits: Mapping[str, tuple[Hit, ...]]


def look_up(
    mailbox_id: MailboxId,
    location: Location,
    messages: Sequence[Message],
    tx: Transaction,
    *,
    everybody: bool = False,
) -> People:
    """Look up the people on all these mails at once, in what this location knows: records of the authors alone, or of
    `everybody`, as two-way sync asks for recipients too."""
    people = {a for m in messages for a in (m.sender, m.author, *m.to, *m.cc, *m.bcc) if a is not None}
    here = tx.of(location)
    organisation = here.settings.get()
    sought = people if everybody else {message.author for message in messages if message.author}
    directory = defaultdict[str, list[ContactAddress]](list)
    for one in here.contacts.candidates(sought):
        directory[loose(one.address)].append(one)
    own, aliases = tx.mailboxes.own_and_registered(mailbox_id)
    return People(
        Insiders(
            own=own,
            aliases=aliases,
            users=here.contacts.users_among(people),
            domains=organisation.internal_domains,
        ),
        organisation.exclusions,
        {address: hits(address, directory[loose(address)]) for address in sought},
    )
