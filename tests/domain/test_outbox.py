"""What is kept of a mail on its way, and who may send it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.connections.connections import Connection, ConnectionState, Features, Mode
from domain.connections.permissions import Permission
from domain.crm.locations import Location
from domain.crm.users import User
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.accounts import Grant
from domain.outbox import MAY_NOT_CONNECT, SIGN_IN, SWITCHED_OFF, hindrance, key_of, may_send, send_wait
from tests.worlds import HERE

GRANT = Grant("example", "secret")
ACTIVE = Connection(
    ConnectionId(1),
    HERE,
    "uwe",
    MailboxId(1),
    Mode.LIVE,
    ConnectionState.ACTIVE,
    1,
    Features(),
    dry_run=False,
    grant=GRANT,
)
UWE = User("uwe")


@pytest.mark.rule("D15", "D12", "Z6")
@pytest.mark.parametrize(
    ("connection", "user", "expected"),
    [
        pytest.param(ACTIVE, None, None, id="the CRM has told nothing of him"),
        pytest.param(ACTIVE, UWE, None, id="he may"),
        pytest.param(None, UWE, SWITCHED_OFF, id="gone"),
        pytest.param(replace(ACTIVE, state=ConnectionState.OFF), UWE, SWITCHED_OFF, id="off"),
        pytest.param(replace(ACTIVE, state=ConnectionState.PAUSED), UWE, MAY_NOT_CONNECT, id="withdrawn"),
        pytest.param(replace(ACTIVE, state=ConnectionState.REAUTH_NEEDED), UWE, SIGN_IN, id="reauth_needed"),
        pytest.param(replace(ACTIVE, grant=None), UWE, SIGN_IN, id="no grant"),
        pytest.param(ACTIVE, replace(UWE, may_connect=False), MAY_NOT_CONNECT, id="no permission"),
        pytest.param(ACTIVE, replace(UWE, active=False), MAY_NOT_CONNECT, id="deactivated"),
    ],
)
def test_over_which_connection_something_may_be_sent(
    connection: Connection | None, user: User | None, expected: str | None
) -> None:
    assert hindrance(connection, user) == expected


@pytest.mark.rule("Z9")
def test_what_lets_us_send() -> None:
    assert may_send(None), "nobody told"
    assert may_send(frozenset({Permission.SEND}))
    assert not may_send(frozenset({Permission.READ}))
    assert not may_send(frozenset())


def test_a_key_is_the_same_for_the_same_user_and_name_only() -> None:
    assert key_of(HERE, "uwe", "a") == key_of(HERE, "uwe", "a")
    assert (
        len(
            {
                key_of(HERE, "uwe", "a"),
                key_of(HERE, "uwe", "b"),
                key_of(HERE, "eva", "a"),
                key_of(HERE, "uw", "e/a"),
            }
        )
        == 4
    )
    assert key_of(HERE, "uwe", None) != key_of(HERE, "uwe", None)
    assert key_of(Location(2, 1), "uwe", "a") != key_of(HERE, "uwe", "a")
    assert "secret" not in key_of(HERE, "uwe", "secret")


@pytest.mark.rule("E87")
def test_waits_grow_to_a_quarter_of_an_hour() -> None:
    waits = [send_wait(attempt, 1.0) for attempt in (1, 2, 3, 10, 1_000)]
    assert waits == [timedelta(seconds=s) for s in (2, 4, 8, 900, 900)]
    assert send_wait(3, 0.0) == timedelta(seconds=4)
