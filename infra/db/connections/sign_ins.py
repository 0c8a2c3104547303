"""Sign-ins that were begun: each is good for one time, for its user, for a few minutes."""

import hashlib

from sqlalchemy import Connection, delete, insert

from domain.crm.locations import Location
from domain.sign_ins import SignIn
from infra.db.tables.mail import sign_ins
from infra.db.types import db_now
from infra.secrets import Cipher


class SignInRepository:
    """Sign-ins of one location within one transaction. Only the hash of a state is kept."""

    def __init__(self, db: Connection, location: Location, cipher: Cipher) -> None:
        self._db = db
        self._location = location
        self._cipher = cipher

    def begin(self, state: str, sign_in: SignIn, seconds: float) -> None:
        here = sign_ins.c.location_id == self._location.id
        self._db.execute(delete(sign_ins).where(here, sign_ins.c.expires_at <= db_now()))
        self._db.execute(
            insert(sign_ins).values(
                state=_hash(state),
                organisation_id=self._location.organisation_id,
                location_id=self._location.id,
                user_id=sign_in.user_id,
                sealed=self._cipher.seal_sign_in(sign_in),
                expires_at=db_now(seconds),
            )
        )

    def take(self, state: str, user_id: str) -> SignIn | None:
        good = sign_ins.c.expires_at > db_now()
        here = sign_ins.c.location_id == self._location.id
        row = self._db.execute(
            delete(sign_ins)
            .where(here, sign_ins.c.state == _hash(state), sign_ins.c.user_id == user_id)
            .returning(sign_ins.c.sealed, good.label("good"))
        ).one_or_none()
        return self._cipher.unseal_sign_in(row.sealed) if row and row.good else None


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()
