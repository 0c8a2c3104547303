"""The providers whose mailboxes Lodestone enters. No other module lists them."""

from collections.abc import Mapping
from typing import Protocol

from domain.checks import Part
from handlers.ports.providers import MailProvider
from infra.gmail import provider as gmail
from infra.settings import Settings


class Known(Protocol):
    """What each provider's module offers to processes and commands."""

    NEEDS: tuple[str, ...]
    """The settings without which its mailboxes cannot be entered."""

    def of_settings(self, settings: Settings) -> MailProvider:
        """The provider as it is set up. Raises WrongSetting."""

    def hasty(self, settings: Settings, seconds: float) -> Settings:
        """The settings with a patience of `seconds` at most for one answer."""

    def checks(self, settings: Settings) -> Mapping[str, Part]:
        """The checks of `lodestone doctor`, by the first word of their findings."""


KNOWN: tuple[Known, ...] = (gmail,)
"""The first is the default."""


def of_settings(settings: Settings) -> Mapping[str, MailProvider]:
    """The providers by their names. Raises WrongSetting."""
    built = (one.of_settings(settings) for one in KNOWN)
    return {provider.about.name: provider for provider in built}
