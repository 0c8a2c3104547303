"""How a connection stands, and what its user does about it (H50)."""

from dataclasses import replace

import pytest

from domain.connections.connections import Connection, ConnectionState, Features, Mode
from domain.connections.standing import ConnectionReport, ConnectionStanding, Counted, next_step, standing
from domain.ids import ConnectionId, MailboxId
from domain.outcomes import Outcome
from tests.worlds import HERE, START

ACTIVE = Connection(
    id=ConnectionId(1),
    location=HERE,
    user_id="uwe",
    mailbox_id=MailboxId(1),
    mode=Mode.SYNC_GMAIL,
    state=ConnectionState.ACTIVE,
    version=1,
    features=Features(sync_since=START, sorting_since=START),
    dry_run=False,
    grant=None,
)
STOPPED = replace(ACTIVE, sorting_trouble="labelLimit")


@pytest.mark.rule("H50")
@pytest.mark.parametrize(
    ("connection", "paused", "refused", "expected"),
    [
        pytest.param(ACTIVE, False, False, ConnectionStanding.CONNECTED, id="all is well"),
        pytest.param(ACTIVE, False, True, ConnectionStanding.HISTORY_UNUSABLE, id="its history is refused"),
        pytest.param(STOPPED, False, True, ConnectionStanding.SORTING_STOPPED, id="too many labels"),
        pytest.param(
            replace(STOPPED, features=Features(sync_since=START)),
            *(False, False, ConnectionStanding.CONNECTED),
            id="sorting that is off is not stopped",
        ),
        pytest.param(STOPPED, True, True, ConnectionStanding.PAUSED, id="an operator has paused it"),
        pytest.param(
            replace(ACTIVE, state=ConnectionState.REAUTH_NEEDED),
            *(True, True, ConnectionStanding.SIGN_IN_NEEDED),
            id="its user can mend that, whatever the operator does",
        ),
        pytest.param(
            replace(ACTIVE, state=ConnectionState.PAUSED),
            *(False, False, ConnectionStanding.NOT_PERMITTED),
            id="the CRM has withdrawn the permission",
        ),
        pytest.param(
            replace(ACTIVE, state=ConnectionState.OFF),
            False,
            False,
            ConnectionStanding.ENDING,
            id="switched off",
        ),
    ],
)
def test_what_counts_most_for_its_user_is_how_it_stands(
    connection: Connection, paused: bool, refused: bool, expected: ConnectionStanding
) -> None:
    found = standing(connection, START if paused else None, START if refused else None)
    assert found is expected


@pytest.mark.rule("H50")
def test_every_standing_has_one_next_step() -> None:
    steps = {found: next_step(found, ACTIVE) for found in ConnectionStanding}
    assert len(set(steps.values())) == len(ConnectionStanding)
    assert "\n" not in "".join(steps.values())
    assert "--magnet" in next_step(ConnectionStanding.CONNECTED, replace(ACTIVE, features=Features()))


@pytest.mark.rule("H50")
def test_seen_are_all_and_kept_are_those_in_conversations() -> None:
    mails = {Outcome.SYNC_STARTED: Counted(2, 1), Outcome.SYNC_APPENDED: Counted(3, 0)}
    mails |= {Outcome.SKIP_SPAM: Counted(4, 4)}
    report = ConnectionReport(
        ACTIVE, "uwe@firm.example", ConnectionStanding.CONNECTED, None, None, mails | {None: Counted(1, 1)}
    )
    assert (report.seen, report.kept, report.since) == (Counted(10, 6), Counted(5, 1), START)
