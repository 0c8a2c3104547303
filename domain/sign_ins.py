"""A sign-in on Google's own page, between its beginning and the answer (Z8, Z9)."""

from dataclasses import dataclass, field

from domain.connections import Wishes
from domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the answer from Google's page needs. `verifier` is PKCE's: it proves that who has the code is who
    asked for it. `replace` ends the user's connection with another mailbox (Z15)."""

    user_id: str
    redirect_uri: str
    verifier: str = field(repr=False)
    scopes: tuple[Scope, ...]
    wishes: Wishes
    replace: bool = False
