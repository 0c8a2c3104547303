"""Reports of mail that did not arrive mark that mail, for each of its recipients, and are no mail of a conversation
(D16-5, E32, H41)."""

from collections.abc import Mapping, Sequence

from domain.conversations.events import EventKind, NewEvent
from domain.errors import GiveUp, TryAgain
from domain.ids import ChannelId, MailboxId
from domain.mail.classes import MailClass
from domain.mail.content import MailContent
from domain.mail.delivery_reports import DeliveryReport, outcomes, read_report, wanted
from domain.mail.messages import Direction, Message
from domain.outcomes import Outcome
from handlers.batches import own_trouble
from handlers.conversations.joining import Joined
from handlers.ports.capabilities import Mailbox
from handlers.ports.store import Transaction


def read_reports(
    contents: Mapping[str, object], messages: Sequence[Message], mailbox: Mailbox
) -> tuple[Mapping[str, DeliveryReport], Mapping[str, TryAgain | GiveUp]]:
    """By message id what the reports among these mails say, and of which that cannot be told now. Parts that have not
    come along are asked for."""
    reports: dict[str, DeliveryReport] = {}
    errors: dict[str, TryAgain | GiveUp] = {}
    for message in messages:
        mail = contents[message.message_id]
        if message.mail_class is MailClass.BOUNCE and isinstance(mail, MailContent):
            with own_trouble(message.message_id, errors):
                reports[message.message_id] = read_report(mail.body, _parts(mail, mailbox))
    return reports, errors


def _parts(mail: MailContent, mailbox: Mailbox) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for part in wanted(mail.body):
        its_id = part.attachment_id or ""
        try:
            content = mailbox.attachment(mail.message_id, its_id)
        except GiveUp:
            continue
        if content is not None:
            found[its_id] = content
    return found


def mark(
    mailbox_id: MailboxId,
    reports: Mapping[str, DeliveryReport],
    joined: Sequence[Joined],
    tx: Transaction,
) -> frozenset[ChannelId]:
    """Mark what those of the reports name that D7 has refused as such, and no other rule before. Returns the channels
    that are to be woken."""
    channels = frozenset[ChannelId]()
    for one in joined:
        report = reports.get(one.candidate.content.message_id)
        if report is None or one.decision.final is not Outcome.SKIP_AUTOMATED:
            continue
        here = tx.of(one.candidate.connection.location)
        for mail in here.sent_mails.reported(mailbox_id, report.keys, report.rfc_message_ids):
            found = outcomes(report, mail.recipients)
            state = here.sent_mails.mark(mail, found)
            if state is not None:
                channels |= here.events.add(
                    NewEvent(
                        EventKind.BOUNCED,
                        mail.conversation_id,
                        mail.id,
                        Direction.OUTBOUND,
                        mail.user_id,
                        mail.sending_id,
                        state.value,
                    )
                )
    return channels
