"""Who else may have an address that is to be a user's alias (E14)."""

import pytest

from domain.connections.aliases import Holders, held_by, why_not
from domain.ids import MailboxId

ONE = frozenset({1})
TWO = frozenset({2})


def ids(*names: str) -> frozenset[str]:
    return frozenset(names)


@pytest.mark.rule("E14")
@pytest.mark.parametrize(
    ("holders", "held", "refused"),
    [
        pytest.param(Holders(), None, None, id="nobody"),
        pytest.param(
            Holders(contacts=ids("c17")), "contact c17", "contact c17 has this", id="a contact or lead"
        ),
        pytest.param(
            Holders(contacts=ids("c2", "c1")), "contact c1", "contact c1 has this", id="two of them"
        ),
        pytest.param(Holders(users=ids("uwe")), None, None, id="his own login"),
        pytest.param(Holders(users=ids("dirk")), "user dirk", "user dirk has this", id="another's login"),
        pytest.param(
            Holders(users=ids("dirk", "uwe")), "user dirk", "user dirk has", id="both log in with it"
        ),
        pytest.param(
            Holders(listed=TWO), "another mailbox", "another mailbox has this", id="another mailbox"
        ),
        pytest.param(Holders(registered=TWO), None, "another mailbox has this", id="another's alias"),
        pytest.param(Holders(registered=ONE), None, None, id="his alias already"),
        pytest.param(Holders(listed=ONE), None, "the provider lists this address", id="Gmail lists it"),
        pytest.param(
            Holders(contacts=ids("c17"), users=ids("dirk"), listed=ONE | TWO, registered=ONE),
            "contact c17",
            "contact c17 has this",
            id="the contact first",
        ),
    ],
)
def test_who_else_has_it(holders: Holders, held: str | None, refused: str | None) -> None:
    assert held_by(holders, "uwe", MailboxId(1)) == held
    said = why_not(holders, "uwe", MailboxId(1))
    assert (said is None) == (refused is None)
    assert (refused or "") in (said or "")
