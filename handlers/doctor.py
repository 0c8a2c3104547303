"""How every mailbox really stands: what its provider says when it is asked, beside what we know (D12, E84–E86, E99)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from domain.checks import (
    Finding,
    Verdict,
    failed,
    of_alias,
    of_permissions,
    of_refused_history,
    of_state,
    of_sync,
    of_watch,
    ok,
    warning,
)
from domain.connections.connections import Connection
from domain.connections.permissions import Permission
from domain.errors import CursorExpired, GiveUp, TryAgain
from domain.ids import MailboxId
from domain.mailboxes.state import MailboxState
from domain.providers import Provider
from handlers.context import Context
from handlers.conversations.reading import AWAY
from handlers.ports.capabilities import Mailbox
from handlers.ports.providers import MailProvider
from handlers.sessions import with_mailbox

STAGES = 20
"""Stages that are named."""

OUT_OF_REACH = frozenset({"unreachable", "timeout", "connection_broken"})
"""The words of a provider that is away, the same for every mailbox."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One mailbox. `out_of_reach` says that the provider itself could not be reached."""

    address: str
    findings: tuple[Finding, ...]
    out_of_reach: bool = False

    @property
    def worst(self) -> Verdict:
        """The worst verdict on it."""
        found = {finding.verdict for finding in self.findings}
        return next((v for v in (Verdict.FAILED, Verdict.WARNING) if v in found), Verdict.OK)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look into the mailbox showed."""

    address: str
    permissions: frozenset[Permission] | None
    history: bool


def stages(context: Context) -> Finding:
    """Whether there are deals that count as OPEN only because their stage has no category (E9)."""
    with context.store.begin("doctor.stages", reads_only=True) as tx:
        found, number = tx.reports.uncategorised_stages(STAGES)
    if not found:
        return ok("stages", "every stage of a deal has a category")
    names = ", ".join(f"{stage or 'without a name'} ({deals})" for stage, deals in found.items())
    more = f" and {number - len(found)} more" if number > len(found) else ""
    says = f"these have no category, so their deals count as OPEN: {names}{more}"
    return warning("stages", says, "have the CRM send OPEN, WON or LOST for them: docs/CRM.md")


def mailboxes(address: str | None, context: Context) -> Sequence[MailboxId]:
    """The ids of the one with this address, or of all."""
    with context.store.begin("doctor.list", reads_only=True) as tx:
        return tx.mailboxes.ids(address)


def examine(mailbox_id: MailboxId, context: Context, *, ask: bool = True) -> Examined | None:
    """Look at one mailbox; None when it has gone meanwhile. Unless `ask`, by what we know alone.

    Every grant is refreshed; one that the provider has ended is dealt with as everywhere (E86). Nothing is asked for a
    mailbox that is paused or rests.
    """
    with context.store.begin("doctor.look", reads_only=True) as tx:
        mailbox = tx.mailboxes.get(mailbox_id)
        if mailbox is None:
            return None
        connections = tx.connections.of_mailbox(mailbox_id)
        aliases = [
            alias for one in connections for alias in tx.of(one.location).aliases.of_users([one.user_id])
        ]
        paused = tx.mailboxes.paused_at(mailbox_id) is not None
        now = tx.now()
    provider = context.providers[mailbox.account.provider]
    about = provider.about
    found: list[Finding] = []
    if paused:
        found.append(warning("paused", "it is paused", "`lodestone resume` when it may go on"))
    elif mailbox.rests(now):
        found.append(_resting(mailbox, about))
    away = False
    for connection in connections:
        state = of_state(connection, about.company)
        if state is not None:
            found.append(state)
        elif ask and not paused and not mailbox.rests(now) and not away:
            answers, away = _ask(connection, mailbox, provider, context)
            found += answers
    if mailbox.history_refused_at is not None:
        found.append(of_refused_history(mailbox.history_refused_at, about.title))
    if not paused and any(connection.works for connection in connections):
        found.append(of_watch(mailbox.watch, now, context.timing.push_recall, about))
        found.append(of_sync(mailbox.synced_at, timedelta(seconds=context.timing.sync_due_after), now))
    found += [of_alias(one) for one in aliases if one.held_by and one.mailbox == mailbox.address]
    return Examined(mailbox.address, tuple(found), away)


def _ask(
    connection: Connection, mailbox: MailboxState, provider: MailProvider, context: Context
) -> tuple[list[Finding], bool]:
    """What the provider says of the connection, and whether it was out of reach."""
    about = provider.about
    if connection.grant is None:
        return [
            failed("token", "there is no grant", f"`lodestone connect --user {connection.user_id}`")
        ], False
    try:
        seen = with_mailbox([connection], context, lambda entered: _look(entered, mailbox, provider))
    except TryAgain as error:
        return [_refused(error.reason, about)], error.reason in OUT_OF_REACH
    except GiveUp as error:
        return [failed(about.name, f"{about.title} refuses: {error.reason}", about.refused)], False
    if seen is None:
        return [_ended(connection, about, context)], False
    token = ok("token", "its token could be refreshed")
    granted = of_permissions(connection, seen.permissions, provider.asks_for)
    return [token, granted, *_compare(seen, mailbox, about.title)], False


def _ended(connection: Connection, about: Provider, context: Context) -> Finding:
    """Its state was changed just now, by the look itself."""
    with context.store.begin("doctor.look", reads_only=True) as tx:
        now = tx.connections.get(connection.id)
    ended = of_state(now, about.company) if now else None
    return ended or warning("token", "it was changed meanwhile", "look again")


def _resting(mailbox: MailboxState, about: Provider) -> Finding:
    rests = f"it rests until {mailbox.resting_until:%Y-%m-%d %H:%M} UTC"
    if remedy := about.remedies.get(mailbox.trouble or ""):
        return failed(about.name, f"{remedy.says}; {rests}", remedy.next_step)
    if mailbox.trouble in AWAY:
        says = f"the object store takes or gives nothing ({mailbox.trouble}); {rests}"
        return failed("objects", says, "check LODESTONE_OBJECTS, and whether there is room")
    return warning(about.name, f"{about.title} limits or refuses it; {rests}", "see docs/RUNBOOK.md")


def _refused(reason: str, about: Provider) -> Finding:
    if reason in OUT_OF_REACH:
        return failed(about.name, f"it cannot be reached ({reason})", "check the network and the proxy")
    if remedy := about.remedies.get(reason):
        return failed(about.name, remedy.says, remedy.next_step)
    again = "it passes by itself; look again in some minutes"
    return warning(about.name, f"{about.title} says {reason}", again)


def _look(entered: Mailbox, mailbox: MailboxState, provider: MailProvider) -> _Seen:
    """The refresh is the first question: whether the grant is still good."""
    entered.refresh()
    history = True
    address = entered.address()
    if mailbox.cursor is not None and mailbox.history_refused_at is None:
        try:
            next(iter(entered.changes_since(mailbox.cursor)), None)
        except CursorExpired:
            history = False
    return _Seen(address, provider.permissions(entered.grant), history)


def _compare(seen: _Seen, mailbox: MailboxState, title: str) -> list[Finding]:
    found = [ok("address", f"{title} knows it by the same address")]
    if seen.address != mailbox.address:
        says = f"{title} knows it by another address: it was renamed (E99)"
        found = [
            warning("address", says, "nothing: the next daily look at its addresses takes the new one over")
        ]
    if mailbox.cursor is not None and not seen.history:
        says = f"its cursor is older than {title}'s history"
        found.append(
            warning("cursor", says, "nothing: what came since the last success is listed again (E84)")
        )
    elif mailbox.cursor is not None and mailbox.history_refused_at is None:
        found.append(ok("cursor", f"{title}'s history goes back to its cursor"))
    return found
