"""How every mailbox really stands: what Google says when it is asked, beside what we know (D12, E84–E86, E99)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from domain.checks import (
    Finding,
    Verdict,
    failed,
    of_alias,
    of_refused_history,
    of_scopes,
    of_state,
    of_sync,
    of_watch,
    ok,
    warning,
)
from domain.connections import Connection, MailboxState
from domain.errors import CursorExpired, GiveUp, TryAgain
from handlers.context import Context, with_mailbox
from handlers.ports.providers import Mailbox

STAGES = 20
"""Stages that are named."""

OUT_OF_REACH = frozenset({"unreachable", "timeout", "connection_broken"})
"""What a Gmail that is away answers every mailbox."""

OPERATORS = {
    "accessNotConfigured": (
        "the Gmail API is not enabled in the OAuth client's project",
        "enable it: `lodestone setup google` prints the command",
    ),
    "account_not_found": (
        "Google does not know the service account any more",
        "make another, delegate to it, set LODESTONE_SERVICE_ACCOUNT_FILE: docs/GOOGLE.md",
    ),
    "invalid_scope": (
        "Google does not know a scope that we ask for",
        "compare the consent screen with `lodestone setup google`",
    ),
    **dict.fromkeys(
        ("invalid_client", "deleted_client", "disabled_client"),
        (
            "Google does not know the OAuth client by which its user signed in, or its secret",
            "restore the client in the Cloud console; with another one every user signs in again",
        ),
    ),
    **dict.fromkeys(
        ("access_denied", "admin_policy_enforced", "org_internal", "unauthorized_client"),
        (
            "the domain's administrator does not let us in, or not yet",
            "delegation for exactly the scopes of `lodestone setup google`, or the app as Trusted: docs/GOOGLE.md",
        ),
    ),
    "no_service_account": (
        "its access is delegated to a service account, and we have no key",
        "set LODESTONE_SERVICE_ACCOUNT_FILE",
    ),
    "invalid_jwt": (
        "Google does not accept what the service account's key has signed",
        "set this machine's clock by NTP; else make another key",
    ),
}
"""Words that pass only when the operator does something."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One mailbox. `out_of_reach` says that Gmail itself could not be reached."""

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
    scopes: tuple[str, ...]
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


def mailboxes(address: str | None, context: Context) -> Sequence[int]:
    """The ids of the one with this address, or of all."""
    with context.store.begin("doctor.list", reads_only=True) as tx:
        return tx.mailboxes.ids(address)


def examine(mailbox_id: int, context: Context, *, ask: bool = True) -> Examined | None:
    """Look at one mailbox; None when it has gone meanwhile. Unless `ask`, by what we know alone.

    Every grant is refreshed; one that Google has ended is dealt with as everywhere (E86). Nothing is asked for a
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
    found: list[Finding] = []
    if paused:
        found.append(warning("paused", "it is paused", "`lodestone resume` when it may go on"))
    elif mailbox.rests(now):
        found.append(_resting(mailbox))
    away = False
    for connection in connections:
        state = of_state(connection)
        if state is not None:
            found.append(state)
        elif ask and not paused and not mailbox.rests(now) and not away:
            answers, away = _ask(connection, mailbox, context)
            found += answers
    if mailbox.history_refused_at is not None:
        found.append(of_refused_history(mailbox.history_refused_at))
    if not paused and any(connection.works for connection in connections):
        found.append(of_watch(mailbox.watch, now, context.timing.push_recall))
        found.append(of_sync(mailbox.synced_at, timedelta(seconds=context.timing.sync_due_after), now))
    found += [of_alias(one) for one in aliases if one.held_by and one.mailbox == mailbox.address]
    return Examined(mailbox.address, tuple(found), away)


def _ask(connection: Connection, mailbox: MailboxState, context: Context) -> tuple[list[Finding], bool]:
    """What Google says of the connection, and whether it was out of reach."""
    if connection.grant is None:
        return [
            failed("token", "there is no grant", f"`lodestone connect --user {connection.user_id}`")
        ], False
    # A grant without its access token has to be refreshed: that is the question.
    stale = replace(connection, grant=replace(connection.grant, access_token=None, expires_at=None))
    try:
        seen = with_mailbox([stale], context, lambda gmail: _look(gmail, mailbox))
    except TryAgain as error:
        return [_refused(error.reason)], error.reason in OUT_OF_REACH
    except GiveUp as error:
        step = "the domain's administrator decides which apps may enter: docs/GOOGLE.md"
        return [failed("gmail", f"Gmail refuses: {error.reason}", step)], False
    if seen is None:
        return [_ended(connection, context)], False
    token = ok("token", "its token could be refreshed")
    return [token, of_scopes(connection, seen.scopes), *_compare(seen, mailbox)], False


def _ended(connection: Connection, context: Context) -> Finding:
    """Its state was changed just now, by the look itself."""
    with context.store.begin("doctor.look", reads_only=True) as tx:
        now = tx.connections.get(connection.id)
    ended = of_state(now) if now else None
    return ended or warning("token", "it was changed meanwhile", "look again")


def _resting(mailbox: MailboxState) -> Finding:
    rests = f"it rests until {mailbox.resting_until:%Y-%m-%d %H:%M} UTC"
    if mailbox.trouble in OPERATORS:
        says, step = OPERATORS[mailbox.trouble]
        return failed("gmail", f"{says}; {rests}", step)
    return warning("gmail", f"Gmail limits or refuses it; {rests}", "see docs/RUNBOOK.md")


def _refused(reason: str) -> Finding:
    if reason in OUT_OF_REACH:
        return failed("gmail", f"it cannot be reached ({reason})", "check the network and the proxy")
    if reason in OPERATORS:
        return failed("gmail", *OPERATORS[reason])
    return warning("gmail", f"Gmail says {reason}", "it passes by itself; look again in some minutes")


def _look(gmail: Mailbox, mailbox: MailboxState) -> _Seen:
    history = True
    address = gmail.address()
    if mailbox.cursor is not None and mailbox.history_refused_at is None:
        try:
            next(iter(gmail.changes_since(mailbox.cursor)), None)
        except CursorExpired:
            history = False
    return _Seen(address, gmail.grant.scopes, history)


def _compare(seen: _Seen, mailbox: MailboxState) -> list[Finding]:
    found = [ok("address", "Gmail knows it by the same address")]
    if seen.address != mailbox.address:
        says = "Gmail knows it by another address: it was renamed (E99)"
        found = [
            warning("address", says, "nothing: the next daily look at its addresses takes the new one over")
        ]
    if mailbox.cursor is not None and not seen.history:
        says = "its cursor is older than Gmail's history"
        found.append(
            warning("cursor", says, "nothing: what came since the last success is listed again (E84)")
        )
    elif mailbox.cursor is not None and mailbox.history_refused_at is None:
        found.append(ok("cursor", "Gmail's history goes back to its cursor"))
    return found
