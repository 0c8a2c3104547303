"""Whether a user is known, may connect a mailbox, and has granted what is needed (Z6, Z9)."""

from collections.abc import Collection

from domain.connections.permissions import Permission
from domain.errors import Refused
from domain.mailboxes.accounts import Grant
from handlers.ports.providers import MailProvider
from handlers.ports.store import InLocation, InOrganisation


def check_known(user_id: str, here: InOrganisation) -> None:
    """Raises Refused for a user that nobody has named to us: it is a slip of the pen."""
    if not here.users.knows(user_id):
        raise Refused(
            f"there is no user {user_id}: `lodestone crm import --users FILE` or `lodestone connect` makes one known"
        )


def check_may_connect(user_id: str, here: InOrganisation, *, locked: bool = False) -> None:
    """Raises Refused for a user whom the CRM has deactivated, or whose profile lacks the permission (Z6)."""
    user = here.users.get(user_id, locked=locked)
    if user and not user.active:
        raise Refused(f"user {user_id} is deactivated in the CRM (table D12)")
    if user and not user.may_connect:
        raise Refused(
            f"user {user_id} may not connect a mailbox: his profile in the CRM lacks the permission (rule Z6)"
        )


def check_member(user_id: str, here: InLocation) -> None:
    """Raises Refused for a user who is no member of the location: two-way sync is for members (D1, H2)."""
    if here.crm.outsiders([user_id]):
        raise Refused(f"user {user_id} is a member of other locations only (rule H2)")


def check_grant(grant: Grant, wanted: Collection[Permission], provider: MailProvider) -> None:
    """Raises Refused for what we were not allowed, by the name that the provider's page shows (Z9). A grant of which
    nobody has told us what it allows is taken."""
    given = provider.permissions(grant)
    if given is not None and (lacking := set(wanted) - given):
        named = ", ".join(f"{name} ({why})" for name, why in provider.asks_for(lacking).items())
        raise Refused(
            f"{provider.about.company} was not allowed {named}: sign in again and leave every box ticked (rule Z9)"
        )
