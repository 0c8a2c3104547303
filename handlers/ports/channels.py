"""The way to receivers outside, and what is known of them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from domain.channels import Channel, ChannelKind, ChannelReport, ReceiverAnswer, Target
from domain.ids import ChannelId


class OrganisationChannelRepository(Protocol):
    def add(self, user_id: str | None, kind: ChannelKind, target: Target) -> ChannelId:
        """Add a channel for this user's notifications, or for all of the organisation's; returns its id.

        It gets what comes from now on.
        """

    def get(self, channel_id: ChannelId) -> Channel | None:
        """One channel, whatever its state."""

    def retry(self, channel_id: ChannelId) -> int | None:
        """Switch it on, end its rest and try again what was set aside; returns how much, None for no channel."""

    def remove(self, channel_id: ChannelId) -> bool:
        """Delete the channel and what waits for it; False when there is none."""

    def reports(self) -> tuple[ChannelReport, ...]:
        """All of the organisation's channels, the oldest first."""


class ChannelRepository(Protocol):
    def rest(self, channel_id: ChannelId, seconds: float, trouble: str) -> None:
        """Leave the receiver alone for `seconds`."""

    def answered(self, channel_id: ChannelId, trouble: str | None) -> None:
        """The receiver has answered; `trouble` when it refused an event."""

    def switch_off(self, channel_id: ChannelId, trouble: str) -> None:
        """Send nothing there any more, and add nothing for it."""


class Sender(Protocol):
    """Sends events, from several threads. What goes wrong with a receiver is an answer, never an exception."""

    def send(self, channel: Channel, event: Mapping[str, Any], line: str) -> ReceiverAnswer:
        """Send an event once, within some seconds. `line` is the event for people, where they read it."""


class Outside(Sender, Protocol):
    """The way to receivers outside."""

    def check(self, kind: ChannelKind, url: str) -> None:
        """Raises Unusable for a target that nothing may be sent to."""

    def kept(self, stopping: Callable[[], bool]) -> AbstractContextManager[Sender]:
        """A sender for many events, which keeps its connections. Once `stopping`, it waits for no webhook."""
