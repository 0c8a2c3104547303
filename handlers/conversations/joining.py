"""Mail that two-way sync takes in joins its conversation, or starts one (D6, D7, E103)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.connections.connections import Connection
from domain.conversations.correspondents import Correspondents, correspondents, outside_people
from domain.conversations.events import EventKind, NewEvent
from domain.conversations.gate import Situation, hinges_on_participants
from domain.conversations.mails import Grown, JoiningMail, NewConversation, Sought, Source
from domain.conversations.membership import (
    Arriving,
    Conversation,
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
from domain.conversations.standings import Standing
from domain.crm.contacts import Hit, best
from domain.crm.locations import LocationSettings
from domain.decisions import Decision, Thread, decide
from domain.ids import ChannelId, sortable_id
from domain.mail.content import MailContent
from domain.mail.copied import FileState, copied, sent_at, storable
from domain.mail.messages import Direction, Message, by_colleague, direction
from domain.mail.subjects import MAX_SUBJECT, is_same
from domain.retention import Admission
from handlers.conversations.surroundings import Surroundings
from handlers.people import People
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
    """What became of a candidate. `mail_id`: the mail whose content is to be kept now; None where it was refused, where
    another mailbox brought it before (E52), and where it was written in the CRM. `files`: some are to be copied.
    `is_to_gather`: its thread is new to the conversation, and may have had mail before (E103)."""

    candidate: Candidate
    decision: Decision
    conversation_id: str | None = None
    mail_id: str | None = None
    files: bool = False
    is_to_gather: bool = False


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
) -> tuple[list[Joined], frozenset[ChannelId]]:
    """Decide on mails of one location by D7, and add those that are admitted, in the transaction at hand. The caller
    has taken the turns of all of them.

    The database is asked once what they touch, and locks that; one after the other, the oldest first, they are decided
    by it and by what those before have done, and written together. Returns also the channels to wake after the commit.
    """
    around = Surroundings(here.conversations.around([one.sought for one in candidates]))
    batch = _Batch(people, crm_labels, here.location_settings.get(), around, here)
    in_order = sorted(candidates, key=lambda one: (one.content.received_at, one.content.message_id))
    joined = [batch.decide(one) for one in in_order]
    batch.write()
    return joined, batch.channels


class _Batch:
    """Mails that are decided one by one. What is to be written is written at the end, or before the database is asked
    about the batch's own mails."""

    def __init__(
        self,
        people: People,
        crm_labels: frozenset[str],
        settings: LocationSettings,
        around: Surroundings,
        here: InLocation,
    ) -> None:
        self._people = people
        self._crm_labels = crm_labels
        self._settings = settings
        self._around = around
        self._here = here
        self._conversations = here.conversations
        self._contacts = {
            address: hit.contact.id for address, found in people.hits.items() if (hit := best(found))
        }
        self._started: list[NewConversation] = []
        self._added: list[JoiningMail] = []
        self._sent: dict[str, JoiningMail] = {}
        self._twins: dict[str, str] = {}
        self._sources: dict[Source, str] = {}
        self._events: list[NewEvent] = []
        self.channels = frozenset[ChannelId]()

    def decide(self, one: Candidate) -> Joined:
        """By what is known of the mail's thread at this moment."""
        message, people = one.message, self._people
        touched, sent_as = self._around.of(one.sought), self._around.sent_as(one.sought)
        if sent_as is not None:
            one = replace(one, sought=replace(one.sought, mail_id=sent_as))
        way = direction(message, people.insiders)
        contacts = correspondents(message, people.hits, people.insiders, people.exclusions)
        arriving = Arriving(
            one.sought.mail_id,
            one.content.received_at,
            one.content.header("subject"),
            outside_people(message, way, people.insiders),
            one.replies,
        )
        known = linked(arriving, self._with_people(one, arriving, touched))
        situation = Situation(
            standing(known), from_crm=sent_as is not None, answers_kept=answers_kept(arriving, known)
        )
        if hinges_on_participants(way, situation, contacts):
            situation = replace(situation, with_participant=self._takes_part(arriving, known))
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
        if decision.sync.admission is not Admission.ADMITTED:
            return Joined(one, decision)
        return self._join(one, decision, way, contacts, arriving, known, sent_as)

    def _with_people(self, one: Candidate, arriving: Arriving, known: Sequence[Known]) -> list[Known]:
        """A thread's people are asked for only where nothing else says that the mail belongs there (D7's note b)."""
        sure = {k.conversation.id for k in known if k.how is not How.THREAD}
        found: list[Known] = []
        for k in known:
            doubtful = k.how is How.THREAD and not k.people and k.conversation.id not in sure
            if doubtful and not any(is_same(arriving.subject, subject) for subject in k.subjects):
                source = one.sought.source
                people = self._conversations.people(source.mailbox_id, source.thread_id, k.conversation.id)
                k = replace(k, people=people)
            found.append(k)
        return found

    def _takes_part(self, arriving: Arriving, known: Sequence[Known]) -> bool:
        """Whether somebody from outside who is on the mail is in one of the conversations (D7 row 1c)."""
        self.write()
        there = (self._conversations.participants(k.conversation.id) for k in known)
        return any(not arriving.outside.isdisjoint(those) for those in there)

    def _join(
        self,
        one: Candidate,
        decision: Decision,
        way: Direction,
        contacts: Correspondents,
        arriving: Arriving,
        known: tuple[Known, ...],
        sent_as: str | None,
    ) -> Joined:
        itself = {k.mail_id: k.conversation.id for k in known if k.how is How.ITSELF}
        placed = place(arriving, known)
        is_to_gather = not any(k.how is How.THREAD for k in known)
        if itself and sent_as is None:
            mail_id, conversation_id = next(iter(itself.items()))
            self._sources[one.sought.source] = mail_id
            one = replace(one, sought=replace(one.sought, mail_id=mail_id))
            if placed is not None and placed.merged:  # the thread of its other copy is one with this
                self._place(one, placed, known, owner(way, contacts), is_new=False)
                conversation_id = placed.conversation_id
            self._around.joined(self._mail(one, conversation_id, way), mail_id)
            return Joined(one, decision, conversation_id, is_to_gather=is_to_gather)
        mail_id = one.sought.mail_id
        if placed is not None:
            conversation_id = placed.conversation_id
            self._place(one, placed, known, owner(way, contacts), is_new=sent_as is None)
        elif sent_as is not None:
            conversation_id = itself[sent_as]
        else:
            conversation_id = self._start(one, way, contacts)
        mail = self._mail(one, conversation_id, way)
        if sent_as is None:
            self._added.append(mail)
            self._events.append(NewEvent(EventKind.MESSAGE_ADDED, conversation_id, mail_id, way))
        else:
            self._sent[sent_as] = mail
            self._sources[one.sought.source] = sent_as
            self._twins |= {k: sent_as for k in itself if k != sent_as}
        self._around.joined(mail, mail_id)
        if sent_as is not None:
            return Joined(one, decision, conversation_id, is_to_gather=is_to_gather)
        waits = any(file.state is FileState.WAITING for file in mail.copied.files)
        return Joined(one, decision, conversation_id, mail_id, waits, is_to_gather)

    def _start(self, one: Candidate, way: Direction, contacts: Correspondents) -> str:
        found = owner(way, contacts)
        if found is None:
            raise ValueError("a mail that D7 admits has a contact")
        at = one.content.received_at
        subject = storable(one.content.header("subject"), MAX_SUBJECT)
        started = NewConversation(sortable_id(at), found.contact.id, one.sought.mail_id, subject, at)
        self._started.append(started)
        self._events.append(NewEvent(EventKind.STARTED, started.id, one.sought.mail_id, way))
        self._around.started(started)
        self._around.grown(Grown(started.id, started.root_id, at, 1))
        return started.id

    def _place(
        self, one: Candidate, placed: Placed, known: Sequence[Known], own: Hit | None, *, is_new: bool
    ) -> None:
        """`own` is the owner that the mail itself would give it (D6)."""
        into, root_id, at = placed.conversation_id, placed.root_id, one.content.received_at
        those = {k.conversation.id: k.conversation for k in known}
        if placed.merged or placed.climbs or placed.owner_anew:
            self.write()
        if placed.climbs:
            root_id = top(root_id, self._conversations.names([into, *placed.merged]))
        contact_id: str | None = None
        if placed.owner_anew and root_id == one.sought.mail_id:
            contact_id = own.contact.id if own else None
        elif placed.owner_anew:
            contact_id = self._conversations.owner_of(root_id)
        if placed.merged:
            gone = [NewEvent(EventKind.REMOVED, its, reason=into) for its in placed.merged]
            self.channels |= self._here.events.add(*gone)
            self._conversations.merge(placed.merged, into)
            self._around.merged(placed.merged, into)
        root_at = next((c.root_at for c in those.values() if c.root_id == root_id), at)
        if any(k.how is How.ITSELF and k.mail_id == root_id for k in known):
            root_id = one.sought.mail_id  # also where another mailbox had brought it before
        if placed.climbs:
            root_at = self._conversations.received_at(root_id)
        written = any(those[its].written for its in (into, *placed.merged))
        self._around.roots(Conversation(into, Standing.ACTIVE, root_id, root_at, written))
        self._around.grown(Grown(into, root_id, at, int(is_new), contact_id))

    def _mail(self, one: Candidate, conversation_id: str, way: Direction) -> JoiningMail:
        message = one.message
        is_own = way is Direction.OUTBOUND and not by_colleague(message, self._people.insiders)
        return JoiningMail(
            conversation_id,
            one.sought,
            copied(one.content, message, is_own=is_own),
            message.author or message.sender,
            way,
            message.mail_class,
            message.automatic,
            message.via_list,
            self._contacts,
        )

    def write(self) -> None:
        """All that was decided since this was called last."""
        started, added, sent, sources = self._started, self._added, self._sent, self._sources
        self._started, self._added, self._sent, self._sources = [], [], {}, {}
        twins, self._twins = self._twins, {}
        self._conversations.start(started)
        self._conversations.add(added)
        if twins:
            self._here.objects.released(self._conversations.unite(twins))
        self._conversations.complete(sent)
        self._conversations.add_sources(sources)
        self._conversations.grow(self._around.taken())
        told, self._events = self._events, []
        self.channels |= self._here.events.add(*told)
