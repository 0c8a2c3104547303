"""The whole decision about a mail: Part B's order, and every way in which a mail can end (Part J, LIVE)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.connections.connections import Features, Mode
from domain.conversations.gate import Situation
from domain.crm.contacts import Contact, ContactKind, Hit, MatchedBy
from domain.crm.locations import LocationSettings
from domain.decisions import Decision, Thread, decide
from domain.ledger import Planned, State, Step
from domain.mail.classes import MailClass
from domain.mail.folders import Folder
from domain.mail.messages import Exclusions, Insiders, Message
from domain.outcomes import PROVISIONAL, Outcome
from domain.retention import ENDED, NOTHING, Data
from tests.worlds import LABELS, START

ME, ALIAS, CARLA = "uwe@firm.example", "u.w@firm.example", "carla@firm.example"
ANN, SALES = "ann@example.com", "sales@firm.example"

MAIL = Message(
    message_id="18c2f0",
    folder=Folder.INBOX,
    received_at=START + timedelta(minutes=1),
    sender=ANN,
    author=ANN,
    rewritten=False,
    to=(ME,),
    cc=(),
    bcc=(),
    mail_class=MailClass.HUMAN,
    bulk=False,
)
CONTACT = Hit(Contact("1", ContactKind.CONTACT, START), ANN, MatchedBy.EXACT)
LEAD = Hit(Contact("2", ContactKind.LEAD, START - timedelta(days=9)), ANN, MatchedBy.EXACT)
BEFORE = START - timedelta(minutes=1)


def decision(
    mail: Message = MAIL,
    *hits: Hit,
    sorting: bool = True,
    sorting_since: timedelta = timedelta(),
    exclusions: Exclusions | None = None,
    mode: Mode = Mode.LIVE,
    features: Features | None = None,
    thread: Thread | None = None,
) -> Decision:
    both = Features(magnet_since=START, sorting_since=START + sorting_since if sorting else None)
    return decide(
        mail,
        insiders=Insiders(own=frozenset({ME, ALIAS}), users=frozenset({CARLA, ME})),
        exclusions=exclusions or Exclusions(),
        hits=hits,
        mode=mode,
        features=both if features is None else features,
        crm_labels=frozenset(LABELS.values()),
        thread=thread,
    )


def synced(
    mail: Message, *hits: Hit, situation: Situation | None = None, magnet: bool = True, sync: datetime = START
) -> Decision:
    """With two-way sync; the mailbox is Uwe's, and `hits` are by Ann's address."""
    thread = Thread(situation or Situation(), {ANN: hits}, "uwe", LocationSettings())
    features = Features(sync_since=sync, magnet_since=START if magnet else None)
    by_author = hits if mail.author == ANN else ()
    return decision(mail, *by_author, mode=Mode.SYNC_GMAIL, features=features, thread=thread)


def lying(folder: Folder) -> Message:
    return replace(MAIL, folder=folder)


def labelled(label: str, folder: Folder = Folder.INBOX) -> Message:
    return replace(MAIL, folder=folder, label_ids=frozenset({label}))


ENDS = [
    pytest.param(lying(Folder.DRAFTS), [CONTACT], "skip.draft", marks=pytest.mark.rule("D3-3"), id="draft"),
    pytest.param(lying(Folder.SPAM), [CONTACT], "skip.spam", marks=pytest.mark.rule("D3-4"), id="spam"),
    pytest.param(lying(Folder.TRASH), [CONTACT], "skip.trash", marks=pytest.mark.rule("D3-5"), id="trash"),
    pytest.param(lying(Folder.CHAT), [CONTACT], "skip.chat", marks=pytest.mark.rule("D3-6"), id="chat"),
    pytest.param(
        replace(MAIL, received_at=BEFORE),
        [CONTACT],
        "skip.too_old",
        marks=pytest.mark.rule("D3-7", "Z38"),
        id="received before MailMagnet was on",
    ),
    pytest.param(
        replace(MAIL, sender=ME, author=ME, to=(ALIAS,)),
        [CONTACT],
        "skip.self",
        marks=pytest.mark.rule("D3-8", "D4-1"),
        id="the user to himself",
    ),
    pytest.param(
        replace(MAIL, sender=CARLA, author=CARLA),
        [CONTACT],
        "skip.internal",
        marks=pytest.mark.rule("D3-9", "D4-5", "X16"),
        id="a colleague, even one who is a contact",
    ),
    pytest.param(
        replace(MAIL, sender=ME, author=ME, to=(ANN,)),
        [CONTACT],
        "skip.outbound",
        marks=pytest.mark.rule("D4-2", "Z22"),
        id="the user writes to a contact",
    ),
    pytest.param(
        replace(MAIL, sender=CARLA, author=CARLA, to=(ANN, ME)),
        [CONTACT],
        "skip.outbound",
        marks=pytest.mark.rule("D4-4"),
        id="a colleague writes to a contact",
    ),
    pytest.param(MAIL, [], "skip.no_contact", marks=pytest.mark.rule("Z37"), id="an unknown author"),
    pytest.param(
        replace(MAIL, sender=None, author=None),
        [CONTACT],
        "skip.no_contact",
        marks=pytest.mark.rule("E105"),
        id="an author who cannot be read",
    ),
]


@pytest.mark.rule("I9")
@pytest.mark.parametrize(("mail", "hits", "outcome"), ENDS)
def test_mail_that_ends_at_the_gate_ends_with_one_word(mail: Message, hits: list[Hit], outcome: str) -> None:
    found = decision(mail, *hits)

    assert (found.skip, found.final, found.hit, found.steps) == (outcome, outcome, None, ())


@pytest.mark.rule("D3-10")
def test_mail_of_an_excluded_sender_ends_there() -> None:
    excluded = decision(MAIL, CONTACT, exclusions=Exclusions(domains=frozenset({"example.com"})))

    assert excluded.final is Outcome.SKIP_EXCLUDED


NOTIFY = Planned(Step.ANNOUNCE, State.WAITING)
NOT_ADDRESSED = Planned(Step.ANNOUNCE, State.DONE, Outcome.MAGNET_NOT_ADDRESSED)
AUTOMATED = Planned(Step.ANNOUNCE, State.DONE, Outcome.MAGNET_AUTOMATED)
SORT_LATER = Planned(Step.SORT, State.BLOCKED)
SORT_NOW = Planned(Step.SORT, State.WAITING)


def not_sorted(outcome: Outcome) -> Planned:
    return Planned(Step.SORT, State.DONE, outcome)


FOLLOWS = [
    pytest.param(
        MAIL, CONTACT, NOTIFY, SORT_LATER, marks=pytest.mark.rule("X1", "I5"), id="a contact to the user"
    ),
    pytest.param(
        replace(MAIL, to=(ALIAS,)),
        CONTACT,
        NOTIFY,
        SORT_LATER,
        marks=pytest.mark.rule("E14"),
        id="to an alias",
    ),
    pytest.param(
        replace(MAIL, to=(CARLA,), cc=(ME,)),
        CONTACT,
        NOTIFY,
        SORT_LATER,
        marks=pytest.mark.rule("D11-2"),
        id="the user is in Cc",
    ),
    pytest.param(
        replace(MAIL, to=(SALES,)),
        CONTACT,
        NOT_ADDRESSED,
        SORT_NOW,
        marks=pytest.mark.rule("X5", "D11-4", "Z23"),
        id="reached through a group",
    ),
    pytest.param(
        MAIL,
        LEAD,
        NOTIFY,
        not_sorted(Outcome.LABEL_NONE),
        marks=pytest.mark.rule("X4", "D11-3", "Z37"),
        id="a lead",
    ),
    pytest.param(
        replace(MAIL, to=(SALES,)),
        LEAD,
        NOT_ADDRESSED,
        not_sorted(Outcome.LABEL_NONE),
        id="a lead through a group: nothing left to do",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.AUTO_REPLY),
        CONTACT,
        AUTOMATED,
        SORT_NOW,
        marks=pytest.mark.rule("D16-2", "D11-7"),
        id="out of office",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.LIST),
        CONTACT,
        NOTIFY,
        SORT_LATER,
        marks=pytest.mark.rule("D16-3"),
        id="a list that addresses the user",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.LIST, bulk=True),
        CONTACT,
        AUTOMATED,
        SORT_NOW,
        marks=pytest.mark.rule("D16-3"),
        id="bulk mail by its Precedence",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.CALENDAR),
        CONTACT,
        AUTOMATED,
        not_sorted(Outcome.LABEL_NONE),
        marks=pytest.mark.rule("D16-4", "D10-4"),
        id="an invitation stays where it can be answered",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.BOUNCE),
        CONTACT,
        AUTOMATED,
        not_sorted(Outcome.LABEL_NONE),
        marks=pytest.mark.rule("D16-5"),
        id="a bounce",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.BOUNCE, unless_known=True),
        CONTACT,
        NOTIFY,
        SORT_LATER,
        marks=pytest.mark.rule("D16-5", "D16-1"),
        id="a postmaster whose very address is a contact's",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.BOUNCE, unless_known=True),
        LEAD,
        NOTIFY,
        not_sorted(Outcome.LABEL_NONE),
        marks=pytest.mark.rule("D16-5", "D16-1"),
        id="a postmaster whose very address is a lead's",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.BOUNCE, unless_known=True),
        replace(CONTACT, matched_by=MatchedBy.PLUS_TAG),
        AUTOMATED,
        not_sorted(Outcome.LABEL_NONE),
        marks=pytest.mark.rule("D16-5"),
        id="a postmaster whose address only resembles one",
    ),
    pytest.param(
        replace(MAIL, mail_class=MailClass.RECEIPT),
        CONTACT,
        AUTOMATED,
        not_sorted(Outcome.LABEL_NONE),
        marks=pytest.mark.rule("D16-6"),
        id="a receipt",
    ),
    pytest.param(
        labelled("Label_2"),
        CONTACT,
        NOTIFY,
        not_sorted(Outcome.LABEL_USER_CHOICE),
        marks=pytest.mark.rule("D10-6", "I6", "E60"),
        id="the user has put a CRM label himself",
    ),
    pytest.param(
        labelled("Label_9", Folder.OTHER),
        CONTACT,
        NOTIFY,
        SORT_LATER,
        marks=pytest.mark.rule("D10-2", "Z35", "E61"),
        id="filed by the user's own filter",
    ),
]


@pytest.mark.rule("I9")
@pytest.mark.parametrize(("mail", "hit", "announce", "sort"), FOLLOWS)
def test_what_follows_for_mail_of_somebody_in_the_crm(
    mail: Message, hit: Hit, announce: Planned, sort: Planned
) -> None:
    found = decision(mail, hit)

    assert (found.skip, found.hit) == (None, hit)
    assert found.steps == (announce, sort)
    assert found.final == (sort.outcome if announce.state is State.DONE else None)


@pytest.mark.rule("X7", "I9")
def test_without_sorting_mail_ends_when_it_is_announced() -> None:
    assert decision(MAIL, CONTACT, sorting=False).steps == (NOTIFY, not_sorted(Outcome.LABEL_OFF))
    assert decision(replace(MAIL, to=(SALES,)), CONTACT, sorting=False).final is Outcome.LABEL_OFF


@pytest.mark.rule("Z38", "E63")
def test_mail_from_before_sorting_was_on_is_announced_and_left_where_it_is() -> None:
    later = decision(MAIL, CONTACT, sorting_since=timedelta(minutes=5))

    assert later.steps == (NOTIFY, not_sorted(Outcome.LABEL_OFF))


@pytest.mark.rule("D3-7", "D2", "I9")
def test_each_feature_has_its_own_start() -> None:
    """The gate lets in what came after the first; the others count as off, and what D2 then forbids is not kept."""
    sync = Features(sync_since=BEFORE, magnet_since=START, sorting_since=START)
    nobodys = Thread(Situation(), {}, "uwe", LocationSettings())
    older, old, new = (
        decision(
            replace(MAIL, received_at=moment), CONTACT, mode=Mode.SYNC_GMAIL, features=sync, thread=nobodys
        )
        for moment in (BEFORE - timedelta(seconds=1), BEFORE, START)
    )

    off = Planned(Step.ANNOUNCE, State.DONE, Outcome.MAGNET_OFF)
    assert (older.final, older.kept) == (Outcome.SKIP_TOO_OLD, NOTHING)
    assert (old.steps, old.kept) == ((off, not_sorted(Outcome.LABEL_OFF)), ENDED)
    assert new.steps == (NOTIFY, SORT_LATER)
    assert new.kept >= {Data.AUTHOR, Data.RECEIVED_AT}


@pytest.mark.rule("D3-1")
def test_a_connection_with_nothing_switched_on_decides_nothing() -> None:
    assert decision(MAIL, CONTACT, features=Features()) == Decision(Outcome.SKIP_INACTIVE)


@pytest.mark.rule("D3-7")
def test_the_moment_of_switching_on_counts_as_on() -> None:
    assert decision(replace(MAIL, received_at=START), CONTACT).skip is None


@pytest.mark.rule("E11", "E15", "X15", "D5")
def test_a_contact_counts_before_a_lead_and_the_oldest_before_the_others() -> None:
    younger = Hit(Contact("0", ContactKind.CONTACT, START + timedelta(days=1)), ANN, MatchedBy.EXACT)

    assert decision(MAIL, LEAD, younger, CONTACT).hit == CONTACT


@pytest.mark.rule("I9")
def test_every_outcome_of_part_j_that_a_match_can_give_is_given_here() -> None:
    """`skip.inactive` and `skip.gone` have no mail to decide on; the rest comes of announcing and sorting, or of D7
    (tests/domain/conversations/test_gate.py)."""
    later = {Outcome.SKIP_INACTIVE, Outcome.SKIP_GONE, Outcome.MAGNET_OFF, Outcome.MAGNET_NOTIFIED}
    later |= {Outcome.LABEL_CTM, Outcome.LABEL_OPEN, Outcome.LABEL_CUSTOMER, Outcome.LABEL_FAILED}
    later |= {Outcome.MATCH_FAILED, Outcome.SYNC_STARTED, Outcome.SYNC_APPENDED, Outcome.SYNC_FAILED}
    later |= {Outcome.SKIP_NOT_ASSIGNED, Outcome.SKIP_COLLEAGUE, Outcome.SKIP_AUTOMATED}
    later |= {Outcome.SKIP_DETACHED, Outcome.SKIP_TAKEN_OUT, Outcome.SKIP_OWNER_DELETED}
    later |= {Outcome.SKIP_OTHER_LOCATION}
    steps = [step for case in FOLLOWS for step in case.values if isinstance(step, Planned)]
    here = {Outcome(str(case.values[-1])) for case in ENDS} | {step.outcome for step in steps if step.outcome}

    assert here | {Outcome.SKIP_EXCLUDED, Outcome.LABEL_OFF} == set(Outcome) - later
    assert here >= PROVISIONAL


@pytest.mark.rule("I9", "D2")
def test_with_two_way_sync_a_mail_ends_with_what_that_decides_and_is_announced_beside_it() -> None:
    """A no of two-way sync stops neither MailMagnet nor sorting (Part B)."""
    uwes = replace(CONTACT, contact=replace(CONTACT.contact, assigned_to="uwe"))

    taken, left = synced(MAIL, uwes), synced(MAIL, CONTACT)

    assert (taken.final, taken.skip, taken.kept) == (Outcome.SYNC_STARTED, None, frozenset(Data))
    assert taken.steps == (NOTIFY, not_sorted(Outcome.LABEL_OFF))
    assert (left.final, left.skip) == (Outcome.SKIP_NOT_ASSIGNED, None)
    assert (left.steps, left.kept) == (taken.steps, ENDED | {Data.AUTHOR, Data.RECEIVED_AT})


@pytest.mark.rule("I9", "D2")
def test_what_nobody_is_notified_of_is_synced_all_the_same() -> None:
    written = replace(MAIL, sender=ME, author=ME, to=(ANN,))

    assert synced(written, CONTACT).final is Outcome.SYNC_STARTED
    assert (synced(written, CONTACT).steps, synced(written, CONTACT).kept) == ((), frozenset(Data))
    unread = synced(replace(MAIL, sender=None, author=None))
    assert (unread.final, unread.kept) == (Outcome.SKIP_NO_CONTACT, ENDED)


@pytest.mark.rule("D3-7", "H11")
def test_mail_from_before_the_connection_is_not_synced() -> None:
    later = synced(MAIL, CONTACT, sync=START + timedelta(hours=1))

    assert (later.final, later.sync.outcome) == (Outcome.SKIP_TOO_OLD, Outcome.SKIP_TOO_OLD)
    assert later.steps == (NOTIFY, not_sorted(Outcome.LABEL_OFF))


@pytest.mark.rule("D16-5", "D16-1")
def test_a_postmaster_who_is_a_contact_is_synced_as_a_person() -> None:
    uwes = replace(CONTACT, contact=replace(CONTACT.contact, assigned_to="uwe"))
    by_postmaster = replace(MAIL, mail_class=MailClass.BOUNCE, unless_known=True)

    assert synced(by_postmaster, uwes).final is Outcome.SYNC_STARTED
    assert synced(by_postmaster).final is Outcome.SKIP_AUTOMATED


_MAILS = st.builds(
    replace,
    st.just(MAIL),
    folder=st.sampled_from(Folder),
    sent=st.booleans(),
    label_ids=st.frozensets(st.sampled_from(["Label_1", "Label_9"])),
    received_at=st.sampled_from([BEFORE, START, START + timedelta(minutes=9)]),
    sender=st.sampled_from([ANN, ME, CARLA, SALES, None]),
    author=st.sampled_from([ANN, ME, CARLA, None]),
    rewritten=st.booleans(),
    to=st.lists(st.sampled_from([ME, ALIAS, ANN, CARLA, SALES]), max_size=3).map(tuple),
    cc=st.lists(st.sampled_from([ME, ANN, CARLA]), max_size=2).map(tuple),
    mail_class=st.sampled_from(MailClass),
    bulk=st.booleans(),
)


@pytest.mark.rule("I9", "I5")
@given(_MAILS, st.lists(st.sampled_from([CONTACT, LEAD]), max_size=2), st.booleans())
def test_every_mail_ends_or_has_something_to_do_and_is_announced_before_it_is_sorted(
    mail: Message, hits: list[Hit], sorting: bool
) -> None:
    found = decision(mail, *hits, sorting=sorting)

    if found.skip is not None:
        assert (found.final, found.hit, found.steps) == (found.skip, None, ())
        return
    announce, sort = found.steps
    assert (announce.step, sort.step) == (Step.ANNOUNCE, Step.SORT)
    assert found.hit is not None
    assert (sort.state is State.WAITING) <= (announce.state is State.DONE), "never sorted before announced"
    assert (sort.state is State.BLOCKED) <= (announce.state is State.WAITING), "never blocked by nothing"
    for step in found.steps:
        assert (step.outcome is None) == (step.state is not State.DONE)
    assert (found.final is None) == any(step.state is not State.DONE for step in found.steps)
