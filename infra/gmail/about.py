"""Gmail as people know it: its names, its limits, and what is to be done at Google's."""

from domain.connections.connections import Mode
from domain.providers import Provider, Remedy
from domain.quota import Quota
from infra.gmail.grants import NAME
from infra.gmail.label_names import LABEL_NAMES
from infra.gmail.pushes import NO_PUSH

TITLE = "Gmail"
MAX_MAIL_SIZE = 36_700_160
"""Bytes of a mail that Gmail takes, encoded (FACTS §3)."""

_NO_CLIENT = Remedy(
    "Google does not know the OAuth client by which its user signed in, or its secret",
    "restore the client in the Cloud console; with another one every user signs in again",
)
_NOT_LET_IN = Remedy(
    "the domain's administrator does not let us in, or not yet",
    "delegation for exactly the scopes of `lodestone setup google`, or the app as Trusted: docs/GOOGLE.md",
)

REMEDIES = {
    "accessNotConfigured": Remedy(
        "the Gmail API is not enabled in the OAuth client's project",
        "enable it: `lodestone setup google` prints the command",
    ),
    "account_not_found": Remedy(
        "Google does not know the service account any more",
        "make another, delegate to it, set LODESTONE_SERVICE_ACCOUNT_FILE: docs/GOOGLE.md",
    ),
    "invalid_scope": Remedy(
        "Google does not know a scope that we ask for",
        "compare the consent screen with `lodestone setup google`",
    ),
    **dict.fromkeys(("invalid_client", "deleted_client", "disabled_client"), _NO_CLIENT),
    **dict.fromkeys(
        ("access_denied", "admin_policy_enforced", "org_internal", "unauthorized_client"), _NOT_LET_IN
    ),
    "no_service_account": Remedy(
        "its access is delegated to a service account, and we have no key",
        "set LODESTONE_SERVICE_ACCOUNT_FILE",
    ),
    "invalid_jwt": Remedy(
        "Google does not accept what the service account's key has signed",
        "set this machine's clock by NTP; else make another key",
    ),
}


def about(quota: Quota, topic: str) -> Provider:
    """Gmail with the limits of this project."""
    return Provider(
        name=NAME,
        title=TITLE,
        company="Google",
        quota=quota,
        push_target=topic,
        max_mail_size=MAX_MAIL_SIZE,
        max_recipients=500,
        not_signed_in="set LODESTONE_OAUTH_CLIENT_FILE, or add --token-file FILE",
        no_sign_in="signing in needs an OAuth client: set LODESTONE_OAUTH_CLIENT_FILE to the client_secret.json of the "
        "Cloud console, or add --token-file FILE",
        no_delegation="--delegate needs the key of a service account: set LODESTONE_SERVICE_ACCOUNT_FILE",
        refused="the domain's administrator decides which apps may enter: docs/GOOGLE.md",
        remedies=REMEDIES,
        no_push=NO_PUSH,
        label_names=LABEL_NAMES,
        sync_mode=Mode.SYNC_GMAIL,
    )
