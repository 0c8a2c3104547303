"""What a mail of a conversation holds is kept: its text at once, its files by a step of their own (D14, H46)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from domain.conversations.mails import CopiedFile, ToCopy
from domain.crm.locations import Location
from domain.errors import GiveUp, Slowed, TryAgain
from domain.ids import MailboxId
from domain.ledger import Claim, Cost, Step
from domain.mail.attachments import fits
from domain.mail.content import MailContent, MimePart, numbered
from domain.mail.copied import FileState
from domain.mail.copies import to_bytes
from domain.mail.file_types import sniffed
from domain.objects import Reserved
from domain.quota import Purpose
from handlers import copies
from handlers.batches import own_trouble
from handlers.context import Context
from handlers.conversations.claiming import Claimed, claim
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
        claimed = claim(mailbox_id, Step.COPY, tx, context)
        if claimed is None:
            return False
        waiting = {
            one: claimed.here(one.connection_id, tx).conversations.to_copy(mailbox_id, one.message_id)
            for one in claimed.batch.claims
        }
    with claimed.batch.released_on_failure():
        return _copy(claimed, waiting, context)
    return False


@dataclass(frozen=True, slots=True)
class _Copying:
    """One mail that is being copied, of one connection."""

    to_copy: ToCopy
    location: Location
    content: MailContent


def _copy(claimed: Claimed, waiting: Mapping[Claim, ToCopy | None], context: Context) -> bool:
    batch, connections = claimed.batch, claimed.connections
    wanted = [claim for claim, to_copy in waiting.items() if to_copy is not None and not to_copy.is_done]
    ids = list(dict.fromkeys(claim.message_id for claim in wanted))

    failed: dict[str, TryAgain | GiveUp] = {}

    def work(mailbox: Mailbox) -> tuple[Mapping[str, MailContent | TryAgain | GiveUp | None], int]:
        found = mailbox.contents(ids) if ids else {}
        failed.update({i: e for i, e in found.items() if isinstance(e, TryAgain | GiveUp)})
        for one in wanted:
            content, to_copy = found[one.message_id], waiting[one]
            if isinstance(content, MailContent) and to_copy is not None:
                location = connections[one.connection_id].location
                with own_trouble(one.message_id, failed):
                    _copy_one(_Copying(to_copy, location, content), mailbox, context)
        return found, mailbox.spent.units

    calls = len(ids) + sum(len(to_copy.files) for to_copy in waiting.values() if to_copy is not None)
    quota = context.tally.quota
    began = time.monotonic()
    try:
        answer = with_mailbox(
            tuple(connections.values()),
            context,
            work,
            batch.lease(),
            purpose=Purpose.COPY,
            expected=min(quota.read * calls, quota.mailbox_minute // 4),
        )
    except Slowed as error:  # new mail goes first, and the mailbox does not rest for this
        batch.release(batch.claims, error.after.total_seconds() if error.after else 0, counted=False)
        return False
    if answer is None:
        batch.release(batch.claims, 0, counted=False)
        return False
    found, units = answer
    batch.failed(failed)
    done = [claim for claim in batch.claims if claim.message_id not in failed]
    with context.store.begin("copies.record") as tx:
        batch.succeeded(tx)
        for one in done:
            to_copy = waiting[one]
            if to_copy is not None and found.get(one.message_id, to_copy) is None:
                claimed.here(one.connection_id, tx).conversations.files_gone(to_copy.mail_id)
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
            file = CopiedFile(place, FileState.GONE)
        elif not fits(len(content), taken):  # its size was a lie
            file = CopiedFile(place, FileState.TOO_LARGE, size=len(content))
        else:
            taken += len(content)
            kept = copies.keep(organisation_id, [content], context)
            file = CopiedFile(place, FileState.KEPT, kept[0].name, sniffed(content), len(content))
        with context.store.begin("copies.file") as tx:
            tx.of(one.location).objects.mark_used(kept)
            tx.of(one.location).conversations.keep_file(mail_id, file)


def _content(message_id: str, part: MimePart | None, mailbox: Mailbox) -> bytes | None:
    if part is None:
        return None
    if part.content is not None:
        return part.content
    return mailbox.attachment(message_id, part.attachment_id) if part.attachment_id else None
