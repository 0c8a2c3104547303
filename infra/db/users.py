"""The CRM's users, as the rules about their profiles ask for them (Z6, D13)."""

from sqlalchemy import Connection, select

from domain.users import User
from infra.db.schema import users
from infra.db.sql import take_turn


class UserRows:
    """Users within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def get(self, user_id: str, *, locked: bool = False) -> User | None:
        """The user as the CRM has told of him, None when it has told nothing.

        `locked` keeps him as he is until the commit: who connects a mailbox and who withdraws the permission
        see each other.
        """
        query = select(users).where(users.c.id == user_id)
        row = self._db.execute(query.with_for_update(read=True) if locked else query).one_or_none()
        if row is None:
            return None
        return User(
            id=row.id,
            name=row.name,
            role=row.role,
            roles_above=frozenset(row.roles_above),
            may_connect=row.may_connect,
            active=row.active,
        )

    def reserve(self, user_id: str) -> None:
        """One at a time may connect a mailbox for this user, until the commit (Z15): his row may be missing. Before
        a mailbox is reserved."""
        take_turn(self._db, f"user {user_id}")

    def has_role(self, role: str) -> bool:
        """Whether anybody has it."""
        return self._db.scalar(select(users.c.id).where(users.c.role == role).limit(1)) is not None
