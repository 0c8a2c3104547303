"""Users of the CRM, as far as rules need them: permission to connect a mailbox (Z6) and to see mail (D13)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """A user of the CRM.

    `may_connect`: the profile grants the mail-integration permission (Z6). `roles_above` are the roles of the
    user's superiors in the hierarchy. A user whom the CRM has not sent has no role, and may connect.
    """

    id: str
    name: str = ""
    role: str | None = None
    roles_above: frozenset[str] = frozenset()
    may_connect: bool = True
    active: bool = True

    def is_above(self, other: "User") -> bool:
        """Whether this user is a superior of the other."""
        return self.role is not None and self.role in other.roles_above
