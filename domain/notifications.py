"""MailMagnet: which mail becomes a notification (D11), and the other notifications (E67, E86)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.ids import ChannelId
from domain.mail.addresses import is_one_of
from domain.mail.classes import MailClass
from domain.mail.messages import Message
from domain.outcomes import Outcome

LATE_AFTER = timedelta(hours=24)
"""Notifications of older mail are delivered as one summary (E91)."""


class NotificationKind(StrEnum):
    """What a notification is about: a mail, or the connection. One about the connection names no mail."""

    MAIL = "mail"
    SIGN_IN_NEEDED = "sign_in_needed"
    SORTING_FAILED = "sorting_failed"
    ACCESS_REFUSED = "access_refused"


@dataclass(frozen=True, slots=True)
class Told:
    """The mails with new notifications, and the channels to wake after the commit."""

    message_ids: tuple[str, ...]
    channels: frozenset[ChannelId]


_NEVER_ANNOUNCED = frozenset({MailClass.CALENDAR, MailClass.BOUNCE, MailClass.RECEIPT})


def verdict(message: Message, own: frozenset[str]) -> Outcome:
    """The outcome for inbound mail of a known lead or contact that has passed the gate.

    Invitations, bounces and receipts have one outcome, whoever they are addressed to (Part J). For other mail D11 asks
    first whether it is addressed to the user, then for its class (D16).
    """
    if message.mail_class in _NEVER_ANNOUNCED:
        return Outcome.MAGNET_AUTOMATED
    if not any(is_one_of(address, own) for address in message.to + message.cc):
        return Outcome.MAGNET_NOT_ADDRESSED
    is_list = message.mail_class is MailClass.LIST
    if message.mail_class is MailClass.AUTO_REPLY or (is_list and message.bulk):
        return Outcome.MAGNET_AUTOMATED
    return Outcome.MAGNET_NOTIFIED


def is_late(received_at: datetime, now: datetime) -> bool:
    """Whether the mail is too old for a delivery of its own (E91)."""
    return now - received_at > LATE_AFTER
