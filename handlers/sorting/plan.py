"""What is wanted of mail that waits to be sorted: decided, and committed before the mailbox is asked (D9, W5)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from domain.connections.connections import Connection
from domain.crm.categories import ByCategory, Category, ContactCategory, contact_category, highest, outcome_of
from domain.crm.contacts import ContactKind, hits
from domain.crm.locations import Location
from domain.crm.organisations import local_date
from domain.ids import ConnectionId, MailboxId
from domain.ledger import Claim, Sortable, Step
from domain.outcomes import Outcome
from domain.sorting.plans import ConnectionContact, EarlierLabel, PlannedSorting, Replacement
from handlers.batches import ClaimedBatch, set_aside_exhausted
from handlers.context import Context
from handlers.ports.store import InLocation, Transaction

AT_ONCE = 1_000
"""Mails sorted together, at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch is to become, mail by mail, oldest first. `half_replaced` are earlier mails of the same contacts
    whose labels a try that was cut off was to replace (E47); `label_names` are for labels that have to be made."""

    batch: ClaimedBatch
    connections: Mapping[ConnectionId, Connection]
    mails: tuple[PlannedSorting, ...]
    half_replaced: tuple[Replacement, ...]
    label_names: ByCategory

    @property
    def to_change(self) -> list[PlannedSorting]:
        return [one for one in self.mails if one.to_change]

    @property
    def in_doubt(self) -> list[PlannedSorting]:
        return [one for one in self.mails if one.in_doubt]

    @property
    def asks_provider(self) -> bool:
        return bool(self.to_change or self.in_doubt or self.half_replaced)

    @property
    def paid(self) -> Sequence[PlannedSorting]:
        """Those that share what the batch cost."""
        return self.to_change or (self.mails if self.asks_provider else ())

    @property
    def labels(self) -> ByCategory:
        """The CRM labels that the mailbox is known to have, by id."""
        return self.batch.mailbox.labels

    @property
    def history_unusable(self) -> bool:
        """Whether no history tells what the user does in the mailbox (E84)."""
        return self.batch.mailbox.history_refused_at is not None


def make_plan(mailbox_id: MailboxId, context: Context) -> Plan | None:
    """None when nothing may be sorted now. What is wanted is committed before the mailbox is changed, so that a crash
    can be told from the user's hand (W5)."""
    with context.store.begin("labels.intend") as tx:
        mailbox = tx.mailboxes.get(mailbox_id)
        connections = {connection.id: connection for connection in tx.connections.working(mailbox_id)}
        if mailbox is None or not connections:
            return None
        if mailbox.rests(mailbox.read_at) or mailbox.sorts_later(mailbox.read_at):
            return None
        claims = _claim(mailbox_id, connections, context, tx)
        if not claims:
            return None
        decided, label_names = _decide(claims, connections, context, tx)
        mails, later = _in_order(decided)
        if later:
            tx.ledger.release(
                mailbox_id, Step.SORT, [one.claim for one in later], context.me(), 0, counted=False
            )
        tx.decisions.intend({one.claim: one.category for one in mails if one.gets_label})
        earlier, half_replaced = _labelled_before(mails, connections, tx)
    batch = ClaimedBatch(mailbox, Step.SORT, [one.claim for one in mails], context)
    mails = tuple(replace(one, earlier=_others(one, earlier)) for one in mails)
    return Plan(batch, connections, mails, half_replaced, label_names)


def _claim(
    mailbox_id: MailboxId, connections: Mapping[ConnectionId, Connection], context: Context, tx: Transaction
) -> Sequence[Claim]:
    claims = tx.ledger.claim(
        mailbox_id, Step.SORT, AT_ONCE, context.me(), context.timing.lease, list(connections)
    )
    return set_aside_exhausted(mailbox_id, Step.SORT, claims, context.me(), connections.values(), tx)


def _decide(
    claims: Sequence[Claim], connections: Mapping[ConnectionId, Connection], context: Context, tx: Transaction
) -> tuple[list[PlannedSorting], ByCategory]:
    """What each mail is to become by the deals and settings of this moment, and what labels are called: one
    organisation has all locations of a mailbox."""
    decided: list[PlannedSorting] = []
    label_names: ByCategory = {}
    for location, its in _by_location(claims, connections).items():
        here = tx.of(location)
        found = here.sorting.sortable(its)
        organisation = here.settings.get()
        label_names = organisation.label_names
        today = local_date(context.today_is(), organisation.time_zone)
        categories = _categories({found[claim.key].link.author for claim in its}, today, here)
        for claim in its:
            mail, connection = found[claim.key], connections[claim.connection_id]
            decided.append(_planned(claim, mail, categories[mail.link.author], connection))
    return decided, label_names


def _by_location(
    claims: Collection[Claim], connections: Mapping[ConnectionId, Connection]
) -> Mapping[Location, list[Claim]]:
    """Each location has contacts and deals of its own (T1)."""
    found: dict[Location, list[Claim]] = {}
    for claim in claims:
        found.setdefault(connections[claim.connection_id].location, []).append(claim)
    return found


def _categories(authors: Collection[str], today: date, here: InLocation) -> Mapping[str, ContactCategory]:
    """The category of each author: the highest of all contacts with the address, at this moment (D9, E11)."""
    directory = here.contacts.candidates(authors)
    people = {
        author: [hit.contact.id for hit in hits(author, directory) if hit.contact.kind is ContactKind.CONTACT]
        for author in authors
    }
    deals = here.contacts.deals_of({contact_id for ids in people.values() for contact_id in ids})
    return {
        author: highest(contact_category(deals.get(contact_id, ()), today) for contact_id in ids)
        for author, ids in people.items()
    }


def _planned(
    claim: Claim, mail: Sortable, category: ContactCategory, connection: Connection
) -> PlannedSorting:
    outcome = _outcome(connection, mail, category.category)
    return PlannedSorting(claim, mail.link, category, outcome, mail.intended, connection.dry_run)


def _outcome(connection: Connection, mail: Sortable, category: Category) -> Outcome:
    """The settings are those of this moment (Part B); the user's hand wins over every category (I6)."""
    if not connection.features.at(mail.link.received_at).sorting:
        return Outcome.LABEL_OFF
    if mail.touched:
        return Outcome.LABEL_USER_CHOICE
    if connection.sorting_trouble and category is not Category.NONE:
        return Outcome.LABEL_FAILED
    return outcome_of(category)


def _in_order(
    decided: Collection[PlannedSorting],
) -> tuple[tuple[PlannedSorting, ...], tuple[PlannedSorting, ...]]:
    """Oldest first, and what waits for the next batch: a contact's mail of another category than his oldest, as
    it comes from another address of his (E47, W10)."""
    ordered = sorted(decided, key=lambda one: (one.link.received_at, one.message_id))
    first: dict[ConnectionContact, Category] = {}
    for one in ordered:
        first.setdefault(one.contact, one.category.category)
    now = tuple(one for one in ordered if one.category.category is first[one.contact])
    return now, tuple(one for one in ordered if one.category.category is not first[one.contact])


def _labelled_before(
    mails: Collection[PlannedSorting], connections: Mapping[ConnectionId, Connection], tx: Transaction
) -> tuple[Mapping[ConnectionContact, frozenset[EarlierLabel]], tuple[Replacement, ...]]:
    """What these contacts have under other labels, and what is half replaced where sorting is on still (E47)."""
    earlier: dict[ConnectionContact, frozenset[EarlierLabel]] = {}
    half_replaced: list[Replacement] = []
    for location, its in _by_location([one.claim for one in mails], connections).items():
        before, halves = tx.of(location).sorting.labelled_before(its)
        earlier |= before
        half_replaced += [one for one in halves if connections[one.contact.connection_id].sorts]
    return earlier, tuple(half_replaced)


def _others(
    one: PlannedSorting, earlier: Mapping[ConnectionContact, frozenset[EarlierLabel]]
) -> frozenset[EarlierLabel]:
    """Only where the contact has mail under another label does the thread of the new mail matter."""
    return frozenset(e for e in earlier.get(one.contact, ()) if e.category is not one.category.category)
