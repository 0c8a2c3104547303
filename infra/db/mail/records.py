"""What the ledger holds of one mail, in every mailbox that has a mail of this id: for `explain`."""

from typing import Any

from sqlalchemy import Connection, Row, case, select, union

from domain.connections.connections import Mode
from domain.crm.categories import ByCategory, Category
from domain.crm.contacts import ContactKind, MatchedBy
from domain.crm.deals import Deal, DealCategory
from domain.crm.locations import Location
from domain.ids import MailboxId
from domain.ledger import Step
from domain.mail.addresses import loose
from domain.message_records import ConnectionDecision, DecidingDeal, MessageRecord, Person, StepRecord
from domain.outcomes import Outcome
from infra.db.connections.crm_labels import called
from infra.db.crm.merges import is_merge_of, person_of, whose
from infra.db.crm.outdated import OutdatedRepository
from infra.db.crm.settings import SettingRepository
from infra.db.mail import label_changes
from infra.db.mail.entries import step_taken
from infra.db.mail.kept import DECISIONS, messages_of, steps_of
from infra.db.tables.connections import connections
from infra.db.tables.conversations import conversations, mail_sources, mails
from infra.db.tables.crm import contact_addresses, contacts, deal_contacts, deals, merges
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.db.tables.mailboxes import mailboxes


def trails(
    db: Connection, location: Location, message_id: str, mailbox: str | None
) -> tuple[MessageRecord, ...]:
    """One record for each mailbox of the location that has such a mail, or for the one of this address."""
    named = () if mailbox is None else (mailboxes.c.address == mailbox,)
    known = union(
        select(mailboxes.c.id)
        .join(messages, (messages.c.mailbox_id == mailboxes.c.id) & (messages.c.message_id == message_id))
        .where(messages_of(location), *named),
        select(mailboxes.c.id)
        .join(connections, connections.c.mailbox_id == mailboxes.c.id)
        .join(
            decisions,
            (decisions.c.connection_id == connections.c.id) & (decisions.c.message_id == message_id),
        )
        .where(connections.c.location_id == location.id, DECISIONS, *named),
    )
    rows = db.execute(
        select(mailboxes, messages.c.came_by, messages.c.seen_at, messages.c.touched, messages.c.missing)
        .join(
            messages,
            (messages.c.mailbox_id == mailboxes.c.id) & (messages.c.message_id == message_id),
            isouter=True,
        )
        .where(mailboxes.c.id.in_(known))
        .order_by(mailboxes.c.address)
    ).all()
    names = SettingRepository(db, location.organisation_id).get().label_names if rows else {}
    return tuple(_trail(db, location, row, message_id, names) for row in rows)


def _trail(
    db: Connection, location: Location, row: Row[Any], message_id: str, names: ByCategory
) -> MessageRecord:
    names = {**names, **called(row)}
    return MessageRecord(
        mailbox_id=row.id,
        mailbox=row.address,
        message_id=message_id,
        label_names={
            label_id: names[Category(name)]
            for name, label_id in row.labels.items()
            if Category(name) in names
        },
        names=names,
        came_by=row.came_by,
        seen_at=row.seen_at,
        touched=bool(row.touched),
        missing=row.missing or 0,
        steps=_steps(db, location, row.id, message_id),
        decided=_decided(db, location, row.id, message_id),
        paused_at=row.paused_at,
    )


def _steps(
    db: Connection, location: Location, mailbox_id: MailboxId, message_id: str
) -> tuple[StepRecord, ...]:
    rows = db.execute(
        select(steps).where(
            steps.c.mailbox_id == mailbox_id, steps.c.message_id == message_id, steps_of(location)
        )
    ).all()
    order = list(Step)
    return tuple(
        step_taken(row)
        for row in sorted(rows, key=lambda row: (row.connection_id, order.index(Step(row.step))))
    )


def _decided(
    db: Connection, location: Location, mailbox_id: MailboxId, message_id: str
) -> tuple[ConnectionDecision, ...]:
    rows = db.execute(
        select(
            decisions,
            connections.c.user_id,
            connections.c.dry_run,
            connections.c.sorting_trouble,
            contacts.c.kind,
            contacts.c.name,
            whose(decisions.c.contact_id).label("whose"),
            notifications.c.id.label("notification_id"),
            connections.c.mode,
            mails.c.conversation_id,
            conversations.c.contact_id.label("owner_id"),
        )
        .join(connections, connections.c.id == decisions.c.connection_id)
        .outerjoin(merges, is_merge_of(connections.c.location_id, decisions.c.contact_id))
        .outerjoin(contacts, person_of(connections.c.location_id, decisions.c.contact_id))
        .join(
            notifications,
            (notifications.c.connection_id == decisions.c.connection_id)
            & (notifications.c.message_id == decisions.c.message_id),
            isouter=True,
        )
        .outerjoin(
            mail_sources,
            (mail_sources.c.location_id == connections.c.location_id)
            & (mail_sources.c.mailbox_id == decisions.c.mailbox_id)
            & (mail_sources.c.message_id == decisions.c.message_id),
        )
        .outerjoin(
            mails,
            (mails.c.location_id == mail_sources.c.location_id) & (mails.c.id == mail_sources.c.mail_id),
        )
        .outerjoin(
            conversations,
            (conversations.c.location_id == mails.c.location_id)
            & (conversations.c.id == mails.c.conversation_id),
        )
        .where(connections.c.mailbox_id == mailbox_id, connections.c.location_id == location.id)
        .where(decisions.c.message_id == message_id, DECISIONS)
        .order_by(decisions.c.connection_id)
    ).all()
    return tuple(_read(db, location, row) for row in rows)


def _read(db: Connection, location: Location, row: Row[Any]) -> ConnectionDecision:
    return ConnectionDecision(
        connection_id=row.connection_id,
        user_id=row.user_id,
        dry_run=row.dry_run,
        outcome=Outcome(row.outcome) if row.outcome else None,
        person=Person(row.whose, ContactKind(row.kind) if row.kind else None, row.name)
        if row.contact_id
        else None,
        address=row.contact_address,
        matched_by=MatchedBy(row.matched_by) if row.matched_by else None,
        author=row.author,
        via_list=row.via_list,
        received_at=row.received_at,
        category=Category(row.category) if row.category else None,
        deal=_deal(db, location, row) if row.deal_id else None,
        changed=label_changes.from_json(row.changed) if row.changed else None,
        notification_id=row.notification_id,
        undone_at=row.undone_at,
        sorting_trouble=row.sorting_trouble,
        outdated=OutdatedRepository(db, location).behind(row.whose, row.deal_id, row.user_id),
        mode=Mode(row.mode),
        conversation_id=row.conversation_id,
        owner_id=row.owner_id,
    )


def _deal(db: Connection, location: Location, row: Row[Any]) -> DecidingDeal:
    """The deal as it is now, and which of the records with the author's address it belongs to (E11)."""
    deal = db.execute(
        select(deals).where(deals.c.location_id == location.id, deals.c.id == row.deal_id)
    ).one_or_none()
    address, on_deal = contact_addresses.c, deal_contacts.c
    same_address = (
        select(whose(address.contact_id))
        .select_from(
            contact_addresses.outerjoin(merges, is_merge_of(address.location_id, address.contact_id))
        )
        .where(address.location_id == location.id, address.loose == loose(row.contact_address or ""))
    )
    key = whose(on_deal.contact_id)
    on_it = db.scalars(
        select(key)
        .select_from(deal_contacts.outerjoin(merges, is_merge_of(on_deal.location_id, on_deal.contact_id)))
        .where(on_deal.location_id == location.id, on_deal.deal_id == row.deal_id)
        .where(key.in_(same_address.correlate(None)))
        .order_by(case((key == row.whose, 0), else_=1), key)
    ).first()
    now = Deal(deal.id, DealCategory(deal.category), deal.closing_date) if deal else None
    return DecidingDeal(row.deal_id, on_it, now)
