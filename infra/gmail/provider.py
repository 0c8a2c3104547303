"""Gmail as a whole: the port `MailProvider`."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from domain.checks import Part
from domain.connections.permissions import Permission
from domain.errors import Refused
from domain.mail.composition import EncodedMail, OutgoingMail, too_large
from domain.mailboxes.accounts import Grant
from domain.quota import Quota
from infra.gmail.about import MAX_MAIL_SIZE, TITLE, about
from infra.gmail.api import GOOGLE, api_at
from infra.gmail.costs import NEW_COSTS, NEW_QUOTA, OLD_COSTS, OLD_QUOTA
from infra.gmail.delegation import NoServiceAccount, ServiceAccount
from infra.gmail.grants import GoogleGrant
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.pushes import pushed_key
from infra.gmail.scopes import asked_for, permissions_of
from infra.gmail.sign_in import GoogleSignIn, NoClient
from infra.gmail.transport import Lines
from infra.mime import encode
from infra.settings import Settings, wrong


class Gmail:
    """The way into mailboxes, one per process. `endpoint` is a root url, None Google's own; it
    pushes to `topic`."""

    def __init__(
        self,
        endpoint: str | None = None,
        costs: Mapping[str, int] = NEW_COSTS,
        timeout_seconds: float = 30,
        service_account: ServiceAccount | None = None,
        sign_in: GoogleSignIn | None = None,
        quota: Quota = NEW_QUOTA,
        topic: str = "",
    ) -> None:
        self.about = about(quota, topic)
        self.sign_in = sign_in
        self.delegation = service_account
        self._root = GOOGLE if endpoint is None else f"{endpoint.rstrip('/')}/"
        self._costs = {**NEW_COSTS, **costs}
        self._lines = Lines(timeout_seconds, proxied=endpoint is None)

    def open(self, grant: Grant) -> GmailMailbox:
        return GmailMailbox(grant, api_at(self._root), self._lines, self._costs, self.delegation)

    def key(self, grant: Grant, address: str) -> str:
        return address

    def decode_push(self, data: bytes) -> str | None:
        return pushed_key(data)

    def encode(self, mail: OutgoingMail, key: str) -> EncodedMail:
        raw = encode(mail, key)
        if len(raw) > MAX_MAIL_SIZE:
            raise too_large(TITLE, MAX_MAIL_SIZE)
        return EncodedMail(raw, mail.replies_to)

    def permissions(self, grant: Grant) -> frozenset[Permission] | None:
        scopes = GoogleGrant.read(grant).scopes
        return permissions_of(scopes) if scopes else None

    def asks_for(self, permissions: Collection[Permission]) -> Mapping[str, str]:
        return asked_for(permissions)

    def grant_in(self, file: Path) -> Grant:
        """From an authorized-user file of our own client: Gmail publishes to topics of the client's project and no
        other (FACTS §1)."""
        try:
            found = json.loads(file.read_text())
            grant = GoogleGrant(
                client_id=found["client_id"],
                client_secret=found["client_secret"],
                refresh_token=found["refresh_token"],
                token_uri=found.get("token_uri", "https://oauth2.googleapis.com/token"),
                scopes=tuple(map(str, found.get("scopes") or ())),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise Refused(
                f"{file} is no Google authorized-user file (client_id, client_secret, refresh_token)"
            ) from None
        if self.sign_in and grant.client_id != self.sign_in.client_id:
            raise Refused(f"{file} is of another OAuth client than LODESTONE_OAUTH_CLIENT_FILE")
        return grant.written()

    def close(self) -> None:
        """Hang up on all threads' connections, when none is in a call any more."""
        self._lines.close()


NEEDS: tuple[str, ...] = ("gmail_endpoint", "gmail_costs", "gmail_timeout")
"""Settings without which nobody can be asked."""


def checks(settings: Settings) -> Mapping[str, Part]:
    """What `lodestone doctor` looks at, by the first word of its findings."""
    from infra.gmail.checks import parts  # the Pub/Sub client is slow to start

    return parts(settings)


def hasty(settings: Settings, seconds: float) -> Settings:
    """The settings, with no more patience than this for one answer."""
    return settings.model_copy(update={"gmail_timeout": min(settings.gmail_timeout, seconds)})


def of_settings(settings: Settings) -> Gmail:
    """Raises WrongSetting for a file that cannot be used."""
    old = settings.gmail_costs == "2025"
    return Gmail(
        endpoint=settings.gmail_endpoint,
        costs=OLD_COSTS if old else NEW_COSTS,
        timeout_seconds=settings.gmail_timeout,
        service_account=_service_account(settings),
        sign_in=_sign_in(settings),
        quota=OLD_QUOTA if old else NEW_QUOTA,
        topic=settings.topic,
    )


def _sign_in(settings: Settings) -> GoogleSignIn | None:
    file = settings.oauth_client_file
    try:
        return GoogleSignIn(file, settings.gmail_timeout) if file else None
    except NoClient:
        raise wrong("oauth_client_file") from None


def _service_account(settings: Settings) -> ServiceAccount | None:
    file = settings.service_account_file
    try:
        return ServiceAccount(file) if file else None
    except NoServiceAccount:
        raise wrong("service_account_file") from None
