"""The actors for the CRM's changes. The ledger does not keep them: a change that fails now is queued again."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import dramatiq
import structlog
from dramatiq.middleware import CurrentMessage
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from domain.crm.merges import Merge
from domain.crm.records import Change, RecordKind
from domain.errors import DatabaseAway, Refused
from handlers.crm import merging, records
from infra.crm.fields import Customs, Unfit
from infra.crm.json import ACTORS, id_of, kind_of, location_of, read_message, version_of
from infra.logs import place_of
from workers.bootstrap import App
from workers.crm_customs import customs_of
from workers.intake import CRM, TRIES

log = structlog.get_logger()

MAX_TRIES = 5
PAUSE = 1.0


def register(app: App) -> None:
    """Register the actors of docs/CRM.md."""
    stages = records.Stages()
    for name in ACTORS:
        _register(app, name, stages)


def _register(app: App, name: str, stages: records.Stages) -> None:
    def job(*args: Any, **fields: Any) -> None:
        message = CurrentMessage.get_current_message()
        if message is None:
            raise LookupError("an actor runs within a worker")
        with structlog.contextvars.bound_contextvars(job=name, job_id=message.message_id):
            _run(message, args, fields, app, stages)

    dramatiq.actor(actor_name=name, queue_name=CRM, broker=app.broker)(job)


def _run(
    message: dramatiq.Message[Any],
    args: Sequence[Any],
    fields: Mapping[str, Any],
    app: App,
    stages: records.Stages,
) -> None:
    """Make the change. Errors are logged without their text: Dramatiq would print the fields and drop the job (I3)."""
    kind, record_id = kind_of(message.actor_name), id_of(fields)
    say = log.bind(kind=kind.value, record_id=record_id)
    try:
        try:
            where = location_of(fields)
            customs = customs_of(app.store, location=where)
            found = _read(message.actor_name, args, fields, customs)
            if isinstance(found, Merge):
                merging.merge(found, app.store, where)
            else:
                records.change(found, app.store, stages, where)
        except Unfit as error:
            _refuse(kind, record_id, fields, str(error), app)
            say.warning("crm.refused", reason=str(error))
        except Refused as error:  # the location of the record is not known
            say.warning("crm.refused", reason=str(error))
    except Exception as error:
        tries = message.options[TRIES] + (not _is_away(error))
        if tries >= MAX_TRIES:
            say.error("crm.abandoned", error=type(error).__name__, place=place_of(error.__traceback__))
            return
        say.warning(
            "crm.postponed", error=type(error).__name__, place=place_of(error.__traceback__), attempt=tries
        )
        _put_back(message, tries, app)


def _refuse(
    kind: RecordKind, record_id: str | None, fields: Mapping[str, Any], reason: str, app: App
) -> None:
    """Note that the record is out of date, if the message says whose it is."""
    with suppress(Refused, Unfit):
        if record_id is not None:
            records.refuse(kind, record_id, version_of(fields), reason, app.store, location_of(fields))


def _read(name: str, args: Sequence[Any], fields: Mapping[str, Any], customs: Customs) -> Change | Merge:
    if args:
        raise Unfit("fields are given by name only")
    return read_message(name, fields, customs)


def _is_away(error: Exception) -> bool:
    """Whether the database is the trouble and not the record; such tries are not counted."""
    about_the_record = isinstance(error, DataError | IntegrityError)
    return isinstance(error, DBAPIError | DatabaseAway) and not about_the_record


def _put_back(message: dramatiq.Message[Any], tries: int, app: App) -> None:
    """Queue the message again before Dramatiq acknowledges it, which it does when this returns."""
    app.stopping.wait(PAUSE)
    again = message.copy(options={TRIES: tries})
    while True:
        try:
            app.broker.enqueue(again)
        except RedisError as error:
            log.warning("part.awaited", part="redis", error=type(error).__name__)
            time.sleep(PAUSE)
        else:
            return
