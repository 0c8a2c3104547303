"""How a connection stands, as its user is told (H50)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.connections.connections import Connection, ConnectionState
from domain.outcomes import Outcome


class ConnectionStanding(StrEnum):
    """The states of H50 that a connection with a row can have."""

    CONNECTED = "connected"
    SIGN_IN_NEEDED = "sign_in_needed"
    NOT_PERMITTED = "paused_by_permission"
    PAUSED = "paused_by_operator"
    SORTING_STOPPED = "sorting_stopped"
    HISTORY_UNUSABLE = "history_unusable"
    ENDING = "ending"


KEPT = frozenset({Outcome.SYNC_STARTED, Outcome.SYNC_APPENDED})
"""Outcomes of mail that is kept in a conversation."""


def standing(
    connection: Connection, paused_at: datetime | None, refused_at: datetime | None
) -> ConnectionStanding:
    """The state that counts most for its user. `paused_at`, `refused_at`: since when the mailbox is paused, and its
    history refused (E84)."""
    if connection.state is ConnectionState.OFF:
        return ConnectionStanding.ENDING
    if connection.state is ConnectionState.REAUTH_NEEDED:
        return ConnectionStanding.SIGN_IN_NEEDED
    if connection.state is ConnectionState.PAUSED:
        return ConnectionStanding.NOT_PERMITTED
    if paused_at is not None:
        return ConnectionStanding.PAUSED
    if connection.features.sorting and connection.sorting_trouble is not None:
        return ConnectionStanding.SORTING_STOPPED
    return ConnectionStanding.CONNECTED if refused_at is None else ConnectionStanding.HISTORY_UNUSABLE


def next_step(found: ConnectionStanding, connection: Connection) -> str:
    """The one thing that its user does now."""
    again = f"sign in again: `lodestone connect --user {connection.user_id}`"
    return {
        ConnectionStanding.CONNECTED: "nothing: mail comes by itself"
        if connection.features.any
        else f"switch something on: `lodestone connect --user {connection.user_id} --magnet`",
        ConnectionStanding.SIGN_IN_NEEDED: again,
        ConnectionStanding.NOT_PERMITTED: "ask the CRM's administrator for the permission to connect a mailbox",
        ConnectionStanding.PAUSED: "wait: an operator has paused the mailbox, and ends that by `lodestone resume`",
        ConnectionStanding.SORTING_STOPPED: "delete some labels in the mailbox, then "
        f"`lodestone connect --user {connection.user_id} --sorting`",
        ConnectionStanding.HISTORY_UNUSABLE: "nothing: the mailbox is looked through every ten minutes instead",
        ConnectionStanding.ENDING: "wait: what is left of it is being deleted",
    }[found]


@dataclass(frozen=True, slots=True)
class Counted:
    """Mails with an outcome, None for those that are not decided yet: `all` that the ledger has, and those of the last
    24 hours."""

    all: int
    last_day: int


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """How a connection stands. `since`: when its first feature went on. The ledger keeps a mail for 35 days, so that
    `mails` are those of the last 35 days at most."""

    connection: Connection
    mailbox: str
    standing: ConnectionStanding
    checked_at: datetime | None
    pushed_at: datetime | None
    mails: Mapping[Outcome | None, Counted] = field(default_factory=dict)

    @property
    def since(self) -> datetime | None:
        return self.connection.features.since

    @property
    def seen(self) -> Counted:
        return _sum(self.mails.values())

    @property
    def kept(self) -> Counted:
        return _sum(counted for outcome, counted in self.mails.items() if outcome in KEPT)

    @property
    def next_step(self) -> str:
        return next_step(self.standing, self.connection)


def _sum(these: Iterable[Counted]) -> Counted:
    found = tuple(these)
    return Counted(sum(one.all for one in found), sum(one.last_day for one in found))
