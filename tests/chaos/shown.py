"""What the commands show of one organisation, and nothing of the other's (T2)."""

import json
from collections.abc import Iterator
from typing import Any

from tests.chaos.books import Books
from tests.chaos.boxes import Box, Seat
from tests.chaos.oracle import Case
from tests.chaos.people import name_of
from tests.chaos.places import PLACES, Place
from workers.demo.shell import Shell

EXPLAINED = 4
"""Mails of each organisation that are asked about, at each location."""


def faults(case: Case, books: Books, shell: Shell) -> Iterator[str]:
    """Ledger, notifications and explanations, asked for at each location."""
    for place in PLACES:
        at = ["--location", str(place), "--json"]
        yield from _ledger(case, books, place, json.loads(shell.run("ledger", *at).out))
        for seat in _seats(case, place):
            found = json.loads(shell.run("notifications", "--user", seat.user, *at).out)
            yield from _notifications(books, seat, found)
        for message_id, box in _asked_about(case):
            answer = shell.ask("explain", message_id, *at)
            yield from _explanation(books, place, box, message_id, json.loads(answer.out or "[]"))


def _seats(case: Case, place: Place) -> list[Seat]:
    return [seat for box in case.boxes for seat in box.seats if seat.place == place]


def _ledger(case: Case, books: Books, place: Place, found: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each mail that was decided for a connection of the location, with what was decided there."""
    here = {
        books.connection_of(seat): (box.address, seat.user)
        for box in case.boxes
        for seat in box.seats
        if seat.place == place
    }
    known = {message_id for _, message_id in books.messages}
    kept = {
        (*here[connection_id], message_id, row.outcome)
        for (connection_id, message_id), row in books.decisions.items()
        if connection_id in here and message_id in known
    }
    shown = {
        (one["mailbox"], one["user_id"], one["message_id"], one["outcome"]) for one in found if one["user_id"]
    }
    yield from (f"the ledger of {place} shows {one}" for one in shown - kept)
    yield from (f"the ledger of {place} does not show {one}" for one in kept - shown)


def _notifications(books: Books, seat: Seat, found: list[dict[str, Any]]) -> Iterator[str]:
    """Those of the user in all locations of his organisation, by the names that they have there."""
    here = books.locations[seat.place]
    its = {
        row.id: row
        for row in books.told
        if row.organisation_id == here.organisation_id and row.user_id == seat.user
    }
    shown = {one["notification_id"]: one for one in found if one["notification_kind"] == "mail"}
    whose = f"{seat.user} of {seat.place}"
    yield from (f"{whose} is shown notification {one}" for one in shown.keys() - its.keys())
    yield from (f"{whose} is not shown notification {one}" for one in its.keys() - shown.keys())
    places = {location.id: place for place, location in books.locations.items()}
    for number in its.keys() & shown.keys():
        name = name_of(its[number].contact_id, places[its[number].location_id])
        if shown[number]["name"] != name:
            yield f"{whose} is shown {shown[number]['name']} in notification {number}, should be {name}"


def _asked_about(case: Case) -> list[tuple[str, Box]]:
    """The latest mails in each organisation's mailboxes."""
    found: dict[str, list[tuple[str, Box]]] = {}
    for sent in case.sent:
        if sent.letter.box.working and not sent.hand:
            found.setdefault(sent.letter.box.organisation, []).append((sent.id, sent.letter.box))
    return [one for mails in found.values() for one in mails[-EXPLAINED:]]


def _explanation(
    books: Books, place: Place, box: Box, message_id: str, found: list[dict[str, Any]]
) -> Iterator[str]:
    """Only where one of the mailbox's connections is, and of that one alone."""
    seats = [seat for seat in box.working if seat.place == place]
    kept = {books.connection_of(seat) for seat in seats if books.decision(seat, message_id)}
    shown = {one["connection_id"]: one for trail in found for one in trail["decisions"]}
    if shown.keys() != kept:
        yield f"{place} is told of connections {sorted(shown)} for mail {message_id}, should be {sorted(kept)}"
    for one in shown.values():
        if (match := one["match"]) and match["name"] != name_of(match["contact_id"], place):
            yield f"{place} is told that mail {message_id} is of {match['name']}"
