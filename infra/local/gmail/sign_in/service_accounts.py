"""Service accounts with domain-wide delegation: a token for a signed assertion (RFC 7523)."""

import binascii
import json
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from infra.local.gmail.http.errors import Json, OAuthError

if TYPE_CHECKING:
    from infra.local.gmail.sign_in.accounts import Accounts

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE = "https://oauth2.googleapis.com/token"
"""The audience that google-auth names, whatever the key file says."""

LONGEST = 3600
SKEW = 300


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An account of a program, and the scopes that the domain's administrator has delegated to it."""

    email: str
    key: rsa.RSAPrivateKey
    scopes: frozenset[str]


class ServiceAccounts:
    """All service accounts. Safe for many threads."""

    def __init__(self, accounts: "Accounts") -> None:
        self._accounts = accounts
        self._known: dict[str, ServiceAccount] = {}
        self._guard = threading.Lock()

    def put(self, email: str, scopes: Collection[str], *, new_key: bool = False) -> Json:
        """A service account, or what is delegated to it from now on; returns its key file without token_uri."""
        with self._guard:
            known = self._known.get(email)
            key = known.key if known and not new_key else rsa.generate_private_key(65537, 2048)
            self._known[email] = ServiceAccount(email, key, frozenset(scopes))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "local",
            "private_key_id": "local",
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": "100000000000000000000",
        }

    def exchange(self, form: dict[str, str], token_uri: str, addresses: Collection[str]) -> Json:
        """POST /token for an assertion. Raises OAuthError."""
        signed, claims, signature = _opened(form.get("assertion", ""))
        account = self._known.get(str(claims.get("iss")))
        if account is None:
            raise OAuthError(400, "invalid_grant", "Invalid grant: account not found")
        try:
            account.key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise OAuthError(400, "invalid_grant", "Invalid JWT Signature.") from None
        _check_times(claims)
        if claims.get("aud") not in (token_uri, GOOGLE):
            raise OAuthError(400, "invalid_grant", "Invalid JWT: Failed audience check.")
        scopes = str(claims.get("scope", "")).split()
        if not scopes or not account.scopes.issuperset(scopes):
            raise OAuthError(
                401,
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized "
                "for any of the scopes requested.",
            )
        wanted = str(claims.get("sub", "")).lower()
        for address in addresses:
            if address.lower() == wanted:
                return self._accounts.access(
                    self._accounts.grant_to_program(address, tuple(scopes), account.email)
                )
        raise OAuthError(400, "invalid_grant", "Invalid email or User ID")


def subject_of(form: dict[str, str]) -> str:
    """The mailbox that an assertion is about, in lower case; nothing for one that cannot be read."""
    try:
        return str(_opened(form.get("assertion", ""))[1].get("sub", "")).lower()
    except OAuthError:
        return ""


def _opened(assertion: str) -> tuple[bytes, dict[str, Any], bytes]:
    """What was signed, the claims in it, the signature."""
    try:
        head, body, signature = assertion.split(".")
        claims, kind = json.loads(_decoded(body)), json.loads(_decoded(head)).get("alg")
        read = f"{head}.{body}".encode(), claims, _decoded(signature)
    except (ValueError, AttributeError, binascii.Error):
        kind = None
    if kind != "RS256" or not isinstance(claims, dict):
        raise OAuthError(400, "invalid_grant", "Invalid JWT: it cannot be read")
    return read


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _check_times(claims: dict[str, Any]) -> None:
    now = time.time()
    begins, ends = claims.get("iat"), claims.get("exp")
    if (
        not isinstance(begins, int)
        or not isinstance(ends, int)
        or not begins - SKEW <= now < ends + SKEW
        or ends - begins > LONGEST
    ):
        raise OAuthError(
            400,
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim.",
        )
