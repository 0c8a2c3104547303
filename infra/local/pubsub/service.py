"""The gRPC methods of Publisher and Subscriber.

The methods: https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1. A missing method
is answered with UNIMPLEMENTED and its name.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import grpc

from infra.local.pubsub import checks, wire
from infra.local.pubsub.broker import Broker
from infra.local.pubsub.client import SERVICE
from infra.local.pubsub.control import COMMANDS, Control
from infra.local.pubsub.entry import Puller
from infra.local.pubsub.streaming import streaming_pull
from infra.local.pubsub.subscription import BATCH_MESSAGES
from infra.local.pubsub.wire import Wire

PULL_WAIT_SECONDS = 20.0  # Google waits "a bounded amount of time" and then answers with no messages
PULL_MARGIN_SECONDS = 0.2  # and the answer must arrive before the caller gives up


class PubSubService:
    """The handlers of one broker, in the form of a grpc.GenericRpcHandler."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        publisher, subscriber = "/google.pubsub.v1.Publisher/", "/google.pubsub.v1.Subscriber/"
        self._handlers = {
            publisher + "CreateTopic": _unary(wire.Topic, self._create_topic),
            publisher + "GetTopic": _unary(wire.GetTopicRequest, self._get_topic),
            publisher + "DeleteTopic": _unary(wire.DeleteTopicRequest, self._delete_topic),
            publisher + "ListTopics": _unary(wire.ListTopicsRequest, self._list_topics),
            publisher + "Publish": _unary(wire.PublishRequest, self._publish),
            subscriber + "CreateSubscription": _unary(wire.Subscription, self._create_subscription),
            subscriber + "GetSubscription": _unary(wire.GetSubscriptionRequest, self._get_subscription),
            subscriber + "UpdateSubscription": _unary(
                wire.UpdateSubscriptionRequest, self._update_subscription
            ),
            subscriber + "DeleteSubscription": _unary(
                wire.DeleteSubscriptionRequest, self._delete_subscription
            ),
            subscriber + "ListSubscriptions": _unary(wire.ListSubscriptionsRequest, self._list_subscriptions),
            subscriber + "Pull": _unary(wire.PullRequest, self._pull),
            subscriber + "Acknowledge": _unary(wire.AcknowledgeRequest, self._acknowledge),
            subscriber + "ModifyAckDeadline": _unary(
                wire.ModifyAckDeadlineRequest, self._modify_ack_deadline
            ),
            subscriber + "StreamingPull": grpc.stream_stream_rpc_method_handler(
                self._streaming_pull,
                request_deserializer=wire.StreamingPullRequest.FromString,
                response_serializer=wire.StreamingPullResponse.SerializeToString,
            ),
        }
        control = Control(broker)
        for command in COMMANDS:
            self._handlers[SERVICE + command] = _plain(partial(control.answer, command))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """The handler of a method, called by grpc."""
        method: str = handler_call_details.method
        return self._handlers.get(method) or _unimplemented(method)

    def _create_topic(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        return self._broker.create_topic(request)

    def _get_topic(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        return self._broker.topic(request.topic)

    def _delete_topic(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        self._broker.delete_topic(request.topic)
        return wire.Empty()

    def _list_topics(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        topics, token = self._broker.topics(request)
        return wire.ListTopicsResponse(topics=topics, next_page_token=token)

    def _publish(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        return wire.PublishResponse(message_ids=self._broker.publish(request.topic, request.messages))

    def _create_subscription(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        return self._broker.create_subscription(request)

    def _get_subscription(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        return self._broker.subscription(request.subscription).settings

    def _update_subscription(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        return self._broker.update_subscription(request)

    def _delete_subscription(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        self._broker.delete_subscription(request.subscription)
        return wire.Empty()

    def _list_subscriptions(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        subscriptions, token = self._broker.subscriptions(request)
        return wire.ListSubscriptionsResponse(subscriptions=subscriptions, next_page_token=token)

    def _pull(self, request: Wire, context: grpc.ServicerContext) -> Wire:
        subscription = self._broker.subscription(request.subscription)
        if request.max_messages < 1:
            raise checks.invalid(
                f"The value for max_messages is {request.max_messages}; it must be at least 1."
            )
        puller = Puller(subscription.settings.ack_deadline_seconds)
        if not context.add_callback(lambda: subscription.leave(puller)):
            return wire.PullResponse()
        remaining = context.time_remaining()
        patience = PULL_WAIT_SECONDS if remaining is None else remaining - PULL_MARGIN_SECONDS
        wait = 0.0 if request.return_immediately else max(0.0, min(patience, PULL_WAIT_SECONDS))
        batch = subscription.take(
            puller, at_most=min(request.max_messages, BATCH_MESSAGES), wait_seconds=wait
        )
        return wire.PullResponse(received_messages=batch)

    def _acknowledge(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        subscription = self._broker.subscription(request.subscription)
        checks.check_ack_ids(request.ack_ids)
        subscription.acknowledge(request.ack_ids)
        return wire.Empty()

    def _modify_ack_deadline(self, request: Wire, _: grpc.ServicerContext) -> Wire:
        subscription = self._broker.subscription(request.subscription)
        checks.check_ack_ids(request.ack_ids)
        checks.check_new_deadline(request.ack_deadline_seconds)
        for ack_id in request.ack_ids:
            subscription.modify(ack_id, request.ack_deadline_seconds)
        return wire.Empty()

    def _streaming_pull(self, requests: Iterator[Wire], context: grpc.ServicerContext) -> Iterator[Wire]:
        try:
            yield from streaming_pull(self._broker, requests, context)
        except checks.StatusError as refused:
            context.abort(refused.code, str(refused))


def _unary(request: Any, answer: Callable[[Wire, grpc.ServicerContext], Wire]) -> grpc.RpcMethodHandler:
    """A handler of one request and one answer; `StatusError` becomes the status of the call."""

    return grpc.unary_unary_rpc_method_handler(
        _or_status(answer), request_deserializer=request.FromString, response_serializer=_serialize
    )


def _plain(answer: Callable[[bytes], bytes]) -> grpc.RpcMethodHandler:
    """The same on bare bytes."""
    return grpc.unary_unary_rpc_method_handler(_or_status(lambda message, _: answer(message)))


def _or_status(answer: Callable[[Wire, grpc.ServicerContext], Wire]) -> Callable[..., Wire]:
    def handle(message: Wire, context: grpc.ServicerContext) -> Wire:
        try:
            return answer(message, context)
        except checks.StatusError as refused:
            context.abort(refused.code, str(refused))

    return handle


def _serialize(message: Wire) -> bytes:
    serialized: bytes = message.SerializeToString()
    return serialized


def _unimplemented(method: str) -> grpc.RpcMethodHandler:
    def refuse(_: Iterator[bytes], context: grpc.ServicerContext) -> None:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"{method} is not supported by Lodestone's local Pub/Sub."
        )

    return grpc.stream_stream_rpc_method_handler(refuse)
