"""What a mail of a conversation holds is kept: its text at once, its files by a step of their own (D14, H46)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from domain.connections.connections import Connection
from domain.conversations.mails import KeptFile, ToCopy
from domain.crm.locations import Location
from domain.errors import GiveUp, TryAgain
from domain.ids import ConnectionId, MailboxId
from domain.ledger import BATCH_SIZE, Claim, Cost, Step
from domain.mail.attachments import fits
from domain.mail.content import MailContent, MimePart, numbered
from domain.mail.copied import FileState
from domain.mail.copies import to_bytes
from domain.mail.file_types import sniffed
from domain.objects import Reserved
from domain.quota import Purpose
from handlers import copies
from handlers.batches import ClaimedBatch, own_trouble, set_aside_exhausted
from handlers.context import Context
from handlers.conversations.joining import Joined
from handlers.ports.capabilities import Mailbox
from handlers.sessions import with_mailbox

log = structlog.get_logger()


def keep_texts(mailbox_id: MailboxId, joined: Sequence[Joined], context: Context) -> bool:
    """Keep what these mails say, while it is at hand; a mail without files is done with that. Returns whether nothing
    is left for `copy`, which does what a process that dies here, or a store that is away, leaves."""
    done = not any(one.files for one in joined)
    for location in {one.candidate.connection.location for one in joined if one.mail_id is not None}:
        its = [one for one in joined if one.mail_id and one.candidate.connection.location == location]
        try:
            _keep_texts(mailbox_id, location, its, context)
        except TryAgain as error:
            log.warning("copy.postponed", mailbox_id=mailbox_id, location_id=location.id, reason=error.reason)
            done = False
    return done


def _keep_texts(
    mailbox_id: MailboxId, location: Location, joined: Sequence[Joined], context: Context
) -> None:
    texts = [to_bytes(one.candidate.content.body) for one in joined]
    kept = copies.keep(location.organisation_id, texts, context)
    with context.store.begin("copies.texts") as tx:
        here = tx.of(location)
        here.objects.mark_used(kept)
        named = {one.mail_id: object_.name for one, object_ in zip(joined, kept, strict=True) if one.mail_id}
        here.conversations.keep_contents(named)
        written_here = [
            object_.name for one, object_ in zip(joined, kept, strict=True) if one.candidate.sought.key
        ]
        if written_here:  # what was kept of them when they were sent stays
            here.objects.released(written_here)
        done = [
            (one.candidate.content.message_id, one.candidate.connection.id) for one in joined if not one.files
        ]
        tx.ledger.call_off(mailbox_id, Step.COPY, done)


def copy(mailbox_id: MailboxId, context: Context) -> None:
    """Copy what waits in this mailbox, some mails at a time, until nothing is left."""
    while not context.stopping() and _copy_some(mailbox_id, context):
        pass


def _copy_some(mailbox_id: MailboxId, context: Context) -> bool:
    with context.store.begin("copies.claim") as tx:
        mailbox = tx.mailboxes.get(mailbox_id)
        connections = {c.id: c for c in tx.connections.working(mailbox_id) if c.keeps_copies}
        if mailbox is None or not connections or mailbox.rests(mailbox.read_at):
            return False
        claims = tx.ledger.claim(
            mailbox_id, Step.COPY, BATCH_SIZE, context.me(), context.timing.lease, connections
        )
        claims = set_aside_exhausted(mailbox_id, Step.COPY, claims, context.me(), connections.values(), tx)
        if not claims:
            return False
        waiting = {
            claim: tx.of(connections[claim.connection_id].location).conversations.to_copy(
                mailbox_id, claim.message_id
            )
            for claim in claims
        }
    batch = ClaimedBatch(mailbox, Step.COPY, claims, context)
    with batch.released_on_failure():
        return _copy(batch, connections, waiting, context)
    return False


@dataclass(frozen=True, slots=True)
class _Copying:
    """One mail that is being copied, of one connection."""

    to_copy: ToCopy
    location: Location
    content: MailContent


def _copy(
    batch: ClaimedBatch,
    connections: Mapping[ConnectionId, Connection],
    waiting: Mapping[Claim, ToCopy | None],
    context: Context,
) -> bool:
    wanted = [claim for claim, to_copy in waiting.items() if to_copy is not None and not to_copy.is_done]
    ids = list(dict.fromkeys(claim.message_id for claim in wanted))

    failed: dict[str, TryAgain | GiveUp] = {}

    def work(mailbox: Mailbox) -> tuple[Mapping[str, MailContent | TryAgain | GiveUp | None], int]:
        found = mailbox.contents(ids) if ids else {}
        failed.update({i: e for i, e in found.items() if isinstance(e, TryAgain | GiveUp)})
        for claim in wanted:
            content, to_copy = found[claim.message_id], waiting[claim]
            if isinstance(content, MailContent) and to_copy is not None:
                location = connections[claim.connection_id].location
                with own_trouble(claim.message_id, failed):
                    _copy_one(_Copying(to_copy, location, content), mailbox, context)
        return found, mailbox.spent.units

    began = time.monotonic()
    answer = with_mailbox(
        tuple(connections.values()),
        context,
        work,
        batch.lease(),
        purpose=Purpose.MATCH,
        expected=context.tally.quota.read * len(ids),
    )
    if answer is None:
        batch.release(batch.claims, 0, counted=False)
        return False
    found, units = answer
    batch.failed(failed)
    done = [claim for claim in batch.claims if claim.message_id not in failed]
    with context.store.begin("copies.record") as tx:
        batch.succeeded(tx)
        for claim in done:
            to_copy = waiting[claim]
            if to_copy is not None and found.get(claim.message_id, to_copy) is None:
                location = connections[claim.connection_id].location
                tx.of(location).conversations.files_gone(to_copy.mail_id)
        cost = Cost(units / max(1, len(ids)), time.monotonic() - began, max(1, len(ids)))
        costs = {claim.message_id: cost for claim in done if claim.message_id in found}
        tx.ledger.finish(batch.mailbox.id, Step.COPY, dict.fromkeys(done), context.me(), costs)
    return True


def _copy_one(one: _Copying, mailbox: Mailbox, context: Context) -> None:
    """Its text where that is not kept yet, then each file by itself, so that one is in memory at a time."""
    organisation_id, mail_id = one.location.organisation_id, one.to_copy.mail_id
    if not one.to_copy.has_text:
        [text] = copies.keep(organisation_id, [to_bytes(one.content.body)], context)
        with context.store.begin("copies.text") as tx:
            tx.of(one.location).objects.mark_used([text])
            tx.of(one.location).conversations.keep_contents({mail_id: text.name})
    parts = dict(numbered(one.content.body))
    taken = one.to_copy.taken
    for place in one.to_copy.files:
        content = _content(one.content.message_id, parts.get(place), mailbox)
        kept: tuple[Reserved, ...] = ()
        if content is None:
            file = KeptFile(place, FileState.GONE)
        elif not fits(len(content), taken):  # its size was a lie
            file = KeptFile(place, FileState.TOO_LARGE, size=len(content))
        else:
            taken += len(content)
            kept = copies.keep(organisation_id, [content], context)
            file = KeptFile(place, FileState.KEPT, kept[0].name, sniffed(content), len(content))
        with context.store.begin("copies.file") as tx:
            tx.of(one.location).objects.mark_used(kept)
            tx.of(one.location).conversations.keep_file(mail_id, file)


def _content(message_id: str, part: MimePart | None, mailbox: Mailbox) -> bytes | None:
    if part is None:
        return None
    if part.content is not None:
        return part.content
    return mailbox.attachment(message_id, part.attachment_id) if part.attachment_id else None
