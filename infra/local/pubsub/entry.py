"""The values of a subscription: messages, pullers and leases."""

from dataclasses import dataclass

from infra.local.pubsub.wire import Wire


@dataclass(slots=True)
class Entry:
    """A message on its way through one subscription.

    `attempts` counts its deliveries under a dead-letter policy, `failures` the nacks and the missed deadlines.
    `doubled`: a fault has doubled it, or it is the double, so that no fault doubles it again.
    """

    message: Wire
    size: int
    attempts: int = 0
    failures: int = 0
    doubled: bool = False


@dataclass(slots=True, eq=False)
class Puller:
    """A receiver of messages: a stream or a pull call. A limit of 0 means no limit."""

    ack_seconds: int
    max_messages: int = 0
    max_bytes: int = 0
    held_messages: int = 0
    held_bytes: int = 0
    gone: bool = False

    def has_room(self) -> bool:
        """Whether it is below its limits. As at Google, the last message may go beyond the limit."""
        return not (0 < self.max_messages <= self.held_messages or 0 < self.max_bytes <= self.held_bytes)


@dataclass(slots=True)
class Lease:
    """A delivery that is neither acknowledged nor given back."""

    entry: Entry
    puller: Puller
    until: float
