"""The demo's deals fit D9's table on any day of any year."""

from datetime import date

import pytest

from domain.crm.categories import Category, contact_category
from domain.crm.deals import Deal, DealCategory
from workers.demo.people import BY_ID, deals

EXPECTED = {
    "ann": Category.CTM,
    "petra": Category.CTM,
    "bob": Category.NONE,
    "cid": Category.CUSTOMER,
    "dora": Category.OPEN,
    "egon": Category.OPEN,
    "fee": Category.CTM,
    "gabi": Category.OPEN,
    "hugo": Category.OPEN,
    "ilse": Category.CUSTOMER,
    "jan": Category.OPEN,
    "kim": Category.CTM,
    "lutz": Category.NONE,
    "mona": Category.CUSTOMER,
    "nils": Category.CTM,
    "olaf": Category.NONE,
    "quirin": Category.OPEN,
    "rolf": Category.CUSTOMER,
}


@pytest.mark.rule("D9", "E8", "E9")
@pytest.mark.parametrize(
    "today",
    [date(2026, 3, 15), date(2026, 1, 1), date(2026, 12, 31), date(2028, 2, 29), date(2027, 3, 1), date(2026, 11, 30)],
    ids=str,
)  # fmt: skip
def test_categories_on_any_day(today: date) -> None:
    found = {
        who: contact_category(
            [
                Deal(str(n), DealCategory(deal.category or "OPEN"), deal.closing)
                for n, deal in enumerate(deals(today))
                if who in deal.contacts
            ],
            today,
        ).category
        for who in EXPECTED
    }
    assert found == EXPECTED


def test_deals_are_those_of_the_cast() -> None:
    assert {who for deal in deals(date(2026, 3, 15)) for who in deal.contacts} <= BY_ID.keys()
