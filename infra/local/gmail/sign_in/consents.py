"""Google's sign-in page without a person: control says beforehand what the person does."""

import hashlib
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from infra.local.gmail.http.errors import Json, OAuthError

if TYPE_CHECKING:
    from infra.local.gmail.sign_in.accounts import Accounts, Grant

CODE_LIFE = 600.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person does on the page: signs in as `account` and unticks the scopes of `without`, or refuses."""

    account: str = ""
    without: frozenset[str] = frozenset()
    refuses: bool = False


@dataclass(slots=True)
class Code:
    """A code that was handed out; `given` once it was used."""

    address: str
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    lasting: bool
    until: float
    given: "Grant | None" = None


class Consents:
    """The page, and the codes that it hands out. Safe for many threads."""

    def __init__(self, accounts: "Accounts") -> None:
        self._accounts = accounts
        self._decisions: dict[str, Decision] = {}
        self._codes: dict[str, Code] = {}
        self._guard = threading.Lock()

    def decide(self, hint: str, decision: Decision) -> None:
        """Set the decision for pages with this login_hint; "" is for all other pages."""
        with self._guard:
            self._decisions[hint.lower()] = decision

    def page(self, asked: dict[str, str], addresses: Collection[str]) -> str:
        """The URL to which the browser is redirected. Raises OAuthError when it ends on a page of Google's."""
        client = self._accounts.client(asked.get("client_id", ""))
        redirect_uri = asked.get("redirect_uri", "")
        if not client.may_lead_to(redirect_uri):
            raise OAuthError(400, "redirect_uri_mismatch", "The redirect URI in the request does not match.")
        _check(asked)
        decision = self._decision(asked.get("login_hint", ""), addresses)
        scopes = tuple(s for s in asked["scope"].split() if s not in decision.without)
        if decision.refuses or not scopes:
            return _with(redirect_uri, {"error": "access_denied"} | _state(asked))
        code = f"4/local-{secrets.token_urlsafe(24)}"
        anew = asked.get("prompt") == "consent" or not self._accounts.knows(
            decision.account, client.client_id
        )
        with self._guard:
            self._codes[code] = Code(
                decision.account,
                client.client_id,
                redirect_uri,
                scopes,
                asked.get("code_challenge", ""),
                lasting=asked.get("access_type") == "offline" and anew,
                until=time.monotonic() + CODE_LIFE,
            )
        return _with(redirect_uri, _state(asked) | {"code": code, "scope": " ".join(scopes)})

    def _decision(self, hint: str, addresses: Collection[str]) -> Decision:
        """The account is the one decided for, else that of the hint, else the only one there is."""
        with self._guard:
            decision = self._decisions.get(hint.lower()) or self._decisions.get("") or Decision()
        only = next(iter(addresses), "") if len(addresses) == 1 else ""
        wanted = (decision.account or hint or only).lower()
        for address in addresses:
            if address.lower() == wanted:
                return Decision(address, decision.without, decision.refuses)
        raise OAuthError(400, "invalid_request", "Couldn't find your Google Account")

    def exchange(self, form: dict[str, str]) -> Json:
        """POST /token for a code. A code is good once; its second use revokes the consent of the first."""
        client = self._accounts.check_secret(form)
        with self._guard:
            code = self._codes.get(form.get("code", ""))
            if code is None or code.until <= time.monotonic() or code.client_id != client.client_id:
                raise OAuthError(400, "invalid_grant", "Malformed auth code.")
            if code.redirect_uri != form.get("redirect_uri"):
                raise OAuthError(400, "redirect_uri_mismatch", "Bad Request")
            _check_verifier(code.challenge, form.get("code_verifier", ""))
            if code.given is not None:
                self._accounts.drop(code.given)
                raise OAuthError(400, "invalid_grant", "Bad Request")
            code.given = grant = self._accounts.grant(
                code.address, code.scopes, client.client_id, lasting=code.lasting
            )
        answer = self._accounts.access(grant)
        return answer | ({"refresh_token": grant.refresh_token} if grant.refresh_token else {})

    def expire_codes(self) -> None:
        """End all codes, as after ten minutes."""
        with self._guard:
            for code in self._codes.values():
                code.until = 0.0

    def address_of(self, code: str) -> str:
        """The mailbox that a code is for, in lower case; nothing for an unknown one."""
        held = self._codes.get(code)
        return held.address.lower() if held else ""


def _check(asked: dict[str, str]) -> None:
    if asked.get("response_type") != "code":
        raise OAuthError(400, "invalid_request", "Required parameter is missing: response_type")
    if not asked.get("scope"):
        raise OAuthError(400, "invalid_request", "Missing required parameter: scope")
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        raise OAuthError(400, "invalid_request", "The local Google knows code_challenge_method S256 alone")


def _check_verifier(challenge: str, verifier: str) -> None:
    if not challenge:
        return
    if not verifier:
        raise OAuthError(400, "invalid_grant", "Missing code verifier.")
    digest = hashlib.sha256(verifier.encode("latin-1", "replace")).digest()
    if urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
        raise OAuthError(400, "invalid_grant", "Invalid code verifier.")


def _state(asked: dict[str, str]) -> dict[str, str]:
    return {"state": asked["state"]} if "state" in asked else {}


def _with(redirect_uri: str, more: dict[str, str]) -> str:
    place = urlsplit(redirect_uri)
    return urlunsplit(place._replace(query=urlencode([*parse_qsl(place.query), *more.items()])))
