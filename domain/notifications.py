"""MailMagnet: which mail the user is told of (D11)."""

from domain.addresses import is_one_of
from domain.mail_classes import MailClass
from domain.messages import Message
from domain.outcomes import Outcome

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
    if message.mail_class is MailClass.AUTO_REPLY or (is_list and message.precedence_marked):
        return Outcome.MAGNET_AUTOMATED
    return Outcome.MAGNET_NOTIFIED
