"""What it means that a feature is on is said in two places, one a language: nowhere else is a start looked at."""

import ast
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from domain.connections.connections import Connection, ConnectionState, Features
from domain.mailboxes.accounts import AccountKey
from infra.db import features as on
from infra.db.store import Store
from infra.db.tables.connections import connections
from tests.test_layers import modules, name_of
from tests.worlds import OF_HERE, START

STARTS = {
    "domain.connections.connections": "what the words mean",
    "infra.db.features": "the same in SQL",
    "infra.db.tables.connections": "the columns",
}
"""Modules that name the moments at which features were switched on. May only shrink."""

ONE_FEATURE = {
    "domain.checks": "which scopes sorting needs",
    "domain.connections.standing": "whether sorting has stopped while it is on",
    "domain.decisions": "each feature's own part of a decision",
    "handlers.connections.wanted": "settings as they are and are to be",
    "handlers.sorting.plan": "whether a mail came after sorting was switched on",
    "handlers.notifications": "whether a mail came after MailMagnet was switched on",
    "handlers.settings": "settings as they are and are to be",
    "handlers.connections.sign_in": "settings as they are and are to be",
    "workers.cli.accounts": "shows the settings",
    "workers.cli.settings": "shows the settings",
}
"""Modules that ask for one feature: not for what it means that one is on, which a connection tells. May only shrink."""

_START = re.compile(r"\b(?:sync|magnet|sorting)_since\b")
_QUESTIONS = {"sync", "magnet", "sorting", "any"}


def shipped() -> list[Path]:
    return [
        file for file in modules("domain", "handlers", "infra", "workers") if "migrations" not in file.parts
    ]


def test_no_second_place_says_what_it_means_that_a_feature_is_on() -> None:
    found = {name_of(file) for file in shipped() if _START.search(file.read_text())}

    assert found == STARTS.keys()


def test_who_asks_for_one_feature_has_a_reason() -> None:
    found = {name_of(file) for file in shipped() if _asks(ast.parse(file.read_bytes()))}

    assert found - {"domain.connections.connections"} == ONE_FEATURE.keys()


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("if connection.features.magnet: ...", True),
        ("started = one.features.at(moment).sorting", True),
        ("on.magnet", True),
        ("wishes.magnet", False),
        ("connection.keeps_mail", False),
    ],
)
def test_the_test_sees_who_asks(line: str, *, asks: bool) -> None:
    assert bool(_asks(ast.parse(line))) is asks


def _asks(tree: ast.AST) -> set[str]:
    """Questions for one feature: of `….features`, of `….at(…)`, or of a value that is called `features`, `on` or
    `before`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in _QUESTIONS and _is_features(node.value)
    }


def _is_features(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(attr="features") | ast.Name(id="features" | "on" | "before"):
            return True
        case ast.Call(func=ast.Attribute(attr="at")):
            return True
    return False


ALL = [Features(*starts) for starts in product((None, START), repeat=3)]


MEANINGS: dict[str, Callable[[Connection], bool]] = {
    "works": lambda one: one.works,
    "announces": lambda one: one.works and one.features.magnet,
    "keeps_mail": lambda one: one.keeps_mail,
    "keeps_copies": lambda one: one.keeps_copies,
    "keeps_notifications": lambda one: one.keeps_notifications,
    "keeps_labelled": lambda one: one.keeps_labelled,
}


@pytest.mark.rule("D2", "D3-1", "D12")
def test_both_languages_say_the_same(store: Store) -> None:
    cases = [(state, features) for state in ConnectionState for features in ALL]
    with store.begin("tests.features") as tx:
        mailbox_id = tx.mailboxes.add(AccountKey("gmail", "uwe@firm.example"), "uwe@firm.example")
        same = OF_HERE | {"mailbox_id": mailbox_id, "mode": "LIVE", "created_at": START}
        rows = [
            {"user_id": f"u{n}", "state": state.value, **same, **on.values(features)}
            for n, (state, features) in enumerate(cases)
        ]
        tx.db.execute(insert(connections), rows)
        read = tx.connections.of_mailbox(mailbox_id)
        said = {
            word: set(tx.db.scalars(select(connections.c.id).where(getattr(on, word)()))) for word in MEANINGS
        }

    assert [(one.state, one.features) for one in read] == cases
    assert said == {word: {one.id for one in read if means(one)} for word, means in MEANINGS.items()}
