"""A sign-in on the provider's own page, between its beginning and the answer (Z8, Z9)."""

from dataclasses import dataclass, field

from domain.connections.connections import Wishes
from domain.connections.permissions import Permission


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the answer from the page needs. `verifier` is PKCE's: it proves that who has the code is who asked for
    it. `replace` ends the user's connection with another mailbox (Z15)."""

    provider: str
    user_id: str
    redirect_uri: str
    verifier: str = field(repr=False)
    permissions: frozenset[Permission]
    wishes: Wishes
    replace: bool = False
