"""Tokens at rest (I10): MultiFernet, so that keys can be rotated."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain.channels import Target
from domain.connections import Sharing, Wishes
from domain.errors import LodestoneError
from domain.mailboxes import Grant
from domain.scopes import Scope
from domain.sign_ins import SignIn

UNREADABLE = "a stored token cannot be read with the keys in LODESTONE_TOKEN_KEYS"


class WrongKey(LodestoneError):
    """A stored token cannot be read with the keys of the settings: never a reason to ask users again."""


class Cipher:
    """Encrypts grants, the targets of channels and sign-ins with the first key, reads those of every key.

    Raises ValueError for a key that is no Fernet key (32 bytes, URL-safe base64).
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        fernets = [Fernet(key) for key in keys]
        self._fernet = MultiFernet(fernets)
        self._first = fernets[0]

    def seal(self, grant: Grant) -> bytes:
        return self._seal(asdict(grant) | {"expires_at": grant.expires_at and grant.expires_at.isoformat()})

    def unseal(self, sealed: bytes) -> Grant:
        plain = self._unseal(sealed)
        moment, scopes = plain.pop("expires_at"), plain.pop("scopes", ())
        return Grant(**plain, expires_at=moment and datetime.fromisoformat(moment), scopes=tuple(scopes))

    def seal_target(self, target: Target) -> bytes:
        return self._seal(asdict(target))

    def unseal_target(self, sealed: bytes) -> Target:
        return Target(**self._unseal(sealed))

    def seal_sign_in(self, sign_in: SignIn) -> bytes:
        plain = asdict(sign_in)
        domains = sign_in.wishes.excluded_domains
        plain["wishes"]["excluded_domains"] = None if domains is None else sorted(domains)
        return self._seal(plain)

    def unseal_sign_in(self, sealed: bytes) -> SignIn:
        plain = self._unseal(sealed)
        scopes, wishes = plain.pop("scopes"), plain.pop("wishes")
        sharing, domains = wishes.pop("sharing"), wishes.pop("excluded_domains")
        return SignIn(
            **plain,
            scopes=tuple(map(Scope, scopes)),
            wishes=Wishes(
                **wishes,
                sharing=sharing and Sharing(sharing),
                excluded_domains=None if domains is None else frozenset(domains),
            ),
        )

    def renewed(self, sealed: bytes) -> bytes | None:
        """The same under the first key, None when it is already. Raises WrongKey."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            try:
                return self._fernet.rotate(sealed)
            except InvalidToken:
                raise WrongKey(UNREADABLE) from None
        return None

    def _seal(self, plain: Mapping[str, Any]) -> bytes:
        return self._fernet.encrypt(json.dumps(plain).encode())

    def _unseal(self, sealed: bytes) -> dict[str, Any]:
        try:
            plain: dict[str, Any] = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise WrongKey(UNREADABLE) from None
        return plain
