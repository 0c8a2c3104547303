"""Whose mailboxes we enter: a line for each provider, and no other place knows them all."""

from collections.abc import Mapping
from typing import Protocol

from domain.checks import Part
from handlers.ports.providers import MailProvider
from infra.gmail import provider as gmail
from infra.settings import Settings


class Known(Protocol):
    """What a provider's folder offers here."""

    NEEDS: tuple[str, ...]
    """The settings without which its mailboxes cannot be entered."""

    def of_settings(self, settings: Settings) -> MailProvider:
        """The provider as it is set up. Raises WrongSetting."""

    def hasty(self, settings: Settings, seconds: float) -> Settings:
        """The settings, with no more patience than this for one answer."""

    def checks(self, settings: Settings) -> Mapping[str, Part]:
        """What `lodestone doctor` looks at, by the first word of its findings."""


KNOWN: tuple[Known, ...] = (gmail,)
"""The first is meant where nobody names one."""


def of_settings(settings: Settings) -> Mapping[str, MailProvider]:
    """By their names. Raises WrongSetting."""
    built = (one.of_settings(settings) for one in KNOWN)
    return {provider.about.name: provider for provider in built}
