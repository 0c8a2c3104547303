"""Which mail two-way sync takes in: D7, row by row, and D16's column "Sync"."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.conversations.correspondents import Correspondents, correspondents, outside_people
from domain.conversations.gate import Situation, Synced, hinges_on_participants, sync_gate
from domain.conversations.standings import JOINABLE, Standing, first
from domain.crm.contacts import Contact, ContactKind, Hit, MatchedBy
from domain.crm.locations import LocationSettings
from domain.mail.classes import MailClass
from domain.mail.folders import Folder
from domain.mail.messages import Direction, Exclusions, Insiders, Message, direction
from domain.outcomes import Outcome
from domain.retention import Admission

ME, CARLA = "uwe@firm.example", "carla@firm.example"
ANN, BOB, EVE, LEA = "ann@example.com", "bob@example.com", "eve@example.org", "lea@example.com"
FRIEND = "friend@example.net"
NOW = datetime(2026, 3, 15, 9, tzinfo=UTC)
INSIDERS = Insiders(own=frozenset({ME}), users=frozenset({ME, CARLA}))


def contact(name: str, assigned_to: str | None, kind: ContactKind = ContactKind.CONTACT) -> Hit:
    return Hit(Contact(name, kind, NOW, assigned_to), f"{name}@example.com", MatchedBy.EXACT)


HITS = {
    ANN: [contact("ann", "uwe")],
    BOB: [contact("bob", "carla")],
    LEA: [contact("lea", "uwe", ContactKind.LEAD)],
    FRIEND: [contact("old", None), contact("new", "uwe")],
    CARLA: [contact("carla", "uwe")],
}
"""Ann is Uwe's, Bob is Carla's, Lea is a lead, an address is on two contacts, and Carla is a contact too."""

FROM_ANN = Message(
    message_id="18c2f0",
    folder=Folder.INBOX,
    received_at=NOW,
    sender=ANN,
    author=ANN,
    rewritten=False,
    to=(ME,),
    cc=(),
    bcc=(),
    mail_class=MailClass.HUMAN,
    bulk=False,
)


def written_by(author: str | None, *to: str, cc: tuple[str, ...] = (), bcc: tuple[str, ...] = ()) -> Message:
    return replace(FROM_ANN, sender=author, author=author, to=to, cc=cc, bcc=bcc)


def decided(
    message: Message,
    situation: Situation | None = None,
    *,
    excluded: frozenset[str] = frozenset(),
    **settings: bool,
) -> Synced:
    return sync_gate(
        message,
        direction(message, INSIDERS),
        situation or Situation(),
        correspondents(message, HITS, INSIDERS, Exclusions(addresses=excluded)),
        insiders=INSIDERS,
        user_id="uwe",
        settings=LocationSettings(**settings),
    )


def within(
    standing: Standing = Standing.ACTIVE,
    *,
    from_crm: bool = False,
    by_bcc: bool = False,
    with_participant: bool = False,
    answers_kept: bool = False,
) -> Situation:
    return Situation(standing, from_crm, by_bcc, with_participant, answers_kept)


def rule(*ids: str) -> pytest.MarkDecorator:
    return pytest.mark.rule(*ids)


BOUNCE = replace(FROM_ANN, mail_class=MailClass.BOUNCE)
RECEIPT = replace(FROM_ANN, mail_class=MailClass.RECEIPT)
ABSENT = replace(FROM_ANN, mail_class=MailClass.AUTO_REPLY)
INVITATION = replace(FROM_ANN, mail_class=MailClass.CALENDAR)
NEWSLETTER = replace(FROM_ANN, mail_class=MailClass.LIST)
FORWARD = written_by(ME, EVE)
FROM_EVE = written_by(EVE, ME)

ROWS = [
    pytest.param(
        BOUNCE,
        within(),
        "1",
        "skip.automated",
        marks=rule("D7-1", "D16-5", "E32"),
        id="bounce in conversation",
    ),
    pytest.param(RECEIPT, within(), "1", "skip.automated", marks=rule("D7-1", "D16-6"), id="receipt"),
    pytest.param(
        written_by(ME, EVE),
        Situation(from_crm=True),
        "1a",
        "sync.started",
        marks=rule("D7-1a", "H7"),
        id="from the CRM, whoever gets it",
    ),
    pytest.param(
        written_by(ME, ANN),
        within(from_crm=True),
        "1a",
        "sync.appended",
        marks=rule("D7-1a"),
        id="from the CRM into its conversation",
    ),
    pytest.param(
        written_by(ME, ANN),
        within(Standing.DORMANT, from_crm=True),
        "1a",
        "sync.appended",
        marks=rule("D7-1a", "H31"),
        id="from the CRM into a dormant conversation",
    ),
    pytest.param(
        written_by(ME, ANN),
        within(Standing.DETACHED, from_crm=True),
        "1a",
        "sync.started",
        marks=rule("D7-1a"),
        id="from the CRM out of a detached conversation",
    ),
    pytest.param(
        written_by(ME, EVE),
        Situation(by_bcc=True),
        "1b",
        "sync.started",
        marks=rule("D7-1b"),
        id="filed by BCC",
    ),
    pytest.param(
        written_by(ME, EVE),
        within(by_bcc=True),
        "1b",
        "sync.appended",
        marks=rule("D7-1b"),
        id="filed by BCC in a conversation: a third party does not matter",
    ),
    pytest.param(
        written_by(ME, ANN),
        within(Standing.CLOSED, by_bcc=True),
        "1b",
        "sync.started",
        marks=rule("D7-1b"),
        id="filed by BCC after it was taken out",
    ),
    pytest.param(
        written_by(ME, ANN),
        within(Standing.ELSEWHERE, by_bcc=True),
        "1b",
        "sync.started",
        marks=rule("D7-1b"),
        id="filed by BCC though bound to another location",
    ),
    pytest.param(
        FORWARD, within(), "1c", "skip.no_contact", marks=rule("D7-1c"), id="forwarded to a third party"
    ),
    pytest.param(
        FROM_EVE, within(), "1c", "skip.no_contact", marks=rule("D7-1c"), id="the third party answers that"
    ),
    pytest.param(
        written_by(CARLA, EVE, ME),
        within(),
        "1c",
        "skip.no_contact",
        marks=rule("D7-1c"),
        id="a colleague forwards to a third party",
    ),
    pytest.param(
        written_by(ME, EVE, cc=(LEA,)),
        within(),
        "1c",
        "skip.no_contact",
        marks=rule("D7-1c"),
        id="a lead is no contact",
    ),
    pytest.param(
        written_by(ME, EVE),
        within(with_participant=True),
        "2",
        "sync.appended",
        marks=rule("D7-1c", "D7-2"),
        id="to somebody who is in it already",
    ),
    pytest.param(
        written_by(ME, EVE, bcc=(BOB,)),
        within(),
        "2",
        "sync.appended",
        marks=rule("D7-1c", "D7-2"),
        id="to another contact of the location",
    ),
    pytest.param(
        FROM_ANN, within(), "2", "sync.appended", marks=rule("D7-2", "H14"), id="the contact answers"
    ),
    pytest.param(
        written_by(BOB, ME),
        within(),
        "2",
        "sync.appended",
        marks=rule("D7-2"),
        id="a colleague's contact joins",
    ),
    pytest.param(
        FROM_EVE,
        within(answers_kept=True),
        "2",
        "sync.appended",
        marks=rule("D7-2", "E46"),
        id="an answer from an unknown second address",
    ),
    pytest.param(
        written_by(EVE, ME, ANN),
        within(with_participant=True),
        "2",
        "sync.appended",
        marks=rule("D7-2", "E50"),
        id="an outsider answers to all",
    ),
    pytest.param(
        written_by(CARLA, ANN, ME),
        within(),
        "2",
        "sync.appended",
        marks=rule("D7-2"),
        id="a colleague writes in a conversation",
    ),
    pytest.param(
        written_by(None, ME),
        within(answers_kept=True),
        "2",
        "sync.appended",
        marks=rule("D7-2"),
        id="an author who cannot be read, in a conversation",
    ),
    pytest.param(
        ABSENT, within(), "2", "sync.appended", marks=rule("D7-2", "D16-2", "E29"), id="auto-reply inside"
    ),
    pytest.param(
        INVITATION, within(), "2", "sync.appended", marks=rule("D7-2", "D16-4", "E31"), id="invitation inside"
    ),
    pytest.param(
        replace(NEWSLETTER, bulk=True),
        within(),
        "2",
        "sync.appended",
        marks=rule("D7-2", "D16-3"),
        id="bulk mail inside",
    ),
    pytest.param(
        FROM_ANN, within(Standing.DETACHED), "3", "skip.detached", marks=rule("D7-3"), id="detached"
    ),
    pytest.param(
        FROM_ANN, within(Standing.CLOSED), "3", "skip.taken_out", marks=rule("D7-3"), id="taken out by a user"
    ),
    pytest.param(
        FROM_ANN,
        within(Standing.OWNER_DELETED),
        "3",
        "skip.owner_deleted",
        marks=rule("D7-3"),
        id="owner deleted",
    ),
    pytest.param(
        FROM_ANN,
        within(Standing.ELSEWHERE),
        "4",
        "skip.other_location",
        marks=rule("D7-4"),
        id="bound to another location",
    ),
    pytest.param(
        ABSENT,
        Situation(),
        "7",
        "skip.automated",
        marks=rule("D7-7", "D16-2", "E29"),
        id="auto-reply outside",
    ),
    pytest.param(
        ABSENT,
        within(Standing.DORMANT),
        "7",
        "skip.automated",
        marks=rule("D7-7"),
        id="auto-reply wakes nothing",
    ),
    pytest.param(
        INVITATION,
        Situation(),
        "7",
        "skip.automated",
        marks=rule("D7-7", "D16-4", "E31"),
        id="invitation outside",
    ),
    pytest.param(
        replace(NEWSLETTER, bulk=True),
        Situation(),
        "7",
        "skip.automated",
        marks=rule("D7-7", "D16-3", "E30"),
        id="bulk mail to the user",
    ),
    pytest.param(
        replace(NEWSLETTER, to=("users@lists.example",)),
        Situation(),
        "7",
        "skip.automated",
        marks=rule("D7-7", "D16-3", "E30"),
        id="list mail to the list alone",
    ),
    pytest.param(
        NEWSLETTER,
        Situation(),
        "8",
        "sync.started",
        marks=rule("D7-7", "D7-8", "D16-3", "E30"),
        id="list mail to the user himself",
    ),
    pytest.param(
        FROM_ANN,
        Situation(),
        "8",
        "sync.started",
        marks=rule("D7-8", "H8", "D16-1"),
        id="an assigned contact writes",
    ),
    pytest.param(
        FROM_ANN,
        within(Standing.DORMANT),
        "8",
        "sync.appended",
        marks=rule("D7-8"),
        id="an assigned contact wakes a dormant conversation",
    ),
    pytest.param(
        written_by(ANN, BOB, cc=(ME,)),
        Situation(),
        "8",
        "sync.started",
        marks=rule("D7-8", "H16", "H17"),
        id="an assigned contact writes to another, the user in copy",
    ),
    pytest.param(
        written_by(ANN, CARLA, cc=(ME,)),
        Situation(),
        "8",
        "sync.started",
        marks=rule("D7-8", "H16"),
        id="an assigned contact writes to a colleague, the user in copy",
    ),
    pytest.param(
        written_by(FRIEND, ME),
        Situation(),
        "8",
        "sync.started",
        marks=rule("D7-8", "D5-4"),
        id="any of the address's contacts is assigned",
    ),
    pytest.param(
        written_by(BOB, ME),
        Situation(filed=frozenset({"bob"})),
        "9",
        "sync.started",
        marks=rule("D7-9"),
        id="a contact that was filed by BCC",
    ),
    pytest.param(
        written_by(BOB, ME),
        Situation(filed=frozenset({"ann"})),
        "10",
        "skip.not_assigned",
        marks=rule("D7-10", "H9"),
        id="somebody else's contact",
    ),
    pytest.param(
        written_by(BOB, ME),
        within(Standing.DORMANT),
        "10",
        "skip.not_assigned",
        marks=rule("D7-10"),
        id="somebody else's contact wakes nothing",
    ),
    pytest.param(
        FROM_EVE, Situation(), "11", "skip.no_contact", marks=rule("D7-11"), id="an unknown address writes"
    ),
    pytest.param(
        written_by(EVE, ME, ANN),
        Situation(),
        "11",
        "skip.no_contact",
        marks=rule("D7-11"),
        id="an unknown address, a contact in To",
    ),
    pytest.param(written_by(LEA, ME), Situation(), "11", "skip.no_contact", marks=rule("D7-11"), id="a lead"),
    pytest.param(
        written_by(None, ME),
        Situation(),
        "11",
        "skip.no_contact",
        marks=rule("D7-11"),
        id="an author who cannot be read",
    ),
    pytest.param(
        written_by(ME, EVE, ANN, BOB),
        Situation(),
        "12",
        "sync.started",
        marks=rule("D7-12", "H10", "E26"),
        id="the user writes to a contact among others",
    ),
    pytest.param(
        written_by(ME, BOB),
        Situation(),
        "12",
        "sync.started",
        marks=rule("D7-12", "H10"),
        id="the user writes to somebody else's contact",
    ),
    pytest.param(
        written_by(ME, EVE, bcc=(ANN,)),
        within(Standing.DORMANT),
        "12",
        "sync.appended",
        marks=rule("D7-12"),
        id="the user wakes a dormant conversation",
    ),
    pytest.param(
        replace(written_by("desk@example.net", ANN), sent=True),
        Situation(),
        "12",
        "sync.started",
        marks=rule("D7-12"),
        id="a delegate writes from the mailbox (D4 row 3)",
    ),
    pytest.param(
        FORWARD, Situation(), "13", "skip.no_contact", marks=rule("D7-13"), id="the user writes to no contact"
    ),
    pytest.param(
        written_by(ME, CARLA, EVE),
        Situation(),
        "13",
        "skip.no_contact",
        marks=rule("D7-13", "H13", "E16"),
        id="a colleague who is a contact is none",
    ),
    pytest.param(
        written_by(CARLA, ANN, ME),
        Situation(),
        "14",
        "skip.colleague",
        marks=rule("D7-14"),
        id="a colleague writes to a contact, this mailbox in To",
    ),
]


@pytest.mark.rule("D7")
@pytest.mark.parametrize(("message", "situation", "row", "outcome"), ROWS)
def test_first_row_that_fits_decides(message: Message, situation: Situation, row: str, outcome: str) -> None:
    taken = outcome.startswith("sync.")
    admission = Admission.ADMITTED if taken else Admission.REFUSED

    assert decided(message, situation) == Synced(admission, Outcome(outcome), row)


@pytest.mark.rule("D7-8", "H9")
def test_any_contact_may_start_where_assignment_is_not_asked_for() -> None:
    assert decided(written_by(BOB, ME), assigned_inbound=False).row == "8"
    assert decided(FROM_EVE, assigned_inbound=False).row == "11"


@pytest.mark.rule("D7-12")
def test_only_assigned_contacts_count_where_that_is_asked_for() -> None:
    assert decided(written_by(ME, BOB), assigned_outbound=True).row == "13"
    assert decided(written_by(ME, BOB, ANN), assigned_outbound=True).row == "12"


@pytest.mark.rule("D7-1c")
@pytest.mark.parametrize("message", dict.fromkeys(row.values[0] for row in ROWS))
@pytest.mark.parametrize("answers_kept", [True, False])
@pytest.mark.parametrize("standing", Standing)
def test_participants_are_asked_for_wherever_they_change_the_decision(
    message: Message, standing: Standing, *, answers_kept: bool
) -> None:
    alone = within(standing, answers_kept=answers_kept)
    together = within(standing, answers_kept=answers_kept, with_participant=True)
    contacts = correspondents(message, HITS, INSIDERS, Exclusions())

    asked = hinges_on_participants(direction(message, INSIDERS), alone, contacts)

    assert asked or decided(message, alone) == decided(message, together)


@pytest.mark.rule("D7-1c")
def test_a_location_may_let_third_parties_in() -> None:
    assert decided(FORWARD, within(), third_parties=True).row == "2"
    assert decided(FROM_EVE, within(), third_parties=True).row == "2"
    assert decided(FORWARD, third_parties=True).row == "13", "a setting for conversations starts none"


@pytest.mark.rule("D3-11", "D7-13", "E19")
def test_excluded_people_are_no_contacts_for_rows_8_to_13() -> None:
    to_ann = written_by(ME, ANN)

    assert decided(to_ann, excluded=frozenset({ANN})).row == "13"
    assert decided(replace(to_ann, cc=(BOB,)), excluded=frozenset({ANN})).row == "12"
    assert decided(FROM_ANN, excluded=frozenset({ANN})).row == "11"


@pytest.mark.rule("D7-12", "D4-3")
def test_people_from_outside_are_those_on_the_other_side() -> None:
    by_delegate = replace(written_by("desk@example.net", ANN, CARLA), sent=True)

    assert outside_people(by_delegate, Direction.OUTBOUND, INSIDERS) == {ANN}
    assert outside_people(written_by("Ann+x@example.com".lower(), ME, EVE), Direction.INBOUND, INSIDERS) == {
        ANN,
        EVE,
    }


@pytest.mark.rule("D5-4", "D3-11")
def test_contacts_are_counted_by_address_in_written_order() -> None:
    message = written_by(ANN, EVE, BOB, LEA, CARLA, cc=(FRIEND,), bcc=(ANN,))
    ann, bob, friends = (tuple(HITS[one]) for one in (ANN, BOB, FRIEND))

    found = correspondents(message, HITS, INSIDERS, Exclusions())

    assert found == Correspondents(author=ann, to=(bob,), cc=(friends,), bcc=(ann,))
    assert found.recipients == (bob, friends, ann)


@pytest.mark.rule("D7-2", "D7-3", "D7-4")
@pytest.mark.parametrize(
    ("several", "decides"),
    [
        pytest.param([], Standing.NONE, id="none"),
        pytest.param([Standing.DETACHED, Standing.ACTIVE], Standing.ACTIVE, id="row 2 before row 3"),
        pytest.param([Standing.ELSEWHERE, Standing.CLOSED], Standing.CLOSED, id="row 3 before row 4"),
        pytest.param(
            [Standing.DORMANT, Standing.ELSEWHERE], Standing.ELSEWHERE, id="rows 2 to 4 see none asleep"
        ),
    ],
)
def test_of_several_conversations_the_first_row_decides(several: list[Standing], decides: Standing) -> None:
    assert first(several) is decides


@pytest.mark.rule("D7-1b")
def test_a_detached_conversation_is_gone_on_with_by_bcc() -> None:
    assert Standing.DETACHED not in JOINABLE
    assert (
        decided(written_by(ME, ANN), within(Standing.DETACHED, by_bcc=True)).outcome is Outcome.SYNC_APPENDED
    )
