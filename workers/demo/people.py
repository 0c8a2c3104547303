"""The cast of the demo: the users of a small firm, and whom its CRM knows, with deals that fit today's date."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

TIME_ZONE = "Europe/Berlin"
DOMAIN = "firm.example"
UWE = f"uwe@{DOMAIN}"
UWE_ALIAS = f"u.w@{DOMAIN}"
CARLA = f"carla@{DOMAIN}"
DRY = f"dieter@{DOMAIN}"
NOTHING = f"nora@{DOMAIN}"
WANDA = f"wanda@{DOMAIN}"
"""She signs in on Google's page, and leaves in the end."""

UTE, CLARA = f"ute@{DOMAIN}", f"clara@{DOMAIN}"
"""They have two-way sync, and stand for Uwe and Carla of its worked examples."""

TEAM = (UWE, *(f"{name}@{DOMAIN}" for name in ("emil", "frida", "gert", "hanna", "ida")))
"""Those with MailMagnet and sorting on; several, because Gmail announces a mailbox once a second at most."""

SALES = f"sales@{DOMAIN}"
"""A group of the firm: none of Uwe's own addresses."""

LAWYER = "lawyer.example"
"""The domain that Wanda keeps to herself."""

EXCLUDED = ("excluded.example", "max@example.org")
SECOND_LOGIN = "carla.privat@example.net"
"""Carla logs in to the CRM with it; it is the address of a contact, too (worked example 16)."""


@dataclass(frozen=True, slots=True)
class Person:
    """A contact or lead. `shows` is what the demo says of them beside the name; `visible_to` the one user whose
    record it is, where not everybody may open it."""

    id: str
    name: str
    emails: tuple[str, ...]
    shows: str = ""
    kind: str = "contact"
    created: str = "2024-02-01"
    visible_to: str = ""

    @property
    def address(self) -> str:
        """The first of their addresses."""
        return self.emails[0]


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal of one or more contacts; `category` is empty for a stage without one."""

    contacts: tuple[str, ...]
    category: str
    closing: date | None


@dataclass(frozen=True, slots=True)
class Month:
    """The days that D9 turns on, seen from a day."""

    today: date

    @property
    def first(self) -> date:
        """The month's first day."""
        return self.today.replace(day=1)

    @property
    def last(self) -> date:
        """The month's last day."""
        return self.first_of(1) - timedelta(days=1)

    @property
    def before(self) -> date:
        """The last day of the month before."""
        return self.first - timedelta(days=1)

    def first_of(self, months: int) -> date:
        """The first day of the month that is so many months away."""
        years, month = divmod(self.today.year * 12 + self.today.month - 1 + months, 12)
        return date(years, month + 1, 1)


PEOPLE: Sequence[Person] = (
    Person("ann", "Ann", ("ann@example.com", "ann.old@example.com"), "open deal this month, one won"),
    Person("bob", "Bob", ("bob@example.com",), "only a lost deal"),
    Person("lea", "Lea", ("lea@example.com",), "a lead", kind="lead"),
    Person("cid", "Cid", ("cid@example.com",), "a won deal"),
    Person("dora", "Dora", ("dora@example.com",), "open deal, closing in two months"),
    Person("egon", "Egon", ("egon@example.com",), "open deal, closing on the 1st of next month"),
    Person("fee", "Fee", ("fee@example.com",), "open deal that closed on the 1st of this month"),
    Person("gabi", "Gabi", ("gabi@example.com",), "open deal, overdue since last month"),
    Person("hugo", "Hugo", ("hugo@example.com",), "open deal without closing date"),
    Person("ilse", "Ilse", ("ilse@example.com",), "deal won this month"),
    Person("jan", "Jan", ("jan@example.com",), "won last year, open, closing in three months"),
    Person("kim", "Kim", ("kim@example.com",), "won last year, open, closing this month"),
    Person("lutz", "Lutz", ("lutz@example.com",), "lost deal, closing this month"),
    Person("mona", "Mona", ("mona@example.com",), "won last year, lost this month"),
    Person("nils", "Nils", ("nils@example.com",), "two open deals, one closing this month"),
    Person("olaf", "Olaf", ("olaf@example.com",), "no deals"),
    Person("petra", "Petra", ("petra@example.com",), "has a role in Ann's deal"),
    Person("quirin", "Quirin", ("quirin@example.com",), "open deal, its stage without category"),
    Person("rolf", "Rolf", ("rolf@example.com",), "a won deal"),
    Person("pa", "Pa", ("family@home.example",), "shares an address with Ma", created="2021-05-01"),
    Person("ma", "Ma", ("family@home.example",), "shares an address with Pa", created="2023-05-01"),
    Person("cora", "Cora", (SECOND_LOGIN,), "has Carla's login as address"),
    Person("pia", "Pia", (f"pia@{DOMAIN}",), "a contact who is staff"),
    Person("eva", "Eva", ("eva@excluded.example",), "of an excluded domain"),
    Person("max", "Max", ("max@example.org",), "of an excluded address"),
    Person("gmx", "Ines", ("erfundene.kundin.77@googlemail.com",), "has a Gmail address"),
    Person("idn", "Jost", ("jost@bücher.example",), "has an international domain"),
    Person("shop", "Toni", ("toni@example.com",), "an address without tag"),
    Person("tag", "Toni's shop", ("toni+shop@example.com",), "an address with a tag"),
    Person("early", "Vera, a lead", ("vera@example.com",), "lead", kind="lead", created="2020-01-01"),
    Person("late", "Vera", ("vera@example.com",), "lead and contact", created="2025-01-01"),
    Person("zoe", "Zoe", ("zoe@example.com", f"zoe@{LAWYER}"), "writes to Wanda from two addresses"),
    Person("yara", "Yara", ("yara@example.com",), "only Wanda may open her record", visible_to="wanda"),
    Person("lost", "Nobody", (), "a contact without address"),
)
CONTACT_COLUMNS = "id,kind,name,emails,assigned_to,created_at,visible_to"
BY_ID = {person.id: person for person in PEOPLE}


def deals(today: date) -> list[Deal]:
    """D9's table of examples, for the month that `today` is in."""
    month = Month(today)
    long_ago = today.replace(day=1, year=today.year - 1)
    won_then = {"ann", "jan", "kim", "mona"}
    return [
        *(Deal((who,), "WON", long_ago) for who in sorted(won_then)),
        Deal(("ann", "petra"), "OPEN", month.last),
        Deal(("bob",), "LOST", long_ago),
        Deal(("cid",), "WON", long_ago),
        Deal(("dora",), "OPEN", month.first_of(2)),
        Deal(("egon",), "OPEN", month.first_of(1)),
        Deal(("fee",), "OPEN", month.first),
        Deal(("gabi",), "OPEN", month.before),
        Deal(("hugo",), "OPEN", None),
        Deal(("ilse",), "WON", month.first),
        Deal(("jan",), "OPEN", month.first_of(3)),
        Deal(("kim",), "OPEN", month.last),
        Deal(("lutz",), "LOST", month.last),
        Deal(("mona",), "LOST", month.last),
        Deal(("nils",), "OPEN", month.last),
        Deal(("nils",), "OPEN", month.first_of(2)),
        Deal(("quirin",), "", None),
        Deal(("rolf",), "WON", month.before),
        Deal(("ma",), "OPEN", month.first_of(4)),
        *(Deal((who,), "OPEN", month.last) for who in ("cora", "pia", "eva", "max", "zoe")),
        *(Deal((who,), "WON", long_ago) for who in ("gmx", "idn", "shop")),
        Deal(("tag",), "OPEN", month.last),
        Deal(("late",), "OPEN", month.last),
    ]


def write_crm(folder: Path, today: date) -> tuple[Path, Path, Path]:
    """The three files of `lodestone crm import`: contacts, deals, users."""
    contacts = [_contact(person, person.visible_to or "uwe") for person in PEOPLE]
    sold = [
        (f"d{n}", ";".join(deal.contacts), deal.category.lower() or "idea", deal.category, deal.closing or "")
        for n, deal in enumerate(deals(today), 1)
    ]
    users = [
        (address.partition("@")[0], address.partition("@")[0].title(), address)
        for address in (*TEAM, DRY, NOTHING, WANDA, UTE, CLARA)
    ]
    users.append(("carla", "Carla", f"{CARLA};{SECOND_LOGIN}"))
    return (
        _write(folder / "contacts.csv", CONTACT_COLUMNS, contacts),
        _write(folder / "deals.csv", "id,contact_ids,stage,category,closing_date", sold),
        _write(folder / "users.csv", "id,name,emails", users),
    )


def write_assigned(folder: Path, user_id: str, *ids: str) -> Path:
    """A file for `lodestone crm import --contacts` that gives these contacts to the user."""
    rows = [_contact(BY_ID[contact], user_id) for contact in ids]
    return _write(folder / f"contacts of {user_id}.csv", CONTACT_COLUMNS, rows)


def _contact(person: Person, assigned_to: str) -> tuple[str, ...]:
    emails = ";".join(person.emails)
    return person.id, person.kind, person.name, emails, assigned_to, person.created, person.visible_to


def _write(file: Path, header: str, rows: Iterable[Sequence[object]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return file
