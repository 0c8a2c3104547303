"""Topics of the local Pub/Sub, to which a provider pushes."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import grpc
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from infra.local.pubsub import PubSubServer

_NUMBERS = count(1)
PATIENCE = 30.0


class Topics:
    """At a Pub/Sub on this channel. A topic that is made here has one subscription, which takes in all it gets."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._publisher: Any = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        self._subscriber: Any = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        self._subscriptions: dict[str, str] = {}

    def make(self, topic: str) -> None:
        """No error when it is there."""
        if topic not in self._subscriptions:
            name = f"projects/lodestone/subscriptions/taken{next(_NUMBERS)}"
            self._publisher.create_topic(name=topic)
            self._subscriber.create_subscription(name=name, topic=topic)
            self._subscriptions[topic] = name

    def delete(self, topic: str) -> None:
        """Nobody can push to it any more."""
        self._publisher.delete_topic(topic=topic)
        del self._subscriptions[topic]

    def pushed(self, topic: str, about: bytes) -> bytes:
        """The first message not taken yet that has these bytes in it."""
        while True:
            answer = self._subscriber.pull(
                subscription=self._subscriptions[topic], max_messages=1, timeout=PATIENCE, retry=None
            )
            for one in answer.received_messages:
                self._subscriber.acknowledge(subscription=self._subscriptions[topic], ack_ids=[one.ack_id])
                if about in one.message.data:
                    return bytes(one.message.data)


@contextmanager
def local_topics() -> Iterator[tuple[str, Topics]]:
    """HOST:PORT of a Pub/Sub of its own, and its topics."""
    with PubSubServer() as server, grpc.insecure_channel(server.host) as channel:
        yield server.host, Topics(channel)
