"""The witness sees every statement of infra/db on a table that has rows of several organisations (T2)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import and_, delete, exists, literal_column, or_, select, update

from infra.db.rotation import rotate
from infra.db.store import Store, Transaction
from infra.db.tables.channels import channels
from infra.db.tables.connections import connections, shared_contacts, sign_ins
from infra.db.tables.crm import contact_addresses, contacts, crm_versions, deals, locations, users
from infra.db.tables.mail import notifications
from infra.secrets import Cipher
from tests.scoping import SCOPED, unscoped
from tests.witness import OVER_ALL, Unscoped, used

ROOT = Path(__file__).parents[3]

PASS = {
    "id alone": select(contacts).where(contacts.c.location_id == 1, contacts.c.id == "c1"),
    "joined": select(contacts.c.id)
    .join(contact_addresses, contact_addresses.c.location_id == contacts.c.location_id)
    .where(contacts.c.location_id == 1),
    "by its own key": select(connections).where(connections.c.id == 7),
    "by the ledger's": select(notifications).where(notifications.c.connection_id.in_([1, 2])),
    "update": update(users).where(users.c.organisation_id == 1).values(role="x"),
    "delete": delete(deals).where(deals.c.location_id == 1),
    "on each side of an or": select(contacts).where(
        or_(
            and_(contacts.c.location_id == 1, contacts.c.id == "c1"),
            and_(contacts.c.location_id == 1, contacts.c.name == "C"),
        )
    ),
    "in any of the organisation's locations": select(connections).where(
        connections.c.location_id.in_(select(locations.c.id).where(locations.c.organisation_id == 1))
    ),
    "joined from outside by what is said": select(notifications.c.id, contacts.c.name)
    .outerjoin(contacts, contacts.c.location_id == notifications.c.location_id)
    .where(notifications.c.organisation_id == 1),
}
FAIL = {
    "a contact by its id": (select(contacts).where(contacts.c.id == "c1"), {"contacts"}),
    "an address": (
        select(contact_addresses.c.address).where(contact_addresses.c.loose.in_(["x"])),
        {"contact_addresses"},
    ),
    "one of two that are joined by their ids": (
        select(contacts.c.id)
        .join(contact_addresses, contact_addresses.c.contact_id == contacts.c.id)
        .where(contacts.c.location_id == 1),
        {"contact_addresses"},
    ),
    "two that only say the same": (
        select(contacts.c.id).join(
            contact_addresses, contact_addresses.c.location_id == contacts.c.location_id
        ),
        {"contacts", "contact_addresses"},
    ),
    "within another": (
        select(users.c.id).where(
            users.c.organisation_id == 1, exists().where(deals.c.id == users.c.id).correlate(users)
        ),
        {"deals"},
    ),
    "a user's connection": (select(connections).where(connections.c.user_id == "uwe"), {"connections"}),
    "change": (update(users).where(users.c.id == "uwe").values(active=False), {"users"}),
    "delete": (delete(sign_ins).where(sign_ins.c.user_id == "uwe"), {"sign_ins"}),
    "versions by kind": (select(crm_versions).where(crm_versions.c.kind == "users"), {"crm_versions"}),
    "one side of an or": (
        select(contacts).where(or_(contacts.c.location_id == 1, contacts.c.id == "c1")),
        {"contacts"},
    ),
    "every other": (
        select(contacts).where(~and_(contacts.c.location_id == 1, contacts.c.id == "c1")),
        {"contacts"},
    ),
    "only looked at": (select((contacts.c.location_id == 1).label("ours"), contacts.c.id), {"contacts"}),
    "only sorted by": (select(contacts.c.id).order_by(contacts.c.location_id == 1), {"contacts"}),
    "only what is joined from outside": (
        select(contacts.c.id).outerjoin(deals, and_(contacts.c.location_id == 1, deals.c.location_id == 1)),
        {"contacts"},
    ),
    "of any location there is": (
        select(contacts.c.id).join(locations, locations.c.id == contacts.c.location_id),
        {"contacts"},
    ),
    "in any location there is": (
        select(contacts.c.id).where(contacts.c.location_id.in_(select(locations.c.id))),
        {"contacts"},
    ),
    "the same table once more, within": (
        select(contacts.c.id)
        .join(
            select(contacts.c.name).where(contacts.c.id == "c1").subquery("its"),
            contacts.c.name == literal_column("its.name"),
        )
        .where(contacts.c.location_id == 1),
        {"contacts"},
    ),
    "as a common table": (
        select(select(users.c.id).where(users.c.role == "x").cte("its").c.id),
        {"users"},
    ),
    "shared": (select(shared_contacts).where(shared_contacts.c.contact_id == "c1"), {"shared_contacts"}),
}


@pytest.mark.rule("T2")
@pytest.mark.parametrize("statement", PASS.values(), ids=PASS)
def test_a_statement_that_says_whose_rows_it_asks_for_passes(statement: Any) -> None:
    assert unscoped(statement) == set()


@pytest.mark.rule("T2", "I11")
@pytest.mark.parametrize(("statement", "tables"), FAIL.values(), ids=FAIL)
def test_a_statement_without_the_condition_is_seen(statement: Any, tables: set[str]) -> None:
    assert unscoped(statement) == tables


BY_KEY = [
    select(connections).where(connections.c.id == 7),
    update(channels).where(channels.c.id == 7).values(failures=0),
    delete(notifications).where(notifications.c.id.in_([7])),
]


@pytest.mark.rule("T2")
@pytest.mark.parametrize("statement", BY_KEY)
def test_who_was_opened_for_an_organisation_takes_no_key_s_word_for_it(statement: Any) -> None:
    assert unscoped(statement) == set()
    assert unscoped(statement, opened=True)


ASKED: dict[str, Callable[[Store, Cipher], object]] = {
    "disconnecting.DisconnectingRepository.redrive_disconnecting": lambda store, _: _in(
        store, lambda tx: tx.connections.redrive_disconnecting(1, 60)
    ),
    "objects.UnusedObjectRepository.mark": lambda store, _: _in(
        store, lambda tx: tx.unused_objects.mark(1, ())
    ),
    "reports.ReportRepository.count_outdated": lambda store, _: _in(
        store, lambda tx: tx.reports.count_outdated()
    ),
    "reports.ReportRepository.mailboxes": lambda store, _: _in(
        store, lambda tx: tx.reports.mailboxes(None, 1)
    ),
    "reports.ReportRepository.totals": lambda store, _: _in(store, lambda tx: tx.reports.totals(None, 60)),
    "reports.ReportRepository.uncategorised_stages": lambda store, _: _in(
        store, lambda tx: tx.reports.uncategorised_stages(1)
    ),
    "reports.ReportRepository.zones": lambda store, _: _in(store, lambda tx: tx.reports.zones(1)),
    "retention.RetentionRepository._old": lambda store, _: _in(
        store, lambda tx: tx.retention.notifications(1, 1, ())
    ),
    "retention.RetentionRepository.sign_ins": lambda store, _: _in(store, lambda tx: tx.retention.sign_ins()),
    "retention.RetentionRepository._oldest": lambda store, _: _in(
        store, lambda tx: tx.retention.versions(1, 1, ())
    ),
    "rotation._batches": rotate,
    "rotation.rotate": rotate,
}


def _in(store: Store, ask: Callable[[Transaction], object]) -> None:
    with store.begin("tests.ask") as tx:
        ask(tx)


@pytest.mark.rule("T2")
@pytest.mark.parametrize("name", sorted(OVER_ALL.keys() | ASKED.keys()))
def test_who_is_over_all_by_nature_asks_for_all_and_has_a_reason(
    store: Store, cipher: Cipher, name: str
) -> None:
    used.clear()
    ASKED[name](store, cipher)

    assert name in used, "it needs no place in the list"
    assert OVER_ALL[name]
    assert len(OVER_ALL) <= 12, "it may only shrink"


FORGETFUL = """
def read(db):
    return db.execute(statement).all()

def write_out(db):
    return db.exec_driver_sql("SELECT name FROM contacts WHERE id = 'c1'").all()
"""


@pytest.mark.rule("T2")
@pytest.mark.parametrize("folder", ["infra/db", "infra/crm", "handlers", "workers/cli"])
@pytest.mark.parametrize("name", ["a contact by its id", "a user's connection", "versions by kind"])
def test_whoever_of_ours_asks_for_all_is_ended(store: Store, name: str, folder: str) -> None:
    space = {"statement": FAIL[name][0]}
    exec(compile(FORGETFUL, str(ROOT / folder / "forgetful.py"), "exec"), space)  # noqa: S102
    read: Any = space["read"]
    write_out: Any = space["write_out"]
    with store.begin("tests.look") as tx:
        with pytest.raises(Unscoped, match=r"forgetful.read asks for \w+ of all organisations"):
            read(tx.db)
        with pytest.raises(Unscoped, match=r"forgetful\.write_out asks for contacts of all organisations"):
            write_out(tx.db)
        assert tx.db.execute(FAIL[name][0]).all() == [], "a test may look where it likes"


def test_what_has_an_organisation_or_a_location_is_watched() -> None:
    assert {table.name for table in SCOPED} == {
        *("channels", "connections", "contact_addresses", "contact_viewers", "contacts", "crm_versions"),
        *("deal_contacts", "deals", "notifications", "outdated", "settings", "shared_contacts", "sign_ins"),
        *("location_settings", "merges", "user_addresses", "users"),
        *("conversations", "mails", "mail_sources", "mail_links", "participants", "files", "readings"),
        *("events", "objects", "organisation_keys"),
    }
