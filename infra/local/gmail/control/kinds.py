"""The faults that make a call fail: what Gmail, or /token, answers then."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from infra.local.gmail.http.errors import (
    NO_TOKEN,
    ApiError,
    OAuthError,
    failed_precondition,
    no_publisher,
    no_topic,
    not_found,
    other_project,
    rate_limited,
    unauthenticated,
)
from infra.local.gmail.quota import retry_text

if TYPE_CHECKING:
    from infra.local.gmail.control.faults import Fault

Effect = Callable[["Fault"], None]


def _raising(make: Callable[["Fault"], Exception]) -> Effect:
    def effect(fault: "Fault") -> None:
        raise make(fault)

    return effect


def _no_token(said: tuple[int, str, str], _: "Fault") -> OAuthError:
    return OAuthError(*said)


def _usage(reason: str, message: str) -> Effect:
    return _raising(lambda _: ApiError(403, reason, message, domain="usageLimits"))


def _backend(code: int, message: str) -> Effect:
    return _raising(lambda _: ApiError(code, "backendError", message))


def _too_many(fault: "Fault") -> ApiError:
    return ApiError(
        429,
        "rateLimitExceeded",
        "Too many concurrent requests for user.",
        headers=(("Retry-After", str(max(1, round(fault.retry_after)))),),
    )


KINDS: dict[str, Effect] = {
    "400.failedPrecondition": _raising(lambda _: failed_precondition("Precondition check failed.")),
    "400.notEnabled": _raising(lambda _: failed_precondition("Mail service not enabled")),
    "401": _raising(lambda _: unauthenticated()),
    "403.rateLimitExceeded": _usage("rateLimitExceeded", "Rate Limit Exceeded"),
    "403.userRateLimitExceeded": _raising(lambda fault: rate_limited(403, retry_text(fault.retry_after))),
    "403.dailyLimitExceeded": _usage("dailyLimitExceeded", "Daily Limit Exceeded"),
    "403.domainPolicy": _raising(
        lambda _: ApiError(403, "domainPolicy", "The domain administrators have disabled Gmail apps.")
    ),
    "404": _raising(lambda _: not_found()),
    "409": _raising(lambda _: ApiError(409, "aborted", "Label name exists or conflicts")),
    "429": _raising(_too_many),
    "500": _backend(500, "Internal error encountered."),
    "503": _backend(503, "The service is currently unavailable."),
}
_TOPIC = "projects/lodestone/topics/gmail"

LASTING: dict[str, Effect] = {
    "404.noTopic": _raising(lambda _: no_topic(_TOPIC)),
    "403.noPublisher": _raising(lambda _: no_publisher(_TOPIC)),
    "400.otherProject": _raising(lambda _: other_project("another")),
    "403.accessNotConfigured": _usage(
        "accessNotConfigured", "Gmail API has not been used in project 1234567890 before or it is disabled."
    ),
    **{kind: _raising(partial(_no_token, said)) for kind, said in NO_TOKEN.items()},
}
"""What the project's operator has to mend (FACTS §1, §5): the topic's are for watch, the last part is said by /token
alone."""

PARTS = ("403.rateLimitExceeded", "403.userRateLimitExceeded", "429", "500", "503")
"""What "batch_part" chooses from, call by call."""
LIMITED = ("429", "500", "503")
"""What "token_limited" chooses from."""
