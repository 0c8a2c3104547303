"""The browser of whoever signs in: it goes where it is led. `python -m workers.demo.browser URL`."""

import shlex
import sys
from urllib.request import ProxyHandler, build_opener

IN_PLACE = f"{shlex.quote(sys.executable)} -m workers.demo.browser %s"
"""As BROWSER it takes the place of the user's own."""


def main() -> None:
    """Google's page leads on to the port that `lodestone connect` waits on."""
    with build_opener(ProxyHandler({})).open(sys.argv[1], timeout=30) as page:
        page.read()


if __name__ == "__main__":
    main()
