"""The witness sees every statement of infra/db on a table that has rows of several organisations (T2)."""

import ast
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, exists, select, update

from infra.db.schema import (
    connections,
    contact_addresses,
    contacts,
    crm_versions,
    deals,
    notifications,
    shared_contacts,
    sign_ins,
    users,
)
from infra.db.store import Store
from tests.witness import OVER_ALL, SCOPED, Unscoped, unscoped

OURS = Path(__file__).parents[3] / "infra" / "db"

PASS = {
    "id alone": select(contacts).where(contacts.c.location_id == 1, contacts.c.id == "c1"),
    "joined": select(contacts.c.id)
    .join(contact_addresses, contact_addresses.c.location_id == contacts.c.location_id)
    .where(contacts.c.location_id == 1),
    "by its own key": select(connections).where(connections.c.id == 7),
    "by the ledger's": select(notifications).where(notifications.c.connection_id.in_([1, 2])),
    "update": update(users).where(users.c.organisation_id == 1).values(role="x"),
    "delete": delete(deals).where(deals.c.location_id == 1),
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
    "shared": (select(shared_contacts).where(shared_contacts.c.contact_id == "c1"), {"shared_contacts"}),
}


@pytest.mark.rule("T2")
@pytest.mark.parametrize("statement", PASS.values(), ids=PASS)
def test_a_statement_that_says_whose_rows_it_asks_for_passes(statement: Any) -> None:
    assert unscoped(statement) == set()


@pytest.mark.rule("T2")
@pytest.mark.parametrize(("statement", "tables"), FAIL.values(), ids=FAIL)
def test_a_statement_without_the_condition_is_seen(statement: Any, tables: set[str]) -> None:
    assert unscoped(statement) == tables


def test_who_is_over_all_by_nature_is_there_and_has_a_reason() -> None:
    there = set()
    for file in OURS.glob("*.py"):
        for node in ast.parse(file.read_bytes()).body:
            if isinstance(node, ast.FunctionDef):
                there.add(f"{file.stem}.{node.name}")
            if isinstance(node, ast.ClassDef):
                there |= {
                    f"{file.stem}.{node.name}.{one.name}"
                    for one in node.body
                    if isinstance(one, ast.FunctionDef)
                }

    assert OVER_ALL.keys() <= there
    assert all(OVER_ALL.values())
    assert len(OVER_ALL) <= 12, "it may only shrink"


FORGETFUL = """
def read(db):
    return db.execute(statement).all()
"""


@pytest.mark.rule("T2")
@pytest.mark.parametrize("name", ["a contact by its id", "a user's connection", "versions by kind"])
def test_whoever_of_infra_db_asks_for_all_is_ended(store: Store, name: str) -> None:
    space = {"statement": FAIL[name][0]}
    exec(compile(FORGETFUL, str(OURS / "forgetful.py"), "exec"), space)  # noqa: S102
    read: Any = space["read"]
    with store.begin("tests.look") as tx:
        with pytest.raises(Unscoped, match=r"forgetful.read asks for \w+ of all organisations"):
            read(tx.db)
        assert tx.db.execute(FAIL[name][0]).all() == [], "a test may look where it likes"


def test_what_has_an_organisation_or_a_location_is_watched() -> None:
    assert {table.name for table in SCOPED} == {
        *("channels", "connections", "contact_addresses", "contact_viewers", "contacts", "crm_versions"),
        *("deal_contacts", "deals", "notifications", "outdated", "settings", "shared_contacts", "sign_ins"),
        *("location_settings", "merges", "user_addresses", "users"),
    }
