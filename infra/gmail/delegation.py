"""A service account that may act for the users of a Google Workspace domain (domain-wide delegation)."""

import hmac
import json
from collections.abc import Collection
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from google.auth import crypt, jwt

from domain.connections.permissions import Permission
from domain.errors import LodestoneError
from domain.mailboxes.accounts import Grant
from infra.gmail.grants import GoogleGrant
from infra.gmail.scopes import scopes_for

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOD_FOR = 3600


class NoServiceAccount(LodestoneError):
    """The file is none of a service account's key."""


class ServiceAccount:
    """The account's key at work. It stays in its file: a grant that relies on it names only whom it is for."""

    def __init__(self, file: Path) -> None:
        """Raises NoServiceAccount."""
        try:
            info: dict[str, Any] = json.loads(file.read_text())
            self.email = str(info["client_email"])
            self.token_uri = str(info["token_uri"])
            self._signer = crypt.RSASigner.from_service_account_info(info)
            self._secret = sha256(str(info["private_key"]).encode()).digest()
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise NoServiceAccount(str(file)) from None

    def grant(self, address: str, permissions: Collection[Permission]) -> Grant:
        scopes = scopes_for(permissions)
        return GoogleGrant(self.email, "", "", self.token_uri, scopes=scopes, subject=address).written()

    def refusal(self, grant: Grant) -> str:
        scopes = ",".join(GoogleGrant.read(grant).scopes)
        return (
            f"Google does not let {self.email} act for this mailbox: in the Admin console, give its client id "
            f"domain-wide delegation for {scopes}"
        )

    def quota_user(self, address: str) -> str:
        """The mailbox's name for Google's count of what each user spends: always the same, and no address. Google
        takes up to 40 characters."""
        return hmac.new(self._secret, address.encode(), sha256).hexdigest()[:32]

    def assertion(self, grant: GoogleGrant, now: datetime) -> str:
        """What Google gives an access token for (RFC 7523)."""
        begins = int(now.timestamp())
        claims = {
            "iss": self.email,
            "sub": grant.subject,
            "scope": " ".join(grant.scopes),
            "aud": self.token_uri,
            "iat": begins,
            "exp": begins + GOOD_FOR,
        }
        signed: bytes = jwt.encode(self._signer, claims)
        return signed.decode()
