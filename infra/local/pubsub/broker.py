"""The topics and subscriptions of one server, in memory."""

import itertools
import threading
import time
from collections.abc import Iterable, Sequence

from infra.local.pubsub import checks
from infra.local.pubsub.subscription import Subscription
from infra.local.pubsub.wire import Wire

DELETED_TOPIC = "_deleted-topic_"
PAGE_SIZE = 100
WEEK_SECONDS = 7 * 24 * 3600
TOPIC_FIELDS = frozenset({"name", "labels", "message_storage_policy"})
SUBSCRIPTION_FIELDS = frozenset(
    {"name", "topic", "ack_deadline_seconds", "labels", "message_retention_duration", "expiration_policy"}
)


class Broker:
    """Every change of what exists, and publishing. Calls raise `StatusError` where Google refuses.

    Retention and expiry of idle subscriptions are recorded and not acted on: no local run lasts days.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._topics: dict[str, Wire] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._of_topic: dict[str, list[Subscription]] = {}
        self._message_ids = itertools.count(time.time_ns() // 1_000)  # never the ids of an earlier run

    def create_topic(self, topic: Wire) -> Wire:
        """The topic as asked for; ALREADY_EXISTS when there is one of that name."""
        checks.check_name(topic.name, "topics")
        checks.check_fields(topic, TOPIC_FIELDS)
        with self._lock:
            if topic.name in self._topics:
                raise checks.already_exists(topic.name)
            self._topics[topic.name] = topic
            self._of_topic[topic.name] = []
        return topic

    def topic(self, name: str) -> Wire:
        """The topic, or NOT_FOUND."""
        checks.check_name(name, "topics")
        with self._lock:
            return self._known_topic(name)

    def delete_topic(self, name: str) -> None:
        """Its subscriptions stay, with what they have, and say `_deleted-topic_`."""
        checks.check_name(name, "topics")
        with self._lock:
            self._known_topic(name)
            del self._topics[name]
            for subscription in self._of_topic.pop(name):
                subscription.settings.topic = DELETED_TOPIC

    def topics(self, request: Wire) -> tuple[list[Wire], str]:
        """One page of a project's topics and the token of the next."""
        with self._lock:
            return _page(list(self._topics.values()), request)

    def create_subscription(self, settings: Wire) -> Wire:
        """It gets what is published from now on; Google's defaults are filled in."""
        checks.check_name(settings.name, "subscriptions")
        checks.check_name(settings.topic, "topics")
        checks.check_fields(settings, SUBSCRIPTION_FIELDS)
        settings.ack_deadline_seconds = settings.ack_deadline_seconds or checks.DEFAULT_ACK_SECONDS
        checks.check_ack_seconds(settings.ack_deadline_seconds)
        if not settings.HasField("message_retention_duration"):
            settings.message_retention_duration.seconds = WEEK_SECONDS
        settings.state = settings.State.ACTIVE
        with self._lock:
            if settings.name in self._subscriptions:
                raise checks.already_exists(settings.name)
            self._known_topic(settings.topic)
            subscription = Subscription(settings)
            self._subscriptions[settings.name] = subscription
            self._of_topic[settings.topic].append(subscription)
        return settings

    def subscription(self, name: str) -> Subscription:
        """The subscription, or NOT_FOUND."""
        checks.check_name(name, "subscriptions")
        with self._lock:
            return self._known_subscription(name)

    def delete_subscription(self, name: str) -> None:
        """Its messages are dropped and its streams end with NOT_FOUND."""
        checks.check_name(name, "subscriptions")
        with self._lock:
            subscription = self._known_subscription(name)
            del self._subscriptions[name]
            if subscription in (siblings := self._of_topic.get(subscription.settings.topic, [])):
                siblings.remove(subscription)
        subscription.close()

    def subscriptions(self, request: Wire) -> tuple[list[Wire], str]:
        """One page of a project's subscriptions and the token of the next."""
        with self._lock:
            return _page([subscription.settings for subscription in self._subscriptions.values()], request)

    def publish(self, topic: str, messages: Sequence[Wire]) -> list[str]:
        """Gives every message its id and time, and to every subscription of the topic; the ids."""
        checks.check_name(topic, "topics")
        checks.check_messages(messages)
        with self._lock:
            self._known_topic(topic)
            for message in messages:
                message.message_id = str(next(self._message_ids))
                message.publish_time.FromNanoseconds(time.time_ns())
            for subscription in self._of_topic[topic]:
                subscription.put(messages)
        return [message.message_id for message in messages]

    def open(self) -> None:
        """After close(): everything is as it was."""
        with self._lock:
            for subscription in self._subscriptions.values():
                subscription.open()

    def close(self) -> None:
        """Ends every waiting pull and stream."""
        with self._lock:
            for subscription in self._subscriptions.values():
                subscription.close()

    def _known_topic(self, name: str) -> Wire:
        if name not in self._topics:
            raise checks.not_found(name)
        return self._topics[name]

    def _known_subscription(self, name: str) -> Subscription:
        if name not in self._subscriptions:
            raise checks.not_found(name)
        return self._subscriptions[name]


def _page(resources: Iterable[Wire], request: Wire) -> tuple[list[Wire], str]:
    """By name; the token is the last name of the page before."""
    checks.check_project(request.project)
    if request.page_size < 0:
        raise checks.invalid(f"Invalid page_size given: {request.page_size}.")
    size = request.page_size or PAGE_SIZE
    rest = sorted(
        (r for r in resources if r.name.startswith(f"{request.project}/") and r.name > request.page_token),
        key=lambda resource: str(resource.name),
    )
    return rest[:size], rest[size - 1].name if len(rest) > size else ""
