"""The way to receivers outside, and what is known of them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from domain.channels import Channel, ChannelKind, ChannelReport, ReceiverAnswer, Target


class OwnChannelRepository(Protocol):
    def add(self, user_id: str | None, kind: ChannelKind, target: Target) -> int:
        """A new channel, for this user or for everybody in the organisation; what is on a list already does not go
        there."""

    def get(self, channel_id: int) -> Channel | None:
        """One channel, whatever its state."""

    def retry(self, channel_id: int) -> int | None:
        """Switched on and awake, what was set aside waits again; returns how much that was, None for no channel."""

    def remove(self, channel_id: int) -> bool:
        """The channel and what waits for it; False when there is none."""

    def reports(self) -> tuple[ChannelReport, ...]:
        """All of the organisation's channels, the first made first."""


class ChannelRepository(Protocol):
    def rest(self, channel_id: int, seconds: float, trouble: str) -> None:
        """The receiver is left alone for so long."""

    def answered(self, channel_id: int, trouble: str | None) -> None:
        """The receiver is there; `trouble` if it refuses what it gets."""

    def switch_off(self, channel_id: int, trouble: str) -> None:
        """Nothing goes there any more, and nothing is added for it."""


class Sender(Protocol):
    """Sends events; several threads may use one. Nothing here raises for a receiver's sake."""

    def send(self, channel: Channel, event: Mapping[str, Any], line: str) -> ReceiverAnswer:
        """One event, once, in a few seconds at most; `line` says it to people where no program reads it."""


class Outside(Sender, Protocol):
    """The way to receivers outside."""

    def check(self, kind: ChannelKind, url: str) -> None:
        """Raises Unusable for a target that nothing may be sent to."""

    def kept(self, stopping: Callable[[], bool]) -> AbstractContextManager[Sender]:
        """For many events: connections are kept meanwhile, and once `stopping` webhooks are waited for no longer."""
