"""How mail gets into the conversations of a location (D6, D7, E103)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from sqlalchemy import (
    Connection,
    Text,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain.conversations.mails import (
    Around,
    Grown,
    JoiningMail,
    NewConversation,
    Sought,
    Source,
)
from domain.conversations.membership import Conversation, How, Known
from domain.conversations.standings import Standing
from domain.crm.locations import Location
from domain.ids import MailboxId
from domain.mail.addresses import loose
from domain.mail.copied import Role
from domain.mail.messages import Direction
from infra.db.conversations import rows, statements
from infra.db.conversations.copies import CopyRepository
from infra.db.sql import insert_new
from infra.db.tables.conversations import (
    conversations,
    files,
    mail_links,
    mail_sources,
    mails,
    participants,
)
from infra.db.types import NOW

_LOOKS = 4
"""Looks at what a mail touches. A conversation that ends between a look and its lock has gone into another one."""

_TURNS = 256
"""Advisory locks that a location's joins share: a transaction takes those of its mails' keys, and PostgreSQL has room
for some thousands."""

_ROLES = tuple(Role)


@dataclass(frozen=True, slots=True)
class _Touched:
    """A conversation that a mail touches, before it is locked."""

    conversation_id: str
    how: How
    mail_id: str = ""
    rfc_message_id: str | None = None
    subjects: frozenset[str] = frozenset()


class ConversationRepository(CopyRepository):
    """The conversations of one location within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        super().__init__(db, location)
        self._id = location.id

    def take_turns(self, mails: Collection[Sought]) -> None:
        if self._db.dialect.name == "sqlite":
            return
        numbers = {crc32(key.encode()) % _TURNS for mail in mails for key in mail.turns()}
        names = [f"conversations {self._id} {number}" for number in sorted(numbers)]
        name = func.unnest(literal(names, ARRAY(Text))).column_valued("name")
        self._db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    def around(self, mails: Sequence[Sought]) -> Mapping[str, Around]:
        sent_as = {mail.mail_id: row.id for mail, row in self._sent_as(mails)}
        touched, known = self._touched(mails), dict[str, Conversation]()
        for _ in range(_LOOKS):
            ids = {one.conversation_id for those in touched.values() for one in those}
            known = self._locked(ids)
            if known.keys() == ids:
                break
            touched = self._touched(mails)
        return {
            mail.mail_id: Around(
                tuple(
                    Known(known[one.conversation_id], one.how, one.mail_id, one.rfc_message_id, one.subjects)
                    for one in touched.get(mail.mail_id, ())
                    if one.conversation_id in known
                ),
                sent_as.get(mail.mail_id),
            )
            for mail in mails
        }

    def _sent_as(self, mails: Sequence[Sought]) -> list[tuple[Sought, Any]]:
        """Those of them that are sent copies, each with the mail from the CRM that it is to complete."""
        keys = _by(mails, lambda one: (one.key,) if one.key else ())
        found = self._db.execute(statements.SENT_AS, self._here | {"keys": list(keys)}) if keys else ()
        return [(mail, row) for row in found for mail in keys[row.key] if row.identity != mail.identity]

    def _touched(self, sought: Sequence[Sought]) -> Mapping[str, list[_Touched]]:
        found = defaultdict[str, list[_Touched]](list)
        for look in (self._same, self._named, self._naming, self._in_threads):
            for mail_id, touched in look(sought):
                found[mail_id].append(touched)
        return found

    def _same(self, sought: Sequence[Sought]) -> Iterator[tuple[str, _Touched]]:
        copies = _by(sought, lambda one: (one.identity,))
        for row in self._db.execute(statements.SAME, self._here | {"identities": list(copies)}):
            for mail in copies[row.identity]:
                yield mail.mail_id, _Touched(row.conversation_id, How.ITSELF, row.id)
        for mail, row in self._sent_as(sought):
            yield mail.mail_id, _Touched(row.conversation_id, How.ITSELF, row.id)

    def _named(self, sought: Sequence[Sought]) -> Iterator[tuple[str, _Touched]]:
        naming = _by(sought, lambda one: one.named)
        if naming:
            for row in self._db.execute(statements.NAMED, self._here | {"ids": list(naming)}):
                for mail in naming[row.rfc_message_id]:
                    yield mail.mail_id, _Touched(row.conversation_id, How.NAMES, row.id, row.rfc_message_id)

    def _naming(self, sought: Sequence[Sought]) -> Iterator[tuple[str, _Touched]]:
        own = _by(sought, lambda one: (one.rfc_message_id,) if one.rfc_message_id else ())
        if own:
            for row in self._db.execute(statements.NAMING, self._here | {"ids": list(own)}):
                for mail in own[row.named]:
                    yield (
                        mail.mail_id,
                        _Touched(row.conversation_id, How.NAMED_BY, row.id, row.rfc_message_id),
                    )

    def _in_threads(self, sought: Sequence[Sought]) -> Iterator[tuple[str, _Touched]]:
        for mailbox_id in {one.source.mailbox_id for one in sought}:
            its = _by(
                [one for one in sought if one.source.mailbox_id == mailbox_id],
                lambda one: (one.source.thread_id,),
            )
            subjects = defaultdict[tuple[str, str], set[str]](set)
            asked = self._here | {"mailbox": mailbox_id, "threads": list(its)}
            for row in self._db.execute(statements.THREADS, asked):
                subjects[row.thread_id, row.conversation_id].add(row.subject)
            for (thread_id, conversation_id), those in subjects.items():
                for mail in its[thread_id]:
                    yield (
                        mail.mail_id,
                        _Touched(conversation_id, How.THREAD, subjects=frozenset(those)),
                    )

    def _locked(self, conversation_ids: Collection[str]) -> dict[str, Conversation]:
        """Locked in key order, then read: in one statement PostgreSQL would read what was there before the wait."""
        if not conversation_ids:
            return {}
        these = self._here | {"ids": sorted(conversation_ids)}
        self._db.execute(statements.LOCK, these)
        return {
            row.id: Conversation(row.id, _standing(row), row.root_id, row.root_at, row.answered_here)
            for row in self._db.execute(statements.CONVERSATIONS, these)
        }

    def people(self, mailbox_id: int, thread_id: str, conversation_id: str) -> frozenset[str]:
        asked = self._here | {
            "mailbox": mailbox_id,
            "threads": [thread_id],
            "conversation": conversation_id,
        }
        return frozenset(map(loose, self._db.scalars(statements.PEOPLE_OF_THREAD, asked)))

    def participants(self, conversation_id: str) -> frozenset[str]:
        asked = self._here | {"conversation": conversation_id}
        return frozenset(map(loose, self._db.scalars(statements.PARTICIPANTS, asked)))

    def names(self, conversation_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for row in self._db.execute(statements.NAMES, self._here | {"ids": list(conversation_ids)}):
            found[row.mail_id].add(row.named_id)
        return {mail_id: frozenset(named) for mail_id, named in found.items()}

    def owner_of(self, mail_id: str) -> str | None:
        found = self._db.execute(statements.CONTACTS_ON, self._here | {"mail": mail_id}).all()
        ranked = sorted(found, key=lambda row: (_ROLES.index(Role(row.role)), row.position))
        return next(
            (
                row.contact_id
                for row in ranked
                if (row.direction == Direction.INBOUND) == (row.role == Role.FROM)
            ),
            None,
        )

    def thread_of(self, mailbox_id: MailboxId, message_id: str) -> str | None:
        its = self._here | {"mailbox": mailbox_id, "message": message_id}
        found: str | None = self._db.scalar(statements.THREAD_OF, its)
        return found

    def received_at(self, mail_id: str) -> datetime:
        its = (mails.c.location_id == self._id, mails.c.id == mail_id)
        at: datetime = self._db.execute(select(mails.c.received_at).where(*its)).scalar_one()
        return at

    def start(self, conversations_: Sequence[NewConversation]) -> None:
        found = [
            {
                "location_id": self._id,
                "id": one.id,
                "contact_id": one.contact_id,
                "state": Standing.ACTIVE.value,
                "root_id": one.root_id,
                "subject": one.subject,
                "started_at": one.started_at,
                "last_mail_at": one.started_at,
            }
            for one in conversations_
        ]
        insert_new(self._db, conversations, found)

    def add(self, joining: Sequence[JoiningMail]) -> None:
        here = self._id
        insert_new(self._db, mails, [rows.of_mail(here, one) for one in joining], added_at=NOW)
        self.add_sources({one.sought.source: one.sought.mail_id for one in joining})
        self._add_links({one.sought.mail_id: one for one in joining})
        insert_new(self._db, participants, [row for one in joining for row in rows.of_people(here, one)])
        insert_new(self._db, files, [row for one in joining for row in rows.of_files(here, one)])

    def _add_links(self, joining: Mapping[str, JoiningMail]) -> None:
        links = (rows.of_links(self._id, mail_id, one.sought) for mail_id, one in joining.items())
        insert_new(self._db, mail_links, [row for those in links for row in those])

    def add_sources(self, sources: Mapping[Source, str]) -> None:
        found = [rows.of_source(self._id, source, mail_id) for source, mail_id in sources.items()]
        insert_new(self._db, mail_sources, found)

    def complete(self, sent: Mapping[str, JoiningMail]) -> None:
        for mail_id, one in sent.items():
            row = rows.of_mail(self._id, one)
            values = {f"new_{name}": row[name] for name in statements.OF_COPY}
            self._db.execute(statements.COMPLETE, self._here | values | {"its": mail_id})
        self._add_links(sent)

    def unite(self, twins: Mapping[str, str]) -> frozenset[str]:
        objects = set[str]()
        for mail_id, into in twins.items():
            objects.update(self._db.scalars(statements.OBJECTS_OF, self._here | {"its": mail_id}))
            its = self._here | {"its": mail_id, "into": into}
            for statement in statements.UNITE:
                self._db.execute(statement, its)
        return frozenset(objects)

    def merge(self, merged: Collection[str], into: str) -> None:
        these = self._here | {"ids": list(merged), "into": into}
        self._db.execute(statements.ABSORB, these)
        self._db.execute(statements.MOVE, these)
        self._db.execute(statements.END, these)

    def grow(self, grown: Sequence[Grown]) -> None:
        values: list[dict[str, Any]] = [
            {
                "its": one.id,
                "root": one.root_id,
                "at": one.last_mail_at,
                "more": one.mails,
                "owner": one.contact_id,
            }
            for one in grown
        ]
        if values:
            self._db.execute(statements.GROW, [self._here | one for one in values])


def _by(sought: Sequence[Sought], names: Callable[[Sought], Iterable[str]]) -> Mapping[str, list[Sought]]:
    found = defaultdict[str, list[Sought]](list)
    for one in sought:
        for name in names(one):
            found[name].append(one)
    return found


def _standing(row: Any) -> Standing:
    """What D7 rows 2 to 4 see of a conversation."""
    if not row.has_owner:
        return Standing.OWNER_DELETED
    if row.state != Standing.ACTIVE:
        return Standing(row.state)
    return Standing.ACTIVE if row.goes_on else Standing.DORMANT
