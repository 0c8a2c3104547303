"""A batch of claimed steps, and what becomes of it when something goes wrong (W2–W4, E87, E88)."""

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from domain.connections.connections import Connection
from domain.errors import DatabaseAway, GiveUp, GrantRefused, NotAsked, ObjectsAway, TryAgain
from domain.ids import MailboxId
from domain.ledger import TRIES, Claim, Step, wait_alone, wait_before
from domain.mailboxes.state import MailboxState
from handlers.context import Context
from handlers.ports.store import Transaction
from handlers.sessions import Lease
from handlers.troubles import back_off, written

log = structlog.get_logger()


def set_aside_exhausted(
    mailbox_id: MailboxId,
    step: Step,
    claims: Sequence[Claim],
    owner: str,
    connections: Collection[Connection],
    tx: Transaction,
) -> tuple[Claim, ...]:
    """Set aside what has used up its tries, so that the mailbox goes on (E88). Returns the other claims."""
    spent = [claim for claim in claims if claim.attempts > TRIES]
    if spent:
        ids = [connection.id for connection in connections]
        tx.ledger.set_aside(mailbox_id, step, spent, owner, ids)
    for claim in spent:
        log.error("message.abandoned", mailbox_id=mailbox_id, message_id=claim.message_id, step=step.value)
    return tuple(claim for claim in claims if claim.attempts <= TRIES)


@contextmanager
def own_trouble(message_id: str, errors: dict[str, TryAgain | GiveUp]) -> Iterator[None]:
    """What the provider refuses of a part of this mail is noted in `errors` as the mail's own: a part that can never be
    had must not hold up its mailbox (E88). Troubles of a grant and of the object store are raised."""
    try:
        yield
    except (GrantRefused, ObjectsAway):
        raise
    except TryAgain as error:
        errors[message_id] = TryAgain(error.reason, after=error.after, whole_mailbox=False)
    except GiveUp as error:
        errors[message_id] = error


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """Steps of one kind, of one mailbox, that this thread has claimed."""

    mailbox: MailboxState
    step: Step
    claims: Sequence[Claim]
    context: Context

    def lease(self, *more: Callable[[], object]) -> Lease:
        """Extends the claims, and calls each of `more`, while a call to the provider is out."""
        owner, seconds = self.context.me(), self.context.timing.lease

        def extend() -> None:
            with self.context.store.begin("steps.extend") as tx:
                tx.ledger.extend(self.mailbox.id, self.step, owner, seconds)
            for keep in more:
                keep()

        return Lease(seconds, extend)

    @contextmanager
    def released_on_failure(self) -> Iterator[None]:
        """Give the claims back when the block fails: the ledger alone retries (W4).

        Where the provider limits or refuses, the mailbox rests and no try counts. All else is raised again: where the
        database is away no try counts, anything else costs each mail of the batch one.
        """
        try:
            yield
        except (TryAgain, GiveUp) as error:
            self.release(self.claims, 0, counted=False)
            back_off(self.mailbox, error, self.context)
        except DatabaseAway:
            self.release(self.claims, self._pause(self.claims), counted=False)
            raise
        except Exception:
            self.release(self.claims, self._pause(self.claims), counted=True)
            raise

    def failed(self, errors: Mapping[str, TryAgain | GiveUp]) -> None:
        """Give back the messages that the provider refused one by one; the rest of the batch goes on. A try counts
        where the trouble is the message's own."""
        limited = [error for error in errors.values() if isinstance(error, TryAgain) and error.whole_mailbox]
        innocent = {i for i, error in errors.items() if isinstance(error, NotAsked) or error in limited}
        mine = [claim for claim in self.claims if claim.message_id in errors.keys() - innocent]
        others = [claim for claim in self.claims if claim.message_id in innocent]
        if mine:
            alone = len(self.claims) == 1
            pause = wait_alone(mine[0].attempts).total_seconds() if alone else self._pause(mine)
            self.release(mine, pause, counted=True)
        if others:
            self.release(others, 0, counted=False)
        if limited:
            back_off(self.mailbox, max(limited, key=lambda error: error.after or timedelta()), self.context)

    def succeeded(self, tx: Transaction) -> None:
        """The provider has answered for a message: the next rest of the mailbox is short again (E87)."""
        if self.mailbox.failures:
            tx.mailboxes.succeeded(self.mailbox.id)

    def release(self, claims: Collection[Claim], after: float, *, counted: bool) -> None:
        """Give claims back, to be tried again `after` seconds. Not `counted`: this was no try."""

        def run() -> None:
            with self.context.store.begin("steps.release") as tx:
                tx.ledger.release(
                    self.mailbox.id, self.step, claims, self.context.me(), after, counted=counted
                )

        written(run, self.context)
        log.info(
            "step.postponed",
            mailbox_id=self.mailbox.id,
            step=self.step.value,
            message_ids=[claim.message_id for claim in claims],
            seconds=round(after, 1),
        )

    def _pause(self, claims: Sequence[Claim]) -> float:
        return wait_before(max(claim.attempts for claim in claims), random.random()).total_seconds()  # noqa: S311
