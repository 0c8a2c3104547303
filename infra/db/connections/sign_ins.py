"""Sign-ins that were begun: each is good once, for its user, for a few minutes."""

import hashlib
import json
from dataclasses import asdict

from sqlalchemy import Connection, delete, insert

from domain.connections.connections import Sharing, Wishes
from domain.connections.permissions import Permission
from domain.connections.sign_ins import SignIn
from domain.crm.locations import Location
from infra.db.tables.connections import sign_ins
from infra.db.types import db_now
from infra.secrets import Cipher


class SignInRepository:
    """Sign-ins of one location within one transaction. Of a state only the hash is kept."""

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
                sealed=self._cipher.seal(_text(sign_in)),
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
        return _read(self._cipher.unseal(row.sealed)) if row and row.good else None


def _text(sign_in: SignIn) -> str:
    plain = asdict(sign_in) | {"permissions": sorted(sign_in.permissions)}
    domains = sign_in.wishes.excluded_domains
    plain["wishes"]["excluded_domains"] = None if domains is None else sorted(domains)
    return json.dumps(plain)


def _read(text: str) -> SignIn | None:
    """The sign-in; None for the text of another release."""
    plain = json.loads(text)
    if "permissions" not in plain:
        return None
    wishes, permissions = plain.pop("wishes"), plain.pop("permissions")
    sharing, domains = wishes.pop("sharing"), wishes.pop("excluded_domains")
    return SignIn(
        **plain,
        permissions=frozenset(map(Permission, permissions)),
        wishes=Wishes(
            **wishes,
            sharing=sharing and Sharing(sharing),
            excluded_domains=None if domains is None else frozenset(domains),
        ),
    )


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()
