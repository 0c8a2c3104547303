"""OAuth as clients see it (FACTS §5): refresh tokens live until revoked, access tokens for an hour."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.local.gmail.errors import Json, unauthenticated

FULL_SCOPE = "https://mail.google.com/"
CLIENT_ID = "local-client.apps.googleusercontent.com"
CLIENT_SECRET = "local-client-secret"  # noqa: S105 - opens nothing but this server
PRUNE_ABOVE = 10_000


@dataclass(frozen=True, slots=True)
class Grant:
    """One consent: this client may use that mailbox within these scopes."""

    address: str
    client_id: str
    client_secret: str
    refresh_token: str
    scopes: tuple[str, ...]
    made: float = field(default_factory=time.monotonic)


class OAuthError(Exception):
    """What /token and /revoke answer in OAuth's own form."""

    def __init__(self, code: int, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.code = code
        self.error = error
        self.description = description

    def body(self) -> Json:
        """RFC 6749 §5.2."""
        return {"error": self.error, "error_description": self.description}


class Accounts:
    """All grants and access tokens. Safe for many threads."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self._grants: dict[str, Grant] = {}
        self._access: dict[str, tuple[Grant, float]] = {}
        self._guard = threading.Lock()

    def grant(self, address: str, scopes: tuple[str, ...] = ()) -> Grant:
        """A new consent with a refresh token of its own."""
        token = f"1//local-{secrets.token_urlsafe(24)}"
        grant = Grant(address, CLIENT_ID, CLIENT_SECRET, token, scopes or (FULL_SCOPE,))
        with self._guard:
            self._grants[token] = grant
        return grant

    def granted(self, refresh_token: str) -> Grant | None:
        """The consent behind a refresh token, None when there is none (any more)."""
        return self._grants.get(refresh_token)

    def refresh(self, form: dict[str, str]) -> tuple[Grant, Json]:
        """POST /token. Raises OAuthError: invalid_grant is final, the user must consent again."""
        if form.get("grant_type") != "refresh_token":
            raise OAuthError(
                400, "unsupported_grant_type", "Invalid grant_type: " + form.get("grant_type", "")
            )
        with self._guard:
            grant = self._grants.get(form.get("refresh_token", ""))
            if grant is None:
                raise OAuthError(400, "invalid_grant", "Token has been expired or revoked.")
            if (form.get("client_id"), form.get("client_secret")) != (grant.client_id, grant.client_secret):
                raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
            token = f"ya29.local-{secrets.token_urlsafe(24)}"
            now = time.monotonic()
            if len(self._access) > PRUNE_ABOVE:
                self._access = {t: (g, until) for t, (g, until) in self._access.items() if until > now}
            self._access[token] = (grant, now + self.lifetime)
        return grant, {
            "access_token": token,
            "expires_in": int(self.lifetime),
            "scope": " ".join(grant.scopes),
            "token_type": "Bearer",
        }

    def holder(self, authorization: str) -> Grant:
        """The grant behind an Authorization header; raises 401."""
        kind, _, token = authorization.partition(" ")
        grant, until = self._access.get(token.strip(), (None, 0.0))
        if grant is None or kind.lower() != "bearer" or until <= time.monotonic():
            raise unauthenticated()
        return grant

    def revoke(self, token: str) -> None:
        """POST /revoke with either kind of token: the grant ends, with all its access tokens."""
        with self._guard:
            held = self._access.get(token)
            grant = held[0] if held else self._grants.get(token)
            if grant is None:
                raise OAuthError(400, "invalid_token", "Token expired or revoked")
            self._drop(lambda have: have is grant)

    def drop(self, grant: Grant) -> None:
        """This consent alone ends."""
        with self._guard:
            self._drop(lambda have: have is grant)

    def revoke_all(self, address: str) -> None:
        """As after a password change: no consent of this mailbox is good any more."""
        with self._guard:
            self._drop(lambda have: have.address == address)

    def expire(self, address: str) -> None:
        """End the access tokens of a mailbox; its refresh tokens stay good."""
        with self._guard:
            self._access = {t: held for t, held in self._access.items() if held[0].address != address}

    def _drop(self, ends: Callable[[Grant], bool]) -> None:
        self._grants = {token: grant for token, grant in self._grants.items() if not ends(grant)}
        self._access = {token: held for token, held in self._access.items() if not ends(held[0])}
