"""POST /token and POST /revoke, as oauth2.googleapis.com answers them (FACTS §5)."""

import json
from urllib.parse import parse_qs

from infra.local.gmail.accounts import OAuthError
from infra.local.gmail.errors import ApiError, Json
from infra.local.gmail.faults import LIMITED
from infra.local.gmail.wire import Answer, Request
from infra.local.gmail.world import World


def token(request: Request, world: World) -> Answer:
    """A new access token for a refresh token. Faults for "token" strike here."""
    world.meter.note("token_requests")
    try:
        if world.faults:
            _strike(request, world)
        _, answer = world.accounts.refresh(_form(request))
    except OAuthError as error:
        return _answer(error.code, error.body())
    except ApiError as error:
        body = {"error": "internal_failure", "error_description": error.message}
        return Answer(error.code, json.dumps(body).encode(), headers=error.headers)
    return _answer(200, answer)


def _strike(request: Request, world: World) -> None:
    address = address_of(request, world)
    world.faults.check("token", address)
    world.faults.check_one_of("token_limited", LIMITED, address)
    if grant := world.accounts.granted(_form(request).get("refresh_token", "")):
        world.kills(grant)


def address_of(request: Request, world: World) -> str:
    """The mailbox that a refresh is about, in lower case; nothing when the token is unknown."""
    grant = world.accounts.granted(_form(request).get("refresh_token", ""))
    return grant.address.lower() if grant else ""


def revoke(request: Request, world: World) -> Answer:
    """Ends the consent behind a token."""
    try:
        world.accounts.revoke(_form(request).get("token", ""))
    except OAuthError as error:
        return _answer(error.code, error.body())
    return _answer(200, {})


def _answer(status: int, body: Json) -> Answer:
    return Answer(status, json.dumps(body).encode(), headers=(("Cache-Control", "no-store"),))


def _form(request: Request) -> dict[str, str]:
    """Parameters from the form body and the query together."""
    text = "&".join(filter(None, (request.query, request.body.decode("latin-1"))))
    return {name: values[-1] for name, values in parse_qs(text).items()}
