"""How much Pub/Sub holds for us and since when, by Cloud Monitoring: to pull it would be to take it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import google.auth
import httplib2
from google.auth.exceptions import GoogleAuthError
from google_auth_httplib2 import AuthorizedHttp

from domain.checks import Finding, ok, warning

CHECK = "backlog"
GOOGLE = "https://monitoring.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/monitoring.read"
SECONDS = 5.0
TOO_OLD = 60
"""Seconds: a push that waits longer is late; Monitoring itself is some minutes behind."""

WATCHED = timedelta(minutes=10)
AGE = "pubsub.googleapis.com/subscription/oldest_unacked_message_age"
COUNT = "pubsub.googleapis.com/subscription/num_undelivered_messages"


def look(project: str, subscription: str, root: str = GOOGLE, line: Any = None) -> Iterator[Finding]:
    """`line` sends the requests, by default with the credentials of the environment."""
    try:
        line = line or _line()
        age, count = (_newest(line, root, project, subscription, metric) for metric in (AGE, COUNT))
    except (GoogleAuthError, OSError, httplib2.HttpLib2Error, ValueError, LookupError, TypeError) as error:
        says = f"how much waits is unknown: Cloud Monitoring does not tell ({type(error).__name__})"
        yield warning(CHECK, says, "grant monitoring.timeSeries.list: `lodestone setup google`")
        return
    yield of_backlog(age, count)


def of_backlog(age: int | None, count: int | None) -> Finding:
    """Seconds that the oldest notification waits, and how many do."""
    if age is None or count is None:
        return ok(CHECK, "Cloud Monitoring has nothing of the last minutes: nothing waits")
    says = f"{count} wait, the oldest for {age} s"
    if age > TOO_OLD:
        return warning(
            CHECK, says, "does a dispatcher run? while Redis or the database is away it does not pull"
        )
    return ok(CHECK, says)


def _line() -> Any:
    credentials, _ = google.auth.default(scopes=[SCOPE])
    return AuthorizedHttp(credentials, http=httplib2.Http(timeout=SECONDS))


def _newest(line: Any, root: str, project: str, subscription: str, metric: str) -> int | None:
    now = datetime.now(UTC)
    query = {
        "filter": f'metric.type="{metric}" AND resource.labels.subscription_id="{subscription}"',
        "interval.startTime": _stamp(now - WATCHED),
        "interval.endTime": _stamp(now),
    }
    answer, content = line.request(f"{root}/v3/projects/{project}/timeSeries?{urlencode(query)}", "GET")
    if answer.status != 200:
        raise LookupError(f"http_{answer.status}")
    series = dict(json.loads(content)).get("timeSeries")
    return int(series[0]["points"][0]["value"]["int64Value"]) if series else None


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
