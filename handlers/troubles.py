"""What to do when a provider refuses, and when the database is busy or away."""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog

from domain.errors import (
    DatabaseAway,
    GiveUp,
    Slowed,
    TryAgain,
    Unready,
)
from domain.ledger import unready_wait, wait_before
from domain.mailboxes.state import MailboxState
from handlers.context import Context

T = TypeVar("T")
log = structlog.get_logger()

DATABASE_WAIT = 1.0
"""Seconds between two tries to write down what must be written down."""

REFUSED_WAIT = timedelta(hours=1)
"""A permanent refusal (domain policy, mail switched off) is worth another look now and then."""


def back_off(mailbox: MailboxState, error: TryAgain | GiveUp, context: Context) -> None:
    """Leave this mailbox alone for as long as the provider wants, or for a growing while (E87); others go on (I4)."""
    wait = wait_before(mailbox.failures + 1, random.random())  # noqa: S311 - jitter, no secret
    unready = isinstance(error, Unready)
    if isinstance(error, GiveUp):
        wait = REFUSED_WAIT
    elif unready:
        wait = unready_wait(mailbox.refusals)
    if isinstance(error, TryAgain) and error.after is not None:
        wait = max(wait, error.after)
    slowed = isinstance(error, Slowed)
    if isinstance(error, Slowed) and error.after:
        wait = error.after
    with context.store.begin("mailboxes.rest") as tx:
        tx.mailboxes.rest(mailbox.id, error.reason, wait.total_seconds(), unready=unready, counted=not slowed)
    if slowed:  # it was said where it was found
        return
    say = log.bind(mailbox_id=mailbox.id, reason=error.reason, seconds=round(wait.total_seconds(), 1))
    if unready and mailbox.refusals:
        say.info("mailbox.postponed")
    else:
        say.warning("mailbox.rested")


def once_more(run: Callable[[], T]) -> T:
    """For what may be done again: the database ends one of two transactions that wait for each other, and who was
    ended goes second. Its caller does not hear of it."""
    try:
        return run()
    except DatabaseAway as error:
        if error.reason != "deadlock":
            raise
    return run()


def written(run: Callable[[], T], context: Context) -> T:
    """Again and again while the database is busy or away, because what has happened outside must not be forgotten
    and what was claimed be released. Who is to stop leaves it to the ledger."""
    while True:
        try:
            return run()
        except DatabaseAway as error:
            if context.stopping():
                raise
            log.warning("part.awaited", part="database", error=type(error).__name__)
            time.sleep(DATABASE_WAIT)
