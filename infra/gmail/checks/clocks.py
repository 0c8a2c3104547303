"""Is Gmail to be reached, and what time is it there?"""

import http.client
from collections.abc import Iterator
from datetime import UTC, datetime

import httplib2

from domain.checks import Finding, failed, of_clocks, ok, warning
from infra.gmail.errors import http_date

CHECK = "gmail"
GOOGLE = "https://gmail.googleapis.com/"
SECONDS = 5.0


def look(endpoint: str | None) -> Iterator[Finding]:
    """Any answer will do: every one has a Date."""
    line = httplib2.Http(timeout=SECONDS, **({} if endpoint is None else {"proxy_info": None}))
    line.follow_redirects = False
    began = datetime.now(UTC)
    try:
        answer, _ = line.request(endpoint or GOOGLE, "GET")
    except (OSError, httplib2.HttpLib2Error, http.client.HTTPException) as error:
        step = "check the network and the proxy" if endpoint is None else "check LODESTONE_GMAIL_ENDPOINT"
        yield failed(CHECK, f"it cannot be reached ({type(error).__name__})", step)
        return
    finally:
        line.close()
    ours = began + (datetime.now(UTC) - began) / 2
    if endpoint is None:
        yield ok(CHECK, "it can be reached")
    else:
        says = "LODESTONE_GMAIL_ENDPOINT names another Gmail than Google's"
        yield warning(CHECK, says, "leave it out, unless this is a trial on this machine")
    theirs = http_date(answer.get("date", ""))
    if theirs is None:
        yield warning("clock.google", "its answer has no Date", "look at it again; is a proxy in between?")
    else:
        yield of_clocks("clock.google", "Google's", theirs, ours)
