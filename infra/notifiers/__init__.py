"""The ways out: webhooks, and what apprise can reach. Loaded when first used, because only one process needs them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from domain.channels import Channel, ChannelKind, ReceiverAnswer
from infra.notifiers.wires import Wires

if TYPE_CHECKING:
    from infra.notifiers.chat import ChatSender
    from infra.notifiers.webhook import WebhookSender


class Notifiers:
    """Sends events to channels of every kind, each within so many seconds. `may_be_private` allows targets in our
    own network."""

    def __init__(self, *, may_be_private: bool, seconds: float = 10) -> None:
        self._may_be_private = may_be_private
        self._seconds = seconds

    def check(self, kind: ChannelKind, url: str) -> None:
        """Raises Unusable for a target that nothing may be sent to."""
        self._way_of(kind).check(url)

    @contextmanager
    def kept(self, stopping: Callable[[], bool]) -> Iterator["Sender"]:
        """Sends many events, by connections that are kept meanwhile."""
        with Wires(stopping) as wires:
            yield Sender(self, wires)

    def send(
        self, channel: Channel, event: Mapping[str, Any], line: str, wires: Wires | None = None
    ) -> ReceiverAnswer:
        """One event, once: a webhook gets the event, people get the line."""
        match channel.kind:
            case ChannelKind.WEBHOOK:
                return self._webhook.send(channel.target, event, wires)
            case ChannelKind.APPRISE:
                return self._chat.send(channel.target, line)

    def _way_of(self, kind: ChannelKind) -> "WebhookSender | ChatSender":
        match kind:
            case ChannelKind.WEBHOOK:
                return self._webhook
            case ChannelKind.APPRISE:
                return self._chat

    @cached_property
    def _webhook(self) -> "WebhookSender":
        from infra.notifiers.webhook import WebhookSender

        return WebhookSender(may_be_private=self._may_be_private, seconds=self._seconds)

    @cached_property
    def _chat(self) -> "ChatSender":
        from infra.notifiers.chat import ChatSender

        return ChatSender(may_be_private=self._may_be_private, seconds=self._seconds)


class Sender:
    """The way outside with connections that are kept; several threads may use it at a time."""

    def __init__(self, notifiers: Notifiers, wires: Wires) -> None:
        self._notifiers = notifiers
        self._wires = wires

    def send(self, channel: Channel, event: Mapping[str, Any], line: str) -> ReceiverAnswer:
        """See Notifiers."""
        return self._notifiers.send(channel, event, line, self._wires)
