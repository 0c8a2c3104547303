"""The browser of whoever signs in: the local Google's page is visited, and it says at once where that leads."""

from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import parse_qsl, urlsplit


def visit(url: str) -> tuple[int, str]:
    """The page's status, and where it leads, or what it says."""
    place = urlsplit(url)
    with closing(HTTPConnection(place.netloc, timeout=60)) as connection:
        connection.request("GET", f"{place.path}?{place.query}")
        response = connection.getresponse()
        text = response.read().decode()
        return response.status, response.getheader("Location") or text


def grant_access(url: str) -> dict[str, str]:
    """What the browser brings back from the page: a code and the state, or an error."""
    status, place = visit(url)
    assert status == 302, place
    return dict(parse_qsl(urlsplit(place).query))
