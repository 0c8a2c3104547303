"""Says which URLs may get secrets."""

from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_safe(uri: str) -> bool:
    """Whether secrets may be sent to the URL: over TLS, or to this machine."""
    try:
        place = urlsplit(uri)
    except ValueError:
        return False
    return bool(place.hostname) and (
        place.scheme == "https" or (place.scheme == "http" and place.hostname in LOOPBACK)
    )
