"""The ledger's frequent statements, built once: building one, or finding it in the cache of compiled ones, takes longer
than running it.

Rows are named by lists of single columns: of a list of pairs SQLite uses an index for the first column at most.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Update, and_, bindparam, exists, or_, select, update

from domain.ids import MailboxId
from domain.ledger import ALONE_AFTER, Claim, State, Step
from infra.db.ledger.claims import STEPS, unlocked
from infra.db.sql import key_order
from infra.db.tables.ledger import IS_WAITING, steps
from infra.db.tables.mail import decisions
from infra.db.types import NOW

_KEY = (steps.c.message_id, steps.c.connection_id)
_OF_STEP = and_(steps.c.mailbox_id == bindparam("of_mailbox"), steps.c.step == bindparam("of_step"))
_OF_CONNECTIONS = steps.c.connection_id.in_(bindparam("of_connections"))
_MAILS = steps.c.message_id.in_(bindparam("mails"))


def by_connection(claims: Collection[Claim]) -> Mapping[int, list[str]]:
    """The message ids of each connection, connections in order."""
    return {
        connection_id: [claim.message_id for claim in claims if claim.connection_id == connection_id]
        for connection_id in sorted({claim.connection_id for claim in claims})
    }


def these(
    mailbox_id: MailboxId, step: Step, claims: Collection[Claim], owner: str
) -> Iterator[dict[str, Any]]:
    """The parameters of _THESE, with the owner: once a connection."""
    for connection_id, mails in by_connection(claims).items():
        yield {
            "of_mailbox": mailbox_id,
            "of_step": step.value,
            "of_connection": connection_id,
            "mails": mails,
            "me": owner,
        }


def among(mailbox_id: MailboxId, step: Step, claims: Collection[Claim]) -> dict[str, Any]:
    """The parameters of _AMONG: these steps; with several connections also others, as any mail is paired with any
    connection."""
    return {
        "of_mailbox": mailbox_id,
        "of_step": step.value,
        "of_connections": list({claim.connection_id for claim in claims}),
        "mails": list({claim.message_id for claim in claims}),
    }


@cache
def claiming(dialect: str, *, alone: bool) -> Update:
    """A step whose batch has failed is claimed alone (W3).

    PostgreSQL gets the whole key and no other condition: its generic plan would read all steps of the mailbox. SQLite
    gets mailbox and step as conditions: of a list of rows it uses two columns at most.
    """
    whole = tuple(steps.primary_key.columns)
    key, beside = (_KEY, (_OF_STEP,)) if dialect == "sqlite" else (whole, ())
    tried = steps.c.attempts >= ALONE_AFTER if alone else steps.c.attempts < ALONE_AFTER
    decided = (decisions.c.connection_id == steps.c.connection_id) & (
        decisions.c.message_id == steps.c.message_id
    )
    free = (
        select(*key)
        .join(decisions, decided, isouter=True)
        .where(_OF_STEP, _OF_CONNECTIONS, tried, STEPS.ready)
        .order_by(decisions.c.received_at, steps.c.message_id)
        .limit(bindparam("at_most"))
    )
    return STEPS.claim(*beside, unlocked(free, steps, *key)).returning(*_KEY, steps.c.attempts)


@cache
def unblock(dialect: str) -> Update:
    """The blocked steps whose mail is announced. That is looked up, as _AMONG may match steps that are not (I5)."""
    announced = steps.alias("announced")
    is_announced = exists().where(
        announced.c.mailbox_id == steps.c.mailbox_id,
        announced.c.message_id == steps.c.message_id,
        announced.c.connection_id == steps.c.connection_id,
        announced.c.step == Step.ANNOUNCE.value,
        announced.c.state == State.DONE.value,
    )
    blocked = key_order(dialect, steps, _AMONG, steps.c.state == State.BLOCKED.value, is_announced)
    unblocked = update(steps).where(_OF_STEP, blocked)
    return unblocked.values(state=State.WAITING.value, **STEPS.at(NOW)).returning(*_KEY)


_AMONG = and_(_OF_STEP, _OF_CONNECTIONS, _MAILS)
_THESE = and_(_OF_STEP, steps.c.connection_id == bindparam("of_connection"), _MAILS)
HELD = select(*_KEY).where(_AMONG, STEPS.mine).order_by(*steps.primary_key.columns).with_for_update()
_COST = {
    "units": steps.c.units + bindparam("spent"),
    "seconds": steps.c.seconds + bindparam("taken"),
    "shared_by": bindparam("shared"),
}
FINISHED = STEPS.finish(_THESE, outcome=bindparam("their_outcome"))
PAID = STEPS.finish(_THESE, outcome=bindparam("their_outcome"), **_COST)
SET_ASIDE = STEPS.set_aside(_THESE, outcome=bindparam("their_outcome")).returning(*_KEY)
RELEASED = STEPS.release(_THESE, counted=True)
RELEASED_UNCOUNTED = STEPS.release(_THESE, counted=False)
_READY = steps.c.ready_at <= NOW
_COMING = or_(steps.c.owner.is_not(None), (steps.c.attempts == 0) & _READY)
_WAITS = exists().where(steps.c.mailbox_id == bindparam("of_mailbox"), IS_WAITING)
AHEAD = select(
    *(_WAITS.where(steps.c.step == step.value, _COMING).label(step) for step in Step),
    *(_WAITS.where(steps.c.step == step.value, _READY).label(f"{step}_ready") for step in Step),
)
