"""The requests that Pub/Sub refuses, with their status codes.

Names and limits: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names and
https://cloud.google.com/pubsub/quotas#resource_limits
"""

import re
from collections.abc import Collection, Sequence

from grpc import StatusCode

from infra.local.pubsub.wire import Wire

_RESOURCE_ID = re.compile(r"(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}")
_PROJECT = re.compile(r"projects/[^/]+")

MAX_MESSAGES_PER_PUBLISH = 1_000
MAX_PUBLISH_BYTES = 10_000_000
MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE_KEY_BYTES = 256
MAX_ATTRIBUTE_VALUE_BYTES = 1_024
ACK_SECONDS = range(10, 601)
DEFAULT_ACK_SECONDS = 10


class StatusError(Exception):
    """The call ends with this status; the message is what the client shows."""

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def invalid(message: str) -> StatusError:
    """The answer to a request that is wrong in itself."""
    return StatusError(StatusCode.INVALID_ARGUMENT, message)


def not_found(name: str) -> StatusError:
    """The answer for a topic or subscription that does not exist."""
    return StatusError(StatusCode.NOT_FOUND, f"Resource not found (resource={name.rpartition('/')[2]}).")


def already_exists(name: str) -> StatusError:
    """The answer to creating a name twice."""
    short = name.rpartition("/")[2]
    return StatusError(
        StatusCode.ALREADY_EXISTS, f"Resource already exists in the project (resource={short})."
    )


def unavailable(message: str) -> StatusError:
    """The answer after which clients try again."""
    return StatusError(StatusCode.UNAVAILABLE, message)


def check_name(name: str, kind: str) -> None:
    """`kind` is `topics` or `subscriptions`; the name must read projects/{project}/{kind}/{id}."""
    parent, _, resource_id = name.rpartition(f"/{kind}/")
    if not (_PROJECT.fullmatch(parent) and _RESOURCE_ID.fullmatch(resource_id)):
        raise invalid(f"Invalid [{kind}] name: (name={name}).")


def check_project(name: str) -> None:
    """The name must read projects/{project}."""
    if not _PROJECT.fullmatch(name):
        raise invalid(f"Invalid [projects] name: (name={name}).")


def check_ack_seconds(seconds: int, *, field: str = "ack_deadline_seconds") -> None:
    """10 to 600 s, for a subscription as for a stream."""
    if seconds not in ACK_SECONDS:
        raise invalid(f"Invalid {field} given: {seconds}. It must be from 10 to 600.")


def check_new_deadline(seconds: int) -> None:
    """0 to 600 s; 0 gives the message back."""
    if not 0 <= seconds < ACK_SECONDS.stop:
        raise invalid(f"Invalid ack_deadline_seconds given: {seconds}. It must be from 0 to 600.")


def check_ack_ids(ack_ids: Sequence[str]) -> None:
    """Refuse an empty list. Past and unknown ids are allowed."""
    if not ack_ids:
        raise invalid("No ack ids specified.")


def check_messages(messages: Sequence[Wire]) -> None:
    """Check a publish request as a whole and each of its messages."""
    if not 1 <= len(messages) <= MAX_MESSAGES_PER_PUBLISH:
        raise invalid(f"The value for message_count is {len(messages)}; it must be from 1 to 1000.")
    if sum(message.ByteSize() for message in messages) > MAX_PUBLISH_BYTES:
        raise invalid("Request payload size exceeds the limit: 10000000 bytes.")
    for message in messages:
        _check_message(message)


def _check_message(message: Wire) -> None:
    if not message.data and not message.attributes:
        raise invalid("A message is empty. It must contain either non-empty data, or at least one attribute.")
    if len(message.attributes) > MAX_ATTRIBUTES:
        raise invalid("A message has more than 100 attributes.")
    for key, value in message.attributes.items():
        if not 0 < len(key.encode()) <= MAX_ATTRIBUTE_KEY_BYTES or key.startswith("goog"):
            raise invalid("An attribute key must have 1 to 256 bytes and not start with goog.")
        if len(value.encode()) > MAX_ATTRIBUTE_VALUE_BYTES:
            raise invalid("An attribute value must not exceed 1024 bytes.")


def check_fields(resource: Wire, known: Collection[str]) -> None:
    """Refuse fields that this server does not support, rather than ignore them.

    Empty fields are allowed: a `push_config` without endpoint means pull.
    """
    for field, value in resource.ListFields():
        empty = field.message_type is not None and not field.is_repeated and not value.ByteSize()
        if field.name not in known and not empty:
            raise StatusError(
                StatusCode.UNIMPLEMENTED,
                f"{resource.DESCRIPTOR.name}.{field.name} is not supported by Lodestone's local Pub/Sub.",
            )
