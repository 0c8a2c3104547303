"""A subscription's settings: the supported ones, Google's defaults, refusals and updates.

Each check answers as Google's emulator does. Retention and the expiry of idle subscriptions are recorded, but
have no effect, because no local run lasts days.
"""

from collections.abc import Collection

from grpc import StatusCode

from infra.local.pubsub import checks, wire
from infra.local.pubsub.wire import Wire

FIELDS = frozenset(
    {
        *("name", "topic", "state", "labels", "ack_deadline_seconds", "message_retention_duration"),
        *("expiration_policy", "dead_letter_policy", "retry_policy"),
    }
)
WEEK_SECONDS = 7 * 24 * 3600
DELIVERY_ATTEMPTS = range(5, 101)
MAX_BACKOFF_SECONDS = 600


def settle(settings: Wire, topics: Collection[str]) -> None:
    """Fill in the defaults and check the settings; `topics` are the existing ones."""
    checks.check_fields(settings, FIELDS)
    settings.ack_deadline_seconds = settings.ack_deadline_seconds or checks.DEFAULT_ACK_SECONDS
    checks.check_ack_seconds(settings.ack_deadline_seconds)
    if not settings.HasField("message_retention_duration"):
        settings.message_retention_duration.seconds = WEEK_SECONDS
    if settings.HasField("dead_letter_policy"):
        _settle_dead_letters(settings.dead_letter_policy, topics)
    if settings.HasField("retry_policy"):
        _settle_retries(settings.retry_policy)
    settings.state = settings.State.ACTIVE


def updated(settings: Wire, request: Wire, topics: Collection[str]) -> Wire:
    """The settings after an UpdateSubscriptionRequest: the fields in its mask are taken over, and the empty ones among
    them go back to their defaults."""
    if not request.update_mask.paths:
        raise checks.invalid("The update_mask must be set, and must contain a non-empty paths list.")
    changed = wire.Subscription()
    changed.CopyFrom(settings)
    given = {field.name: value for field, value in request.subscription.ListFields()}
    for path in request.update_mask.paths:
        if path not in wire.Subscription.DESCRIPTOR.fields_by_name:
            raise checks.invalid(f"Invalid update_mask: {path} is not a known Subscription field.")
        if path in ("name", "topic"):
            raise checks.invalid(f"Invalid update_mask: the {path} field is not mutable.")
        changed.ClearField(path)
        if path in given:
            changed.MergeFrom(wire.Subscription(**{path: given[path]}))
    settle(changed, topics)
    return changed


def backoff_seconds(settings: Wire) -> tuple[float, float] | None:
    """The shortest and the longest wait in seconds before a message comes back; None when it comes at once."""
    if not settings.HasField("retry_policy"):
        return None
    policy = settings.retry_policy
    return _seconds(policy.minimum_backoff), _seconds(policy.maximum_backoff)


def _settle_dead_letters(policy: Wire, topics: Collection[str]) -> None:
    if policy.dead_letter_topic not in topics:
        raise checks.StatusError(StatusCode.NOT_FOUND, "Dead letter topic not found.")
    policy.max_delivery_attempts = policy.max_delivery_attempts or DELIVERY_ATTEMPTS.start
    if policy.max_delivery_attempts not in DELIVERY_ATTEMPTS:
        raise checks.StatusError(
            StatusCode.OUT_OF_RANGE,
            f"max_delivery_attempts is {policy.max_delivery_attempts}; it must be from 5 to 100.",
        )


def _settle_retries(policy: Wire) -> None:
    if not policy.HasField("minimum_backoff"):
        policy.minimum_backoff.seconds = 10
    if not policy.HasField("maximum_backoff"):
        policy.maximum_backoff.seconds = MAX_BACKOFF_SECONDS
    least, longest = _seconds(policy.minimum_backoff), _seconds(policy.maximum_backoff)
    if not 0 <= least <= longest <= MAX_BACKOFF_SECONDS:
        raise checks.invalid(
            f"Backoff of {least:g} s to {longest:g} s: it must be from 0 to 600 s, the minimum not over the maximum."
        )


def _seconds(duration: Wire) -> float:
    seconds: float = duration.seconds + duration.nanos / 1e9
    return seconds
