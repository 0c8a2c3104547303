"""The actors for a CRM's own sign-in page. A user waits for the answer, so nothing is tried again."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dramatiq
import structlog
from dramatiq.middleware import CurrentMessage
from redis.exceptions import RedisError

from domain.errors import AccessRevoked, DatabaseAway, GiveUp, GrantRefused, Refused, TryAgain
from handlers.connections import sign_in
from infra.crm.fields import Unfit
from infra.logs import place_of
from infra.sign_in_json import read_beginning, read_completion
from workers.bootstrap import App
from workers.intake import SIGN_IN

log = structlog.get_logger()

ANSWERS = "lodestone:answer:"
"""With the message's id behind it, this is the key of the list for the answer. The page waits with BLPOP."""

KEPT_FOR = 120

Answer = dict[str, Any]


def begin(fields: Mapping[str, Any], app: App) -> Answer:
    """The URL for the user's browser."""
    asked = read_beginning(fields)
    url, _ = sign_in.begin(
        asked.user_id,
        asked.redirect_uri,
        asked.wishes,
        provider=app.provider.about.name,
        replace=asked.replace,
        context=app.context,
        location=asked.location,
    )
    return {"url": url}


def complete(fields: Mapping[str, Any], app: App) -> Answer:
    """Complete a sign-in; returns the connection."""
    told = read_completion(fields)
    connection_id, address = sign_in.complete(
        told.user_id, told.state, told.code, error=told.error, context=app.context, location=told.location
    )
    return {"connection_id": connection_id, "mailbox": address}


ACTORS: Mapping[str, Callable[[Mapping[str, Any], App], Answer]] = {
    "mailboxes.begin_sign_in": begin,
    "mailboxes.complete_sign_in": complete,
}


def register(app: App) -> None:
    """Register the actors of docs/SIGN_IN.md."""
    for name in ACTORS:
        _register(app, name)


def _register(app: App, name: str) -> None:
    def job(*args: Any, **fields: Any) -> None:
        message = CurrentMessage.get_current_message()
        if message is None:
            raise LookupError("an actor runs within a worker")
        with structlog.contextvars.bound_contextvars(job=name, job_id=message.message_id):
            _say(message.message_id, _answer(name, args, fields, app), app)

    dramatiq.actor(actor_name=name, queue_name=SIGN_IN, broker=app.broker)(job)


def _answer(name: str, args: Sequence[Any], fields: Mapping[str, Any], app: App) -> Answer:
    """The answer, also for an error. Dramatiq would print the arguments, which hold code and state (I10)."""
    try:
        return {"ok": True} | ACTORS[name]({"args": args, **fields} if args else fields, app)
    except (Refused, Unfit) as error:
        answer = {"error": "refused", "reason": str(error)}
    except GrantRefused as error:
        answer = {"error": "google_refuses", "reason": error.reason}
    except TryAgain as error:
        answer = {"error": "try_again", "reason": error.reason}
    except DatabaseAway as error:
        answer = {"error": "try_again", "reason": f"database_{error.reason}"}
    except GiveUp as error:
        answer = {"error": "google_refuses", "reason": error.reason}
    except AccessRevoked as error:
        answer = {"error": "google_refuses", "reason": str(error)}
    except Exception as error:
        log.error("sign_in.failed", error=type(error).__name__, place=place_of(error.__traceback__))
        return {"ok": False, "error": "failed", "reason": "see the log"}
    log.warning("sign_in.refused", reason=answer["error"])
    return {"ok": False} | answer


def _say(message_id: str, answer: Answer, app: App) -> None:
    """Append the answer: a message that comes twice finds its sign-in used up, and the first answer stays first."""
    key = f"{ANSWERS}{message_id}"
    try:
        with app.redis.pipeline() as both:
            both.rpush(key, json.dumps(answer))
            both.expire(key, KEPT_FOR)
            both.execute()
    except RedisError as error:
        log.error("sign_in.failed", error=type(error).__name__, place=place_of(error.__traceback__))
