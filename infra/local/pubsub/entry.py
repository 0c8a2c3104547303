"""What a subscription holds: messages, who may take them, and deliveries in somebody's hand."""

from dataclasses import dataclass

from infra.local.pubsub.wire import Wire


@dataclass(slots=True)
class Entry:
    """A message on its way through one subscription.

    `attempts` are its deliveries under a dead-letter policy, `failures` the nacks and deadlines that passed.
    `doubled` when it has been, or is itself, the second of two: once is enough.
    """

    message: Wire
    size: int
    attempts: int = 0
    failures: int = 0
    doubled: bool = False


@dataclass(slots=True, eq=False)
class Puller:
    """Who takes messages: one stream, or one pull call. A limit of 0 is none."""

    ack_seconds: int
    max_messages: int = 0
    max_bytes: int = 0
    held_messages: int = 0
    held_bytes: int = 0
    gone: bool = False

    def has_room(self) -> bool:
        """Google stops sending at the limit, whatever the size of the message that reached it."""
        return not (0 < self.max_messages <= self.held_messages or 0 < self.max_bytes <= self.held_bytes)


@dataclass(slots=True)
class Lease:
    """A delivery that is neither acknowledged nor given back."""

    entry: Entry
    puller: Puller
    until: float
