"""A contact's category, on the organisation's date (D9, E2)."""

import random
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.crm.categories import Category, ContactCategory, contact_category, highest, outcome_of
from domain.crm.deals import Deal, DealCategory
from domain.crm.organisations import local_date, zone
from domain.outcomes import Outcome

OPEN, WON, LOST = DealCategory
TODAY = date(2026, 3, 15)


def deal(kind: DealCategory, closing: str | None = None, record: str = "1") -> Deal:
    return Deal(record, kind, date.fromisoformat(closing) if closing else None)


def rule(*ids: str) -> pytest.MarkDecorator:
    return pytest.mark.rule(*ids)


CATEGORIES = [
    pytest.param(
        [deal(OPEN, "2026-03-31")], Category.CTM, marks=rule("D9-1"), id="open, closes on the last day"
    ),
    pytest.param(
        [deal(OPEN, "2026-03-01")], Category.CTM, marks=rule("D9-1"), id="open, closed on the first day"
    ),
    pytest.param(
        [deal(OPEN, "2026-04-01")], Category.OPEN, marks=rule("D9-2", "E3"), id="open, closes next month"
    ),
    pytest.param(
        [deal(OPEN, "2026-03-10")], Category.CTM, marks=rule("D9-1", "E3"), id="overdue in this month"
    ),
    pytest.param(
        [deal(OPEN, "2026-02-20")], Category.OPEN, marks=rule("D9-2", "E3"), id="overdue since last month"
    ),
    pytest.param([deal(OPEN, "2025-03-15")], Category.OPEN, marks=rule("D9-2"), id="this month a year ago"),
    pytest.param([deal(OPEN)], Category.OPEN, marks=rule("D9-2", "E3"), id="open, no closing date"),
    pytest.param(
        [deal(WON, "2026-03-05")], Category.CUSTOMER, marks=rule("D9-3", "Z32"), id="won this month"
    ),
    pytest.param([deal(WON)], Category.CUSTOMER, marks=rule("D9-3"), id="won, no date"),
    pytest.param(
        [deal(WON, "2025-06-01"), deal(OPEN, "2026-06-30")],
        Category.OPEN,
        marks=rule("D9-2", "Z31"),
        id="won and open",
    ),
    pytest.param(
        [deal(WON, "2025-06-01"), deal(OPEN, "2026-03-20")],
        Category.CTM,
        marks=rule("D9-1", "Z31"),
        id="won and closing",
    ),
    pytest.param([deal(LOST, "2026-03-20")], Category.NONE, marks=rule("D9-4", "Z32"), id="lost this month"),
    pytest.param(
        [deal(WON, "2025-06-01"), deal(LOST, "2026-03-20")],
        Category.CUSTOMER,
        marks=rule("D9-3"),
        id="won and lost",
    ),
    pytest.param(
        [deal(OPEN, "2026-03-20"), deal(OPEN, "2026-05-20")],
        Category.CTM,
        marks=rule("D9-1", "Z30", "E4"),
        id="two open",
    ),
    pytest.param(
        [deal(WON), deal(WON), deal(WON), deal(OPEN)],
        Category.OPEN,
        marks=rule("D9-2", "Z31"),
        id="much won, one open",
    ),
    pytest.param([], Category.NONE, marks=rule("D9-4", "Z28"), id="no deals, as every lead"),
]


@pytest.mark.rule("D9", "Z29", "E4", "E10")
@pytest.mark.parametrize(("deals", "expected"), CATEGORIES)
def test_category(deals: list[Deal], expected: Category) -> None:
    assert contact_category(deals, TODAY).category is expected
    assert contact_category(reversed(deals), TODAY).category is expected


@pytest.mark.rule("D9", "E1")
def test_the_month_changes_and_the_deal_is_still_open() -> None:
    deals = [deal(OPEN, "2026-03-28")]
    assert contact_category(deals, date(2026, 3, 31)).category is Category.CTM
    assert contact_category(deals, date(2026, 4, 1)).category is Category.OPEN


@pytest.mark.rule("D9")
@pytest.mark.parametrize(
    ("deals", "expected"),
    [
        pytest.param(
            [deal(OPEN, "2026-03-20", "1"), deal(OPEN, "2026-03-10", "2")], "2", id="it closes first"
        ),
        pytest.param(
            [deal(OPEN, "2026-03-20", "10"), deal(OPEN, "2026-03-20", "9")], "9", id="then the lowest id"
        ),
        pytest.param([deal(OPEN, None, "1"), deal(OPEN, "2027-01-01", "2")], "2", id="a date before none"),
        pytest.param([deal(WON, "2020-01-01", "1"), deal(OPEN, None, "2")], "2", id="the higher row first"),
        pytest.param([deal(LOST, "2026-03-20", "1")], None, id="nothing is decided by lost ones"),
    ],
)
def test_the_deal_that_decided(deals: list[Deal], expected: str | None) -> None:
    assert contact_category(deals, TODAY).deal_id == expected


@pytest.mark.rule("D9")
@given(
    st.lists(
        st.builds(
            Deal,
            st.sampled_from(["1", "2", "10", "a"]),
            st.sampled_from(DealCategory),
            st.none() | st.dates(date(2026, 2, 1), date(2026, 4, 30)),
        )
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_deals_means_nothing(deals: list[Deal], order: random.Random) -> None:
    expected = contact_category(deals, TODAY)
    order.shuffle(deals)
    assert contact_category(deals, TODAY) == expected


@pytest.mark.rule("D9", "E11")
def test_the_highest_category_of_all_contacts_of_an_address() -> None:
    none, customer = ContactCategory(Category.NONE, None), ContactCategory(Category.CUSTOMER, "1")
    opened, closing = ContactCategory(Category.OPEN, "2"), ContactCategory(Category.CTM, "3")
    assert highest([none, customer, opened, closing]) == closing
    assert highest([customer, opened]) == opened
    assert highest([none, customer]) == customer
    assert highest([none, none]) == none
    assert highest([]) == none
    assert highest([ContactCategory(Category.OPEN, "9"), opened]).deal_id == "9"


@pytest.mark.rule("E2", "D9")
@pytest.mark.parametrize(
    ("time_zone", "expected"),
    [
        pytest.param("Asia/Tokyo", date(2026, 4, 1), id="nine hours ahead it is April"),
        pytest.param("Etc/GMT-9", date(2026, 4, 1), id="by its offset"),
        pytest.param("America/New_York", date(2026, 3, 31), id="behind it is March"),
        pytest.param("UTC", date(2026, 3, 31), id="UTC"),
        pytest.param(None, date(2026, 3, 31), id="none is UTC"),
        pytest.param("", date(2026, 3, 31), id="empty is none"),
        pytest.param("Europe/Atlantis", date(2026, 3, 31), id="an unknown one is none"),
        pytest.param("Europe", date(2026, 3, 31), id="a continent is none"),
        pytest.param("../../etc/passwd", date(2026, 3, 31), id="a path is none"),
        pytest.param("Asia/Tok\x00yo", date(2026, 3, 31), id="a nul byte is none"),
    ],
)
def test_this_month_is_the_organisations(time_zone: str | None, expected: date) -> None:
    now = datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert local_date(now, time_zone) == expected
    assert local_date(now.astimezone(timezone(timedelta(hours=-11))), time_zone) == expected


@pytest.mark.rule("E2")
def test_a_zone_that_is_none_can_be_told() -> None:
    assert zone("Europe/Berlin") is not None
    assert zone("Europe/Atlantis") is None
    assert zone(None) is None


@pytest.mark.rule("D9")
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Category.CTM, Outcome.LABEL_CTM),
        (Category.OPEN, Outcome.LABEL_OPEN),
        (Category.CUSTOMER, Outcome.LABEL_CUSTOMER),
        (Category.NONE, Outcome.LABEL_NONE),
    ],
)
def test_outcome(found: Category, expected: Outcome) -> None:
    assert outcome_of(found) is expected
