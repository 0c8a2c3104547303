"""Under which contact a conversation is shown (D6)."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.conversations.correspondents import Correspondents
from domain.conversations.owner import filed_owner, owner
from domain.crm.contacts import Contact, ContactKind, Hit, MatchedBy
from domain.mail.messages import Direction

NOW = datetime(2026, 3, 15, 9, tzinfo=UTC)


def contact(name: str, years: int = 0, assigned_to: str | None = None) -> Hit:
    created = NOW - timedelta(days=365 * years)
    return Hit(
        Contact(name, ContactKind.CONTACT, created, assigned_to), f"{name}@example.com", MatchedBy.EXACT
    )


ANN, BOB, CID = (contact(name) for name in ("ann", "bob", "cid"))
PA, MA = contact("pa", 5), contact("ma", 3, assigned_to="uwe")


@pytest.mark.parametrize(
    ("way", "contacts", "expected"),
    [
        pytest.param(
            Direction.INBOUND,
            Correspondents(author=(ANN,), to=((BOB,),), cc=((CID,),)),
            ANN,
            marks=pytest.mark.rule("D6-4", "H16", "H17"),
            id="inbound: who wrote it",
        ),
        pytest.param(
            Direction.OUTBOUND,
            Correspondents(to=((BOB,), (ANN,)), cc=((CID,),)),
            BOB,
            marks=pytest.mark.rule("D6-5", "H18", "E49"),
            id="outbound: the first in To",
        ),
        pytest.param(
            Direction.OUTBOUND,
            Correspondents(cc=((CID,), (ANN,)), bcc=((BOB,),)),
            CID,
            marks=pytest.mark.rule("D6-5"),
            id="outbound: else the first in Cc",
        ),
        pytest.param(
            Direction.OUTBOUND,
            Correspondents(bcc=((BOB,),)),
            BOB,
            marks=pytest.mark.rule("D6-5"),
            id="outbound: else the first in Bcc",
        ),
        pytest.param(
            Direction.INBOUND,
            Correspondents(author=(MA, PA)),
            PA,
            marks=pytest.mark.rule("D6-6", "H20", "E11", "X15"),
            id="of several contacts the one created first, whoever is assigned",
        ),
        pytest.param(
            Direction.OUTBOUND,
            Correspondents(to=((MA, PA), (ANN,))),
            PA,
            marks=pytest.mark.rule("D6-6", "H20"),
            id="the same of the first address",
        ),
        pytest.param(
            Direction.OUTBOUND, Correspondents(), None, marks=pytest.mark.rule("D6-5"), id="to no contact"
        ),
        pytest.param(
            Direction.INBOUND,
            Correspondents(to=((ANN,),)),
            None,
            marks=pytest.mark.rule("D6-4"),
            id="being written to by a stranger is not enough",
        ),
    ],
)
def test_mail_that_starts_a_conversation_chooses_its_owner(
    way: Direction, contacts: Correspondents, expected: Hit | None
) -> None:
    assert owner(way, contacts) == expected


@pytest.mark.rule("D6-3")
def test_by_bcc_address_the_first_of_to_and_then_of_cc() -> None:
    assert filed_owner(Correspondents(to=((BOB,), (ANN,)), cc=((CID,),))) == BOB
    assert filed_owner(Correspondents(cc=((CID,),))) == CID
    assert filed_owner(Correspondents(bcc=((ANN,),))) is None
