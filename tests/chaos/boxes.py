"""The mailboxes of the chaos, and who has connected each of them where."""

from dataclasses import dataclass

from tests.chaos.places import BERLIN, DOMAINS, MAIN, MUNICH, Place, colleague_of

BOTH, MAGNET, DRY = ("--magnet", "--sorting"), ("--magnet",), ("--magnet", "--sorting", "--dry-run")


@dataclass(frozen=True, slots=True)
class Seat:
    """A connection: who has a mailbox in which location, and what he has switched on there."""

    place: Place
    user: str
    options: tuple[str, ...] = BOTH

    @property
    def announces(self) -> bool:
        return "--magnet" in self.options

    @property
    def sorts(self) -> bool:
        return "--sorting" in self.options

    @property
    def dry(self) -> bool:
        return "--dry-run" in self.options


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox and its connections, the owner's first."""

    address: str
    seats: tuple[Seat, ...]

    @property
    def name(self) -> str:
        return self.address.partition("@")[0]

    @property
    def organisation(self) -> str:
        return self.seats[0].place.organisation

    @property
    def alias(self) -> str:
        return f"{self.name}.alias@{DOMAINS[self.organisation]}"

    @property
    def colleague(self) -> str:
        """Who has no mailbox here."""
        return colleague_of(self.organisation)

    @property
    def working(self) -> tuple[Seat, ...]:
        """Those with something switched on."""
        return tuple(seat for seat in self.seats if seat.announces)

    @property
    def sorter(self) -> Seat | None:
        """The one that sorts; there can be one (E65)."""
        return next((seat for seat in self.seats if seat.sorts), None)

    @property
    def labels(self) -> bool:
        """Whether its mail gets labels."""
        return self.sorter is not None and not self.sorter.dry


def box_of(user: str, place: Place, options: tuple[str, ...] = BOTH, *more: Seat) -> Box:
    """A user's own mailbox at his organisation, and who else has connected it."""
    return Box(f"{user}@{DOMAINS[place.organisation]}", (Seat(place, user, options), *more))


BOXES = (
    box_of("uwe", MAIN, BOTH, Seat(MAIN, "zoe", ())),
    box_of("anna", MAIN),
    box_of("emil", MAIN, MAGNET),
    box_of("finn", MAIN, DRY),
    box_of("gina", MAIN, ()),
    box_of("uwe", BERLIN),
    box_of("anna", BERLIN, BOTH, Seat(MUNICH, "anna", MAGNET)),
    box_of("ben", MUNICH),
    box_of("clara", MUNICH),
    box_of("gina", BERLIN, MAGNET),
)
"""Two users have connected uwe's at main, with MailMagnet for one of them only (E76); anna's at acme is connected in
both locations, with sorting in one of them (E65). Emil and finn are at main alone."""
