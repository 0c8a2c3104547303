"""OAuth as clients see it (FACTS §5): refresh tokens live until revoked, access tokens for an hour."""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from infra.local.gmail.http.errors import Json, OAuthError, unauthenticated
from infra.local.gmail.sign_in.consents import Consents
from infra.local.gmail.sign_in.service_accounts import ServiceAccounts

FULL_SCOPE = "https://mail.google.com/"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CLIENT_ID = "local-client.apps.googleusercontent.com"
CLIENT_SECRET = "local-client-secret"  # noqa: S105 - opens nothing but this server
PRUNE_ABOVE = 10_000


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client of the Cloud console; `kind` is "installed" or "web"."""

    client_id: str
    client_secret: str = field(repr=False)
    kind: str = "installed"
    redirect_uris: tuple[str, ...] = ()

    def may_lead_to(self, redirect_uri: str) -> bool:
        """Whether the URI is allowed: any loopback port for an installed program, an exact match for a web page."""
        if self.kind == "web":
            return redirect_uri in self.redirect_uris
        place = urlsplit(redirect_uri)
        return place.scheme == "http" and place.hostname in LOOPBACK


@dataclass(frozen=True, slots=True)
class Grant:
    """A consent: the client may use the mailbox at `address` within the scopes. Without a refresh token it ends with
    its access tokens."""

    address: str
    client_id: str
    client_secret: str
    refresh_token: str
    scopes: tuple[str, ...]
    delegated: bool = False
    made: float = field(default_factory=time.monotonic)


class Accounts:
    """All clients, grants and access tokens. Safe for many threads."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self.consents = Consents(self)
        self.service_accounts = ServiceAccounts(self)
        self._clients = {CLIENT_ID: Client(CLIENT_ID, CLIENT_SECRET)}
        self._grants: dict[str, Grant] = {}
        self._access: dict[str, tuple[Grant, float]] = {}
        self._guard = threading.Lock()

    def add_client(self, kind: str, redirect_uris: tuple[str, ...]) -> Client:
        """Add a client to the project."""
        if kind not in ("installed", "web"):
            raise ValueError("a client is installed or web")
        client_id = f"{secrets.token_hex(6)}.apps.googleusercontent.com"
        client = Client(client_id, f"GOCSPX-{secrets.token_urlsafe(18)}", kind, redirect_uris)
        with self._guard:
            self._clients[client_id] = client
        return client

    def client(self, client_id: str) -> Client:
        """The client of this id. Raises OAuthError for an unknown id."""
        client = self._clients.get(client_id)
        if client is None:
            raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
        return client

    def check_secret(self, form: dict[str, str]) -> Client:
        """The client that calls. Raises OAuthError when its secret is wrong."""
        client = self.client(form.get("client_id", ""))
        if form.get("client_secret") != client.client_secret:
            raise OAuthError(401, "invalid_client", "Unauthorized")
        return client

    def grant(
        self, address: str, scopes: tuple[str, ...] = (), client_id: str = CLIENT_ID, *, lasting: bool = True
    ) -> Grant:
        """A new consent; a lasting one has a refresh token."""
        client = self.client(client_id)
        token = f"1//local-{secrets.token_urlsafe(24)}" if lasting else ""
        grant = Grant(address, client_id, client.client_secret, token, scopes or (FULL_SCOPE,))
        if lasting:
            with self._guard:
                self._grants[token] = grant
        return grant

    def grant_to_program(self, address: str, scopes: tuple[str, ...], email: str) -> Grant:
        """A service account's consent for a mailbox. It lasts as long as its access tokens."""
        return Grant(address, email, "", "", scopes, delegated=True)

    def count(self) -> Counter[str]:
        """The number of lasting consents by mailbox."""
        with self._guard:
            return Counter(grant.address for grant in self._grants.values())

    def knows(self, address: str, client_id: str) -> bool:
        """Whether this client has a lasting consent for the mailbox."""
        with self._guard:
            return any((g.address, g.client_id) == (address, client_id) for g in self._grants.values())

    def granted(self, refresh_token: str) -> Grant | None:
        """The consent of a refresh token; None when it is unknown or revoked."""
        return self._grants.get(refresh_token)

    def refresh(self, form: dict[str, str]) -> tuple[Grant, Json]:
        """POST /token for a refresh token. Raises OAuthError: invalid_grant is final, the user must consent again."""
        grant = self._grants.get(form.get("refresh_token", ""))
        if grant is None:
            raise OAuthError(400, "invalid_grant", "Token has been expired or revoked.")
        if (form.get("client_id"), form.get("client_secret")) != (grant.client_id, grant.client_secret):
            raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
        return grant, self.access(grant)

    def access(self, grant: Grant) -> Json:
        """A new access token of the consent, as /token answers."""
        token = f"ya29.local-{secrets.token_urlsafe(24)}"
        now = time.monotonic()
        with self._guard:
            if grant.refresh_token and grant.refresh_token not in self._grants:
                raise OAuthError(400, "invalid_grant", "Token has been expired or revoked.")
            if len(self._access) > PRUNE_ABOVE:
                self._access = {t: (g, until) for t, (g, until) in self._access.items() if until > now}
            self._access[token] = (grant, now + self.lifetime)
        return {
            "access_token": token,
            "expires_in": int(self.lifetime),
            "scope": " ".join(grant.scopes),
            "token_type": "Bearer",
        }

    def holder(self, authorization: str) -> Grant:
        """The grant of an Authorization header. Raises 401."""
        kind, _, token = authorization.partition(" ")
        grant, until = self._access.get(token.strip(), (None, 0.0))
        if grant is None or kind.lower() != "bearer" or until <= time.monotonic():
            raise unauthenticated()
        return grant

    def revoke(self, token: str) -> None:
        """POST /revoke with a token of either kind: all consents of the account for this client end, not only that of
        the token (D12)."""
        with self._guard:
            held = self._access.get(token)
            grant = held[0] if held else self._grants.get(token)
            if grant is None:
                raise OAuthError(400, "invalid_token", "Token expired or revoked")
            whose = (grant.address, grant.client_id)
            self._drop(lambda have: (have.address, have.client_id) == whose)

    def revoke_one(self, refresh_token: str) -> None:
        """End one consent, as the oldest of too many ends (FACTS §5)."""
        grant = self.granted(refresh_token)
        if grant is None:
            raise OAuthError(400, "invalid_token", "Token expired or revoked")
        self.drop(grant)

    def drop(self, grant: Grant) -> None:
        """End this consent only."""
        with self._guard:
            self._drop(lambda have: have is grant)

    def revoke_all(self, address: str) -> None:
        """End all consents of the mailbox, as after a password change."""
        with self._guard:
            self._drop(lambda have: have.address == address)

    def expire(self, address: str) -> None:
        """End the access tokens of a mailbox; its refresh tokens stay good."""
        with self._guard:
            self._access = {t: held for t, held in self._access.items() if held[0].address != address}

    def _drop(self, ends: Callable[[Grant], bool]) -> None:
        self._grants = {token: grant for token, grant in self._grants.items() if not ends(grant)}
        self._access = {token: held for token, held in self._access.items() if not ends(held[0])}
