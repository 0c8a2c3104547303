"""Google's OAuth: the consent page, POST /token and POST /revoke (FACTS §5)."""

import html
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from infra.local.gmail.control.kinds import LIMITED
from infra.local.gmail.http.errors import ApiError, Json, OAuthError
from infra.local.gmail.http.wire import Answer, Request
from infra.local.gmail.sign_in.accounts import CLIENT_ID, Client
from infra.local.gmail.sign_in.consents import Decision
from infra.local.gmail.sign_in.service_accounts import JWT_BEARER, subject_of
from infra.local.gmail.world import World

AUTH_PATH, TOKEN_PATH, REVOKE_PATH = "/o/oauth2/v2/auth", "/token", "/revoke"


def page(request: Request, world: World) -> Answer:
    """The consent page. Nobody is asked: the browser is sent on at once, or reads why not."""
    try:
        place = world.accounts.consents.page(_values(request.query), _addresses(world))
    except OAuthError as error:
        text = f"<title>Sign in</title><h1>Error {error.code}: {error.error}</h1>"
        text += f"<p>{html.escape(error.description)}</p>"
        return Answer(error.code, text.encode(), "text/html; charset=utf-8")
    return Answer(302, headers=(("Location", place), ("Cache-Control", "no-store")))


def token(request: Request, world: World, token_uri: str) -> Answer:
    """An access token for a refresh token, a code or an assertion. Faults for "token" strike here."""
    world.meter.note("token_requests")
    form = _form(request)
    try:
        if world.faults:
            _strike(form, world)
        answer = _given(form, world, token_uri)
    except OAuthError as error:
        return _answer(error.code, error.body())
    except ApiError as error:
        body = {"error": "internal_failure", "error_description": error.message}
        return Answer(error.code, json.dumps(body).encode(), headers=error.headers)
    return _answer(200, answer)


def _given(form: dict[str, str], world: World, token_uri: str) -> Json:
    kind = form.get("grant_type", "")
    if kind == "refresh_token":
        return world.accounts.refresh(form)[1]
    if kind == "authorization_code":
        return world.accounts.consents.exchange(form)
    if kind == JWT_BEARER:
        return world.accounts.service_accounts.exchange(form, token_uri, _addresses(world))
    raise OAuthError(400, "unsupported_grant_type", f"Invalid grant_type: {kind}")


def _strike(form: dict[str, str], world: World) -> None:
    address = _address_of(form, world)
    world.faults.check("token", address)
    world.faults.check_one_of("token_limited", LIMITED, address)
    if grant := world.accounts.granted(form.get("refresh_token", "")):
        world.kills(grant)


def address_of(request: Request, world: World) -> str:
    """The mailbox that a request for a token is about, in lower case; nothing when it is unknown."""
    return _address_of(_form(request), world)


def _address_of(form: dict[str, str], world: World) -> str:
    if grant := world.accounts.granted(form.get("refresh_token", "")):
        return grant.address.lower()
    return world.accounts.consents.address_of(form.get("code", "")) or subject_of(form)


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
    """Parameters from the form body and the query together, and a client that names itself in a header."""
    form = _values("&".join(filter(None, (request.query, request.body.decode("latin-1")))))
    kind, _, named = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        client_id, _, secret = b64decode(named).decode("latin-1").partition(":")
        form |= {"client_id": client_id, "client_secret": secret}
    return form


def _values(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text).items()}


def _addresses(world: World) -> list[str]:
    return [mailbox.address for mailbox in world.mailboxes()]


def client_file(client: Client, root: str) -> Json:
    """What the Cloud console lets one download as client_secret.json."""
    return {
        client.kind: {
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "project_id": "local",
            "auth_uri": f"{root}{AUTH_PATH}",
            "token_uri": f"{root}{TOKEN_PATH}",
            "redirect_uris": list(client.redirect_uris) or ["http://localhost"],
        }
    }


def _default_client(_: Json, world: World, root: str) -> Json:
    """The client of the credentials that control hands out."""
    return client_file(world.accounts.client(CLIENT_ID), root)


def _add_client(body: Json, world: World, root: str) -> Json:
    """One more client of the project."""
    uris = tuple(body.get("redirect_uris", ()))
    return client_file(world.accounts.add_client(body.get("kind", "installed"), uris), root)


def _decide(body: Json, world: World, _: str) -> Json:
    """What whoever comes to the consent page does there."""
    decision = Decision(
        body.get("account", ""), frozenset(body.get("without", ())), bool(body.get("refuses", False))
    )
    world.accounts.consents.decide(body.get("hint", ""), decision)
    return {}


def _consents(_: Json, world: World, __: str) -> Json:
    """How many lasting consents each mailbox has given."""
    return dict(world.accounts.count())


def _expire_codes(_: Json, world: World, __: str) -> Json:
    """Ten minutes have passed."""
    world.accounts.consents.expire_codes()
    return {}


def _put_service_account(body: Json, world: World, root: str) -> Json:
    """A service account, or what is delegated to it from now on; its key file."""
    put = world.accounts.service_accounts.put
    made = put(body["email"], body.get("scopes", ()), new_key=bool(body.get("new_key", False)))
    return made | {"token_uri": f"{root}{TOKEN_PATH}"}


CONTROLS: Mapping[str, Callable[[Json, World, str], Json]] = {
    "GET client": _default_client,
    "POST clients": _add_client,
    "PUT consent": _decide,
    "GET consents": _consents,
    "POST expire_codes": _expire_codes,
    "PUT service_account": _put_service_account,
}
"""What control can ask here; the text is the server's root URL."""
