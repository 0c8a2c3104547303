"""What a mail costs the database, in statements: each is a round trip, and holds up whoever wants to write."""

from typing import Any

from sqlalchemy import event

from tests.handlers.conftest import House


def test_a_lone_mail_takes_few_statements(house: House) -> None:
    house.connect()
    house.pump()
    house.deliver("ann", 1)
    house.catch_up()
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            asked.append(statement)

    gmail_id = house.deliver("ann", 2)
    event.listen(house.store.engine, "before_cursor_execute", note)
    try:
        house.catch_up()
    finally:
        event.remove(house.store.engine, "before_cursor_execute", note)
    assert house.outcomes()[gmail_id] == "label.open"
    assert len(asked) <= 58, asked
