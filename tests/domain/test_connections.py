"""What it means that features are on: for a connection, and for a mail that came before one of them began."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.connections.connections import Connection, ConnectionState, Features, Mode
from domain.ids import ConnectionId, MailboxId
from tests.worlds import HERE, START

LATER = START + timedelta(days=3)
MAGNET = Features(magnet_since=START)
BOTH = Features(magnet_since=START, sorting_since=LATER)
SYNC = Features(sync_since=START)
ALL_OFF = Features()


def connection(features: Features, state: ConnectionState = ConnectionState.ACTIVE) -> Connection:
    return Connection(
        ConnectionId(1), HERE, "uwe", MailboxId(1), Mode.LIVE, state, 1, features, dry_run=False, grant=None
    )


@pytest.mark.rule("D2", "D3-1", "D12", "Z36")
@pytest.mark.parametrize(
    ("state", "features", "words"),
    [
        pytest.param("active", ALL_OFF, "", id="nothing switched on"),
        pytest.param("active", MAGNET, "works keeps_mail keeps_notifications", id="MailMagnet"),
        pytest.param(
            "active", BOTH, "works keeps_mail keeps_notifications keeps_labelled sorts", id="and sorting"
        ),
        pytest.param("active", SYNC, "works keeps_mail", id="two-way sync alone"),
        pytest.param(
            "reauth_needed",
            BOTH,
            "keeps_mail keeps_notifications keeps_labelled sorts",
            id="what waits for its user is kept",
        ),
        pytest.param("paused", MAGNET, "keeps_mail keeps_notifications", id="so is what waits for the CRM"),
        pytest.param("off", replace(BOTH, sorting_since=None), "", id="nothing of what is switched off"),
    ],
)
def test_what_a_connection_does_and_keeps(state: str, features: Features, words: str) -> None:
    one = connection(features, ConnectionState(state))
    said = ("works", "keeps_mail", "keeps_notifications", "keeps_labelled", "sorts")

    assert [word for word in said if getattr(one, word)] == words.split()


@pytest.mark.rule("E67")
def test_nothing_is_moved_in_a_dry_run_nor_while_sorting_is_stopped() -> None:
    sorting = connection(BOTH)

    assert not replace(sorting, dry_run=True).sorts
    assert not replace(sorting, sorting_trouble="label_conflict").sorts


@pytest.mark.rule("D3-7", "Z38")
@pytest.mark.parametrize(
    ("received_at", "on"),
    [
        pytest.param(START - timedelta(milliseconds=1), ALL_OFF, id="before all of them"),
        pytest.param(START, MAGNET, id="the moment of switching on counts as on"),
        pytest.param(LATER - timedelta(milliseconds=1), MAGNET, id="before the second"),
        pytest.param(LATER, BOTH, id="after both"),
    ],
)
def test_before_its_own_start_a_feature_counts_as_off(received_at: datetime, on: Features) -> None:
    assert BOTH.at(received_at) == on


@pytest.mark.rule("Z36", "W14")
def test_a_feature_keeps_its_start_while_it_stays_on() -> None:
    assert ALL_OFF.switched(magnet=True, sorting=False, now=START) == MAGNET
    assert MAGNET.switched(magnet=True, sorting=True, now=LATER) == BOTH
    assert BOTH.switched(magnet=True, sorting=False) == MAGNET
    assert BOTH.switched(magnet=False, sorting=True) == ALL_OFF, "sorting goes off with MailMagnet"


def test_the_first_start_is_that_of_the_connection() -> None:
    assert replace(BOTH, sync_since=LATER).since == START
    assert ALL_OFF.since is None
    assert not ALL_OFF.any
