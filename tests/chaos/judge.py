"""The end of it: the ledger against the mailboxes, every mail by the oracle, for each location that it came to."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from domain.crm.categories import Category
from tests.chaos import oracle
from tests.chaos.books import Books
from tests.chaos.boxes import Box, Seat
from tests.chaos.oracle import Case, Due, Sent
from tests.chaos.places import labels_of

RELISTED_LATE = frozenset({"spam", "trash", "draft", "chat"})
"""Where history was lost, mail is listed anew, and nobody lists these; nor what is deleted by then (E84)."""


@dataclass(slots=True)
class Fault:
    """One thing that is not as it must be, and the mail it concerns."""

    what: str
    message_id: str = ""
    box: str = ""


@dataclass(slots=True)
class Judge:
    """Looks at one reading of the books."""

    case: Case
    books: Books
    faults: list[Fault] = field(default_factory=list)

    def judge(self) -> list[Fault]:
        """Everything that is not as it must be, now."""
        for sent in self.case.sent:
            for what in self._mail(sent):
                self.faults.append(Fault(what, sent.id, sent.letter.box.address))
        self._threads()
        self._nothing_else()
        self._nothing_crosses()
        return self.faults

    def _mail(self, sent: Sent) -> Iterator[str]:
        box = sent.letter.box
        for seat in box.working:
            yield from (f"{what}, for {seat.user} of {seat.place}" for what in self._seat(sent, seat))
        labelled = next(iter([box.sorter] if box.sorter else box.working), None)
        if labelled and not sent.deleted:
            yield from self._labels(sent, labelled)

    def _seat(self, sent: Sent, seat: Seat) -> Iterator[str]:
        books = self.books
        key = books.mailbox_ids[sent.letter.box.address], sent.id
        connection_id = books.connection_of(seat)
        if was_away(self.case, books, sent, seat):
            if books.notified[connection_id, sent.id] > 1:
                yield "several notifications"
            return
        decision = books.decision(seat, sent.id)
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
        yield from self._outcome(sent, oracle.due(sent, seat, self.case), decision)

    def _may_be_unknown(self, sent: Sent) -> bool:
        forgetful = sent.letter.box.address in self.case.forgetful
        return forgetful and (sent.letter.kind in RELISTED_LATE or sent.hand in ("delete", "trash"))

    def _outcome(self, sent: Sent, due: Due, decision: Row[Any]) -> Iterator[str]:
        unhistoric = sent.letter.box.address in self.case.forgetful
        allowed = oracle.may_end_with(sent, due, unhistoric=unhistoric)
        if decision.outcome not in allowed:
            yield f"ended with {decision.outcome}, should be {' or '.join(sorted(allowed))}"
            return
        told = self.books.notified[decision.connection_id, sent.id]
        skipped = str(decision.outcome).startswith("skip.")
        step = self.books.steps.get((decision.mailbox_id, sent.id, "announce", decision.connection_id))
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

    def _labels(self, sent: Sent, seat: Seat) -> Iterator[str]:
        """Those of the mailbox, which one of its connections sorts."""
        box = sent.letter.box
        decision = self.books.decision(seat, sent.id)
        if decision is None or decision.outcome is None:
            return
        message = self.books.dumps[box.address].message(sent.id)
        if message is None:
            yield "is gone from the mailbox"
            return
        due = oracle.due(sent, seat, self.case)
        crm = self.books.crm_labels[box.address]
        carried = frozenset(crm[label] for label in message.label_ids if label in crm)
        thread = due.categories - {"NONE"} if sent.letter.thread else frozenset[str]()
        gone = {label for label, _ in self.case.deleted_labels.get(box.address, ())}
        allowed = oracle.may_carry(sent, due, decision.outcome, thread, gone)
        if carried not in allowed:
            yield f"carries {_all(carried)}, should be {' or '.join(map(_all, allowed))}"
        if ("INBOX" in message.label_ids) not in oracle.inbox(sent, decision.outcome):
            yield "is in the Inbox" if "INBOX" in message.label_ids else "is not in the Inbox"
        names = self.books.dumps[box.address].labels
        others = {names.get(label, label) for label in message.label_ids - crm.keys() - {"INBOX"}}
        if others != sent.others:
            yield f"has the other labels {_all(others)}, should be {_all(sent.others)}"

    def _threads(self) -> None:
        """E47, for what the user has left to us: that no label was thrown away while a mail waited, either."""
        found: dict[tuple[str, str, str], dict[str, frozenset[str]]] = {}
        for sent in self.case.sent:
            box = sent.letter.box
            left_to_us = not sent.hand and not self._lost_a_label(sent)
            if box.sorter and sent.letter.thread and left_to_us and sent.letter.kind != "own":
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
        seat = sent.letter.box.sorter
        decision = self.books.decision(seat, sent.id) if seat else None
        done = decision.changed_at.timestamp() if decision and decision.changed_at else sent.at
        thrown_away = self.case.deleted_labels.get(sent.letter.box.address, ())
        return any(sent.at <= at <= done for _, at in thrown_away)

    def _nothing_else(self) -> None:
        """Rows for mails that there are, and no mail that nobody has sent."""
        books = self.books
        known = {(books.mailbox_ids[s.letter.box.address], s.id) for s in self.case.sent}
        silent = {books.mailbox_ids[box.address] for box in self.case.boxes if not box.working}
        for mailbox_id, message_id in books.messages - known:
            self.faults.append(
                Fault(f"mailbox {mailbox_id} has a row for a mail that never came", message_id)
            )
        for mailbox_id, message_id in books.messages:
            if mailbox_id in silent:
                self.faults.append(Fault("has a row, although nothing is switched on", message_id))
        for box in self.case.boxes:
            there = {message.id for message in books.dumps[box.address].messages}
            strange = there - {s.id for s in self.case.sent if s.letter.box == box}
            self.faults += [Fault("nobody has sent it", message_id, box.address) for message_id in strange]

    def _nothing_crosses(self) -> None:
        """Each row is for a connection of the mailbox that the mail lies in and says whose that is; a mailbox's labels
        are called as its organisation wants (T2)."""
        books = self.books
        boxes = {sent.id: sent.letter.box for sent in self.case.sent}
        seats = {books.connection_of(seat): seat for box in self.case.boxes for seat in box.seats}
        rows = {*books.decisions, *books.notified}
        rows |= {
            (connection_id, message_id) for _, message_id, _, connection_id in books.steps if connection_id
        }
        for connection_id, message_id in rows:
            box, seat = boxes.get(message_id), seats.get(connection_id)
            if box is None or seat not in box.working:
                whose = f"{seat.user} of {seat.place}" if seat else f"connection {connection_id}"
                self.faults.append(
                    Fault(f"a row of it is for {whose}", message_id, box.address if box else "")
                )
        for row in books.told:
            if (seat := seats.get(row.connection_id)) is None:
                continue
            here = books.locations[seat.place]
            its = (here.organisation_id, here.id, seat.user)
            if (row.organisation_id, row.location_id, row.user_id) != its:
                self.faults.append(Fault(f"notification {row.id} is not of {seat.place}", row.message_id))
        for box in self.case.boxes:
            self.faults += [Fault(what, box=box.address) for what in self._label_names(box)]

    def _label_names(self, box: Box) -> Iterator[str]:
        """Users have put something behind some of the names."""
        there, names = self.books.dumps[box.address].labels, labels_of(box.organisation)
        for label_id, category in self.books.crm_labels[box.address].items():
            if label_id in there and not there[label_id].startswith(names[Category(category)]):
                yield f"the label for {category} is called {there[label_id]}"


def was_away(case: Case, books: Books, sent: Sent, seat: Seat) -> bool:
    """Whether the mail was decided for the other users of its mailbox while this one had to sign in: it is not decided
    for him any more (D3-1)."""
    others = [books.decision(one, sent.id) for one in sent.letter.box.working if one != seat]
    moments = [other.decided_at.timestamp() for other in others if other is not None]
    return any(began <= at <= ended for began, ended in case.away.get(seat, ()) for at in moments)


def _all(labels: Collection[str]) -> str:
    return "+".join(sorted(labels)) or "none"
