"""What `lodestone doctor` finds: per line ok, warning or failed, and the next step."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.connections.aliases import Alias
from domain.connections.connections import UNKNOWN_ADDRESS, Connection, ConnectionState
from domain.connections.permissions import Permission, needed
from domain.mailboxes.watches import RENEWED_WITHIN, WatchState
from domain.providers import Provider
from domain.reports import TOO_LONG


class Verdict(StrEnum):
    """A warning may be meant so; what failed is in the way."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `says` is what is so, `next_step` what to do about it."""

    check: str
    verdict: Verdict
    says: str
    next_step: str | None = None


def ok(check: str, says: str) -> Finding:
    return Finding(check, Verdict.OK, says)


def warning(check: str, says: str, next_step: str) -> Finding:
    return Finding(check, Verdict.WARNING, says, next_step)


def failed(check: str, says: str, next_step: str) -> Finding:
    return Finding(check, Verdict.FAILED, says, next_step)


@dataclass(frozen=True, slots=True)
class Part:
    """Something to look at, unless one of the settings it `needs` is wrong. `file` is the setting that is done without
    where this fails."""

    needs: tuple[str, ...]
    look: Callable[[], Iterable[Finding]]
    file: str | None = None


A_LITTLE, TOO_MUCH = timedelta(seconds=10), timedelta(minutes=5)
"""Between clocks: beyond the first, times in logs and leases mislead; beyond the second nobody takes what we
sign."""


def of_clocks(check: str, whose: str, theirs: datetime, ours: datetime) -> Finding:
    """How far another clock is from this machine's (W14)."""
    apart = theirs - ours
    way = "ahead of" if apart > timedelta() else "behind"
    says = f"{whose} clock is {abs(apart).total_seconds():.1f} s {way} this machine's"
    if abs(apart) <= A_LITTLE:
        return ok(check, says)
    judge = failed if abs(apart) > TOO_MUCH else warning
    return judge(check, says, "set the clocks by NTP")


def of_watch(watch: WatchState, now: datetime, push_recall: float, provider: Provider) -> Finding:
    """Whether the push registration stands, is renewed in time, and brings what it should (E85)."""
    why = f" ({watch.trouble})" if watch.trouble else ""
    if watch.until is None or watch.until <= now:
        since = f"since {_minute(watch.until)}" if watch.until else "yet"
        says = f"there is no watch {since}{why}; the sweep carries on"
        look = f"does a worker run, and the sweep? `watch.failed` in the log gives {provider.title}'s word"
        return failed("watch", says, provider.no_push.get(watch.trouble or "", look))
    until = f"watch until {_minute(watch.until)}"
    if watch.trouble:
        says = f"{until}, but its renewal failed{why}"
        again = "it is tried again every 10 minutes; see `watch.failed` in docs/LOGS.md"
        return warning("watch", says, provider.no_push.get(watch.trouble, again))
    if watch.renewed_at is None or now - watch.renewed_at > RENEWED_WITHIN:
        when = _minute(watch.renewed_at) if watch.renewed_at else "an unknown time"
        return warning("watch", f"{until}, last renewed at {when}", "does a worker run, and the sweep?")
    if watch.recall.is_low(push_recall):
        says = f"{until}, but push brings only {watch.recall.share:.0%} of new mail"
        return warning("watch", says, "the watch is made anew by itself; does a dispatcher run?")
    return ok("watch", until)


def of_refused_history(refused_at: datetime, title: str) -> Finding:
    """The provider takes no cursor of the mailbox, not even one just got (E84)."""
    says = (
        f"its history is unusable: {title} refused every id at {_minute(refused_at)}; it is swept by listing"
    )
    return warning("history", says, "nothing: history is tried again daily; a new connection may help")


def of_sync(synced_at: datetime | None, due_after: timedelta, now: datetime) -> Finding:
    """Whether the mailbox was looked into when it was due (Z33)."""
    if synced_at is None:
        return warning("sync", "nobody has looked into it yet", "does a worker run, and the sweep?")
    says = f"last looked into {_span(now - synced_at)} ago"
    if now - synced_at > due_after + TOO_LONG:
        return failed(
            "sync", says, "does a worker run, and the sweep? see `duty.postponed` and `mailbox.rested`"
        )
    return ok("sync", says)


def of_permissions(
    connection: Connection,
    granted: Collection[Permission] | None,
    called: Callable[[Collection[Permission]], Iterable[str]],
) -> Finding:
    """Whether what the user has granted is enough for what is switched on (Z9). `called` gives the names that the
    provider's page has for it."""
    again = f"the user signs in again: `lodestone connect --user {connection.user_id}`"
    if granted is None:
        return warning("scopes", "nobody told which scopes were granted", again)
    lacking = needed(labels=connection.features.sorting and not connection.dry_run) - set(granted)
    if lacking:
        return failed("scopes", f"the grant lacks {', '.join(called(lacking))}", again)
    return ok("scopes", "the grant has every scope it needs")


def of_state(connection: Connection, company: str) -> Finding | None:
    """Why the provider need not be asked about a connection; None when it is active."""
    user = connection.user_id
    match connection.state:
        case ConnectionState.REAUTH_NEEDED if connection.access_trouble == UNKNOWN_ADDRESS:
            says = (
                f"{company} knows no mailbox of the address that the service account enters for user {user}"
            )
            step = f"name the account's primary address: `lodestone connect --user {user} --delegate ADDRESS`"
            return failed("token", says, step)
        case ConnectionState.REAUTH_NEEDED:
            says = f"{company} has ended the grant of user {user}; he was told"
            return failed("token", says, f"he signs in again: `lodestone connect --user {user}`")
        case ConnectionState.PAUSED:
            says = f"the CRM has withdrawn the permission of user {user}"
            return warning("token", says, "nothing, if that is meant so; else give it back in the CRM")
        case ConnectionState.OFF:
            says = f"the connection of user {user} is being ended"
            return warning("token", says, f"if it stays: `lodestone disconnect --user {user}`")
        case ConnectionState.ACTIVE:
            return None


def of_alias(alias: Alias) -> Finding:
    """A registered alias that gave way to somebody who has the address too (E14)."""
    says = f"an alias of user {alias.user_id} does not count: {alias.held_by} has the address"
    step = f"if it is the user's own, take it from the other; `lodestone alias list --user {alias.user_id}`"
    return warning("alias", says, step)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    seconds = max(round(span.total_seconds()), 0)
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
