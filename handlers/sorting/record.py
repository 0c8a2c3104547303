"""What has become of a batch, in the ledger: steps end, and what was changed is known as ours (W5, W6)."""

from collections.abc import Collection, Mapping, Sequence

import structlog

from domain.connections.connections import Connection
from domain.ids import ChannelId, ConnectionId, MailboxId
from domain.ledger import Cost, Step
from domain.notifications import NotificationKind
from domain.sorting.plans import AppliedReplacement, AppliedSorting
from handlers.channels import wake_channels
from handlers.context import Context
from handlers.ports.store import Transaction
from handlers.sorting.apply import Applied, NoLabels
from handlers.sorting.plan import Plan

log = structlog.get_logger()


def record(plan: Plan, applied: Applied, cost: Cost, context: Context) -> bool:
    """What was done; a result for settings that have changed since is dropped (W6), unless the mailbox has it already.
    Returns whether more is ready."""
    mailbox_id, me = plan.batch.mailbox.id, context.me()
    with context.store.begin("labels.record") as tx:
        versions = {one.id: one.version for one in tx.connections.working(mailbox_id, locked=True)}
        if any(one.message_id not in applied.troubles for one in plan.to_change) and not applied.refused:
            plan.batch.succeeded(tx)
        held = tx.ledger.held(mailbox_id, Step.SORT, plan.batch.claims, me)
        ours = [one for one in applied.mails if one.planned.claim.key in held]
        known = [one for one in ours if one.planned.message_id not in applied.troubles]
        ended = [one for one in known if one.change or _is_current(one, plan, versions)]
        outcomes = {one.planned.claim: one.outcome for one in ended}
        tx.ledger.finish(
            mailbox_id, Step.SORT, outcomes, me, dict.fromkeys((one.message_id for one in plan.paid), cost)
        )
        tx.decisions.conclude(outcomes, {one.planned.claim: one.change for one in ended if one.change})
        _record_earlier(mailbox_id, applied.earlier, {one.planned.link.contact_id for one in ours}, tx)
        stopped, channels = _stop(
            plan, applied.refused, {one.planned.claim.connection_id for one in ours}, tx
        )
        if dropped := [one.planned.claim for one in known if one.planned.claim not in outcomes]:
            tx.ledger.release(mailbox_id, Step.SORT, dropped, me, 0, counted=True)
        more = Step.SORT in tx.ledger.ahead(mailbox_id).ready
    _say_sorted(ended, plan, cost)
    _say_stopped(stopped, applied.refused, mailbox_id)
    wake_channels(channels, context)
    return more


def _is_current(one: AppliedSorting, plan: Plan, versions: Mapping[ConnectionId, int]) -> bool:
    connection_id = one.planned.claim.connection_id
    return versions.get(connection_id) == plan.connections[connection_id].version


def _record_earlier(
    mailbox_id: MailboxId,
    earlier: Sequence[AppliedReplacement],
    contact_ids: Collection[str],
    tx: Transaction,
) -> None:
    """What was done and what was not, in the transaction that ends the new mail's step. Of a contact whose claims
    are no longer ours, whoever has them looks at what we have begun."""
    known = [one for one in earlier if not one.trouble and one.replacement.contact.contact_id in contact_ids]
    tx.decisions.replaced({one.replacement: one.label_id for one in known if one.label_id})
    tx.decisions.not_replaced([one.replacement for one in known if not one.label_id])
    if by_user := {one.replacement.message_id for one in known if one.by_user}:
        tx.messages.touch(mailbox_id, by_user)


def _stop(
    plan: Plan, refused: NoLabels | None, concerned: Collection[ConnectionId], tx: Transaction
) -> tuple[list[Connection], frozenset[ChannelId]]:
    """The mailbox takes no label more: sorting ends in state "error" until the settings are saved again, and the user
    is told once; MailMagnet goes on (E67). Returns the connections and the channels to wake."""
    stopped: list[Connection] = []
    channels: frozenset[ChannelId] = frozenset()
    for connection in [one for one in plan.connections.values() if one.id in concerned]:
        if refused and connection.sorts and tx.connections.stop_sorting(connection, refused.reason):
            stopped.append(connection)
            channels |= tx.notifications.tell(connection, NotificationKind.SORTING_FAILED)
    return stopped, channels


def _say_sorted(ended: Sequence[AppliedSorting], plan: Plan, cost: Cost) -> None:
    for one in ended:
        claim = one.planned.claim
        log.info(
            "message.sorted",
            mailbox_id=plan.batch.mailbox.id,
            message_id=claim.message_id,
            connection_id=claim.connection_id,
            location_id=plan.connections[claim.connection_id].location.id,
            outcome=one.outcome.value,
            changed=one.change is not None,
            attempt=claim.attempts,
            milliseconds=round(cost.seconds * 1000),
        )


def _say_stopped(stopped: Sequence[Connection], refused: NoLabels | None, mailbox_id: MailboxId) -> None:
    for connection in stopped:
        log.warning(
            "sorting.stopped",
            mailbox_id=mailbox_id,
            connection_id=connection.id,
            location_id=connection.location.id,
            user_id=connection.user_id,
            reason=refused and refused.reason,
        )
