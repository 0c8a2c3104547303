"""Whose mailboxes we enter: a line for each provider, and no other place knows them all."""

from collections.abc import Callable, Mapping

from handlers.ports.providers import MailProvider
from infra.gmail import provider as gmail
from infra.settings import Settings

BUILT: tuple[Callable[[Settings], MailProvider], ...] = (gmail.of_settings,)
"""By what each is built from the settings; the first is meant where nobody names one."""


def of_settings(settings: Settings) -> Mapping[str, MailProvider]:
    """By their names. Raises WrongSetting."""
    return {one.about.name: one for one in (build(settings) for build in BUILT)}
