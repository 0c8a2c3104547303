"""Encrypt again, with the first key, everything that is stored encrypted (I10)."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Column, Table, delete, select, update

from infra.db.store import Store
from infra.db.tables.channels import channels
from infra.db.tables.connections import connections, sign_ins
from infra.db.tables.objects import organisation_keys
from infra.db.types import db_now
from infra.db.walls import OPERATOR
from infra.secrets import Cipher, WrongKey

AT_ONCE = 100
"""Values per transaction (W11)."""

SEALED: dict[str, tuple[Table, Column[bytes]]] = {
    "grants": (connections, connections.c.grant),
    "channels": (channels, channels.c.target),
    "sign-ins": (sign_ins, sign_ins.c.sealed),
    "organisation-keys": (organisation_keys, organisation_keys.c.sealed),
}
"""What is encrypted, with its table and column."""


@dataclass(slots=True)
class Rotated:
    """How many values were encrypted again with the first key, and how many no key can decrypt."""

    renewed: int = 0
    unreadable: int = 0


def rotate(store: Store, cipher: Cipher) -> dict[str, Rotated]:
    """Encrypt again every value that another key has encrypted, in short transactions; may be interrupted and repeated.

    A value that changes meanwhile is left alone: a process with the new keys has just written it.
    """
    with store.begin("keys.forget") as tx:
        tx.scope.add(OPERATOR)
        tx.db.execute(delete(sign_ins).where(sign_ins.c.expires_at <= db_now()))
    return {name: _rotate(table, sealed, store, cipher) for name, (table, sealed) in SEALED.items()}


def _rotate(table: Table, sealed: Column[bytes], store: Store, cipher: Cipher) -> Rotated:
    done = Rotated()
    [key] = table.primary_key.columns
    for rows in _batches(table, key, sealed, store):
        new: list[tuple[int, bytes, bytes]] = []
        for row_id, old in rows:
            try:
                found = cipher.renewed(old)
            except WrongKey:
                done.unreadable += 1
            else:
                new += [(row_id, old, found)] if found else []
        with store.begin("keys.rotate") as tx:
            tx.scope.add(OPERATOR)
            for row_id, old, found in new:
                same = update(table).where(key == row_id, sealed == old)
                done.renewed += tx.db.execute(same.values({sealed: found})).rowcount
    return done


def _batches(
    table: Table, key: Column[int], sealed: Column[bytes], store: Store
) -> Iterator[list[tuple[int, bytes]]]:
    last = None
    while True:
        query = select(key, sealed).where(sealed.is_not(None)).order_by(key).limit(AT_ONCE)
        with store.begin("keys.look", reads_only=True) as tx:
            tx.scope.add(OPERATOR)
            found = tx.db.execute(query if last is None else query.where(key > last)).all()
        if not found:
            return
        last = found[-1][0]
        yield [(row[0], row[1]) for row in found]
