"""Whose address it is (D5)."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.crm.contacts import Contact, ContactAddress, ContactKind, Hit, MatchedBy, best, hits
from domain.crm.ids import id_order

EARLY, LATE = datetime(2021, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)
ANN = "ann@example.com"


def contact(
    address: str, record: str = "7", *, kind: ContactKind = ContactKind.CONTACT, created: datetime = EARLY
) -> ContactAddress:
    return ContactAddress(Contact(record, kind, created), address)


def found(address: str, *known: ContactAddress) -> list[str]:
    return [hit.contact.id for hit in hits(address, known)]


@pytest.mark.rule("D5-2", "D5-3", "D5-5", "D5", "E13")
@pytest.mark.parametrize(
    ("written", "recorded", "matched_by"),
    [
        pytest.param(ANN, ANN, MatchedBy.EXACT, id="the same"),
        pytest.param("ann+shop@example.com", ANN, MatchedBy.PLUS_TAG, id="a tag in the mail"),
        pytest.param(ANN, "ann+crm@example.com", MatchedBy.PLUS_TAG, id="a tag on the record"),
        pytest.param("ann+a@example.com", "ann+b@example.com", MatchedBy.PLUS_TAG, id="a tag on both"),
        pytest.param("a.nn@gmail.com", "ann@googlemail.com", MatchedBy.GMAIL, id="Gmail's dots and names"),
        pytest.param("ann+x@gmail.com", "ann@gmail.com", MatchedBy.PLUS_TAG, id="only a tag at Gmail"),
        pytest.param("a.nn+x@gmail.com", "ann@gmail.com", MatchedBy.GMAIL, id="a tag and dots at Gmail"),
        pytest.param("a.nn@example.com", ANN, None, id="dots matter outside Gmail"),
        pytest.param(ANN, "ann@example.org", None, id="another domain"),
        pytest.param(ANN, "bob@example.com", None, id="another person"),
    ],
)
def test_match(written: str, recorded: str, matched_by: MatchedBy | None) -> None:
    known = contact(recorded)
    expected = (Hit(known.contact, recorded, matched_by),) if matched_by else ()
    assert hits(written, [known]) == expected


@pytest.mark.rule("D5", "E12")
def test_every_address_of_a_record_counts_and_the_record_once() -> None:
    second = contact("ann.old@example.com")
    assert hits("ann.old@example.com", [contact(ANN), second]) == (
        Hit(second.contact, second.address, MatchedBy.EXACT),
    )
    tagged = [contact("ann+b@example.com"), contact("ann+a@example.com")]
    assert [hit.address for hit in hits(ANN, tagged)] == ["ann+a@example.com"]
    gmail = [contact("a.nn@gmail.com"), contact("ann+x@gmail.com")]
    assert [hit.matched_by for hit in hits("ann@gmail.com", gmail)] == [MatchedBy.PLUS_TAG]


@pytest.mark.rule("D5-3", "D5")
def test_an_exact_record_keeps_the_loose_ones_out() -> None:
    loose_but_older = contact(ANN, "1")
    assert found(
        "ann+shop@example.com", loose_but_older, contact("ann+shop@example.com", "2", created=LATE)
    ) == ["2"]
    lead = contact("ann+shop@example.com", "3", kind=ContactKind.LEAD)
    assert found("ann+shop@example.com", loose_but_older, lead) == ["3"]


@pytest.mark.rule("D5-4", "D5", "E11", "E15")
@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(
            [contact(ANN, "1", kind=ContactKind.LEAD), contact(ANN, "2", created=LATE)],
            ["2", "1"],
            id="a contact beats a lead",
        ),
        pytest.param(
            [contact(ANN, "1", created=LATE), contact(ANN, "2")], ["2", "1"], id="then the first created"
        ),
        pytest.param([contact(ANN, "10"), contact(ANN, "9")], ["9", "10"], id="then the lowest number"),
        pytest.param([contact(ANN, "b"), contact(ANN, "a")], ["a", "b"], id="or the lowest text"),
        pytest.param([contact(ANN, "a1"), contact(ANN, "99")], ["99", "a1"], id="numbers before text"),
        pytest.param([], [], id="nobody"),
    ],
)
def test_order_of_several_hits(known: list[ContactAddress], expected: list[str]) -> None:
    assert found(ANN, *known) == expected
    chosen = best(hits(ANN, known))
    assert (chosen.contact.id if chosen else None) == (expected[0] if expected else None)


@pytest.mark.rule("D5", "E15")
def test_a_lead_and_a_contact_may_have_the_same_id() -> None:
    both = [contact(ANN, "1", kind=ContactKind.LEAD), contact(ANN, "1")]
    assert [hit.contact.kind for hit in hits(ANN, both)] == [ContactKind.CONTACT, ContactKind.LEAD]


@pytest.mark.rule("E20")
def test_a_contact_without_an_address_matches_nothing() -> None:
    assert hits(ANN, [contact("")]) == ()
    assert hits("", [contact(ANN)]) == ()


@pytest.mark.rule("D5")
@given(
    st.lists(st.text(alphabet="0123a", min_size=1, max_size=4), unique=True),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_depend_on_how_records_come(ids: list[str], order: random.Random) -> None:
    known = [contact(ANN, record) for record in ids]
    expected = hits(ANN, known)
    order.shuffle(known)
    assert hits(ANN, known) == expected
    assert [hit.contact.id for hit in expected] == sorted(ids, key=id_order)


@pytest.mark.rule("D5")
def test_an_id_may_have_any_number_of_digits() -> None:
    assert sorted(["9" * 5000, "1" + "0" * 5000, "007", "8"], key=id_order)[:2] == ["007", "8"]
