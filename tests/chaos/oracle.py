"""What must have become of a mail, written from the rules alone: none of the product's own decisions is asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.boxes import Box, Seat
from tests.chaos.letters import Letter
from tests.chaos.people import (
    CRM,
    CTM,
    CUSTOMER,
    FILED,
    FILED_UNDER,
    NONE,
    OPEN,
    Person,
    known_as,
)
from tests.chaos.places import EXCLUDED, Place, colleague_of

OUTCOME = {CTM: "label.ctm", OPEN: "label.open", CUSTOMER: "label.customer", NONE: "label.none"}
_BEST_FIRST = (CTM, OPEN, CUSTOMER, NONE)
_GATE = {
    "own": "skip.outbound",
    "self": "skip.self",
    "colleague": "skip.internal",
    "colleague_out": "skip.outbound",
    "spam": "skip.spam",
    "trash": "skip.trash",
    "draft": "skip.draft",
    "chat": "skip.chat",
}
_MAGNET = {
    "group": "magnet.not_addressed",
    "auto_reply": "magnet.automated",
    "bulk": "magnet.automated",
    "calendar": "magnet.automated",
    "receipt": "magnet.automated",
}
_STAYS = ("calendar", "receipt")
TAKEN_OUT = {"rescue": "spam", "restore": "trash"}
"""What the user did that makes a mail one that has just arrived (E36, E37), and of which kind it was."""


@dataclass(slots=True)
class Sent:
    """A mail in a mailbox, and what its user has done with it since.

    `others` are the labels that are no business of ours, as they must be in the end. `settled` says that sorting
    was over when the user's hand came, so that nothing may have happened to the mail afterwards;
    `sorting_switched` that sorting was off, or was switched, while the mail was there and not sorted.
    """

    letter: Letter
    id: str
    thread_id: str
    at: float
    others: set[str]
    in_inbox: bool
    hand: str = ""
    hand_label: str = ""
    settled: bool = False
    sorting_switched: bool = False

    @property
    def deleted(self) -> bool:
        return self.hand == "delete"


@dataclass(frozen=True, slots=True)
class Due:
    """One skip, or what the user is told and the categories of which one was valid when the mail was sorted."""

    skip: str = ""
    magnet: str = ""
    categories: frozenset[str] = frozenset()
    contact: str = ""

    @property
    def finals(self) -> frozenset[str]:
        """The outcomes the mail may end with."""
        return frozenset({self.skip} if self.skip else {OUTCOME.get(c, c) for c in self.categories})


@dataclass(slots=True)
class Categories:
    """Of which category the contacts of each location were, and since when."""

    since: dict[tuple[Place, str], list[tuple[float, str]]] = field(
        default_factory=lambda: {
            (place, person.id): [(0.0, person.category)] for place, known in CRM.items() for person in known
        }
    )

    def change(self, place: Place, contact: str, category: str, at: float) -> None:
        """`at` is the moment before the change, and nobody knows how much later it counted."""
        self.since[place, contact].append((at, category))

    def valid(self, place: Place, contact: str, after: float) -> frozenset[str]:
        """Every category that counted at that moment or has since."""
        changes = self.since[place, contact]
        first = max(at for at, _ in changes if at <= after)
        return frozenset(category for at, category in changes if at >= first)


@dataclass(slots=True)
class Case:
    """All that a judge must know of what happened: every mail, and what else people and history did.

    `forgetful` are the mailboxes whose history was lost at some time, `deleted_labels` by mailbox the categories
    whose label a user has thrown away, and when. `away` has by connection the times in which its user had to sign in.
    """

    boxes: Sequence[Box]
    sent: list[Sent] = field(default_factory=list)
    categories: Categories = field(default_factory=Categories)
    forgetful: set[str] = field(default_factory=set)
    deleted_labels: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    away: dict[Seat, list[tuple[float, float]]] = field(default_factory=dict)

    def insiders(self, organisation: str) -> frozenset[str]:
        """The colleague, and all own addresses of the organisation's mailboxes (T2, D3-9)."""
        own = [
            one for box in self.boxes if box.organisation == organisation for one in (box.address, box.alias)
        ]
        return frozenset([*own, colleague_of(organisation)])


def arrives(letter: Letter) -> tuple[set[str], bool]:
    """The labels a mail has on arrival, Inbox apart, and whether it is in the Inbox."""
    if letter.labels is not None:
        return set(letter.labels) - {"INBOX"}, "INBOX" in letter.labels
    if letter.address.lower() == FILED and not letter.kind.startswith("colleague"):
        return {"UNREAD", FILED_UNDER}, False
    return {"UNREAD"}, True


def due(sent: Sent, seat: Seat, case: Case) -> Due:
    """Gate, match, MailMagnet, sorting (Part B), for one connection of the mailbox, by what its location knows."""
    letter = sent.letter
    if skip := _gate(sent, case.insiders(seat.place.organisation), EXCLUDED[seat.place.organisation]):
        return Due(skip=skip)
    known = known_as(seat.place, letter.author)
    if not known:
        return Due(skip="skip.no_contact")
    magnet = _MAGNET.get(letter.kind, "magnet.notified")
    return Due("", magnet, _categories(sent, seat, known, case.categories), known[0].id)


def _gate(sent: Sent, insiders: Collection[str], excluded: str) -> str:
    """D3 and D4. A colleague's own mail is for its one recipient, everybody else's for a third party too."""
    kind, author = sent.letter.kind, sent.letter.author
    is_excluded = author.endswith(f"@{excluded}")
    if kind == "colleague_out" and (author in insiders or is_excluded):
        return "skip.internal" if author in insiders else "skip.excluded"
    if kind in _GATE and TAKEN_OUT.get(sent.hand) != kind:
        return _GATE[kind]
    if author in insiders:
        return "skip.outbound"
    return "skip.excluded" if is_excluded else ""


def _categories(sent: Sent, seat: Seat, known: Sequence[Person], categories: Categories) -> frozenset[str]:
    """Of all contacts with the address the highest counts (E11); no lead and no invitation is sorted."""
    if not seat.sorts:
        return frozenset({"label.off"})
    if sent.letter.kind in _STAYS or known[0].kind == "lead":
        return frozenset({NONE})
    valid = [categories.valid(seat.place, person.id, sent.at) for person in known]
    if len(valid) == 1:
        return valid[0]
    return frozenset({min((one for each in valid for one in each), key=_BEST_FIRST.index)})


def may_end_with(sent: Sent, due: Due, *, unhistoric: bool) -> frozenset[str]:
    """Where the user was faster than the sorting, the outcome may tell of what he did instead; where no history
    told of it, also when all he did was to archive the mail (E84)."""
    finals = due.finals
    if sent.sorting_switched and not due.skip:
        finals |= {"label.off"}
    if sent.settled:
        return finals
    if sent.hand == "label" or (sent.hand == "archive" and unhistoric):
        return finals | {"label.user_choice"}
    if sent.hand == "trash":
        return finals | {"skip.trash", "label.user_choice"}
    if sent.hand == "delete":
        return finals | {"skip.gone", "label.user_choice", "skip.spam", "skip.trash"}
    return finals


def may_carry(
    sent: Sent, due: Due, outcome: str, thread: Collection[str], deleted_labels: Collection[str]
) -> Collection[frozenset[str]]:
    """The sets of CRM labels that the mail may have in the end; `thread` are the categories that later mails of
    its contact in its thread may have brought (E47), `deleted_labels` those the user has thrown away."""
    box = sent.letter.box
    ours = {category for category, word in OUTCOME.items() if word == outcome and category != NONE}
    ends = {frozenset(ours)} if box.labels else {frozenset[str]()}
    if ours and thread and box.labels:
        ends |= {frozenset({category}) for category in thread}
    if sent.hand == "unlabel":
        ends = {frozenset()}
    elif sent.hand == "relabel":
        ends = {frozenset({sent.hand_label})}
    elif sent.hand == "label":
        ends = {end | {sent.hand_label} for end in ends}
    elif sent.hand == "trash" and not sent.settled:
        ends |= {frozenset()}
    return {end - set(gone) for end in ends for gone in _subsets(deleted_labels)}


def _subsets(labels: Collection[str]) -> list[frozenset[str]]:
    found = [frozenset[str]()]
    for label in labels:
        found += [one | {label} for one in found]
    return found


def inbox(sent: Sent, outcome: str) -> frozenset[bool]:
    """Whether the mail may be in the Inbox, and whether it may be elsewhere."""
    sorted_away = outcome in {OUTCOME[c] for c in (CTM, OPEN, CUSTOMER)}
    if sent.hand in ("archive", "trash"):
        return frozenset({False})
    if sent.hand == "back":
        return frozenset({True})
    if sorted_away and sent.letter.box.labels:
        # A label that the user puts between two of our tries, the very one we meant, is his (E60).
        by_hand = sent.hand == "label" and not sent.settled and outcome == OUTCOME[sent.hand_label]
        return frozenset({False, True} if by_hand else {False})
    return frozenset({sent.in_inbox})


def one_label_a_thread(found: Mapping[str, frozenset[str]]) -> bool:
    """One contact's mail never sits under two CRM labels in a thread (E47); CRM labels by message."""
    return len({label for labels in found.values() for label in labels}) <= 1
