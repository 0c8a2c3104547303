"""Content sealed for one organisation: age with an X25519 key, and names under a key of their own."""

import json
import secrets
from base64 import b64decode, b64encode
from functools import lru_cache

from domain.errors import UnreadableObject
from domain.objects import name_of
from infra.secrets import Cipher

NAME_KEY_BYTES = 32
OPENED_AT_ONCE = 1_000
"""Organisations whose opened keys a process remembers."""


class OrganisationKeys:
    """An organisation's opened keys. Nothing prints them."""

    __slots__ = ("_identity", "_name_key", "_recipient")

    def __init__(self, identity: str, name_key: bytes) -> None:
        import pyrage  # most commands read and keep no content

        self._identity = pyrage.x25519.Identity.from_str(identity)
        self._recipient = self._identity.to_public()
        self._name_key = name_key

    def name(self, content: bytes) -> str:
        return name_of(content, self._name_key)

    def seal(self, content: bytes) -> bytes:
        import pyrage

        sealed: bytes = pyrage.encrypt(content, [self._recipient])
        return sealed

    def unseal(self, sealed: bytes) -> bytes:
        import pyrage

        try:
            content: bytes = pyrage.decrypt(sealed, [self._identity])
        except pyrage.DecryptError:
            raise UnreadableObject from None
        return content


def new_keys(cipher: Cipher) -> bytes:
    """New keys of an organisation, sealed with the first token key."""
    import pyrage

    identity = str(pyrage.x25519.Identity.generate())
    name_key = b64encode(secrets.token_bytes(NAME_KEY_BYTES)).decode()
    return cipher.seal(json.dumps({"identity": identity, "name_key": name_key}))


@lru_cache(maxsize=OPENED_AT_ONCE)
def opened(sealed: bytes, cipher: Cipher) -> OrganisationKeys:
    """The keys that were sealed so. Raises WrongKey."""
    keys = json.loads(cipher.unseal(sealed))
    return OrganisationKeys(keys["identity"], b64decode(keys["name_key"]))
