"""Which mails make one conversation (D7's note): the values that say so, and that order plays no part (E103)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.conversations.membership import (
    MOST_NAMED,
    Arriving,
    Conversation,
    How,
    Known,
    Placed,
    ReplyIds,
    answers_kept,
    identity,
    linked,
    own_id,
    place,
    reply_ids,
    standing,
    top,
)
from domain.conversations.standings import Standing
from domain.ids import MailboxId
from domain.mail.headers import by_name

NINE = datetime(2026, 3, 15, 9, tzinfo=UTC)
ANN, BOB = "ann@example.com", "bob@example.com"


def at(hour: int) -> datetime:
    return NINE.replace(hour=hour)


def named_by(*headers: tuple[str, str]) -> ReplyIds:
    return reply_ids(by_name(headers))


@pytest.mark.rule("E101", "E104")
@pytest.mark.parametrize(
    ("headers", "named", "answered"),
    [
        pytest.param([], (), set(), id="none"),
        pytest.param([("In-Reply-To", "<a@x.example>")], ("a@x.example",), {"a@x.example"}, id="an answer"),
        pytest.param(
            [("References", "<a@x.example> <b@x.example>\r\n <c@x.example>")],
            ("c@x.example", "b@x.example", "a@x.example"),
            {"c@x.example"},
            id="References alone, folded, read from its end",
        ),
        pytest.param(
            [("References", "a@x.example, b@x.example"), ("In-Reply-To", "a@x.example (Ann's mail)")],
            ("a@x.example", "b@x.example"),
            {"a@x.example"},
            id="In-Reply-To is the nearest; bare ids, commas and comments",
        ),
        pytest.param(
            [("In-Reply-To", "<a@x.example> <b@x.example>")],
            ("a@x.example", "b@x.example"),
            {"a@x.example", "b@x.example"},
            id="several in In-Reply-To",
        ),
        pytest.param(
            [("In-Reply-To", "your message of Tuesday"), ("References", "<nonsense> <>")],
            (),
            set(),
            id="nothing that is an id",
        ),
        pytest.param(
            [
                ("Message-ID", "<a@x.example>"),
                ("In-Reply-To", "<a@x.example>"),
                ("References", "<b@x.example>"),
            ],
            ("b@x.example",),
            {"b@x.example"},
            id="a mail never answers itself",
        ),
    ],
)
def test_reply_headers_are_read_tolerantly_and_from_the_nearest(
    headers: list[tuple[str, str]], named: tuple[str, ...], answered: set[str]
) -> None:
    assert named_by(*headers) == ReplyIds(named, frozenset(answered))


@pytest.mark.rule("E102", "E53")
def test_of_a_long_chain_the_nearest_and_the_very_first_are_read() -> None:
    chain = " ".join(f"<{n}@x.example>" for n in range(5_000))

    named = named_by(("References", chain)).named

    assert len(named) == MOST_NAMED
    assert (named[0], named[-2], named[-1]) == (
        "4999@x.example",
        f"{5_001 - MOST_NAMED}@x.example",
        "0@x.example",
    )


@pytest.mark.rule("E104")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["<a@x.example>"], "a@x.example", id="one"),
        pytest.param(["<A@x.example>"], "A@x.example", id="ids are equal only as they stand"),
        pytest.param([], None, id="missing"),
        pytest.param(["<>"], None, id="empty"),
        pytest.param(["<no id>"], None, id="malformed"),
        pytest.param(["<a@x.example> <b@x.example>"], None, id="two in one field"),
        pytest.param(["<a@x.example>", "<b@x.example>"], None, id="two fields"),
        pytest.param(["<a@x.example>", "<a@x.example>"], "a@x.example", id="the same twice"),
    ],
)
def test_a_message_id_that_is_not_one_is_none(values: list[str], expected: str | None) -> None:
    assert own_id(by_name([("Message-ID", value) for value in values])) == expected


@pytest.mark.rule("H47", "E52", "E104")
def test_two_mails_are_one_when_message_id_author_and_date_are_equal() -> None:
    mailbox, other = MailboxId(1), MailboxId(2)
    mail = identity("a@x.example", ANN, NINE, mailbox, "m1")
    in_berlin = NINE.astimezone(tz=datetime.now().astimezone().tzinfo)

    assert identity("a@x.example", ANN, in_berlin, other, "m7") == mail, "whichever mailbox has it"
    assert identity("a@x.example", BOB, NINE, mailbox, "m1") != mail
    assert identity("a@x.example", ANN, NINE + timedelta(seconds=1), mailbox, "m1") != mail
    assert identity("a@x.example", ANN, None, mailbox, "m1") != mail
    assert identity("b@x.example", ANN, NINE, mailbox, "m1") != mail


@pytest.mark.rule("H47", "E104")
def test_without_a_message_id_a_mail_is_known_by_mailbox_and_the_providers_id() -> None:
    mail = identity(None, ANN, NINE, MailboxId(1), "m1")

    assert identity(None, BOB, None, MailboxId(1), "m1") == mail
    assert identity(None, ANN, NINE, MailboxId(1), "m2") != mail
    assert identity(None, ANN, NINE, MailboxId(2), "m1") != mail
    assert identity(None, ANN, NINE, MailboxId(11), "1") != identity(None, ANN, NINE, MailboxId(1), "11")


@pytest.mark.rule("H47", "E102")
def test_the_parts_of_an_identity_cannot_be_mixed_up() -> None:
    split = {
        identity(left, right, None, MailboxId(1), "")
        for left, right in (("ab", "c"), ("a", "bc"), ("abc", ""))
    }

    assert len(split) == 3
    assert len(identity("\udcff", "\udcff", None, MailboxId(1), "")) == 64


C1 = Conversation("c1", Standing.ACTIVE, "root1", at(9))
C2 = Conversation("c2", Standing.ACTIVE, "root2", at(11))
DETACHED = replace(C1, id="c3", standing=Standing.DETACHED)
MAIL = Arriving("new", at(12), "Re: Offer", frozenset({ANN}), ReplyIds(("i1", "i0"), frozenset({"i1"})))


def named(conversation: Conversation, mail_id: str = "some", rfc_message_id: str = "i0") -> Known:
    return Known(conversation, How.NAMES, mail_id, rfc_message_id)


def naming(conversation: Conversation, mail_id: str = "some") -> Known:
    return Known(conversation, How.NAMED_BY, mail_id)


def thread(conversation: Conversation, *subjects: str, people: tuple[str, ...] = ()) -> Known:
    return Known(conversation, How.THREAD, subjects=frozenset(subjects), people=frozenset(people))


@pytest.mark.parametrize(
    ("known", "is_part"),
    [
        pytest.param(thread(C1, "Offer"), True, marks=pytest.mark.rule("E53"), id="subject, prefixes aside"),
        pytest.param(
            thread(C1, "Fwd: Offer"), False, marks=pytest.mark.rule("E45"), id="a forward is another subject"
        ),
        pytest.param(
            thread(C1, "Bill", people=(ANN, BOB)),
            True,
            marks=pytest.mark.rule("E44"),
            id="somebody in common",
        ),
        pytest.param(thread(C1, "Bill", people=(BOB,)), False, marks=pytest.mark.rule("E45"), id="neither"),
        pytest.param(thread(C1), False, marks=pytest.mark.rule("E45"), id="nothing to compare"),
        pytest.param(named(C1), True, marks=pytest.mark.rule("E44"), id="named: the subject does not matter"),
        pytest.param(naming(C1), True, marks=pytest.mark.rule("E103"), id="named by one that came before"),
    ],
)
def test_a_thread_id_holds_where_subject_or_somebody_from_outside_is_the_same(
    known: Known, is_part: bool
) -> None:
    assert linked(MAIL, [known]) == ((known,) if is_part else ())


@pytest.mark.rule("D7-2", "D7-3")
def test_the_standing_is_that_of_the_first_row_which_fits() -> None:
    assert standing([]) is Standing.NONE
    assert standing([named(DETACHED), thread(C2, "Offer")]) is Standing.ACTIVE


@pytest.mark.rule("D7-1c")
def test_what_a_mail_answers_is_the_nearest_it_names() -> None:
    assert answers_kept(MAIL, [named(C1, rfc_message_id="i1")])
    assert not answers_kept(MAIL, [named(C1, rfc_message_id="i0"), thread(C1, "Offer"), naming(C1)])


@pytest.mark.parametrize(
    ("those", "placed"),
    [
        pytest.param([], None, marks=pytest.mark.rule("H15"), id="nothing: it starts one"),
        pytest.param(
            [named(DETACHED)], None, marks=pytest.mark.rule("D7-3"), id="a detached one is not gone on with"
        ),
        pytest.param([named(C1)], Placed("c1", (), "root1"), marks=pytest.mark.rule("H15"), id="an answer"),
        pytest.param(
            [thread(C1, "Offer")], Placed("c1", (), "root1"), marks=pytest.mark.rule("E51"), id="by thread id"
        ),
        pytest.param(
            [named(C1), named(DETACHED)],
            Placed("c1", (), "root1"),
            marks=pytest.mark.rule("D7-2"),
            id="the open one",
        ),
        pytest.param(
            [naming(C1, "root1")],
            Placed("c1", (), "new", owner_anew=True),
            marks=pytest.mark.rule("D6-1", "E103"),
            id="the root names it: it is the root",
        ),
        pytest.param(
            [naming(C1, "leaf")],
            Placed("c1", (), "root1"),
            marks=pytest.mark.rule("D6-1"),
            id="another names it",
        ),
        pytest.param(
            [named(C2, "m"), naming(C1, "root1")],
            Placed("c2", ("c1",), "root2"),
            marks=pytest.mark.rule("E103"),
            id="between two: the root above stays",
        ),
        pytest.param(
            [named(C2), named(C1)],
            Placed("c1", ("c2",), "root1"),
            marks=pytest.mark.rule("E103"),
            id="below two: the earlier root stays",
        ),
        pytest.param(
            [naming(C1, "root1"), naming(C2, "root2")],
            Placed("c1", ("c2",), "new", owner_anew=True),
            marks=pytest.mark.rule("E103", "D6-1"),
            id="above two: it is the root of both",
        ),
        pytest.param(
            [named(C1, "m"), naming(C1, "root1")],
            Placed("c1", (), "m", climbs=True, owner_anew=True),
            marks=pytest.mark.rule("E103", "D6-1"),
            id="between a root and a mail above that a thread id had joined",
        ),
        pytest.param(
            [naming(replace(C1, written=True), "root1")],
            Placed("c1", (), "new"),
            marks=pytest.mark.rule("D6-1"),
            id="a user has written from the CRM: the owner stays",
        ),
        pytest.param(
            [named(C1), thread(replace(C2, written=True), "Offer")],
            Placed("c2", ("c1",), "root1"),
            marks=pytest.mark.rule("D6-1"),
            id="of two the one that a user has written in stays, with its owner",
        ),
        pytest.param(
            [Known(C2, How.ITSELF, "there"), thread(C1, "Offer")],
            Placed("c1", ("c2",), "root1"),
            marks=pytest.mark.rule("E52"),
            id="a second copy shows that two are one",
        ),
    ],
)
def test_where_a_mail_goes(those: list[Known], placed: Placed | None) -> None:
    assert place(MAIL, those) == placed
    assert place(MAIL, those[::-1]) == placed


@pytest.mark.rule("E103", "D6-1")
def test_of_mails_that_name_none_of_the_others_the_earliest_is_the_root() -> None:
    early = replace(MAIL, received_at=at(8))

    assert place(early, [thread(C1, "Offer")]) == Placed("c1", (), "new", owner_anew=True)
    assert place(early, [named(C1)]) == Placed("c1", (), "root1"), "whatever the clock says of an answer"


@pytest.mark.rule("E103", "E102")
def test_the_top_is_where_reply_headers_lead() -> None:
    assert top("a", {}) == "a"
    assert top("a", {"a": ["b"], "b": ["c", "d"]}) == "c"
    assert top("a", {"a": ["b"], "b": ["a"]}) == "b", "headers may lead round in circles"


@pytest.mark.rule("E52", "E103")
def test_a_mail_that_is_there_already_keeps_its_id() -> None:
    """Its second copy may have come earlier, and may show that it lies above another conversation."""
    itself = Known(replace(C2, root_id="there"), How.ITSELF, "there")

    assert place(replace(MAIL, received_at=at(8)), [itself]) == Placed("c2", (), "there")
    assert place(replace(MAIL, received_at=at(8)), [itself, thread(C1, "Offer")]) == Placed(
        "c1", ("c2",), "there", owner_anew=True
    )
