"""What control can say about signing in: OAuth clients, the person at the consent page, service accounts."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

from infra.local.gmail.control.shapes import Json


class SignInControl(ABC):
    """The part of GmailControl that is about signing in."""

    def client_file(self) -> dict[str, Any]:
        """client_secret.json of the client that `create_mailbox` grants access to."""
        return self._json("GET", "client")

    def add_client(self, *redirect_uris: str, kind: str = "installed") -> dict[str, Any]:
        """client_secret.json of one more client, "installed" or "web"."""
        return self._json("POST", "clients", {"kind": kind, "redirect_uris": list(redirect_uris)})

    def consent(
        self, account: str = "", *, hint: str = "", without: Collection[str] = (), refuses: bool = False
    ) -> None:
        """What the person does who comes to the sign-in page with this login_hint, "" for every other: signs in
        as `account`, or as the hint says, and unticks some scopes; or refuses."""
        body: Json = {"account": account, "hint": hint, "without": list(without), "refuses": refuses}
        self._json("PUT", "consent", body)

    def consents(self, mailbox: str) -> int:
        """How many lasting consents the mailbox's owner has given that are still good."""
        return int(self._json("GET", "consents").get(mailbox, 0))

    def expire_codes(self) -> None:
        """The codes that sign-ins have got are too old from now on."""
        self._json("POST", "expire_codes")

    def service_account(
        self, email: str, scopes: Collection[str] = (), *, new_key: bool = False
    ) -> dict[str, Any]:
        """A service account to which the administrator delegates these scopes, or other ones from now on;
        returns its key file. A new key ends the old one."""
        body: Json = {"email": email, "scopes": list(scopes), "new_key": new_key}
        return self._json("PUT", "service_account", body)

    @abstractmethod
    def _json(self, verb: str, path: str, body: Json | bytes | None = None) -> Json:
        """One command to /control, and its answer."""
