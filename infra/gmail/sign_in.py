"""Google's own sign-in page, by google-auth-oauthlib: the port `SignInPage`."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from domain.connections.sign_ins import SignIn
from domain.errors import AccessRevoked, GiveUp, LodestoneError, Refused, TryAgain
from domain.mailboxes.accounts import Grant
from infra.faults import reached
from infra.gmail.errors import ODD_ANSWER
from infra.gmail.grants import GoogleGrant
from infra.gmail.scopes import scopes_for
from infra.urls import LOOPBACK, is_safe

if TYPE_CHECKING:  # oauthlib and requests are slow to start: only who signs somebody in pays for them
    from google_auth_oauthlib.flow import Flow

ENDED = "invalid_grant"
UNDERSTOOD = frozenset({200, 400, 401, 403})
"""What an answer about the code itself comes with; anything else is trouble at Google's."""


class NoClient(LodestoneError):
    """The file is no client_secret.json."""


class GoogleSignIn:
    """One OAuth client, as the Cloud console's client_secret.json describes it. The file says where the page and
    the token endpoint are."""

    def __init__(self, file: Path, timeout_seconds: float = 30) -> None:
        """Raises NoClient."""
        try:
            found: dict[str, dict[str, Any]] = json.loads(file.read_text())
            self.kind = "web" if "web" in found else "installed"
            client = found[self.kind]
            self._page_uri, self._token_uri = str(client["auth_uri"]), str(client["token_uri"])
            self.client_id, self._secret = str(client["client_id"]), str(client["client_secret"])
            self.redirect_uris = tuple(map(str, client.get("redirect_uris", ())))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise NoClient(str(file)) from None
        places = {"auth_uri": self._page_uri, "token_uri": self._token_uri}
        if not all(map(is_safe, places.values())):
            raise NoClient(str(file))
        self._config = {self.kind: client | {name: _over_tls(uri) for name, uri in places.items()}}
        self._timeout = timeout_seconds

    def url(self, sign_in: SignIn, state: str, account: str | None) -> str:
        """Where the user signs in and is asked; with an account, that one is suggested. Consent is asked for each
        time, because only with it Google gives a refresh token again."""
        more = {"login_hint": account} if account else {}
        url: str = self._flow(sign_in, scopes_for(sign_in.permissions)).authorization_url(
            access_type="offline", prompt="consent", state=state, **more
        )[0]
        return self._page_uri + url.removeprefix(_over_tls(self._page_uri))

    def exchange(self, sign_in: SignIn, code: str) -> Grant:
        """The grant for the code, with the scopes that the user has left ticked."""
        # No scopes here: oauthlib would warn, with the tokens in it, of those that were left out.
        flow = self._flow(sign_in, None)
        with reached("sign_ins.exchange"):
            answer = self._fetch(flow, code)
        refresh_token = answer.get("refresh_token")
        if not isinstance(refresh_token, str):
            raise GiveUp("no_refresh_token")
        try:
            return GoogleGrant(
                client_id=self.client_id,
                client_secret=self._secret,
                refresh_token=refresh_token,
                token_uri=self._token_uri,
                access_token=str(answer["access_token"]),
                expires_at=datetime.fromtimestamp(answer["expires_at"], UTC),
                # none named: as asked (RFC 6749 §5.1)
                scopes=tuple(answer.get("scope") or scopes_for(sign_in.permissions)),
            ).written()
        except (LookupError, TypeError, ValueError, OverflowError, OSError):  # a moment beyond the calendar
            raise TryAgain(ODD_ANSWER) from None

    def landing(self) -> str | None:
        """A client of type Desktop app comes back to any port; a web client has to name it."""
        if self.kind == "installed":
            return None
        for uri in self.redirect_uris:
            place = urlsplit(uri)
            if place.scheme == "http" and place.hostname in LOOPBACK and place.port:
                return uri
        raise Refused(
            "the OAuth client is a web page's: make one of type Desktop app, or let this one redirect to "
            "http://127.0.0.1:8765/ too"
        )

    def _flow(self, sign_in: SignIn, scopes: object) -> "Flow":
        from google_auth_oauthlib.flow import Flow

        return Flow.from_client_config(
            self._config,
            scopes=scopes,
            redirect_uri=sign_in.redirect_uri,
            code_verifier=sign_in.verifier,
            autogenerate_code_verifier=False,
        )

    def _fetch(self, flow: "Flow", code: str) -> dict[str, Any]:
        """Errors lose their texts and traces here: the answer and the tokens stand in them (I10)."""
        from oauthlib.oauth2 import MissingTokenError, OAuth2Error
        from requests import RequestException

        session = flow.oauth2session
        session.max_redirects = 0  # an answer never leads to another host
        session.register_compliance_hook("access_token_response", _understood)
        if urlsplit(self._token_uri).scheme == "http":
            _allow_loopback(session, self._token_uri)
        trouble: Exception
        try:
            return dict(flow.fetch_token(code=code, timeout=self._timeout))
        except MissingTokenError:
            trouble = TryAgain(ODD_ANSWER)
        except OAuth2Error as error:
            word = str(error.error)
            trouble = AccessRevoked(ENDED) if word == ENDED else GiveUp(_word(word))
        except RequestException:
            trouble = TryAgain("unreachable")
        except TryAgain as error:
            trouble = TryAgain(error.reason)
        except (ValueError, LookupError, TypeError, AttributeError):
            trouble = TryAgain(ODD_ANSWER)
        raise trouble


def _understood(response: Any) -> Any:
    if response.status_code not in UNDERSTOOD:
        raise TryAgain(f"token_http_{response.status_code}")
    return response


def _word(text: str) -> str:
    return text if re.fullmatch(r"[a-z_]{1,64}", text) else ODD_ANSWER


def _over_tls(uri: str) -> str:
    """oauthlib wants TLS everywhere or nowhere: a place on loopback it sees as https, and plain http is spoken."""
    return uri.replace("http:", "https:", 1)


def _allow_loopback(session: Any, token_uri: str) -> None:
    from requests.adapters import HTTPAdapter

    class Plain(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            request.url = request.url.replace("https:", "http:", 1)
            return super().send(request, *args, **kwargs)

    session.trust_env = False  # a proxy does not know our loopback
    session.mount(_over_tls(token_uri), Plain())
