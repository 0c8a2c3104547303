"""What `lodestone doctor` says of a mailbox, by what is known of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.checks import Verdict, of_clocks, of_permissions, of_state, of_sync, of_watch
from domain.connections.connections import Connection, ConnectionState, Features, Mode
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.watches import Recall, WatchState
from infra.gmail.about import about
from infra.gmail.costs import NEW_QUOTA
from infra.gmail.scopes import EVERYTHING, Scope, asked_for, permissions_of
from tests.worlds import HERE

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


def connection(state: ConnectionState = ConnectionState.ACTIVE, *, sorting: bool = False) -> Connection:
    features = Features(magnet_since=ago(days=1), sorting_since=ago(days=1) if sorting else None)
    return Connection(
        ConnectionId(1), HERE, "uwe", MailboxId(1), Mode.LIVE, state, 1, features, dry_run=False, grant=None
    )


GMAIL = about(NEW_QUOTA, "projects/p/topics/gmail")
FRESH = WatchState(until=NOON + timedelta(days=6), renewed_at=ago(hours=20))


@pytest.mark.rule("E85")
@pytest.mark.parametrize(
    ("watch", "verdict", "says"),
    [
        pytest.param(FRESH, OK, "watch until 2026-03-21 12:00 UTC", id="as it should be"),
        pytest.param(WatchState(), FAILED, "there is no watch yet; the sweep carries on", id="none"),
        pytest.param(
            WatchState(until=ago(hours=1), renewed_at=ago(days=7), trouble="domainPolicy"),
            FAILED,
            "there is no watch since 2026-03-15 11:00 UTC (domainPolicy); the sweep carries on",
            id="expired, and why",
        ),
        pytest.param(
            WatchState(until=FRESH.until, renewed_at=ago(days=3, hours=15)),
            WARNING,
            "watch until 2026-03-21 12:00 UTC, last renewed at 2026-03-11 21:00 UTC",
            id="not renewed for more than three days",
        ),
        pytest.param(
            WatchState(until=FRESH.until),
            WARNING,
            "watch until 2026-03-21 12:00 UTC, last renewed at an unknown time",
            id="of an older release",
        ),
        pytest.param(
            replace(FRESH, trouble="backendError"),
            WARNING,
            "watch until 2026-03-21 12:00 UTC, but its renewal failed (backendError)",
            id="the renewal failed",
        ),
        pytest.param(
            replace(FRESH, recall=Recall(1, 19)),
            WARNING,
            "watch until 2026-03-21 12:00 UTC, but push brings only 5% of new mail",
            id="push fails",
        ),
    ],
)
def test_a_watch_stands_is_renewed_in_time_and_brings_mail(
    watch: WatchState, verdict: Verdict, says: str
) -> None:
    found = of_watch(watch, NOON, 0.5, GMAIL)
    assert (found.verdict, found.says) == (verdict, says)
    assert (found.next_step is None) is (verdict is OK)


@pytest.mark.rule("E85")
@pytest.mark.parametrize("reason", GMAIL.no_push)
def test_where_google_cannot_push_to_the_topic_the_check_says_what_to_do(reason: str) -> None:
    for watch in (WatchState(trouble=reason), replace(FRESH, trouble=reason)):
        assert of_watch(watch, NOON, 0.5, GMAIL).next_step == GMAIL.no_push[reason]


@pytest.mark.rule("Z33")
@pytest.mark.parametrize(
    ("synced_at", "verdict"),
    [(ago(minutes=9), OK), (ago(minutes=18), OK), (ago(minutes=20), FAILED), (None, WARNING)],
)
def test_a_mailbox_is_looked_into_when_it_is_due(synced_at: datetime | None, verdict: Verdict) -> None:
    assert of_sync(synced_at, timedelta(minutes=9), NOON).verdict is verdict


@pytest.mark.rule("Z9")
@pytest.mark.parametrize(
    ("granted", "sorting", "verdict", "says"),
    [
        pytest.param([Scope.MODIFY], True, OK, "the grant has every scope it needs", id="sorting"),
        pytest.param(
            [EVERYTHING], True, OK, "the grant has every scope it needs", id="more than ever asked for"
        ),
        pytest.param(
            [Scope.READONLY, Scope.COMPOSE], False, OK, "the grant has every scope it needs", id="no sorting"
        ),
        pytest.param(
            [Scope.READONLY, Scope.COMPOSE],
            True,
            FAILED,
            "the grant lacks gmail.modify",
            id="sorting came later",
        ),
        pytest.param([Scope.READONLY], False, FAILED, "the grant lacks gmail.compose", id="one left out"),
        pytest.param([], False, WARNING, "nobody told which scopes were granted", id="unknown"),
    ],
)
def test_the_scopes_must_do_for_what_is_switched_on(
    granted: list[str], sorting: bool, verdict: Verdict, says: str
) -> None:
    found = of_permissions(
        connection(sorting=sorting), permissions_of(granted) if granted else None, asked_for
    )
    assert (found.verdict, found.says) == (verdict, says)


@pytest.mark.rule("D12", "E86")
@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (ConnectionState.REAUTH_NEEDED, FAILED),
        (ConnectionState.PAUSED, WARNING),
        (ConnectionState.OFF, WARNING),
    ],
)
def test_google_is_not_asked_about_a_connection_that_is_not_active(
    state: ConnectionState, verdict: Verdict
) -> None:
    found = of_state(connection(state), "Google")
    assert found is not None
    assert (found.verdict, "user uwe" in found.says) == (verdict, True)
    assert of_state(connection(), "Google") is None


@pytest.mark.rule("W14")
@pytest.mark.parametrize(
    ("seconds", "verdict", "says"),
    [
        (-2, OK, "its clock is 2.0 s behind this machine's"),
        (10, OK, "its clock is 10.0 s ahead of this machine's"),
        (-11, WARNING, "its clock is 11.0 s behind this machine's"),
        (301, FAILED, "its clock is 301.0 s ahead of this machine's"),
    ],
)
def test_clocks_may_differ_by_a_little(seconds: float, verdict: Verdict, says: str) -> None:
    found = of_clocks("clock", "its", NOON + timedelta(seconds=seconds), NOON)
    assert (found.verdict, found.says) == (verdict, says)
