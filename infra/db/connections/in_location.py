"""The connections of one organisation, or of one location: where a user's are found, and where one is added."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy import Connection as Database

from domain.connections.connections import Connection, ConnectionState, Mode, Sharing
from domain.crm.locations import Location
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.accounts import Grant
from infra.db.connections.connections import ConnectionRepository
from infra.db.crm.organisations import locations_of
from infra.db.sql import chunks
from infra.db.tables.connections import connections
from infra.db.types import db_now
from infra.secrets import Cipher


class OrganisationConnectionRepository:
    """Connections in all locations of an organisation, within one transaction."""

    def __init__(self, db: Database, organisation_id: int, cipher: Cipher) -> None:
        self._db = db
        self._cipher = cipher
        self._rows = ConnectionRepository(db, cipher)
        self._here: ColumnElement[bool] = connections.c.location_id.in_(locations_of(organisation_id))

    def of_user(self, user_id: str) -> tuple[Connection, ...]:
        return self._rows.those(self._here, connections.c.user_id == user_id)

    def of_users(self, user_ids: Collection[str]) -> tuple[Connection, ...]:
        found: list[Connection] = []
        for chunk in chunks(sorted(set(user_ids))):
            found += self._rows.those(self._here, connections.c.user_id.in_(chunk), locked=True)
        return tuple(found)


class LocationConnectionRepository(OrganisationConnectionRepository):
    """Connections in one location, within one transaction."""

    def __init__(self, db: Database, location: Location, cipher: Cipher) -> None:
        super().__init__(db, location.organisation_id, cipher)
        self._location = location
        self._here = connections.c.location_id == location.id

    def ids(self) -> tuple[ConnectionId, ...]:
        return tuple(self._db.scalars(select(connections.c.id).where(self._here).order_by(connections.c.id)))

    def living(self, limit: int) -> tuple[Connection, ...]:
        return self._rows.those(
            self._here, connections.c.state != ConnectionState.OFF.value, locked=True, limit=limit
        )

    def add(
        self,
        user_id: str,
        mailbox_id: MailboxId,
        grant: Grant,
        sharing: Sharing,
        mode: Mode = Mode.LIVE,
    ) -> ConnectionId:
        added = self._db.scalars(
            insert(connections)
            .values(
                organisation_id=self._location.organisation_id,
                location_id=self._location.id,
                user_id=user_id,
                mailbox_id=mailbox_id,
                mode=mode.value,
                state=ConnectionState.ACTIVE.value,
                sharing=sharing.value,
                grant=self._cipher.seal(grant.text),
                created_at=db_now(),
            )
            .returning(connections.c.id)
        )
        return ConnectionId(added.one())
