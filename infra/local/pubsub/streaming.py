"""StreamingPull: messages go out on the stream, acknowledgements and heartbeats may come in on it.

https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#streamingpullrequest
"""

import threading
from collections.abc import Iterator

import grpc

from infra.local.pubsub import checks
from infra.local.pubsub.broker import Broker
from infra.local.pubsub.entry import Puller
from infra.local.pubsub.subscription import Subscription
from infra.local.pubsub.wire import StreamingPullResponse, Wire

FIRST_REQUEST_ONLY = ("subscription", "max_outstanding_messages", "max_outstanding_bytes", "protocol_version")


def streaming_pull(broker: Broker, requests: Iterator[Wire], context: grpc.ServicerContext) -> Iterator[Wire]:
    """Yields StreamingPullResponses until the client leaves. Raises StatusError with the status that ends the stream.

    Two threads serve a stream: grpc's own sends, and one of ours reads what the client sends.
    """
    first = next(requests, None)
    if first is None:
        return
    subscription = broker.subscription(first.subscription)
    checks.check_ack_seconds(first.stream_ack_deadline_seconds, field="stream_ack_deadline_seconds")
    stream = Puller(
        first.stream_ack_deadline_seconds, first.max_outstanding_messages, first.max_outstanding_bytes
    )
    _answer(subscription, first)
    subscription.join(stream)
    if not context.add_callback(lambda: subscription.leave(stream)):
        subscription.leave(stream)
        return
    refusals: list[checks.StatusError] = []
    reader = threading.Thread(
        target=_read,
        args=(subscription, stream, requests, refusals),
        name="pubsub-stream-reader",
        daemon=True,
    )
    reader.start()
    while batch := subscription.take(stream):
        yield StreamingPullResponse(received_messages=batch)
    if refusals:
        raise refusals[0]
    if subscription.closed:
        broker.subscription(first.subscription)  # NOT_FOUND when it was deleted
        raise checks.StatusError(grpc.StatusCode.UNAVAILABLE, "The local Pub/Sub is stopping.")


def _read(
    subscription: Subscription, stream: Puller, requests: Iterator[Wire], refusals: list[checks.StatusError]
) -> None:
    try:
        for request in requests:
            _check_later(request)
            _answer(subscription, request)
            stream.ack_seconds = request.stream_ack_deadline_seconds or stream.ack_seconds
    except checks.StatusError as refused:
        refusals.append(refused)
    except grpc.RpcError:
        pass  # the client has gone
    subscription.leave(stream)


def _check_later(request: Wire) -> None:
    for field in FIRST_REQUEST_ONLY:
        if getattr(request, field):
            raise checks.invalid(f"{field} must only be set on the first request of a stream.")
    if request.stream_ack_deadline_seconds:
        checks.check_ack_seconds(request.stream_ack_deadline_seconds, field="stream_ack_deadline_seconds")


def _answer(subscription: Subscription, request: Wire) -> None:
    if len(request.modify_deadline_ack_ids) != len(request.modify_deadline_seconds):
        raise checks.invalid(
            "modify_deadline_ack_ids and modify_deadline_seconds must be of the same length."
        )
    subscription.acknowledge(request.ack_ids)
    for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
        checks.check_new_deadline(seconds)
        subscription.modify(ack_id, seconds)
