"""How large an answer may be, on the wire and unpacked: what is larger is not read to its end (E102)."""

import http.client
import socket
from collections.abc import Mapping
from types import MappingProxyType

MOST = 1 << 26
"""Bytes of one mail or attachment: Gmail's largest mail, encoded, is smaller."""

MOST_OF_A_BATCH = 1 << 25
"""Of 25 mails with plain and HTML text of half a megabyte each; all its parts are in memory at once."""

LIMITS: Mapping[str, int] = MappingProxyType({"GET": MOST, "POST": MOST_OF_A_BATCH})
"""By the method: what is read alone is asked for by GET, a batch by POST."""


class TooLargeError(http.client.HTTPException):
    """The rest of the answer is still on the line."""


class Bounded(http.client.HTTPResponse):
    """An answer that is not taken in beyond its limit, whatever it says of its length."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self._most = LIMITS.get(method or "", MOST)

    def read(self, amt: int | None = None) -> bytes:
        """All of it. Raises TooLargeError."""
        if (self.length or 0) > self._most:
            raise TooLargeError
        content = super().read(None if self.length is not None else self._most + 1)
        if len(content) > self._most:
            raise TooLargeError
        return content
