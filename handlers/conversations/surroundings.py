"""What the mails of a batch touch: conversations of the database, and what the batch itself has done and not written
yet."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from domain.conversations.mails import Around, Grown, JoiningMail, NewConversation, Sought
from domain.conversations.membership import Conversation, How, Known
from domain.conversations.standings import Standing
from domain.mail.addresses import loose


@dataclass(frozen=True, slots=True)
class _Added:
    """A mail that the batch has added, under the ids by which others find it."""

    sought: Sought
    mail_id: str
    conversation_id: str
    subject: str
    people: frozenset[str]


class Surroundings:
    """By mail what it touches at this moment. The database was asked once; what the batch does is told by `joined`."""

    def __init__(self, around: Mapping[str, Around]) -> None:
        self._around = around
        self._now: dict[str, Conversation] = {}
        self._merged: dict[str, str] = {}
        self._by_key = defaultdict[str, list[_Added]](list)
        self._grown: dict[str, Grown] = {}

    def sent_as(self, mail: Sought) -> str | None:
        """The mail written in the CRM that this is the sent copy of."""
        return self._around[mail.mail_id].sent_as

    def of(self, mail: Sought) -> list[Known]:
        """The conversations that it touches, as they stand now."""
        known = [
            replace(one, conversation=self._latest(one.conversation))
            for one in self._around[mail.mail_id].known
        ]
        added = {(one.mail_id, one.sought.source): one for key in mail.turns() for one in self._by_key[key]}
        return known + [found for one in added.values() for found in self._touching(mail, one)]

    def _latest(self, conversation: Conversation) -> Conversation:
        its = conversation.id
        while its in self._merged:
            its = self._merged[its]
        return self._now.setdefault(its, conversation)

    def _touching(self, mail: Sought, other: _Added) -> Iterator[Known]:
        conversation = self._latest(self._now[other.conversation_id])
        theirs = other.sought
        if theirs.identity == mail.identity:
            yield Known(conversation, How.ITSELF, other.mail_id)
        if theirs.rfc_message_id is not None and theirs.rfc_message_id in mail.named:
            yield Known(conversation, How.NAMES, other.mail_id, theirs.rfc_message_id)
        if mail.rfc_message_id is not None and mail.rfc_message_id in theirs.named:
            yield Known(conversation, How.NAMED_BY, other.mail_id, theirs.rfc_message_id)
        mine = (mail.source.mailbox_id, mail.source.thread_id)
        if (theirs.source.mailbox_id, theirs.source.thread_id) == mine:
            yield Known(conversation, How.THREAD, subjects=frozenset({other.subject}), people=other.people)

    def started(self, new: NewConversation) -> None:
        """The batch has begun it."""
        self._now[new.id] = Conversation(new.id, Standing.ACTIVE, new.root_id, new.started_at)

    def merged(self, conversation_ids: tuple[str, ...], into: str) -> None:
        """They have become part of another."""
        self._merged |= dict.fromkeys(conversation_ids, into)
        for its in conversation_ids:
            before = self._grown.pop(its, None)
            if before is not None:
                self.grown(replace(before, id=into, contact_id=None))

    def grown(self, one: Grown) -> None:
        """A mail was added to a conversation, which goes on by that."""
        before = self._grown.get(one.id)
        if before is not None:
            one = replace(
                one,
                mails=before.mails + one.mails,
                last_mail_at=max(before.last_mail_at, one.last_mail_at),
                contact_id=one.contact_id or before.contact_id,
            )
        self._grown[one.id] = one

    def roots(self, conversation: Conversation) -> None:
        """The conversation has this root from now on."""
        self._now[conversation.id] = conversation

    def joined(self, mail: JoiningMail, mail_id: str) -> None:
        """The batch has added it, or another copy of it."""
        people = frozenset(loose(one.address) for one in mail.copied.participants)
        added = _Added(mail.sought, mail_id, mail.conversation_id, mail.copied.subject, people)
        for key in mail.sought.turns():
            self._by_key[key].append(added)

    def taken(self) -> list[Grown]:
        """What has grown since this was asked last, to be written."""
        found, self._grown = list(self._grown.values()), {}
        return found
