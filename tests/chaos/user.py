"""The users' own hands: what they do with single mails, and with the CRM labels."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from domain.crm.categories import Category
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions
from infra.db.tables.mailboxes import mailboxes
from infra.local.gmail.control.client import ControlError, DumpedMessage, GmailControl
from tests.chaos.boxes import Box
from tests.chaos.letters import Letter
from tests.chaos.oracle import Case, Sent
from tests.chaos.people import FILED_UNDER
from tests.chaos.places import labels_of
from tests.chaos.plan import Hand, Upheaval
from tests.chaos.reading import reading

RECENT = 120
"""Mails among which a user looks for one to do something with."""

SEARCHES = 8
GENTLE = ("star", "read", "file")
"""Changes that are no business of ours: any mail, any time, any number of them."""

CORRECTIONS = ("back", "unlabel", "relabel")
"""Changes of what sorting has done: only when it has."""


class User:
    """All users of a case. What was done with single mails is counted in `hands`."""

    def __init__(self, case: Case, database_url: str, gmail: GmailControl) -> None:
        self.hands: Counter[str] = Counter()
        self._case = case
        self._database_url = database_url
        self._gmail = gmail

    def use(self, deed: Hand) -> None:
        """On the first mail from the picked one on that it can be done with, if there is one."""
        fits = [sent for sent in self._case.sent[-RECENT:] if _may(deed.what, sent)]
        start = int(deed.pick * len(fits))
        for sent in [*fits[start:], *fits[:start]][:SEARCHES]:
            try:
                if self._use(deed, sent):
                    self.hands[deed.what] += 1
                    return
            except (DBAPIError, ControlError):
                return  # the database is away, or a label is gone

    def change_label(self, deed: Upheaval) -> bool:
        """Rename or delete a CRM label; whether there was one."""
        gmail, address = self._gmail, deed.box.address
        name = labels_of(deed.box.organisation)[Category(deed.label)]
        try:
            label_id = self._crm_labels(deed.box).get(deed.label, "")
            if deed.what == "rename_label":
                gmail.rename_label(address, label_id, f"{name} {sum(self.hands.values())}")
            else:
                self._case.deleted_labels.setdefault(address, []).append((deed.label, time.time()))
                gmail.delete_label(address, label_id)
        except (DBAPIError, ControlError):
            return False
        return True

    def _use(self, deed: Hand, sent: Sent) -> bool:
        gmail, address = self._gmail, sent.letter.box.address
        dump = gmail.dump(address)
        message = dump.message(sent.id)
        if message is None:
            return False
        if deed.what in GENTLE:
            self._touch(deed.what, sent)
            return True
        ours = {c: label for c, label in self._crm_labels(sent.letter.box).items() if label in dump.labels}
        carried = {category for category, label in ours.items() if label in message.label_ids}
        settled = self.is_settled(sent.id)
        if deed.what in ("label", "relabel") and deed.label not in ours:
            return False
        if not _is_time(deed, message, carried, settled=settled):
            return False
        self._act(deed, sent, [ours[category] for category in carried], ours.get(deed.label, ""))
        sent.hand, sent.hand_label, sent.settled = deed.what, deed.label, settled
        return True

    def _touch(self, what: str, sent: Sent) -> None:
        gmail, address = self._gmail, sent.letter.box.address
        if what == "star":
            gmail.change_labels(address, sent.id, add=["STARRED"])
            sent.others.add("STARRED")
        elif what == "read":
            gmail.change_labels(address, sent.id, remove=["UNREAD"])
            sent.others.discard("UNREAD")
        else:
            gmail.change_labels(address, sent.id, add=[FILED_UNDER])
            sent.others.add(FILED_UNDER)

    def _act(self, deed: Hand, sent: Sent, carried: Collection[str], label_id: str) -> None:
        gmail, address = self._gmail, sent.letter.box.address
        simple: Mapping[str, Callable[[str, str], None]] = {
            "archive": gmail.archive,
            "back": gmail.unarchive,
            "trash": gmail.trash,
            "delete": gmail.delete,
            "rescue": gmail.unspam,
        }
        if deed.what in simple:
            simple[deed.what](address, sent.id)
        elif deed.what == "restore":
            gmail.change_labels(address, sent.id, add=["INBOX"], remove=["TRASH"])
        elif deed.what == "unlabel":
            gmail.change_labels(address, sent.id, remove=carried)
        elif deed.what == "relabel":
            gmail.change_labels(address, sent.id, add=[label_id], remove=carried)
        else:
            gmail.change_labels(address, sent.id, add=[label_id])
        if deed.what == "trash":
            sent.others |= {"TRASH"}
            sent.others -= {"SPAM"}
        elif deed.what in ("rescue", "restore"):
            sent.others -= {"SPAM", "TRASH"}
            sent.in_inbox = True

    def _crm_labels(self, box: Box) -> Mapping[str, str]:
        with reading(self._database_url) as db:
            found = db.scalar(select(mailboxes.c.labels).where(mailboxes.c.address == box.address))
        return dict(found or {})

    def is_settled(self, message_id: str) -> bool:
        """Whether the ledger has nothing more to do with a mail, for none of its connections."""
        with reading(self._database_url) as db:
            outcomes: Collection[str | None] = db.scalars(
                select(decisions.c.outcome).where(decisions.c.message_id == message_id)
            ).all()
            states: Collection[str] = db.scalars(
                select(steps.c.state).where(steps.c.message_id == message_id)
            ).all()
        return bool(outcomes) and None not in outcomes and not {"waiting", "blocked"} & set(states)


def _may(what: str, sent: Sent) -> bool:
    """By what the mail is, and because a second hand on it would hide what became of the first."""
    letter: Letter = sent.letter
    if sent.deleted:
        return False
    if what in GENTLE:
        return letter.kind not in ("draft", "chat")
    if sent.hand or letter.kind in ("draft", "chat"):
        return False
    if what in ("rescue", "restore"):
        return letter.kind == {"rescue": "spam", "restore": "trash"}[what]
    if letter.kind in ("spam", "trash"):
        return what == "delete"
    if what in CORRECTIONS:
        return letter.box.labels
    return what != "label" or letter.box.sorter is not None


def _is_time(deed: Hand, message: DumpedMessage, carried: Collection[str], *, settled: bool) -> bool:
    if deed.what == "archive":
        return "INBOX" in message.label_ids
    if deed.what == "relabel":
        return settled and bool(carried) and deed.label not in carried
    if deed.what in CORRECTIONS:
        return settled and bool(carried) and "INBOX" not in message.label_ids
    return deed.what != "label" or deed.label not in carried
