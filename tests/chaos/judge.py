"""The end of it: the ledger against the mailboxes, every mail by the oracle."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Row, select

from infra.db.schema import connections, decisions, mailboxes, messages, notifications, steps
from infra.local.gmail import Dump, GmailControl
from tests.chaos import oracle
from tests.chaos.oracle import Case, Sent
from tests.chaos.reading import reading
from tests.chaos.world import World

RELISTED_LATE = frozenset({"spam", "trash", "draft", "chat"})
"""Where history was lost, mail is listed anew, and nobody lists these; nor what is deleted by then (E84)."""

OUTAGES = frozenset(
    {
        "ConnectionError",
        "TimeoutError",
        "BusyLoadingError",
        "OperationalError",
        "InterfaceError",
        "DBAPIError",
    }
)
"""Errors of a job that met a part which was killed under it."""


@dataclass(slots=True)
class Fault:
    """One thing that is not as it must be, and the mail it concerns."""

    what: str
    message_id: str = ""
    box: str = ""


@dataclass(slots=True)
class Books:
    """The ledger and the mailboxes at one moment."""

    mailbox_ids: Mapping[str, int]
    connection_ids: Mapping[str, int]
    messages: frozenset[tuple[int, str]]
    decisions: Mapping[tuple[int, str], Row[tuple[object, ...]]]
    steps: Mapping[tuple[int, str, str, int], Row[tuple[object, ...]]]
    notified: Counter[tuple[int, str]]
    crm_labels: Mapping[str, Mapping[str, str]]
    dumps: Mapping[str, Dump]

    @staticmethod
    def read(case: Case, database_url: str, gmail: GmailControl) -> "Books":
        with reading(database_url) as db:
            boxes = db.execute(select(mailboxes)).all()
            told = select(notifications.c.connection_id, notifications.c.gmail_id)
            return Books(
                {row.address: row.id for row in boxes},
                {row.user_id: row.id for row in db.execute(select(connections))},
                frozenset((row.mailbox_id, row.gmail_id) for row in db.execute(select(messages))),
                {(row.connection_id, row.gmail_id): row for row in db.execute(select(decisions))},
                {
                    (row.mailbox_id, row.gmail_id, row.step, row.connection_id): row
                    for row in db.execute(select(steps))
                },
                Counter(
                    (row.connection_id, row.gmail_id)
                    for row in db.execute(told.where(notifications.c.kind == "mail"))
                ),
                {row.address: {label: category for category, label in row.labels.items()} for row in boxes},
                {box.address: gmail.dump(box.address) for box in case.boxes},
            )


@dataclass(slots=True)
class Judge:
    """Looks at one reading of the books."""

    case: Case
    books: Books
    faults: list[Fault] = field(default_factory=list)

    def judge(self) -> list[Fault]:
        """Everything that is not as it must be, now."""
        for sent in self.case.sent:
            for what in self._mail(sent) if sent.letter.box.announces else ():
                self.faults.append(Fault(what, sent.id, sent.letter.box.address))
        self._threads()
        self._nothing_else()
        return self.faults

    def _mail(self, sent: Sent) -> Iterator[str]:
        box, books = sent.letter.box, self.books
        key = books.mailbox_ids[box.address], sent.id
        connection_id = books.connection_ids[box.user]
        decision = books.decisions.get((connection_id, sent.id))
        if key not in books.messages or decision is None or decision.outcome is None:
            if not self._may_be_unknown(sent):
                yield "has no outcome"
            return
        waiting = [
            f"{row.step} {row.state}"
            for step in ("match", "announce", "sort")
            for at in (0, connection_id)
            if (row := books.steps.get((*key, step, at))) and row.state in ("waiting", "blocked")
        ]
        if waiting:
            yield f"waits: {', '.join(waiting)}"
        yield from self._outcome(sent, decision, connection_id)
        if not sent.deleted:
            yield from self._labels(sent, str(decision.outcome))

    def _may_be_unknown(self, sent: Sent) -> bool:
        forgetful = sent.letter.box.address in self.case.forgetful
        return forgetful and (sent.letter.kind in RELISTED_LATE or sent.hand in ("delete", "trash"))

    def _outcome(self, sent: Sent, decision: Row[tuple[object, ...]], connection_id: int) -> Iterator[str]:
        due = oracle.due(sent, self.case.categories)
        unhistoric = sent.letter.box.address in self.case.forgetful
        allowed = oracle.may_end_with(sent, due, unhistoric=unhistoric)
        if decision.outcome not in allowed:
            yield f"ended with {decision.outcome}, should be {' or '.join(sorted(allowed))}"
            return
        told = self.books.notified[connection_id, sent.id]
        skipped = str(decision.outcome).startswith("skip.")
        step = self.books.steps.get((int(decision.mailbox_id), sent.id, "announce", connection_id))
        magnet = str(step.outcome) if step else ""
        if skipped and sent.hand in ("delete", "trash") and not due.skip:
            expected = {"", due.magnet}
        else:
            expected = {"" if skipped else due.magnet}
        if magnet not in expected:
            yield f"MailMagnet ended with {magnet or 'nothing'}, should be {due.magnet or 'nothing'}"
        if told != int(magnet == "magnet.notified"):
            yield f"{told} notifications with {magnet or 'no announcement'}"
        if due.contact and not skipped and decision.contact_id != due.contact:
            yield f"is linked to {decision.contact_id}, should be {due.contact}"
        if skipped and (decision.author or decision.contact_id) and not sent.hand:
            yield "has an author in the ledger although nobody matched"

    def _labels(self, sent: Sent, outcome: str) -> Iterator[str]:
        message = self.books.dumps[sent.letter.box.address].message(sent.id)
        if message is None:
            yield "is gone from the mailbox"
            return
        due = oracle.due(sent, self.case.categories)
        crm = self.books.crm_labels[sent.letter.box.address]
        carried = frozenset(crm[label] for label in message.label_ids if label in crm)
        thread = due.categories - {"NONE"} if sent.letter.thread else frozenset[str]()
        gone = {label for label, _ in self.case.deleted_labels.get(sent.letter.box.address, ())}
        allowed = oracle.may_carry(sent, due, outcome, thread, gone)
        if carried not in allowed:
            yield f"carries {_all(carried)}, should be {' or '.join(map(_all, allowed))}"
        if ("INBOX" in message.label_ids) not in oracle.inbox(sent, outcome):
            yield "is in the Inbox" if "INBOX" in message.label_ids else "is not in the Inbox"
        names = self.books.dumps[sent.letter.box.address].labels
        others = {names.get(label, label) for label in message.label_ids - crm.keys() - {"INBOX"}}
        if others != sent.others:
            yield f"has the other labels {_all(others)}, should be {_all(sent.others)}"

    def _threads(self) -> None:
        """E47, for what the user has left to us: that no label was thrown away while a mail waited, either."""
        found: dict[tuple[str, str, str], dict[str, frozenset[str]]] = {}
        for sent in self.case.sent:
            box = sent.letter.box
            left_to_us = not sent.hand and not self._lost_a_label(sent)
            if box.sorts and sent.letter.thread and left_to_us and sent.letter.kind != "own":
                message = self.books.dumps[box.address].message(sent.id)
                crm = self.books.crm_labels[box.address]
                carried = frozenset(crm[i] for i in message.label_ids if i in crm) if message else frozenset()
                found.setdefault((box.address, sent.thread_id, sent.letter.author), {})[sent.id] = carried
        for (box_address, thread_id, author), labels in found.items():
            if not oracle.one_label_a_thread(labels):
                each = ", ".join(f"{i} {_all(carried)}" for i, carried in labels.items())
                what = f"{author}'s mail in thread {thread_id} sits under several labels: {each}"
                self.faults.append(Fault(what, next(iter(labels)), box_address))

    def _lost_a_label(self, sent: Sent) -> bool:
        """Whether a label was thrown away between two tries to sort the mail. To history that is the user's hand
        on every mail that had it from the first, and such a mail is not replaced later (I6, E55)."""
        address = sent.letter.box.address
        key = self.books.connection_ids[sent.letter.box.user], sent.id
        decision = self.books.decisions.get(key)
        done = decision.changed_at.timestamp() if decision and decision.changed_at else sent.at
        return any(sent.at <= at <= done for _, at in self.case.deleted_labels.get(address, ()))

    def _nothing_else(self) -> None:
        """Rows for mails that there are, and for connections that want them."""
        books = self.books
        known = {(books.mailbox_ids[s.letter.box.address], s.id) for s in self.case.sent}
        silent = {box.address for box in self.case.boxes if not box.announces}
        silent_ids = {books.mailbox_ids[address] for address in silent}
        for mailbox_id, gmail_id in books.messages - known:
            self.faults.append(Fault(f"mailbox {mailbox_id} has a row for a mail that never came", gmail_id))
        for mailbox_id, gmail_id in books.messages:
            if mailbox_id in silent_ids:
                self.faults.append(Fault("has a row, although nothing is switched on", gmail_id))
        ids = {gmail_id for _, gmail_id in known}
        strangers = {books.connection_ids[user] for user in self.case.strangers}
        for connection_id, gmail_id in [*books.decisions, *books.notified]:
            if gmail_id not in ids or connection_id in strangers:
                self.faults.append(Fault(f"connection {connection_id} has a row for it", gmail_id))
        for box in self.case.boxes:
            there = {message.id for message in books.dumps[box.address].messages}
            strange = there - {s.id for s in self.case.sent if s.letter.box == box}
            self.faults += [Fault("nobody has sent it", gmail_id, box.address) for gmail_id in strange]


def evidence(world: World, message_id: str) -> Iterator[str]:
    """What the ledger and the logs say about a mail."""
    sent = next((sent for sent in world.case.sent if sent.id == message_id), None)
    if sent:
        yield f"{sent.letter} hand={sent.hand or '-'} {sent.hand_label} settled={sent.settled}"
    with reading(world.stage.database_url) as db:
        for table in (messages, steps, decisions, notifications):
            for row in db.execute(select(table).where(table.c.gmail_id == message_id)):
                yield f"{table.name}: " + ", ".join(
                    f"{k}={v}" for k, v in row._mapping.items() if v is not None
                )
    for file in sorted(world.stage.logs.glob("*.log")):
        for line in file.read_text(errors="replace").splitlines():
            if message_id in line:
                yield f"{file.stem}: {line}"


@dataclass(slots=True)
class Logs:
    """What Lodestone's own logs say of the run."""

    failed: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def read(folder: Path, processes: Collection[str]) -> "Logs":
        logs = Logs()
        for name in sorted({process.partition(" ")[0] for process in processes}):
            for line in (folder / f"{name}.log").read_text(errors="replace").splitlines():
                logs._line(name, line)
        return logs

    def _line(self, process: str, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            if line.startswith("Traceback"):
                self.unexpected[f"{process}: a traceback"] += 1
            return
        event = entry.get("event", "")
        self.events[event] += 1
        if event == "job.failed":
            where = f"{entry['job']} {entry['error']} {entry['place']}"
            self.failed[where] += 1
            if entry["error"] not in OUTAGES:
                self.unexpected[f"job.failed {where}"] += 1


def _all(labels: Collection[str]) -> str:
    return "+".join(sorted(labels)) or "none"
