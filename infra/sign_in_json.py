"""Checks the fields that a CRM's sign-in page sends (docs/SIGN_IN.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.connections.connections import Sharing, Wishes
from infra.crm.fields import MAX_ID, Unfit
from infra.urls import is_safe

MAX_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Beginning:
    """The fields of `mailboxes.begin_sign_in`."""

    user_id: str
    redirect_uri: str
    wishes: Wishes
    replace: bool
    location: str | None


@dataclass(frozen=True, slots=True)
class Completion:
    """The fields of `mailboxes.complete_sign_in`: what the provider sent the browser back with."""

    user_id: str
    state: str = field(repr=False)
    code: str | None = field(repr=False)
    error: str | None
    location: str | None


def read_beginning(fields: Mapping[str, Any]) -> Beginning:
    """The checked fields. Raises Unfit."""
    _only(
        fields,
        "user",
        "redirect_uri",
        "sharing",
        "replace",
        "magnet",
        "sorting",
        "dry_run",
        "sync",
        "location",
    )
    redirect_uri = _text(fields, "redirect_uri")
    if not is_safe(redirect_uri):
        raise Unfit("redirect_uri is no https address")
    sharing = _text_if_there(fields, "sharing")
    if sharing is not None and sharing not in list(Sharing):
        raise Unfit("sharing is none of private, custom, public")
    return Beginning(
        _user(fields),
        redirect_uri,
        Wishes(
            magnet=_switch(fields, "magnet"),
            sorting=_switch(fields, "sorting"),
            dry_run=_switch(fields, "dry_run"),
            sharing=Sharing(sharing) if sharing else None,
            sync=_switch(fields, "sync"),
        ),
        _switch(fields, "replace") or False,
        _text_if_there(fields, "location"),
    )


def read_completion(fields: Mapping[str, Any]) -> Completion:
    """The checked fields. Raises Unfit."""
    _only(fields, "user", "state", "code", "error", "location")
    code, error = _text_if_there(fields, "code"), _text_if_there(fields, "error")
    location = _text_if_there(fields, "location")
    return Completion(_user(fields), _text(fields, "state"), code, error, location)


def _only(fields: Mapping[str, Any], *known: str) -> None:
    if fields.keys() - set(known):
        raise Unfit(f"a field is there besides {', '.join(known)}")


def _user(fields: Mapping[str, Any]) -> str:
    user = _text(fields, "user")
    if len(user) > MAX_ID:
        raise Unfit(f"user is longer than {MAX_ID} characters")
    return user


def _text_if_there(fields: Mapping[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or "\0" in value:
        raise Unfit(f"{name} is missing or no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit(f"{name} is not UTF-8") from None
    return value


def _switch(fields: Mapping[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise Unfit(f"{name} is neither true nor false")
    return value
