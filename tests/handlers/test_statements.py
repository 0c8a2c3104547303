"""What a mail costs the database, in statements: each is a round trip, and holds up whoever wants to write."""

from tests.handlers.conftest import House


def asked(statements: list[str]) -> list[str]:
    """Without what begins a transaction."""
    return [one for one in statements if not one.startswith(("BEGIN", "PRAGMA"))]


def test_a_lone_mail_takes_few_statements(house: House, statements: list[str]) -> None:
    house.connect()
    house.pump()
    house.deliver("ann", 1)
    house.catch_up()
    message_id = house.deliver("ann", 2)
    statements.clear()
    house.catch_up()
    taken = asked(statements)
    assert house.outcomes()[message_id] == "label.open"
    assert len(taken) <= 48, taken


def test_a_walk_writes_its_mailbox_once(house: House, statements: list[str]) -> None:
    """Each version of the row is one more that PostgreSQL keeps."""
    house.connect()
    house.pump()
    house.deliver("ann", 1)
    statements.clear()
    house.catch_up_only()
    assert len([one for one in statements if one.startswith("UPDATE mailboxes")]) == 1, statements


def test_a_walk_that_finds_nothing_new_takes_few_statements(house: House, statements: list[str]) -> None:
    house.connect()
    house.pump()
    house.deliver("ann", 1)
    house.catch_up()
    for _ in range(2):
        statements.clear()
        house.catch_up()
    assert len(asked(statements)) <= 6, statements
