"""A mail as the rules see it: who wrote it to whom, of which class, and whether it is ours to handle."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.mail.address_lists import AddressList, read_fields, read_lists
from domain.mail.addresses import is_one_of, is_under
from domain.mail.authors import is_rewritten, original_author
from domain.mail.classes import MailClass as MailClass
from domain.mail.classes import Part as Part
from domain.mail.classes import classify
from domain.mail.folders import Folder
from domain.mail.headers import Fields, by_name
from domain.outcomes import Outcome

_STOPPED_BY_FOLDER = {
    Folder.DRAFTS: Outcome.SKIP_DRAFT,
    Folder.SPAM: Outcome.SKIP_SPAM,
    Folder.TRASH: Outcome.SKIP_TRASH,
    Folder.CHAT: Outcome.SKIP_CHAT,
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A message's header and structure, as its provider gives them. Lives in memory only (D2).

    `sent`: this mailbox has sent it, wherever it lies now. `label_ids` are the provider's; not every provider has
    labels.
    """

    message_id: str
    folder: Folder
    received_at: datetime
    payload: Part
    sent: bool = False
    label_ids: frozenset[str] = frozenset()


class Direction(StrEnum):
    """The directions of D4."""

    SELF = "self"
    OUTBOUND = "outbound"
    INTERNAL = "internal"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True)
class Message:
    """A mail whose headers have been read. Addresses are in their exact form.

    `sender` is the one certain address of the raw From header, None by E105. `author` is the same,
    or the person behind a list's rewritten From (E100); `rewritten` says which. `sent` and `label_ids` are as fetched.
    `bulk` is true for `Precedence: bulk` or `junk`. `unless_known` says of a bounce that it is one only as long as
    the very address of its sender is on no record (D16). `automatic`: a machine has answered, or an invitation says
    that it did; conversations show such mail as automatic.
    """

    message_id: str
    folder: Folder
    received_at: datetime
    sender: str | None
    author: str | None
    rewritten: bool
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    mail_class: MailClass
    bulk: bool
    unless_known: bool = False
    sent: bool = False
    label_ids: frozenset[str] = frozenset()
    automatic: bool = False

    @property
    def via_list(self) -> bool:
        """Whether the author was found behind a list's address (E100)."""
        return self.rewritten and self.author is not None


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Addresses and domains, both in their exact form."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Insiders:
    """Who is not an outside participant (D3 row 9).

    `own` are the mailbox's own addresses (primary and aliases), `users` the login and mailbox addresses
    of the location's CRM users, `domains` the organisation's internal domains. `aliases` are those own addresses
    that the provider does not list: anybody may write them into From, so they make no mail outbound (E14).
    """

    own: frozenset[str]
    users: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()

    @property
    def listed(self) -> frozenset[str]:
        """Own addresses that the provider lists."""
        return self.own - self.aliases


def read(fetched: Fetched, own: frozenset[str]) -> Message:
    """The mail as the rules see it, whatever its header holds (E42, E102). `own` are the mailbox's addresses; none of
    them is taken for a list's (E100)."""
    fields = by_name(fetched.payload.headers)
    found = read_fields(fields.get("from", ()))
    sender, author, rewritten = _writers(fields, found, own)
    marks = classify(fetched.payload, fields, (author,) if author else found.addresses)
    return Message(
        message_id=fetched.message_id,
        folder=fetched.folder,
        received_at=fetched.received_at,
        sender=sender,
        author=author,
        rewritten=rewritten,
        to=read_lists(fields.get("to", ())),
        cc=read_lists(fields.get("cc", ())),
        bcc=read_lists(fields.get("bcc", ())),
        mail_class=marks.mail_class,
        bulk=marks.bulk,
        unless_known=marks.unless_known,
        sent=fetched.sent,
        label_ids=fetched.label_ids,
        automatic=marks.automatic,
    )


def _writers(fields: Fields, found: AddressList, own: frozenset[str]) -> tuple[str | None, str | None, bool]:
    """Sender, author, rewritten.

    A list that shows the writer's address before its own, in no quotes ('ann@example.com' via Sales), leaves the
    sender uncertain (E105) but not the author, whom another header names (E100).
    """
    if len(found.addresses) != 1:
        return None, None, False
    only = found.addresses[0]
    sender = only if found.certain else None
    if is_rewritten(fields, only, own):
        return sender, original_author(fields, only, own), True
    return sender, sender, False


def direction(message: Message, insiders: Insiders) -> Direction:
    """D4, the first row that fits. A sender who cannot be read is no own address (E105).

    Rows 1-3 look at the raw From, rows 4-6 at the author (E100). A list's post by an own address or a CRM
    user is internal, whoever else reads the list. From an own address that the provider does not list a mail is
    outbound only by row 3, else it is anybody's (E14).
    """
    recipients = message.to + message.cc + message.bcc
    if message.sender and is_one_of(message.sender, insiders.listed):
        return Direction.SELF if _are_own(recipients, insiders) else Direction.OUTBOUND
    if message.sent:
        return Direction.OUTBOUND
    if message.author is None or is_outside(message.author, insiders):
        return Direction.INBOUND
    if message.rewritten and _is_own_or_user(message.author, insiders):
        return Direction.INTERNAL
    if is_one_of(message.author, insiders.aliases):
        return Direction.INBOUND
    is_mixed = any(is_outside(address, insiders) for address in recipients)
    return Direction.OUTBOUND if is_mixed else Direction.INTERNAL


def gate_by_folder(folder: Folder | None) -> Outcome | None:
    """D3 rows 3-6, which a change that names the folder can answer before the message is fetched."""
    return None if folder is None else _STOPPED_BY_FOLDER.get(folder)


def gate(
    message: Message, way: Direction, insiders: Insiders, exclusions: Exclusions, since: datetime
) -> Outcome | None:
    """D3 rows 3-10; None means: go on. `since` is when the first feature was switched on: what came before another
    one's start is stopped for that one alone, which `Features.at` tells.

    Rows 1-2 are the caller's, who knows the connection and whether the mailbox still has the mail.
    """
    if stopped := gate_by_folder(message.folder):
        return stopped
    if message.received_at < since:
        return Outcome.SKIP_TOO_OLD
    if way is Direction.SELF or _is_self_by_alias(message, insiders):
        return Outcome.SKIP_SELF
    if way is Direction.INTERNAL or not _has_outsider(message, insiders):
        return Outcome.SKIP_INTERNAL
    return Outcome.SKIP_EXCLUDED if _is_excluded(message, way, insiders, exclusions) else None


def left_alone(message: Message, way: Direction) -> Outcome | None:
    """What MailMagnet and sorting leave alone behind the gate: mail that this side wrote (Z22), or whose author cannot
    be read."""
    if way is Direction.OUTBOUND:
        return Outcome.SKIP_OUTBOUND
    return None if message.author else Outcome.SKIP_NO_CONTACT


def people(message: Message) -> tuple[str, ...]:
    """The readable addresses of everybody on the mail, each once (E105)."""
    writers = [address for address in (message.sender, message.author) if address]
    return tuple(dict.fromkeys((*writers, *message.to, *message.cc, *message.bcc)))


def outsiders(message: Message, insiders: Insiders) -> tuple[str, ...]:
    """The addresses among them that are outside participants' (D3 row 9)."""
    return tuple(address for address in people(message) if is_outside(address, insiders))


def is_excluded(address: str, exclusions: Exclusions) -> bool:
    """Whether the organisation's list names the address or its domain (E19)."""
    return is_one_of(address, exclusions.addresses) or is_under(address, exclusions.domains)


def by_colleague(message: Message, insiders: Insiders) -> bool:
    """Of an outbound mail: whether a colleague wrote it (D4 row 4), not this mailbox (D4 rows 2 and 3)."""
    return not (message.sent or (message.sender and is_one_of(message.sender, insiders.listed)))


def _are_own(addresses: Collection[str], insiders: Insiders) -> bool:
    return all(is_one_of(address, insiders.own) for address in addresses)


def _is_self_by_alias(message: Message, insiders: Insiders) -> bool:
    """D3 row 8 for mail from an address that the provider does not list; a list's post is from whoever wrote it
    (E100)."""
    if message.sender is None or message.rewritten:
        return False
    return _are_own((message.sender, *message.to, *message.cc, *message.bcc), insiders)


def _is_own_or_user(address: str, insiders: Insiders) -> bool:
    return is_one_of(address, insiders.own) or is_one_of(address, insiders.users)


def is_outside(address: str, insiders: Insiders) -> bool:
    """Whether it is an outside participant's (D3 row 9)."""
    return not (_is_own_or_user(address, insiders) or is_under(address, insiders.domains))


def _has_outsider(message: Message, insiders: Insiders) -> bool:
    """D3 row 9. An author who cannot be read may be an outsider, so he counts as one."""
    if message.author is None:
        return True
    return any(is_outside(a, insiders) for a in (message.author, *message.to, *message.cc, *message.bcc))


def _is_excluded(message: Message, way: Direction, insiders: Insiders, exclusions: Exclusions) -> bool:
    """D3 row 10. The sender of an outbound mail is not looked at, even under an unknown alias."""
    if way is Direction.INBOUND:
        people = [message.author] if message.author else []
    else:
        recipients = message.to + message.cc + message.bcc
        people = [address for address in recipients if is_outside(address, insiders)]
    return bool(people) and all(is_excluded(address, exclusions) for address in people)
