"""The whole decision about one mail for one connection, in Part B's order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.connections.connections import Features, Mode
from domain.conversations.correspondents import Hits, correspondents
from domain.conversations.gate import Situation, Synced, sync_gate
from domain.crm.contacts import ContactKind, Hit, MatchedBy, best
from domain.crm.locations import LocationSettings
from domain.ledger import Planned, State, Step
from domain.mail.classes import MailClass
from domain.mail.messages import (
    Direction,
    Exclusions,
    Insiders,
    Message,
    direction,
    gate,
    left_alone,
)
from domain.notifications import verdict
from domain.outcomes import Outcome, final
from domain.retention import NOTHING, Admission, Data, kept
from domain.sorting.plans import sortable

NOT_THIS_MODE = Synced(Admission.NOT_THIS_MODE)

NOT_YET = Synced(Admission.REFUSED, Outcome.SKIP_TOO_OLD)
"""Of mail that came after MailMagnet was switched on and before its mailbox was synced (D3 row 7)."""


@dataclass(frozen=True, slots=True)
class Thread:
    """What two-way sync decides a mail by: what is known of its thread in the location, the records of everybody on it,
    the connection's user and the location's settings."""

    situation: Situation
    hits: Hits
    user_id: str
    settings: LocationSettings

    def decided(self, message: Message, way: Direction, insiders: Insiders, exclusions: Exclusions) -> Synced:
        """D7."""
        contacts = correspondents(message, self.hits, insiders, exclusions)
        return sync_gate(
            message,
            way,
            self.situation,
            contacts,
            insiders=insiders,
            user_id=self.user_id,
            settings=self.settings,
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one mail for one connection, feature by feature.

    `skip` is the outcome of a mail that ends at once: at the gate, or because no active feature handles it. Else `hit`
    is the record that the mail belongs to, `magnet` and `sorting` are the next steps, and D2 allows to keep `kept`.
    """

    skip: Outcome | None
    sync: Synced = NOT_THIS_MODE
    hit: Hit | None = None
    magnet: Planned | None = None
    sorting: Planned | None = None
    kept: frozenset[Data] = NOTHING

    @property
    def steps(self) -> tuple[Planned, ...]:
        """Announcing always comes before sorting (Part B, I5)."""
        return tuple(step for step in (self.magnet, self.sorting) if step is not None)

    @property
    def final(self) -> Outcome | None:
        """The outcome the message ends with, None while a step is still to be done (Part J)."""
        return final(
            self.skip,
            announced=self.magnet is not None and self.magnet.state is State.DONE,
            labelled=self.sorting.outcome if self.sorting else None,
            syncs=self.sync is not NOT_THIS_MODE,
            synced=self.sync.outcome,
        )


def decide(
    message: Message,
    *,
    insiders: Insiders,
    exclusions: Exclusions,
    hits: Sequence[Hit],
    mode: Mode,
    features: Features,
    crm_labels: frozenset[str],
    thread: Thread | None = None,
) -> Decision:
    """Gate, direction, match, then each feature. A feature that began after the mail came is off (Part J).

    `hits` are the author's. Without a `thread` the connection keeps no conversations.
    """
    if features.since is None:
        return Decision(Outcome.SKIP_INACTIVE)
    way = direction(message, insiders)
    skip = gate(message, way, insiders, exclusions, features.since)
    if skip is not None:
        return Decision(skip)
    on = features.at(message.received_at)
    message = _of_a_record(message, hits)
    sync = NOT_THIS_MODE
    if thread is not None:
        sync = thread.decided(message, way, insiders, exclusions) if on.sync else NOT_YET
    hit = best(hits)
    skip = left_alone(message, way) or (Outcome.SKIP_NO_CONTACT if hit is None else None)
    if skip is not None or hit is None:
        may_keep = kept(mode, sync.admission, magnet=False)
        return Decision(skip if sync is NOT_THIS_MODE else None, sync, kept=may_keep)
    magnet = _magnet(verdict(message, insiders.own) if on.magnet else Outcome.MAGNET_OFF)
    label = _label_known_already(message, hit, crm_labels) if on.sorting else Outcome.LABEL_OFF
    may_keep = kept(mode, sync.admission, magnet=on.magnet)
    return Decision(None, sync, hit, magnet, _sorting(label, magnet), may_keep)


def _magnet(found: Outcome) -> Planned:
    if found is Outcome.MAGNET_NOTIFIED:
        return Planned(Step.ANNOUNCE, State.WAITING)
    return Planned(Step.ANNOUNCE, State.DONE, found)


def _sorting(label: Outcome | None, magnet: Planned) -> Planned:
    if label is not None:
        return Planned(Step.SORT, State.DONE, label)
    return Planned(Step.SORT, State.WAITING if magnet.state is State.DONE else State.BLOCKED)


def _of_a_record(message: Message, hits: Sequence[Hit]) -> Message:
    """A postmaster's mail counts as a person's when its exact address is on a record (D16 order 2)."""
    if message.unless_known and any(hit.matched_by is MatchedBy.EXACT for hit in hits):
        return replace(message, mail_class=MailClass.HUMAN)
    return message


def _label_known_already(message: Message, hit: Hit, crm_labels: frozenset[str]) -> Outcome | None:
    """The outcome of sorting where no deals are needed, else None: for a lead (Z28), for a class that is not sorted
    (D16), and for mail that the user or a filter has put under a CRM label (D10, E60)."""
    if hit.contact.kind is ContactKind.LEAD or not sortable(message):
        return Outcome.LABEL_NONE
    return Outcome.LABEL_USER_CHOICE if message.label_ids & crm_labels else None
