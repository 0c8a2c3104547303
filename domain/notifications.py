"""MailMagnet: which mail the user is told of (D11), and what else he is told (E67, E86)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.ids import ChannelId
from domain.mail.addresses import is_one_of
from domain.mail.classes import MailClass
from domain.mail.messages import Message
from domain.outcomes import Outcome

LATE_AFTER = timedelta(hours=24)
"""Older notifications are delivered as one summary (E91)."""


class NotificationKind(StrEnum):
    """What a notification is about: a mail, or the connection itself, and then without a word of any mail."""

    MAIL = "mail"
    SIGN_IN_NEEDED = "sign_in_needed"
    SORTING_FAILED = "sorting_failed"
    ACCESS_REFUSED = "access_refused"


@dataclass(frozen=True, slots=True)
class Told:
    """The mails that are new on the user's list, and the channels to wake after the commit."""

    message_ids: tuple[str, ...]
    channels: frozenset[ChannelId]


_NEVER_ANNOUNCED = frozenset({MailClass.CALENDAR, MailClass.BOUNCE, MailClass.RECEIPT})


def verdict(message: Message, own: frozenset[str]) -> Outcome:
    """For inbound mail of a known lead or contact that has passed the gate.

    Part J gives invitations, bounces and receipts one outcome wherever they are addressed to. For all other
    mail D11 asks first whether it was addressed to the user himself, then for its class (D16).
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
    """Whether the mail is too old to be told of by itself (E91)."""
    return now - received_at > LATE_AFTER
