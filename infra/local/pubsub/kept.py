"""The state after a journal's records: topics, subscriptions and the messages that each has to deliver."""

from collections.abc import Iterable, Iterator
from typing import Self

from infra.local.pubsub import journal, wire
from infra.local.pubsub.entry import Entry
from infra.local.pubsub.journal import Record
from infra.local.pubsub.wire import Wire

DELETED_TOPIC = "_deleted-topic_"


class Kept:
    """The state. Records of a deleted subscription, such as a late acknowledgement, are ignored."""

    def __init__(self) -> None:
        self.topics: dict[str, Wire] = {}
        self.subscriptions: dict[str, Wire] = {}
        self._of_topic: dict[str, set[str]] = {}
        self._waiting: dict[str, dict[str, Entry]] = {}  # by subscription and message id

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """The state after all these records, in their order."""
        kept = cls()
        for kind, message in records:
            kept._take(kind, message)
        return kept

    def waiting(self, subscription: str) -> Iterable[Entry]:
        """The unacknowledged messages of the subscription, oldest first."""
        return self._waiting[subscription].values()

    def records(self) -> Iterator[Record]:
        """The fewest records with the same state."""
        for topic in self.topics.values():
            yield journal.TOPIC, topic
        for name, settings in self.subscriptions.items():
            yield journal.SUBSCRIPTION, settings
            for message_id, entry in self._waiting[name].items():
                yield journal.WAITING, wire.PublishRequest(topic=name, messages=[entry.message])
                if entry.attempts:
                    yield journal.ATTEMPTS, attempts(name, [message_id], entry.attempts)

    def _take(self, kind: bytes, message: Wire) -> None:
        match kind:
            case journal.TOPIC:
                self.topics[message.name] = message
            case journal.TOPIC_DELETED:
                del self.topics[message.topic]
                for name in self._of_topic.pop(message.topic, ()):
                    self.subscriptions[name].topic = DELETED_TOPIC
            case journal.SUBSCRIPTION:
                self.subscriptions[message.name] = message
                self._of_topic.setdefault(message.topic, set()).add(message.name)
                self._waiting.setdefault(message.name, {})
            case journal.SUBSCRIPTION_DELETED:
                self._of_topic[self.subscriptions.pop(message.subscription).topic].discard(
                    message.subscription
                )
                del self._waiting[message.subscription]
            case _:
                self._take_messages(kind, message)

    def _take_messages(self, kind: bytes, message: Wire) -> None:
        match kind:
            case journal.PUBLISHED:
                for name in self._of_topic[message.topic]:
                    self._add(name, message.messages)
            case journal.WAITING:
                self._add(message.topic, message.messages)
            case journal.ACKNOWLEDGED:
                for message_id in message.ack_ids:
                    self._waiting.get(message.subscription, {}).pop(message_id, None)
            case journal.ATTEMPTS:
                for message_id in message.ack_ids:
                    if entry := self._waiting.get(message.subscription, {}).get(message_id):
                        entry.attempts = message.ack_deadline_seconds

    def _add(self, subscription: str, messages: Iterable[Wire]) -> None:
        for message in messages:
            self._waiting[subscription][message.message_id] = Entry(message, message.ByteSize())


def attempts(subscription: str, message_ids: Iterable[str], count: int) -> Wire:
    """A record that these messages have been delivered `count` times."""
    return wire.ModifyAckDeadlineRequest(
        subscription=subscription, ack_ids=message_ids, ack_deadline_seconds=count
    )
