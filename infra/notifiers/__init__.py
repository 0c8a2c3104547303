"""Sends events to channels. The senders are imported when first used, because only one process needs them."""

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
    """Sends events to channels of every kind. `seconds` and `may_be_private` are as in WebhookSender and ChatSender."""

    def __init__(self, *, may_be_private: bool, seconds: float = 10) -> None:
        self._may_be_private = may_be_private
        self._seconds = seconds

    def check(self, kind: ChannelKind, url: str) -> None:
        """Raises Unusable for a target that is not allowed."""
        self._way_of(kind).check(url)

    @contextmanager
    def kept(self, stopping: Callable[[], bool]) -> Iterator["Sender"]:
        """A sender for many events, which keeps its connections. `stopping` is as in Wires."""
        with Wires(stopping) as wires:
            yield Sender(self, wires)

    def send(
        self, channel: Channel, event: Mapping[str, Any], line: str, wires: Wires | None = None
    ) -> ReceiverAnswer:
        """Send one event once: a webhook gets `event`, any other service `line`."""
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
    """Sends events over connections that it keeps. Several threads may use it at the same time."""

    def __init__(self, notifiers: Notifiers, wires: Wires) -> None:
        self._notifiers = notifiers
        self._wires = wires

    def send(self, channel: Channel, event: Mapping[str, Any], line: str) -> ReceiverAnswer:
        """See Notifiers.send."""
        return self._notifiers.send(channel, event, line, self._wires)
