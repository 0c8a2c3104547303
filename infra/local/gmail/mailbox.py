"""A Gmail mailbox: messages, threads, labels and history. All of it happens under the mailbox's lock."""

import math
import random
import threading
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from infra.local.gmail.history import NONE, History, Record
from infra.local.gmail.http.errors import Json, invalid, not_found
from infra.local.gmail.labels import Label, Labels
from infra.local.gmail.mail.headers import Facts, People
from infra.local.gmail.mail.spool import Place
from infra.local.gmail.quota import Sending

REMEMBERED = 100
LONGEST_THREAD = 100
"""Mails of a thread: what would be the next one begins another (FACTS §3)."""

DRAFT_IDS = 1 << 62
HISTORY_STEP = 40
"""The largest step of history ids, which are not contiguous, as at Gmail."""


@dataclass(slots=True)
class Message:
    """What RAM keeps of a mail; the text lies in the spool. `key` and `subject` are hashes, `before` the labels
    it had until the last change of them."""

    id: str
    thread_id: str
    internal_date: int
    place: Place
    people: People
    key: int
    subject: int
    labels: frozenset[str] = NONE
    history_id: int = 0
    before: frozenset[str] = NONE
    arrived: float = field(default_factory=time.monotonic)
    changed: float = -math.inf


@dataclass(frozen=True, slots=True)
class Rule:
    """A user's filter: mail from `sender` gets a label, skips the Inbox, or both."""

    sender: str
    label_id: str | None
    archive: bool


class Gone(NamedTuple):
    """A draft's last message, and when the draft was sent, changed or deleted."""

    message: Message
    when: float


@dataclass(frozen=True, slots=True)
class Watch:
    """An active users.watch: the topic, its end (epoch ms) and its labels."""

    topic: str
    expiration: int
    label_ids: frozenset[str] = NONE
    exclude: bool = False

    def concerns(self, labels: Collection[str]) -> bool:
        """Whether a change of a message with these labels is announced."""
        return not self.label_ids or self.exclude != (not self.label_ids.isdisjoint(labels))


@dataclass(slots=True)
class Mailbox:
    """A mailbox. After every change it calls `on_change` with the labels concerned, with the lock held.

    `aliases` are verified and `pending` ones are not yet. `former` are its addresses before it was renamed. `names` has
    display names by address in lower case. `drafts` has the present message of each draft, by the draft's id; `gone`
    the last message of each draft that ended.
    """

    address: str
    aliases: tuple[str, ...]
    on_change: Callable[["Mailbox", frozenset[str]], None]
    rng: random.Random
    history_id: int
    lock: threading.RLock = field(default_factory=threading.RLock)
    labels: Labels = field(default_factory=Labels)
    history: History = field(default_factory=History)
    rules: list[Rule] = field(default_factory=list)
    watch: Watch | None = None
    pending: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    drafts: dict[str, str] = field(default_factory=dict)
    gone: dict[str, Gone] = field(default_factory=dict)
    sending: Sending = field(default_factory=Sending)
    _messages: dict[str, Message] = field(default_factory=dict)
    _order: list[tuple[int, str]] = field(default_factory=list)
    _threads: dict[str, set[str]] = field(default_factory=dict)
    _by_message_id: dict[int, str] = field(default_factory=dict)
    _label_sets: dict[frozenset[str], frozenset[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def threads(self) -> int:
        """The number of threads with a message."""
        return len(self._threads)

    def get(self, message_id: str) -> Message:
        """The message of this id. Raises 400 for an impossible id, 404 for an unknown one."""
        message = self._messages.get(message_id)
        if message is None:
            raise not_found() if _is_hex(message_id) else invalid("Invalid id value")
        return message

    def find(self, message_id: str) -> Message | None:
        """The message of this id; None when it is gone."""
        return self._messages.get(message_id)

    def messages(self) -> Iterator[Message]:
        """All messages, oldest first."""
        return (self._messages[message_id] for _, message_id in self._order)

    def thread(self, thread_id: str) -> list[Message]:
        """The messages of a thread, oldest first. Raises 400 for an impossible id, 404 for an unknown one."""
        if thread_id not in self._threads:
            raise not_found() if _is_hex(thread_id) else invalid("Invalid id value")
        found = (self._messages[message_id] for message_id in self._threads[thread_id])
        return sorted(found, key=lambda message: (message.internal_date, message.id))

    def newest(self, before: tuple[int, str] | None = None) -> Iterator[Message]:
        """Messages below the given (internalDate, id), newest first, as messages.list pages them."""
        end = len(self._order) if before is None else bisect_left(self._order, before)
        return (self._messages[self._order[at][1]] for at in range(end - 1, -1, -1))

    def add(
        self,
        message_id: str,
        facts: Facts,
        place: Place,
        date: int,
        labels: Iterable[str],
        thread_id: str | None,
        draft_id: str = "",
    ) -> Message:
        """Put a mail into the mailbox: thread it, run the filters over it, record it. A draft keeps its id."""
        with self.lock:
            thread = thread_id or self._thread_for(facts) or message_id
            message = Message(message_id, thread, date, place, facts.people, facts.message_id, facts.subject)
            self._messages[message_id] = message
            insort(self._order, (date, message_id))
            self._threads.setdefault(thread, set()).add(message_id)
            if facts.message_id:
                self._by_message_id.setdefault(facts.message_id, message_id)
            message.labels = self._shared(self._filtered(facts.sender, frozenset(labels)))
            if "DRAFT" in message.labels:
                self.drafts[draft_id or f"r{self.rng.randint(-DRAFT_IDS, DRAFT_IDS)}"] = message_id
            self._record(message, kind="messageAdded")
            return message

    def relabel(self, message: Message, add: Collection[str] = (), remove: Collection[str] = ()) -> None:
        """Add and remove labels. As in Gmail, no record is made when nothing changes."""
        with self.lock:
            before = message.labels
            after = (before | frozenset(add)) - frozenset(remove)
            if after == before:
                return
            message.labels, message.before, message.changed = self._shared(after), before, time.monotonic()
            self._record(message, plus=after - before, minus=before - after)

    def delete(self, message: Message) -> None:
        """Delete the message for good, with a messageDeleted record. Its id answers 404 from now on."""
        with self.lock:
            if self._messages.pop(message.id, None) is None:
                return
            del self._order[bisect_left(self._order, (message.internal_date, message.id))]
            self._threads[message.thread_id].discard(message.id)
            if not self._threads[message.thread_id]:
                del self._threads[message.thread_id]
            if self._by_message_id.get(message.key) == message.id:
                del self._by_message_id[message.key]
            if draft_id := self.draft_of(message):
                del self.drafts[draft_id]
                self._remember(draft_id, message)
            self._record(message, kind="messageDeleted")

    def draft_of(self, message: Message) -> str:
        """The id of the draft with this message; empty when there is none."""
        found = (draft_id for draft_id, inner in self.drafts.items() if inner == message.id)
        return next(found, "") if "DRAFT" in message.labels else ""

    def delete_label(self, label_id: str) -> None:
        """labels.delete: the label leaves every message that has it."""
        with self.lock:
            self.labels.delete(label_id)
            for message in [m for m in self._messages.values() if label_id in m.labels]:
                self.relabel(message, remove=(label_id,))

    def label_for(self, name_or_id: str) -> Label:
        """The label of this id or name, else a new label of this name."""
        with self.lock:
            if name_or_id in self.labels:
                return self.labels.get(name_or_id)
            return self.labels.named(name_or_id) or self.labels.create({"name": name_or_id})

    def count(self, label_id: str) -> Json:
        """The counters of labels.get."""
        with self.lock:
            having = [m for m in self._messages.values() if label_id in m.labels]
            unread = [m for m in having if "UNREAD" in m.labels]
            return {
                "messagesTotal": len(having),
                "messagesUnread": len(unread),
                "threadsTotal": len({m.thread_id for m in having}),
                "threadsUnread": len({m.thread_id for m in unread}),
            }

    def expire_history(self) -> int:
        """Make every history id handed out so far too old; returns the first good one."""
        with self.lock:
            self._next_history_id()
            self.history.expire(self.history_id)
            return self.history_id

    def thread_of(self, thread_id: str, facts: Facts) -> str | None:
        """The thread, if the mail fits: it has both reply headers, a mail of the thread among them, and its subject;
        and if there is room.

        None when it does not fit. Raises 400 for an impossible id, 404 for an unknown one.
        """
        if thread_id not in self._threads:
            raise not_found() if _is_hex(thread_id) else invalid("Invalid thread_id value")
        known = (self._messages.get(self._by_message_id.get(one, "")) for one in facts.references)
        fits = any(m and (m.thread_id, m.subject) == (thread_id, facts.subject) for m in known)
        return thread_id if facts.replying and fits and self.has_room(thread_id) else None

    def has_room(self, thread_id: str) -> bool:
        """Whether one more mail may join the thread."""
        return len(self._threads.get(thread_id, ())) < LONGEST_THREAD

    def _remember(self, draft_id: str, message: Message) -> None:
        self.gone[draft_id] = Gone(message, time.monotonic())
        while len(self.gone) > REMEMBERED:
            del self.gone[next(iter(self.gone))]

    def _next_history_id(self) -> int:
        self.history_id += self.rng.randint(2, HISTORY_STEP)
        return self.history_id

    def _record(
        self,
        message: Message,
        kind: str = "labels",
        plus: frozenset[str] = NONE,
        minus: frozenset[str] = NONE,
    ) -> None:
        message.history_id = self._next_history_id()
        plus, minus = self._shared(plus), self._shared(minus)
        self.history.append(
            Record(message.history_id, message.id, message.thread_id, message.labels, kind, plus, minus)
        )
        self.on_change(self, message.labels | minus)

    def _shared(self, labels: frozenset[str]) -> frozenset[str]:
        return self._label_sets.setdefault(labels, labels)

    def _filtered(self, sender: str, labels: frozenset[str]) -> frozenset[str]:
        if "INBOX" not in labels:
            return labels
        for rule in self.rules:
            if rule.sender == sender:
                labels |= {rule.label_id} if rule.label_id else NONE
                labels -= {"INBOX"} if rule.archive else NONE
        return labels

    def _thread_for(self, facts: Facts) -> str | None:
        """A reply joins when it refers to a known Message-ID and keeps the subject (FACTS §3)."""
        for reference in facts.references:
            known = self._messages.get(self._by_message_id.get(reference, ""))
            if known and known.subject == facts.subject and self.has_room(known.thread_id):
                return known.thread_id
        return None


def _is_hex(message_id: str) -> bool:
    return len(message_id) <= 16 and all(char in "0123456789abcdefABCDEF" for char in message_id)
