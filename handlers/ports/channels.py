"""The way to receivers outside, and what is known of them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from domain.channels import Answer, Channel, ChannelKind, ChannelReport, Target


class OwnChannelRepository(Protocol):
    def add(self, user_id: str | None, kind: ChannelKind, target: Target) -> int: ...
    def get(self, channel_id: int) -> Channel | None: ...
    def retry(self, channel_id: int) -> int | None: ...
    def remove(self, channel_id: int) -> bool: ...
    def reports(self) -> tuple[ChannelReport, ...]: ...


class ChannelRepository(Protocol):
    def rest(self, channel_id: int, seconds: float, trouble: str) -> None: ...
    def answered(self, channel_id: int, trouble: str | None) -> None: ...
    def switch_off(self, channel_id: int, trouble: str) -> None: ...


class Sender(Protocol):
    """Sends events; several threads may use one. Nothing here raises for a receiver's sake."""

    def send(self, channel: Channel, event: Mapping[str, Any], line: str) -> Answer:
        """One event, once, in a few seconds at most; `line` says it to people where no program reads it."""


class Outside(Sender, Protocol):
    """The way to receivers outside."""

    def check(self, kind: ChannelKind, url: str) -> None:
        """Raises Unusable for a target that nothing may be sent to."""

    def kept(self, stopping: Callable[[], bool]) -> AbstractContextManager[Sender]:
        """For many events: connections are kept meanwhile, and once `stopping` webhooks are waited for no longer."""
