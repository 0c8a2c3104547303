"""Whether two-way sync takes a mail in: D7 for a connection that keeps what its user gets and writes."""

from dataclasses import dataclass

from domain.conversations.correspondents import Correspondents
from domain.conversations.standings import JOINABLE, Standing
from domain.crm.contacts import Hit
from domain.crm.locations import LocationSettings
from domain.mail.addresses import is_one_of
from domain.mail.classes import MailClass
from domain.mail.messages import Direction, Insiders, Message, by_colleague
from domain.outcomes import Outcome
from domain.retention import Admission

_NEVER = frozenset({MailClass.BOUNCE, MailClass.RECEIPT})
_INSIDE_ONLY = frozenset({MailClass.AUTO_REPLY, MailClass.CALENDAR})

_NOT_HERE = {
    Standing.DETACHED: ("3", Outcome.SKIP_DETACHED),
    Standing.CLOSED: ("3", Outcome.SKIP_TAKEN_OUT),
    Standing.OWNER_DELETED: ("3", Outcome.SKIP_OWNER_DELETED),
    Standing.ELSEWHERE: ("4", Outcome.SKIP_OTHER_LOCATION),
}


@dataclass(frozen=True, slots=True)
class Synced:
    """What two-way sync decides on a mail (D7): whether it takes the mail in, the outcome once it is known, and the row
    of D7 that decided. A mail that is taken in starts a conversation or continues one."""

    admission: Admission
    outcome: Outcome | None = None
    row: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the location knows of a mail's thread.

    `standing` is that of the conversation which the mail is part of (`membership.standing`). `from_crm`: sent from the
    CRM in this location. `by_bcc`: it carries this connection's BCC address and its user sent it. `with_participant`:
    somebody from outside who is on the mail (`correspondents.outside_people`) is a participant of that conversation; it
    need not be known unless the decision `hinges_on_participants`.
    `answers_kept`: the very mail that it answers is there (`membership.answers_kept`). `filed`: the ids of contacts
    that the user has filed by his BCC address (H22).
    """

    standing: Standing = Standing.NONE
    from_crm: bool = False
    by_bcc: bool = False
    with_participant: bool = False
    answers_kept: bool = False
    filed: frozenset[str] = frozenset()


def sync_gate(
    message: Message,
    way: Direction,
    situation: Situation,
    contacts: Correspondents,
    *,
    insiders: Insiders,
    user_id: str,
    settings: LocationSettings,
) -> Synced:
    """D7, the first row that fits, for a mail that has passed D3. `user_id` is the connection's user."""
    if message.mail_class in _NEVER:
        return _refused("1", Outcome.SKIP_AUTOMATED)
    known = _on_purpose(situation) or _by_conversation(way, situation, contacts, settings)
    if known is not None:
        return known
    if _is_automated(message, insiders):
        return _refused("7", Outcome.SKIP_AUTOMATED)
    if way is Direction.INBOUND:
        return _inbound(contacts.author, situation, user_id if settings.assigned_inbound else None)
    if by_colleague(message, insiders):
        return _refused("14", Outcome.SKIP_COLLEAGUE)
    return _outbound(contacts, situation, user_id if settings.assigned_outbound else None)


def _on_purpose(situation: Situation) -> Synced | None:
    """Rows 1a and 1b."""
    standing = situation.standing
    if situation.from_crm:
        return _admitted("1a", continues=standing in JOINABLE)
    if situation.by_bcc:
        return _admitted("1b", continues=standing in JOINABLE or standing is Standing.DETACHED)
    return None


def _by_conversation(
    way: Direction, situation: Situation, contacts: Correspondents, settings: LocationSettings
) -> Synced | None:
    """Rows 1c to 4."""
    if _leads_away(way, situation, contacts) and not settings.third_parties:
        return _refused("1c", Outcome.SKIP_NO_CONTACT)
    if situation.standing is Standing.ACTIVE:
        return _admitted("2", continues=True)
    if situation.standing in _NOT_HERE:
        return _refused(*_NOT_HERE[situation.standing])
    return None


def _inbound(author: tuple[Hit, ...], situation: Situation, assigned_to: str | None) -> Synced:
    """Rows 8 to 11."""
    continues = situation.standing is Standing.DORMANT
    if _counts(author, assigned_to):
        return _admitted("8", continues=continues)
    if any(hit.contact.id in situation.filed for hit in author):
        return _admitted("9", continues=continues)
    return _refused("10", Outcome.SKIP_NOT_ASSIGNED) if author else _refused("11", Outcome.SKIP_NO_CONTACT)


def _outbound(contacts: Correspondents, situation: Situation, assigned_to: str | None) -> Synced:
    """Rows 12 and 13."""
    if any(_counts(those, assigned_to) for those in contacts.recipients):
        return _admitted("12", continues=situation.standing is Standing.DORMANT)
    return _refused("13", Outcome.SKIP_NO_CONTACT)


def _counts(found: tuple[Hit, ...], assigned_to: str | None) -> bool:
    """Whether any of an address's contacts is this user's (D5 step 4), or is there at all."""
    return any(assigned_to is None or hit.contact.assigned_to == assigned_to for hit in found)


def hinges_on_participants(way: Direction, situation: Situation, contacts: Correspondents) -> bool:
    """Whether row 1c asks who is in the conversation: of an outbound mail to no contact, and of an outsider's mail that
    answers nothing we have and goes to no contact either."""
    if _on_purpose(situation) or situation.standing not in JOINABLE or contacts.recipients:
        return False
    return way is not Direction.INBOUND or not (situation.answers_kept or contacts.author)


def _leads_away(way: Direction, situation: Situation, contacts: Correspondents) -> bool:
    """Row 1c: a mail that goes on from a conversation to nobody who is in it and to no contact, and an answer from
    there. That an outsider's mail is such an answer shows in what it answers: a mail that we do not have."""
    return hinges_on_participants(way, situation, contacts) and not situation.with_participant


def _is_automated(message: Message, insiders: Insiders) -> bool:
    """Row 7, with D16 order 5."""
    if message.mail_class is MailClass.LIST:
        addressed = any(is_one_of(one, insiders.own) for one in (*message.to, *message.cc))
        return message.bulk or not addressed
    return message.mail_class in _INSIDE_ONLY


def _admitted(row: str, *, continues: bool) -> Synced:
    outcome = Outcome.SYNC_APPENDED if continues else Outcome.SYNC_STARTED
    return Synced(Admission.ADMITTED, outcome, row)


def _refused(row: str, outcome: Outcome) -> Synced:
    return Synced(Admission.REFUSED, outcome, row)
