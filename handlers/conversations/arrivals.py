"""Mail that has arrived, for the connections of its mailbox that sync."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from domain.connections.connections import Connection
from domain.crm.locations import Location
from domain.ids import ChannelId, MailboxId
from domain.ledger import Planned, State, Step
from domain.mail.content import MailContent
from domain.mail.messages import Message
from domain.mailboxes.state import MailboxState
from handlers.conversations.joining import Candidate, Joined, candidate, join_all
from handlers.people import look_up
from handlers.ports.store import Transaction

log = structlog.get_logger()

CLOCKS = timedelta(seconds=1)
"""How far the clock of the database may be behind that of the provider."""


def candidates(
    fetched: Mapping[str, object], messages: Sequence[Message], connections: Sequence[Connection]
) -> list[Candidate]:
    """Each mail that was read whole, for each connection that syncs."""
    syncing = [connection for connection in connections if connection.keeps_copies]
    return [
        candidate(content, message, connection)
        for message in messages
        for connection in syncing
        if isinstance(content := fetched[message.message_id], MailContent)
    ]


def are_stale(
    those: Sequence[Candidate], messages: Collection[Message], connections: Sequence[Connection]
) -> bool:
    """Whether a connection has begun to sync since the mailbox was asked, so that the mails are to be read anew."""
    asked_for = {one.connection.id for one in those}
    return bool(messages) and any(c.keeps_copies and c.id not in asked_for for c in connections)


def take_turns(those: Sequence[Candidate], tx: Transaction) -> None:
    """Before anything else is locked, in the order of the locations."""
    for location, its in _by_location(those).items():
        tx.of(location).conversations.take_turns([one.sought for one in its])


def join(
    mailbox: MailboxState,
    connections: Sequence[Connection],
    messages: Collection[Message],
    those: Sequence[Candidate],
    tx: Transaction,
) -> tuple[list[Joined], frozenset[ChannelId]]:
    """Decide on these mails by the settings of this moment. Returns also the channels to wake after the commit."""
    now = {connection.id: connection for connection in connections if connection.keeps_copies}
    wanted = {message.message_id for message in messages}
    held = [
        replace(one, connection=now[one.connection.id])
        for one in those
        if one.connection.id in now and one.message.message_id in wanted
    ]
    joined, channels = list[Joined](), frozenset[ChannelId]()
    for location, its in _by_location(held).items():
        people = look_up(mailbox.id, location, [one.message for one in its], tx, everybody=True)
        more, woken = join_all(its, people, frozenset(mailbox.labels.values()), tx.of(location))
        joined += more
        channels |= woken
    return [_with_rest(mailbox.id, one, tx) for one in joined], channels


def _with_rest(mailbox_id: MailboxId, one: Joined, tx: Transaction) -> Joined:
    """The first mail of a thread has no rest, unless a mail that came later was decided before it (E103)."""
    if not (one.is_to_gather and one.candidate.content.first_of_thread):
        return one
    came = one.candidate.content.received_at - CLOCKS
    return replace(one, is_to_gather=tx.messages.refused_since(mailbox_id, one.candidate.connection.id, came))


def _by_location(candidates: Sequence[Candidate]) -> Mapping[Location, list[Candidate]]:
    found: dict[Location, list[Candidate]] = {}
    for one in sorted(candidates, key=lambda one: one.connection.location.id):
        found.setdefault(one.connection.location, []).append(one)
    return found


def steps_of(joined: Sequence[Joined]) -> list[tuple[str, int, Planned]]:
    """What is to be done for the mails that were added: to keep what they hold, and to look for the rest of a thread
    that is new to its conversation (E103)."""
    planned: list[tuple[str, int, Planned]] = []
    for one in joined:
        of = (one.candidate.content.message_id, one.candidate.connection.id)
        if one.mail_id is not None:
            planned.append((*of, Planned(Step.COPY, State.WAITING)))
        if one.is_to_gather:
            planned.append((*of, Planned(Step.GATHER, State.WAITING)))
    return planned


def say(mailbox_id: MailboxId, joined: Sequence[Joined]) -> None:
    """What became of each, by ids."""
    for one in joined:
        connection, outcome = one.candidate.connection, one.decision.final
        event = log.bind(
            mailbox_id=mailbox_id,
            message_id=one.candidate.content.message_id,
            connection_id=connection.id,
            location_id=connection.location.id,
            outcome=outcome and outcome.value,
            row=one.decision.sync.row,
        )
        if one.conversation_id is None:
            event.info("conversation.refused")
        else:
            event.info("conversation.joined", conversation_id=one.conversation_id, mail_id=one.mail_id)
