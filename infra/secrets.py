"""Secrets at rest (I10): MultiFernet, so that keys can be rotated."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain.errors import LodestoneError

UNREADABLE = "a stored token cannot be read with the keys in LODESTONE_TOKEN_KEYS"


class WrongKey(LodestoneError):
    """A stored token cannot be read with the keys of the settings. It is no reason to have users sign in again."""


class Cipher:
    """Encrypts texts with the first key, and decrypts texts of every key.

    Raises ValueError for a key that is no Fernet key (32 bytes, URL-safe base64).
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        fernets = [Fernet(key) for key in keys]
        self._fernet = MultiFernet(fernets)
        self._first = fernets[0]

    def seal(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def unseal(self, sealed: bytes) -> str:
        """Raises WrongKey."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise WrongKey(UNREADABLE) from None

    def renewed(self, sealed: bytes) -> bytes | None:
        """The same text sealed with the first key; None when it already is. Raises WrongKey."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            try:
                return self._fernet.rotate(sealed)
            except InvalidToken:
                raise WrongKey(UNREADABLE) from None
        return None
