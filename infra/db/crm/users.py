"""The CRM's users, as the rules about their profiles ask for them (Z6, D13)."""

from sqlalchemy import Connection, exists, select

from domain.crm.users import User
from infra.db.crm.organisations import locations_of
from infra.db.sql import take_turn
from infra.db.tables.connections import connections
from infra.db.tables.crm import users


class UserRepository:
    """One organisation's users within one transaction."""

    def __init__(self, db: Connection, organisation_id: int) -> None:
        self._db = db
        self._organisation_id = organisation_id
        self._here = users.c.organisation_id == organisation_id

    def get(self, user_id: str, *, locked: bool = False) -> User | None:
        query = select(users).where(self._here, users.c.id == user_id)
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
        take_turn(self._db, f"user {self._organisation_id} {user_id}")

    def has_role(self, role: str) -> bool:
        found = select(users.c.id).where(self._here, users.c.role == role).limit(1)
        return self._db.scalar(found) is not None

    def knows(self, user_id: str) -> bool:
        here = connections.c.location_id.in_(locations_of(self._organisation_id))
        connected = exists().where(here, connections.c.user_id == user_id)
        named = exists().where(self._here, users.c.id == user_id) | connected
        return bool(self._db.scalar(select(named)))
