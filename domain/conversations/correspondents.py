"""The people on a mail as two-way sync counts them: contacts in written order, and everybody from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.crm.contacts import ContactKind, Hit
from domain.mail.addresses import loose
from domain.mail.messages import Direction, Exclusions, Insiders, Message, is_excluded, is_outside

Hits = Mapping[str, Sequence[Hit]]
"""The records of each address, in its exact form."""

Contacts = tuple[tuple[Hit, ...], ...]
"""The contacts of each address that has any, in written order."""


@dataclass(frozen=True, slots=True)
class Correspondents:
    """The contacts on a mail that D6 and D7 count. Insiders, excluded people (D3 row 11) and leads are not here."""

    author: tuple[Hit, ...] = ()
    to: Contacts = ()
    cc: Contacts = ()
    bcc: Contacts = ()

    @property
    def recipients(self) -> Contacts:
        """To, then Cc, then Bcc (D5)."""
        return self.to + self.cc + self.bcc


def correspondents(
    message: Message, hits: Hits, insiders: Insiders, exclusions: Exclusions
) -> Correspondents:
    """`hits` are those of everybody on the mail whose address is on a record."""

    def contacts(*addresses: str | None) -> Contacts:
        found = (_contacts(address, hits, insiders, exclusions) for address in addresses if address)
        return tuple(those for those in found if those)

    author = contacts(message.author)
    return Correspondents(
        author[0] if author else (), contacts(*message.to), contacts(*message.cc), contacts(*message.bcc)
    )


def outside_people(message: Message, way: Direction, insiders: Insiders) -> frozenset[str]:
    """Who from outside is on the mail (D3 row 9), as keys of `addresses.loose`: what one mail's people are compared by
    with those of a conversation. The writer of an outbound mail is none of them, whatever address he writes from."""
    writers = (message.author,) if way is Direction.INBOUND else ()
    everybody = (*writers, *message.to, *message.cc, *message.bcc)
    return frozenset(loose(one) for one in everybody if one and is_outside(one, insiders))


def _contacts(address: str, hits: Hits, insiders: Insiders, exclusions: Exclusions) -> tuple[Hit, ...]:
    if not is_outside(address, insiders) or is_excluded(address, exclusions):
        return ()
    return tuple(hit for hit in hits.get(address, ()) if hit.contact.kind is ContactKind.CONTACT)
