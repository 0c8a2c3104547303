"""The providers of the registry, grants as tests need them, and contexts whose mailboxes a test opens itself."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from domain.mailboxes.accounts import Grant
from domain.providers import Provider
from handlers.context import Context
from infra.gmail.grants import NAME, GoogleGrant
from infra.settings import examine
from workers.providers import of_settings

TOPIC = "projects/p/topics/gmail"
"""What the local Gmail is told to push to."""


def registered() -> list[Provider]:
    """What is true of each provider of the registry; its name is its folder's in infra/ (`test_layers`)."""
    settings, _ = examine()
    return [provider.about for provider in of_settings(settings).values()]


def granted(made: Mapping[str, Any], **more: Any) -> Grant:
    """The grant that the local Gmail has made."""
    names = ("client_id", "client_secret", "refresh_token", "token_uri")
    return GoogleGrant(**{name: made[name] for name in names}, **more).written()


def held(grant: Grant | None) -> GoogleGrant:
    """What a grant holds."""
    assert grant is not None
    return GoogleGrant.read(grant)


def changed(grant: Grant | None, **fields: Any) -> Grant:
    """The grant with these fields otherwise."""
    return replace(held(grant), **fields).written()


def entered_by(context: Context, opening: Any, **fields: Any) -> Context:
    """The context whose mailboxes are opened by `opening.open`; all else its provider does itself."""
    return replace(context, providers={NAME: _Entered(context.providers[NAME], opening)}, **fields)


class Altered:
    """The real mailbox, in which `part` may put something else in the place of each of its parts and those of its
    labels: it is given the name and what is there."""

    def __init__(self, real: Any, part: Callable[[str, Any], Any]) -> None:
        self._real, self._part = real, part

    def __getattr__(self, name: str) -> Any:
        part = self._part(name, getattr(self._real, name))
        return Altered(part, self._part) if part and name == "labels" else part


class _Entered:
    def __init__(self, provider: Any, opening: Any) -> None:
        self._provider = provider
        self.open = opening.open

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)
