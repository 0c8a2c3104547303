"""Channels: where notifications are sent besides the list, and the state of each receiver (I4, I10)."""

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from domain.channels import Channel, ChannelKind, ChannelReport, ChannelState, Target
from domain.ids import ChannelId
from domain.ledger import State
from infra.db.ledger.claims import DELIVERIES, EVENT_DELIVERIES, Claims
from infra.db.mail import kept
from infra.db.sql import lock
from infra.db.tables.channels import channels
from infra.db.tables.events import events
from infra.db.tables.mail import notifications
from infra.db.types import db_now
from infra.secrets import Cipher


class ChannelRepository:
    """Channels within one transaction, by id, of all organisations: for the ledger."""

    def __init__(self, db: Connection, cipher: Cipher) -> None:
        self._db = db
        self._cipher = cipher

    def ready(self, channel_id: ChannelId) -> Channel | None:
        """The channel's row is locked until the commit; new deliveries to it may be inserted meanwhile. A target sealed
        with an older key is sealed again with the first one (I10)."""
        row = self._db.execute(_READY, {"of_channel": channel_id}).one_or_none()
        if row is None:
            return None
        if renewed := self._cipher.renewed(row.target):
            self._update(channel_id, target=renewed)
        return self._read(row)

    def rest(self, channel_id: ChannelId, seconds: float, trouble: str) -> None:
        self._update(
            channel_id,
            resting_until=db_now(seconds),
            failures=channels.c.failures + 1,
            trouble=trouble,
        )

    def answered(self, channel_id: ChannelId, trouble: str | None) -> None:
        self._db.execute(_ANSWERED, {"of_channel": channel_id, "why": trouble})

    def switch_off(self, channel_id: ChannelId, trouble: str) -> None:
        self._update(channel_id, state=ChannelState.OFF.value, trouble=trouble)

    def _update(self, channel_id: ChannelId, **values: Any) -> None:
        self._db.execute(update(channels).where(channels.c.id == channel_id).values(**values))

    def _read(self, row: Any) -> Channel:
        target = Target(**json.loads(self._cipher.unseal(row.target)))
        return Channel(row.id, ChannelKind(row.kind), target, row.failures)


class OrganisationChannelRepository(ChannelRepository):
    """One organisation's channels within one transaction."""

    def __init__(self, db: Connection, organisation_id: int, cipher: Cipher) -> None:
        super().__init__(db, cipher)
        self._organisation_id = organisation_id
        self._here = channels.c.organisation_id == organisation_id

    def add(self, user_id: str | None, kind: ChannelKind, target: Target) -> ChannelId:
        added = self._db.scalars(
            insert(channels)
            .values(
                organisation_id=self._organisation_id,
                user_id=user_id,
                kind=kind.value,
                target=self._cipher.seal(json.dumps(asdict(target))),
                state=ChannelState.ACTIVE.value,
                created_at=db_now(),
            )
            .returning(channels.c.id)
        )
        return ChannelId(added.one())

    def get(self, channel_id: ChannelId) -> Channel | None:
        row = self._db.execute(select(channels).where(*self._its(channel_id))).one_or_none()
        return self._read(row) if row else None

    def retry(self, channel_id: ChannelId) -> int | None:
        awake = {"state": ChannelState.ACTIVE.value, "resting_until": None, "failures": 0, "trouble": None}
        if self._db.execute(update(channels).where(*self._its(channel_id)).values(awake)).rowcount != 1:
            return None
        again = 0
        for claims, shown in _LEDGERS:
            of_it = claims.table.c.channel_id == channel_id
            lock(self._db, claims.table, of_it)
            self._db.execute(claims.hasten(of_it))
            aside = (of_it, claims.table.c.state == State.SET_ASIDE.value, shown)
            again += self._db.execute(claims.retry(*aside, trouble=None)).rowcount
        return again

    def remove(self, channel_id: ChannelId) -> bool:
        lock(self._db, channels, *self._its(channel_id))
        its = select(channels.c.id).where(*self._its(channel_id))
        for claims, _ in _LEDGERS:  # the cascade deletes them
            lock(self._db, claims.table, claims.table.c.channel_id.in_(its))
        return self._db.execute(delete(channels).where(*self._its(channel_id))).rowcount == 1

    def reports(self) -> tuple[ChannelReport, ...]:
        told = self._counted(DELIVERIES, notifications, kept.DELIVERIES)
        of_conversations = self._counted(EVENT_DELIVERIES, events, true())
        rows = self._db.execute(select(channels).where(self._here).order_by(channels.c.id))
        return tuple(
            ChannelReport(
                id=row.id,
                user_id=row.user_id,
                kind=ChannelKind(row.kind),
                host=self._read(row).host,
                state=ChannelState(row.state),
                resting_until=row.resting_until,
                trouble=row.trouble,
                waiting=sum(one.waiting for one in its),
                waiting_since=min((one.since for one in its if one.since), default=None),
                set_aside=sum(one.set_aside for one in its),
            )
            for row in rows
            for its in [[found[row.id] for found in (told, of_conversations) if row.id in found]]
        )

    def _counted(self, claims: Claims, what: Table, shown: ColumnElement[bool]) -> dict[int, Row[Any]]:
        """By channel: how many deliveries wait and are set aside, and since when the oldest waits."""
        its = claims.table.c
        _, of_what = claims.table.primary_key.columns
        counted = (
            select(
                its.channel_id,
                func.count(case((claims.waits, 1))).label("waiting"),
                func.count(case((its.state == State.SET_ASIDE.value, 1))).label("set_aside"),
                func.min(case((claims.waits, of_what))).label("oldest"),
            )
            .where(shown, its.channel_id.in_(select(channels.c.id).where(self._here)))
            .group_by(its.channel_id)
            .subquery()
        )
        rows = select(counted, what.c.created_at.label("since"))
        found = self._db.execute(rows.outerjoin(what, what.c.id == counted.c.oldest))
        return {row.channel_id: row for row in found}

    def _its(self, channel_id: ChannelId) -> tuple[ColumnElement[bool], ...]:
        return self._here, channels.c.id == channel_id


def is_awake() -> ColumnElement[bool]:
    """Condition on `channels`: the channel does not rest."""
    return channels.c.resting_until.is_(None) | (channels.c.resting_until <= db_now())


def to_add_to(*which: ColumnElement[bool]) -> Select[Any]:
    """Query by :organisation of the active channels that get new deliveries. They are locked against their removal
    until the commit, and against nothing else."""
    here = channels.c.organisation_id == bindparam("organisation")
    active = channels.c.state == ChannelState.ACTIVE.value
    return select(channels.c.id).where(here, active, *which).with_for_update(read=True, key_share=True)


_LEDGERS = ((DELIVERIES, kept.DELIVERIES), (EVENT_DELIVERIES, true()))
"""What waits for channels, with the condition of what is shown of it."""

# Built once, see infra/db/ledger/statements.py.
_ITS = channels.c.id == bindparam("of_channel")
_READY = (
    select(channels)
    .where(_ITS, channels.c.state == ChannelState.ACTIVE.value, is_awake())
    .with_for_update(key_share=True)
)
_ANSWERED = update(channels).where(_ITS).values(resting_until=None, failures=0, trouble=bindparam("why"))
