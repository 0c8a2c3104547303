"""The topics and subscriptions of one server: in memory, and in a journal when it has one."""

import itertools
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from infra.local.pubsub import checks, journal, wire
from infra.local.pubsub.entry import Entry
from infra.local.pubsub.faults import Faults
from infra.local.pubsub.journal import Journal
from infra.local.pubsub.kept import DELETED_TOPIC, Kept
from infra.local.pubsub.settings import settle, updated
from infra.local.pubsub.subscription import Subscription
from infra.local.pubsub.wire import Wire

PAGE_SIZE = 100
TOPIC_FIELDS = frozenset({"name", "labels", "message_storage_policy"})


class Broker:
    """Changes topics and subscriptions, and publishes. Calls raise StatusError where Google refuses them.

    With a journal it begins with the journal's state, and delivers all unacknowledged messages again.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.faults = Faults()
        self._journal = journal
        self._lock = threading.Lock()
        self._topics: dict[str, Wire] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._of_topic: dict[str, list[Subscription]] = {}
        self._with_dead_letters: set[Subscription] = set()
        self._message_ids = itertools.count(time.time_ns() // 1_000)  # never the ids of an earlier run
        if journal:
            kept = Kept.of(journal.records())
            journal.begin(kept.records())
            self._restore(kept)

    def create_topic(self, topic: Wire) -> Wire:
        """Create the topic; returns it. Raises ALREADY_EXISTS when the name is taken."""
        checks.check_name(topic.name, "topics")
        checks.check_fields(topic, TOPIC_FIELDS)
        with self._lock:
            if topic.name in self._topics:
                raise checks.already_exists(topic.name)
            self._record(journal.TOPIC, topic)
            self._topics[topic.name] = topic
            self._of_topic[topic.name] = []
        return topic

    def topic(self, name: str) -> Wire:
        """The topic. Raises NOT_FOUND."""
        checks.check_name(name, "topics")
        with self._lock:
            return self._known_topic(name)

    def delete_topic(self, name: str) -> None:
        """Delete the topic. Its subscriptions stay with their messages, and name `_deleted-topic_` as their topic."""
        checks.check_name(name, "topics")
        with self._lock:
            self._known_topic(name)
            self._record(journal.TOPIC_DELETED, wire.DeleteTopicRequest(topic=name))
            del self._topics[name]
            for subscription in self._of_topic.pop(name):
                settings = wire.Subscription()
                settings.CopyFrom(subscription.settings)
                settings.topic = DELETED_TOPIC
                subscription.configure(settings)

    def topics(self, request: Wire) -> tuple[list[Wire], str]:
        """One page of a project's topics and the token of the next."""
        with self._lock:
            return _page(list(self._topics.values()), request)

    def create_subscription(self, settings: Wire) -> Wire:
        """Create a subscription with Google's defaults. It gets messages that are published from now on."""
        checks.check_name(settings.name, "subscriptions")
        checks.check_name(settings.topic, "topics")
        with self._lock:
            settle(settings, self._topics)
            if settings.name in self._subscriptions:
                raise checks.already_exists(settings.name)
            self._known_topic(settings.topic)
            self._record(journal.SUBSCRIPTION, settings)
            self._add(settings)
        return settings

    def update_subscription(self, request: Wire) -> Wire:
        """Change the settings that the request's mask names. They count for every later delivery."""
        checks.check_name(request.subscription.name, "subscriptions")
        with self._lock:
            subscription = self._known_subscription(request.subscription.name)
            settings = updated(subscription.settings, request, self._topics)
            self._record(journal.SUBSCRIPTION, settings)
            subscription.configure(settings)
            self._note_dead_letters(subscription)
        return settings

    def subscription(self, name: str) -> Subscription:
        """The subscription. Raises NOT_FOUND."""
        checks.check_name(name, "subscriptions")
        with self._lock:
            return self._known_subscription(name)

    def delete_subscription(self, name: str) -> None:
        """Delete the subscription with its messages. Its streams end with NOT_FOUND."""
        checks.check_name(name, "subscriptions")
        with self._lock:
            subscription = self._known_subscription(name)
            self._record(journal.SUBSCRIPTION_DELETED, wire.DeleteSubscriptionRequest(subscription=name))
            del self._subscriptions[name]
            self._with_dead_letters.discard(subscription)
            if subscription in (siblings := self._of_topic.get(subscription.settings.topic, [])):
                siblings.remove(subscription)
        subscription.close()

    def subscriptions(self, request: Wire) -> tuple[list[Wire], str]:
        """One page of a project's subscriptions and the token of the next."""
        with self._lock:
            return _page([subscription.settings for subscription in self._subscriptions.values()], request)

    def publish(self, topic: str, messages: Sequence[Wire]) -> list[str]:
        """Give each message an id and a time, and queue it for each subscription of the topic; returns the ids."""
        checks.check_name(topic, "topics")
        checks.check_messages(messages)
        with self._lock:
            self._known_topic(topic)
            self._identify(messages)
            if self.faults.on:
                self._spread(topic, [m for m in messages if self.faults.strike("lose") is None])
            else:
                self._spread(topic, messages)
        self.faults.meter.note("published", len(messages))
        return [message.message_id for message in messages]

    def bury(self) -> None:
        """Move messages that have failed too often to their dead-letter topic. The server calls this periodically."""
        with self._lock:
            for subscription in self._with_dead_letters:
                if dead := subscription.take_dead():
                    self._bury(subscription, dead)

    def backlog(self) -> int:
        """The number of unacknowledged messages in all subscriptions."""
        with self._lock:
            return sum(subscription.backlog() for subscription in self._subscriptions.values())

    def open(self) -> None:
        """Open again after close(), with the same state."""
        with self._lock:
            for subscription in self._subscriptions.values():
                subscription.open()

    def close(self) -> None:
        """End all waiting pulls and streams."""
        with self._lock:
            for subscription in self._subscriptions.values():
                subscription.close()

    def _restore(self, kept: Kept) -> None:
        self._topics = kept.topics
        self._of_topic = {name: [] for name in kept.topics}
        for name, settings in kept.subscriptions.items():
            self._add(settings).restore(kept.waiting(name))

    def _add(self, settings: Wire) -> Subscription:
        subscription = Subscription(settings, faults=self.faults, journal=self._journal)
        self._subscriptions[settings.name] = subscription
        if settings.topic in self._of_topic:
            self._of_topic[settings.topic].append(subscription)
        self._note_dead_letters(subscription)
        return subscription

    def _note_dead_letters(self, subscription: Subscription) -> None:
        if subscription.settings.HasField("dead_letter_policy"):
            self._with_dead_letters.add(subscription)
        else:
            self._with_dead_letters.discard(subscription)

    def _identify(self, messages: Iterable[Wire]) -> None:
        for message in messages:
            message.message_id = str(next(self._message_ids))
            message.publish_time.FromNanoseconds(time.time_ns())

    def _spread(self, topic: str, messages: Sequence[Wire]) -> None:
        if not (messages and self._of_topic[topic]):
            return
        if self._journal:
            self._record(journal.PUBLISHED, wire.PublishRequest(topic=topic, messages=messages))
        for subscription in self._of_topic[topic]:
            subscription.put(messages)

    def _bury(self, subscription: Subscription, dead: Sequence[Entry]) -> None:
        topic = subscription.settings.dead_letter_policy.dead_letter_topic
        letters = [_dead_letter(entry, subscription.settings.name) for entry in dead]
        self._identify(letters)
        try:
            self._known_topic(topic)
            self._spread(topic, letters)
        except checks.StatusError:
            subscription.give_back(dead)
            return
        subscription.bury(dead)
        self.faults.meter.note("dead_lettered", len(dead))

    def _record(self, kind: bytes, message: Wire) -> None:
        if self._journal:
            self._journal.write(kind, message)

    def _known_topic(self, name: str) -> Wire:
        if name not in self._topics:
            raise checks.not_found(name)
        return self._topics[name]

    def _known_subscription(self, name: str) -> Subscription:
        if name not in self._subscriptions:
            raise checks.not_found(name)
        return self._subscriptions[name]


def _dead_letter(entry: Entry, subscription: str) -> Wire:
    """The message, and what Google adds to it: https://cloud.google.com/pubsub/docs/dead-letter-topics"""
    _, project, _, name = subscription.split("/")
    published = datetime.fromtimestamp(entry.message.publish_time.ToNanoseconds() / 1e9, UTC)
    letter = wire.PubsubMessage()
    letter.CopyFrom(entry.message)
    letter.attributes.update(
        {
            "CloudPubSubDeadLetterSourceDeliveryCount": str(entry.attempts),
            "CloudPubSubDeadLetterSourceSubscription": name,
            "CloudPubSubDeadLetterSourceSubscriptionProject": project,
            "CloudPubSubDeadLetterSourceTopicPublishTime": published.isoformat(timespec="milliseconds"),
        }
    )
    return letter


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
