"""Who may see whose mail: every cell of D13 and each of the sentences under it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.connections.connections import Sharing
from domain.connections.sharing import Share, may_see, option, shows
from domain.crm.organisations import SharingPolicy as Policy
from domain.crm.users import User

OWNER = User("uwe", role="sales", roles_above=frozenset({"head", "board"}))
COLLEAGUE = User("carla", role="support")
SUPERIOR = User("hanna", role="head")
ADMINISTRATOR = User("root", role="admin")
OUTSIDE = ("ann@example.com",)

PRIVATE, CUSTOM, PUBLIC = Sharing.PRIVATE, Sharing.CUSTOM, Sharing.PUBLIC
OPTIONS = st.sampled_from(Sharing)
NAMES = st.sampled_from(["uwe", "carla", "hanna", "sales", "support", "head", "none"])
SETS = st.frozensets(NAMES, max_size=3)
USERS = st.builds(
    User, NAMES, role=st.none() | NAMES, roles_above=SETS, may_connect=st.booleans(), active=st.booleans()
)
DOMAINS = st.frozensets(st.sampled_from(["example.com", "example.org", "firm.example"]))
SHARES = st.builds(Share, USERS, OPTIONS, DOMAINS, st.booleans())
POLICIES = st.builds(
    Policy, st.dictionaries(NAMES, OPTIONS), st.dictionaries(NAMES, OPTIONS), SETS, SETS, DOMAINS
)
ADDRESSES = st.lists(st.sampled_from(["a@example.com", "b@example.org", "c@other.example"]), max_size=3)


def share(choice: Sharing, *, owner: User = OWNER, ticked: bool = False, excluded: str = "") -> Share:
    return Share(owner, choice, frozenset(excluded.split()), ticked)


@pytest.mark.rule("D13-1", "D13-2", "D13-3", "D13", "Z19")
@pytest.mark.parametrize(
    ("choice", "ticked", "viewer", "expected"),
    [
        pytest.param(PRIVATE, False, OWNER, True, id="private, the owner"),
        pytest.param(PRIVATE, True, OWNER, True, id="private, the owner of a ticked record"),
        pytest.param(PRIVATE, False, COLLEAGUE, False, id="private, a colleague"),
        pytest.param(
            PRIVATE, True, COLLEAGUE, False, id="private, a colleague, although the record is ticked"
        ),
        pytest.param(PRIVATE, False, SUPERIOR, False, id="private, a superior"),
        pytest.param(PRIVATE, True, SUPERIOR, False, id="private, a superior, although the record is ticked"),
        pytest.param(PRIVATE, False, ADMINISTRATOR, False, id="private, an administrator"),
        pytest.param(CUSTOM, False, OWNER, True, id="custom, the owner of a record without a tick"),
        pytest.param(CUSTOM, True, OWNER, True, id="custom, the owner of a ticked record"),
        pytest.param(CUSTOM, False, COLLEAGUE, False, id="custom, a record without a tick"),
        pytest.param(CUSTOM, True, COLLEAGUE, True, id="custom, a ticked record"),
        pytest.param(CUSTOM, False, SUPERIOR, False, id="custom, a superior and no tick"),
        pytest.param(PUBLIC, False, OWNER, True, id="public, the owner"),
        pytest.param(PUBLIC, False, COLLEAGUE, True, id="public, a colleague"),
        pytest.param(PUBLIC, True, COLLEAGUE, True, id="public, a tick changes nothing"),
    ],
)
def test_d13_by_the_owners_option(choice: Sharing, ticked: bool, viewer: User, expected: bool) -> None:
    assert may_see(viewer, share(choice, ticked=ticked), Policy()) is expected


@pytest.mark.rule("D13")
@pytest.mark.parametrize(
    ("role", "user", "own", "expected"),
    [
        pytest.param(None, None, PUBLIC, PUBLIC, id="the user's choice"),
        pytest.param(None, CUSTOM, PUBLIC, CUSTOM, id="an administrator's for the user"),
        pytest.param(PRIVATE, None, PUBLIC, PRIVATE, id="an administrator's for the role"),
        pytest.param(PRIVATE, PUBLIC, CUSTOM, PRIVATE, id="role and user differ: the role's counts"),
        pytest.param(PUBLIC, PRIVATE, PRIVATE, PUBLIC, id="the role's counts, also where it shows more"),
    ],
)
def test_d13_administrators_set_the_option_by_role_or_user(
    role: Sharing | None, user: Sharing | None, own: Sharing, expected: Sharing
) -> None:
    policy = Policy(
        by_role={"sales": role, "support": CUSTOM} if role else {"support": CUSTOM},
        by_user={"uwe": user, "carla": PRIVATE} if user else {"carla": PRIVATE},
    )
    assert option(OWNER, own, policy) is expected
    assert may_see(COLLEAGUE, share(own), policy) is (expected is PUBLIC)


@pytest.mark.rule("D13")
def test_d13_an_owner_without_a_role_has_no_roles_option() -> None:
    policy = Policy(by_role={"sales": PUBLIC})
    assert option(User("uwe"), PRIVATE, policy) is PRIVATE


@pytest.mark.rule("D13")
@pytest.mark.parametrize(
    ("users", "roles", "viewer", "expected"),
    [
        pytest.param("", "", COLLEAGUE, True, id="not narrowed"),
        pytest.param("carla", "", COLLEAGUE, True, id="she is named"),
        pytest.param("", "support", COLLEAGUE, True, id="her role is named"),
        pytest.param("otto", "legal", COLLEAGUE, False, id="others are named"),
        pytest.param("otto", "legal", User("carla"), False, id="she has no role"),
        pytest.param("otto", "legal", SUPERIOR, True, id="a superior still has access"),
        pytest.param("otto", "legal", User("b", role="board"), True, id="a superior higher up too"),
        pytest.param("otto", "legal", User("uwe2", role="sales"), False, id="an equal is no superior"),
        pytest.param("otto", "legal", ADMINISTRATOR, False, id="an administrator is no superior"),
        pytest.param("otto", "legal", OWNER, True, id="the owner sees all"),
    ],
)
@pytest.mark.parametrize(("choice", "ticked"), [(PUBLIC, False), (CUSTOM, True)])
def test_d13_narrowed_to_users_and_roles(
    choice: Sharing, ticked: bool, users: str, roles: str, viewer: User, expected: bool
) -> None:
    policy = Policy(only_users=frozenset(users.split()), only_roles=frozenset(roles.split()))
    assert may_see(viewer, share(choice, ticked=ticked), policy) is expected


@pytest.mark.rule("D13")
def test_d13_narrowing_gives_a_superior_no_more_than_the_option_does() -> None:
    policy = Policy(only_users=frozenset({"otto"}))
    assert not may_see(SUPERIOR, share(CUSTOM), policy)
    assert not may_see(SUPERIOR, share(PRIVATE, ticked=True), policy)


@pytest.mark.rule("D13")
@pytest.mark.parametrize(
    ("outside", "own", "administrators", "expected"),
    [
        pytest.param("ann@example.com", "", "", True, id="nothing is excluded"),
        pytest.param("ann@example.com", "example.com", "", False, id="the only one is, by the owner"),
        pytest.param("ann@example.com", "", "example.com", False, id="the only one is, by an administrator"),
        pytest.param("ann@example.com bob@example.org", "example.com", "", True, id="not all are"),
        pytest.param("a@example.com b@example.org", "example.com", "example.org", False, id="all, by either"),
        pytest.param("ann@mail.example.com", "example.com", "", True, id="a domain under it is another"),
        pytest.param("", "", "", False, id="mail among insiders is nobody else's"),
    ],
)
def test_d13_public_leaves_out_mail_of_excluded_domains(
    outside: str, own: str, administrators: str, expected: bool
) -> None:
    policy = Policy(excluded_domains=frozenset(administrators.split()))
    assert shows(COLLEAGUE, share(PUBLIC, excluded=own), policy, outside.split()) is expected
    assert shows(OWNER, share(PUBLIC, excluded=own), policy, outside.split())


@pytest.mark.rule("D13")
def test_d13_excluded_domains_concern_public_alone() -> None:
    policy = Policy(excluded_domains=frozenset({"example.com"}))
    assert shows(COLLEAGUE, share(CUSTOM, ticked=True, excluded="example.com"), policy, OUTSIDE)


@pytest.mark.rule("D13")
def test_d13_excluded_domains_count_where_an_administrator_has_made_it_public() -> None:
    policy = Policy(by_role={"sales": PUBLIC})
    assert not shows(COLLEAGUE, share(PRIVATE, excluded="example.com"), policy, OUTSIDE)


@pytest.mark.rule("Z20")
@pytest.mark.parametrize("choice", [CUSTOM, PUBLIC])
def test_z20_a_colleague_sees_no_mail_without_an_outside_participant(choice: Sharing) -> None:
    assert not shows(COLLEAGUE, share(choice, ticked=True), Policy(), ())
    assert shows(OWNER, share(choice, ticked=True), Policy(), ())


@pytest.mark.rule("D13", "E78")
def test_e78_a_change_counts_at_the_next_look() -> None:
    """The rule keeps nothing between two looks: what it is given is what counts."""
    assert may_see(COLLEAGUE, share(PUBLIC), Policy())
    assert not may_see(COLLEAGUE, share(PRIVATE), Policy())
    assert not may_see(COLLEAGUE, share(PUBLIC), Policy(only_users=frozenset({"otto"})))


@pytest.mark.rule("D12", "Z6")
@pytest.mark.parametrize("viewer", [OWNER, COLLEAGUE, SUPERIOR])
@pytest.mark.parametrize(("may_connect", "active"), [(False, True), (True, False)])
def test_an_owner_without_permission_or_who_has_left_shows_nobody_anything(
    viewer: User, may_connect: bool, active: bool
) -> None:
    owner = User("uwe", "", "sales", frozenset({"head"}), may_connect=may_connect, active=active)
    assert not may_see(viewer, share(PUBLIC, owner=owner, ticked=True), Policy())


@pytest.mark.rule("D13", "Z19", "Z20")
@given(USERS, SHARES, POLICIES, ADDRESSES)
def test_d13_nobody_sees_more_than_the_option_that_counts(
    viewer: User, shared: Share, policy: Policy, outside: list[str]
) -> None:
    seen = may_see(viewer, shared, policy)
    if viewer.id == shared.owner.id:
        assert seen is shared.is_permitted
        assert shows(viewer, shared, policy, outside)
    elif seen:
        chosen = option(shared.owner, shared.choice, policy)
        assert chosen is PUBLIC or (chosen is CUSTOM and shared.ticked)
        assert shared.owner.role not in policy.by_role or chosen is policy.by_role[str(shared.owner.role)]
        assert not shows(viewer, shared, policy, ())
