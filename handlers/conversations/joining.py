"""Mail that two-way sync takes in joins its conversation, or starts one (D6, D7, E103)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domain.connections.connections import Connection
from domain.conversations.correspondents import Correspondents, correspondents, outside_people
from domain.conversations.gate import Situation
from domain.conversations.mails import Around, Grown, JoiningMail, NewConversation, Sought, Source
from domain.conversations.membership import (
    Arriving,
    How,
    Known,
    Placed,
    ReplyIds,
    answers_kept,
    identity,
    linked,
    own_id,
    place,
    reply_ids,
    standing,
    top,
)
from domain.conversations.owner import owner
from domain.conversations.standings import JOINABLE
from domain.crm.contacts import best
from domain.crm.locations import LocationSettings
from domain.decisions import Decision, Thread, decide
from domain.ids import sortable_id
from domain.mail.classes import MailClass
from domain.mail.content import MailContent
from domain.mail.copied import copied, sent_at, storable
from domain.mail.messages import Direction, Message, by_colleague, direction
from domain.mail.subjects import MAX_SUBJECT, is_same
from domain.retention import Admission
from handlers.people import People
from handlers.ports.conversations import ConversationRepository
from handlers.ports.store import InLocation


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mail as its mailbox has it, for one connection that syncs. Lives in memory only, unless it is admitted (D2)."""

    content: MailContent
    message: Message
    connection: Connection
    replies: ReplyIds
    sought: Sought


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of a candidate. `mail_id`: the mail whose content is to be kept now; None where it was refused, or
    has come by another mailbox before (E52)."""

    candidate: Candidate
    decision: Decision
    conversation_id: str | None = None
    mail_id: str | None = None


def candidate(content: MailContent, message: Message, connection: Connection) -> Candidate:
    """What a mail's place is looked for by (H47)."""
    fields = content.fields()
    rfc_message_id, replies = own_id(fields), reply_ids(fields)
    author = message.author or message.sender
    mailbox_id, message_id = connection.mailbox_id, content.message_id
    itself = identity(rfc_message_id, author, sent_at(fields), mailbox_id, message_id)
    source = Source(mailbox_id, message_id, connection.id, content.thread_id, content.received_at)
    sought = Sought(
        sortable_id(content.received_at), itself, rfc_message_id, replies.named, source, content.key
    )
    return Candidate(content, message, connection, replies, sought)


def join_all(
    candidates: Sequence[Candidate], people: People, crm_labels: frozenset[str], here: InLocation
) -> list[Joined]:
    """Decide on mails of one location by D7, and add those that are admitted, in the transaction at hand. The caller
    has taken the turns of all of them.

    Mails that may touch the same conversation are added one after the other, all others together. All conversations
    that are there before are locked by the first look.
    """
    settings = here.location_settings.get()
    joined: list[Joined] = []
    rest = sorted(candidates, key=lambda one: (one.content.received_at, one.content.message_id))
    while rest:
        around = here.conversations.around([one.sought for one in rest])
        these, rest = _apart(rest, around)
        work = _Round(people, crm_labels, settings, here.conversations)
        for one in these:
            work.decide(one, around[one.sought.mail_id])
        work.write()
        joined += work.joined
    return joined


def _apart(
    candidates: Sequence[Candidate], around: Mapping[str, Around]
) -> tuple[list[Candidate], list[Candidate]]:
    """The first of the mails that touch each other, with all that touch nothing of theirs; and the others."""
    taken: set[str] = set()
    these: list[Candidate] = []
    rest: list[Candidate] = []
    for one in candidates:
        touched = {known.conversation.id for known in around[one.sought.mail_id].known}
        touched |= one.sought.keys()
        (rest if touched & taken else these).append(one)
        taken |= touched
    return these, rest


class _Round:
    """Mails that touch nothing of each other: decided one by one, written together."""

    def __init__(
        self,
        people: People,
        crm_labels: frozenset[str],
        settings: LocationSettings,
        conversations: ConversationRepository,
    ) -> None:
        self._people = people
        self._crm_labels = crm_labels
        self._settings = settings
        self._conversations = conversations
        self._started: list[NewConversation] = []
        self._added: list[JoiningMail] = []
        self._sources: dict[Source, str] = {}
        self._sent: dict[str, JoiningMail] = {}
        self._grown: list[Grown] = []
        self.joined: list[Joined] = []

    def decide(self, one: Candidate, around: Around) -> None:
        """By what is known of the mail's thread at this moment."""
        message, people = one.message, self._people
        way = direction(message, people.insiders)
        contacts = correspondents(message, people.hits, people.insiders, people.exclusions)
        arriving = Arriving(
            one.sought.mail_id,
            one.content.received_at,
            one.content.header("subject"),
            outside_people(message, way, people.insiders),
            one.replies,
        )
        known = linked(arriving, self._with_people(one, arriving, around.known))
        situation = self._situation(arriving, known, contacts, around)
        decision = decide(
            message,
            insiders=people.insiders,
            exclusions=people.exclusions,
            hits=people.hits.get(message.author, ()) if message.author else (),
            mode=one.connection.mode,
            features=one.connection.features,
            crm_labels=self._crm_labels,
            thread=Thread(situation, people.hits, one.connection.user_id, self._settings),
        )
        if decision.sync.admission is Admission.ADMITTED:
            self.joined.append(self._join(one, decision, way, contacts, arriving, known, around))
        else:
            self.joined.append(Joined(one, decision))

    def _with_people(self, one: Candidate, arriving: Arriving, known: Sequence[Known]) -> list[Known]:
        """A thread's people are asked for only where nothing else says that the mail belongs there (D7's note b)."""
        sure = {k.conversation.id for k in known if k.how is not How.THREAD}
        found: list[Known] = []
        for k in known:
            doubtful = k.how is How.THREAD and k.conversation.id not in sure
            if doubtful and not any(is_same(arriving.subject, subject) for subject in k.subjects):
                source = one.sought.source
                people = self._conversations.people(source.mailbox_id, source.thread_id, k.conversation.id)
                k = replace(k, people=people)
            found.append(k)
        return found

    def _situation(
        self, arriving: Arriving, known: Sequence[Known], contacts: Correspondents, around: Around
    ) -> Situation:
        now = standing(known)
        kept = answers_kept(arriving, known)
        with_participant = bool(contacts.recipients) or kept or now not in JOINABLE
        if not with_participant:  # only then does it matter who is in the conversation (D7 row 1c)
            there = (self._conversations.participants(k.conversation.id) for k in known)
            with_participant = any(not arriving.outside.isdisjoint(those) for those in there)
        return Situation(
            standing=now,
            from_crm=around.sent_as is not None,
            with_participant=with_participant,
            answers_kept=kept,
        )

    def _join(
        self,
        one: Candidate,
        decision: Decision,
        way: Direction,
        contacts: Correspondents,
        arriving: Arriving,
        known: tuple[Known, ...],
        around: Around,
    ) -> Joined:
        itself = next((k for k in known if k.how is How.ITSELF), None)
        if itself is not None and around.sent_as in (None, itself.mail_id):
            self._sources[one.sought.source] = itself.mail_id
            return Joined(one, decision, itself.conversation.id)
        mail_id = around.sent_as or one.sought.mail_id
        placed = place(arriving, [k for k in known if k.how is not How.ITSELF])
        conversation_id = self._started_by(one, way, contacts) if placed is None else placed.conversation_id
        if placed is not None:
            self._place(one, placed, way, contacts, is_new=around.sent_as is None)
        mail = self._mail(one, conversation_id, way)
        if around.sent_as is None:
            self._added.append(mail)
        else:
            self._sent[around.sent_as] = mail
        return Joined(one, decision, conversation_id, mail_id)

    def _started_by(self, one: Candidate, way: Direction, contacts: Correspondents) -> str:
        found = owner(way, contacts)
        if found is None:
            raise ValueError("a mail that D7 admits has a contact")
        at = one.content.received_at
        subject = storable(one.content.header("subject"), MAX_SUBJECT)
        started = NewConversation(sortable_id(at), found.contact.id, one.sought.mail_id, subject, at)
        self._started.append(started)
        self._grown.append(Grown(started.id, started.root_id, at, 1))
        return started.id

    def _place(
        self, one: Candidate, placed: Placed, way: Direction, contacts: Correspondents, *, is_new: bool
    ) -> None:
        into = placed.conversation_id
        root_id = placed.root_id
        if placed.climbs:
            root_id = top(root_id, self._conversations.names([into, *placed.merged]))
        contact_id: str | None = None
        if placed.owner_anew and root_id == one.sought.mail_id:
            found = owner(way, contacts)
            contact_id = found.contact.id if found else None
        elif placed.owner_anew:
            contact_id = self._conversations.owner_of(root_id)
        if placed.merged:
            self._conversations.merge(placed.merged, into)
        self._grown.append(Grown(into, root_id, one.content.received_at, int(is_new), contact_id))

    def _mail(self, one: Candidate, conversation_id: str, way: Direction) -> JoiningMail:
        message, people = one.message, self._people
        hits = {address: best(found) for address, found in people.hits.items()}
        is_own = way is Direction.OUTBOUND and not by_colleague(message, people.insiders)
        return JoiningMail(
            conversation_id,
            one.sought,
            copied(one.content, message, is_own=is_own),
            message.author or message.sender,
            way,
            message.mail_class,
            message.mail_class is MailClass.AUTO_REPLY,
            message.via_list,
            {address: hit.contact.id for address, hit in hits.items() if address and hit},
        )

    def write(self) -> None:
        """All that was decided."""
        self._conversations.start(self._started)
        self._conversations.add(self._added)
        self._conversations.complete(self._sent)
        self._conversations.add_sources(self._sources)
        self._conversations.grow(self._grown)
