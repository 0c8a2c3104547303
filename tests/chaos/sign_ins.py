"""The users who sign in: at the beginning, and whenever they are told that they must."""

import time
from contextlib import suppress
from math import inf

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from domain.connections.connections import ConnectionState
from infra.db.tables.connections import connections
from tests.chaos.boxes import Box, Seat
from tests.chaos.oracle import Case
from tests.chaos.places import Place, places_in
from tests.chaos.reading import reading
from workers.demo.stage import CommandFailed, Stage


class SignIns:
    """`times` counts those that came later than the first ones."""

    def __init__(self, stage: Stage, case: Case) -> None:
        self.times = 0
        self._stage = stage
        self._case = case

    def words(self, box: Box, seat: Seat) -> list[str]:
        """A new grant, and the words of the command that uses it."""
        signed_in = self._stage.sign_in(seat.user, box.address, [box.alias])
        return ["connect", *signed_in, "--location", str(seat.place)]

    def of_who_must(self) -> None:
        """As a user does who was told (E86), in each location. While something is away it fails, and is tried again."""
        seats = [(box, seat) for box in self._case.boxes for seat in box.working]
        with suppress(DBAPIError):
            since = self._expired()
            for _, seat in seats:
                self._note(seat, since.get((seat.place, seat.user)))
            for box, seat in seats:
                if (seat.place, seat.user) in since:
                    with suppress(CommandFailed):
                        self._stage.run(*self.words(box, seat))
                        self.times += 1

    def _expired(self) -> dict[tuple[Place, str], float]:
        """Who has to sign in, and since when."""
        expired = connections.c.state == ConnectionState.REAUTH_NEEDED.value
        with reading(self._stage.database_url) as db:
            places = {here.id: place for place, here in places_in(db).items()}
            return {
                (places[row.location_id], row.user_id): row.signed_out_at.timestamp()
                for row in db.execute(select(connections).where(expired))
            }

    def _note(self, seat: Seat, since: float | None) -> None:
        """From when to when the user has to sign in, for the judge. Who was away and is not has come back by now, also
        where the command that brought him was cut off."""
        times = self._case.away.setdefault(seat, [])
        is_new = since is not None and (not times or times[-1][0] != since)
        if times and times[-1][1] == inf and (since is None or is_new):
            times[-1] = times[-1][0], time.time()
        if since is not None and is_new:
            times.append((since, inf))
