"""What lets us into a Google account: the text of a `Grant`, which this adapter alone reads."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime

from domain.mailboxes.accounts import Grant

NAME = "gmail"


@dataclass(frozen=True, slots=True)
class GoogleGrant:
    """Access to one Google account.

    `scopes` are those that were granted, empty where nobody told us. `subject` is the account that a service
    account with domain-wide delegation acts for; such a grant has no refresh token.
    """

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_uri: str
    access_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    subject: str | None = None

    @staticmethod
    def read(grant: Grant) -> "GoogleGrant":
        """What the text of a grant holds; older texts hold no scopes or no subject."""
        plain = json.loads(grant.text)
        moment, scopes = plain.pop("expires_at"), plain.pop("scopes", ())
        return GoogleGrant(
            **plain, expires_at=moment and datetime.fromisoformat(moment), scopes=tuple(scopes)
        )

    def written(self) -> Grant:
        """The grant that holds this."""
        plain = asdict(self) | {"expires_at": self.expires_at and self.expires_at.isoformat()}
        return Grant(NAME, json.dumps(plain))
