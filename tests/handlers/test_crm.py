"""Taking in the CRM's records: short commits, the rest kept, and what is absent deleted only when asked."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
import structlog

from domain.crm.contacts import ContactKind
from domain.crm.records import ContactRecord, DealRecord, Record, RecordKind, Refusal
from handlers.crm.records import AT_ONCE, Named, count_absent, delete_absent, take_in
from infra.db.store import Store
from tests.worlds import HERE

THEN = datetime(2024, 1, 2, tzinfo=UTC)


def person(number: int, addresses: int = 1) -> ContactRecord:
    found = tuple(f"c{number}.{n}@example.com" for n in range(addresses))
    return ContactRecord(f"c{number}", ContactKind.CONTACT, "Ann", found, None, THEN)


def ids(store: Store) -> set[str]:
    with store.begin("tests.look") as tx:
        return set(tx.of(HERE).crm.ids_after(RecordKind.CONTACTS, "", 10_000))


@pytest.mark.rule("W11")
def test_no_commit_holds_more_than_a_thousand_rows(store: Store) -> None:
    seen: list[int] = []

    def rows() -> Iterator[Record]:
        for number in range(1_200):
            if number % 50 == 0:
                seen.append(len(ids(store)))
            yield person(number, addresses=3)

    assert take_in(rows(), store).imported == 1_200
    commits = {later - earlier for earlier, later in pairwise(seen)} - {0}
    assert commits == {AT_ONCE // 4}


def test_a_record_larger_than_a_commit_is_not_split(store: Store) -> None:
    assert take_in([person(1), person(2, addresses=1_500), person(3)], store).imported == 3
    with store.begin("tests.look") as tx:
        assert len(tx.of(HERE).contacts.candidates({f"c2.{n}@example.com" for n in range(1_500)})) == 1_500


def test_who_stops_it_leaves_complete_records_only(store: Store) -> None:
    def rows() -> Iterator[Record]:
        yield from (person(number) for number in range(800))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_in(rows(), store)
    there = ids(store)
    assert 0 < len(there) < 800
    with store.begin("tests.look") as tx:
        found = tx.of(HERE).contacts.candidates({f"{contact_id}.0@example.com" for contact_id in there})
    assert {one.contact.id for one in found} == there


def test_absent_records_stay_until_they_are_to_be_replaced(store: Store) -> None:
    take_in(map(person, range(600)), store)
    named = Named()
    result = take_in(
        [person(1), Refusal(3, "kind is missing", "c2"), Refusal(4, "no id"), person(700)], store, named
    )
    assert (result.imported, [one.line for one in result.refused]) == (2, [3, 4])
    assert len(ids(store)) == 601
    assert count_absent(RecordKind.CONTACTS, named, store) == 598
    assert delete_absent(RecordKind.CONTACTS, named, store) == 598
    assert ids(store) == {"c1", "c2", "c700"}, "what was refused is not absent"
    assert count_absent(RecordKind.CONTACTS, named, store) == 0


@pytest.mark.rule("E9")
def test_a_stage_without_category_is_logged_once(store: Store) -> None:
    stages = ("Idea", "Offer", "Idea", "Idea", "Offer")
    with structlog.testing.capture_logs() as logs:
        take_in((DealRecord(f"d{n}", (), stage, None, None) for n, stage in enumerate(stages)), store)
    said = [(line["event"], line["stage"], line["counts_as"]) for line in logs]
    assert said == [("stage.uncategorised", "Idea", "OPEN"), ("stage.uncategorised", "Offer", "OPEN")]
