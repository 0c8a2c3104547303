"""The whole decision about one mail for one connection, in Part B's order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.connections import Features
from domain.contacts import Hit, Kind, MatchedBy, best
from domain.labels import sortable
from domain.ledger import Planned, State, Step
from domain.mail_classes import MailClass
from domain.messages import Exclusions, Insiders, Message, gate
from domain.notifications import verdict
from domain.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Decision:
    """Either a final `skip`, or the record the mail belongs to and the steps that follow."""

    skip: Outcome | None
    hit: Hit | None = None
    steps: tuple[Planned, ...] = ()

    @property
    def final(self) -> Outcome | None:
        """The outcome the message ends with, None while a step is still to be done (Part J)."""
        if self.skip is not None or any(step.state is not State.DONE for step in self.steps):
            return self.skip
        return next(step.outcome for step in self.steps if step.step is Step.SORT)


def decide(
    message: Message,
    *,
    insiders: Insiders,
    exclusions: Exclusions,
    hits: Sequence[Hit],
    features: Features,
    crm_labels: frozenset[str],
) -> Decision:
    """Gate, direction, match, then what is due; announcing always comes before sorting (Part B, I5)."""
    if features.since is None:
        return Decision(Outcome.SKIP_INACTIVE)
    skip = gate(message, insiders, exclusions, features.since)
    hit = best(hits)
    if skip is None and hit is None:
        skip = Outcome.SKIP_NO_CONTACT
    if skip is not None or hit is None:
        return Decision(skip)
    message = _of_a_record(message, hits)
    on = features.at(message.received_at)
    magnet = verdict(message, insiders.own) if on.magnet else Outcome.MAGNET_OFF
    label = _label_known_already(message, hit, crm_labels) if on.sorting else Outcome.LABEL_OFF
    announce_due = magnet is Outcome.MAGNET_NOTIFIED
    return Decision(
        None,
        hit,
        (
            Planned(Step.ANNOUNCE, State.WAITING)
            if announce_due
            else Planned(Step.ANNOUNCE, State.DONE, magnet),
            Planned(Step.SORT, State.DONE, label)
            if label
            else Planned(Step.SORT, State.BLOCKED if announce_due else State.WAITING),
        ),
    )


def _of_a_record(message: Message, hits: Sequence[Hit]) -> Message:
    """What a postmaster writes is a person's mail where his very address is on a record (D16 order 2)."""
    if message.unless_known and any(hit.matched_by is MatchedBy.EXACT for hit in hits):
        return replace(message, mail_class=MailClass.HUMAN)
    return message


def _label_known_already(message: Message, hit: Hit, crm_labels: frozenset[str]) -> Outcome | None:
    """Sorting that needs no look at deals: a lead (Z28), a class that stays put (D16), or a mail that the user or a
    filter of his has put under a CRM label before us (D10, E60)."""
    if hit.contact.kind is Kind.LEAD or not sortable(message):
        return Outcome.LABEL_NONE
    return Outcome.LABEL_USER_CHOICE if message.label_ids & crm_labels else None
