"""What a reader sees of a conversation's mails: SQL says what the rules say, on anything (H41, H52)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from domain.conversations.lists import Choice
from domain.conversations.reading import KeptMail
from domain.conversations.states import ComingMail, Lying, MailState, SentMail, answers, new_for
from domain.mail.classes import MailClass
from domain.mail.copied import FileState, Role
from domain.mail.messages import Direction
from infra.db.store import Store
from infra.db.tables.conversations import (
    conversations,
    files,
    mail_links,
    mail_sources,
    mails,
    participants,
    readings,
)
from infra.db.tables.crm import merges
from tests.conversations import contact, conversation, conversation_row, mail, mail_row, source_row
from tests.worlds import HERE, START, make_world

OWNERS = {1: "uwe", 2: "eva"}
"""Whose the mailboxes are."""


@dataclass(frozen=True, slots=True)
class Made:
    """A mail of a generated conversation. `names`: the numbers of mails that its reply headers name."""

    minute: int
    way: Direction
    mail_class: MailClass
    from_crm: bool
    names: frozenset[int]
    lies: Lying
    read_by: frozenset[str]


MAILS = st.lists(
    st.builds(
        Made,
        minute=st.integers(0, 4),
        way=st.sampled_from((Direction.INBOUND, Direction.OUTBOUND)),
        mail_class=st.sampled_from((MailClass.HUMAN, MailClass.AUTO_REPLY)),
        from_crm=st.booleans(),
        names=st.frozensets(st.integers(0, 5), max_size=2),
        lies=st.frozensets(st.sampled_from([(box, thread) for box in OWNERS for thread in "ab"]), max_size=2),
        read_by=st.frozensets(st.sampled_from(("uwe", "eva"))),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def boxes(store: Store) -> Store:
    """Uwe's mailbox and Eva's, and a contact that is assigned to Ida."""
    make_world(store)
    make_world(store, "eva@firm.example", "eva")
    contact(store, "ann", assigned_to="ida")
    return store


@pytest.mark.rule("H41", "H52")
@settings(max_examples=60)
@given(made=MAILS)
def test_what_was_answered_and_what_is_new_is_as_the_rules_say(boxes: Store, made: list[Made]) -> None:
    with boxes.begin("tests.count", reads_only=True) as tx:
        name = f"c{len(tx.of(HERE).conversation_reading.page('ida', Choice.ALL, None, None, 10_000))}"
    _put(boxes, name, made)
    for viewer in ("uwe", "eva", "ida", "otto"):
        shown = {one.id: one for one in _mails(boxes, name, viewer)}
        for number, one in enumerate(made):
            found = shown[f"{name}-{number}"]
            users = {OWNERS[box] for box, _ in one.lies}
            assert found.is_new == (viewer in new_for(one.way, "ida", users, one.read_by))
            expected = one.from_crm and any(answers(_sent(one), _coming(made, other)) for other in made)
            assert bool(found.answered_by) == expected


def _sent(one: Made) -> SentMail:
    return SentMail(START + timedelta(minutes=one.minute), one.lies)


def _coming(made: Sequence[Made], one: Made) -> ComingMail:
    named = [START + timedelta(minutes=made[n].minute) for n in one.names if n < len(made)]
    at = START + timedelta(minutes=one.minute)
    return ComingMail(at, one.way, one.mail_class, "ann@example.com", max(named, default=None), one.lies)


def _put(store: Store, name: str, made: Sequence[Made]) -> None:
    here = {"location_id": 1}
    with store.begin("tests.put") as tx:
        tx.db.execute(insert(conversations), conversation_row(name, "ann", START))
        for number, one in enumerate(made):
            mail_id, at = f"{name}-{number}", START + timedelta(minutes=one.minute)
            state = {"outbox_id": int(name[1:]) * 10 + number + 1, "state": "sent"} if one.from_crm else {}
            row = {"direction": one.way.value, "mail_class": one.mail_class.value, "rfc_message_id": mail_id}
            tx.db.execute(insert(mails), mail_row(name, mail_id, at) | row | state)
            for n in one.names:
                tx.db.execute(
                    insert(mail_links), here | {"mail_id": mail_id, "rfc_message_id": f"{name}-{n}"}
                )
            for n, (box, thread) in enumerate(one.lies):
                lies = source_row(f"{name}-{thread}", mail_id, box, at) | {"message_id": f"{mail_id}-{n}"}
                tx.db.execute(insert(mail_sources), lies)
            for user_id in one.read_by:
                row = {"mail_id": mail_id, "user_id": user_id}
                tx.db.execute(insert(readings), here | row | {"read_at": at})


def _mails(
    store: Store, name: str, viewer: str, after: KeptMail | None = None, limit: int = 50
) -> tuple[KeptMail, ...]:
    with store.begin("tests.mails", reads_only=True) as tx:
        return tx.of(HERE).conversation_reading.mails(name, viewer, after, limit)


def test_mails_come_oldest_first_and_a_page_goes_on_after_the_last(boxes: Store) -> None:
    conversation(boxes, "c", "ann")
    for n in range(7):
        mail(boxes, "c", f"m{n}", minute=n // 2)
    shown: list[str] = []
    last = None
    while page := _mails(boxes, "c", "uwe", last, limit=2):
        shown += [one.id for one in page]
        last = page[-1]
    assert shown == [f"m{n}" for n in range(7)]


def test_a_mail_has_its_people_after_merges_and_its_files_in_written_order(boxes: Store) -> None:
    conversation(boxes, "c", "ann")
    mail(boxes, "c", "m", state="delayed", outbox_id=1, user_id="uwe", direction="outbound")
    here = {"location_id": 1, "mail_id": "m"}
    with boxes.begin("tests.parts") as tx:
        settled = {
            "location_id": 1,
            "version": 1,
            "settled_at": START,
            "survivor": "ann",
            "counts_for": "ann",
        }
        tx.db.execute(insert(merges), settled | {"record_id": "old"})
        for place, (role, record) in enumerate((("to", "old"), ("cc", None))):
            who = {"role": role, "position": 0, "address": f"a{place}@example.com", "name": "A"}
            its = {"contact_id": record, "delivery": "delayed" if role == "cc" else None}
            tx.db.execute(insert(participants), here | who | its)
        for part, state in (("1.10", "waiting"), ("1.9", "kept"), ("2", "too_large")):
            row = {"part": part, "name": part, "claimed_type": "text/plain", "size": 3, "state": state}
            tx.db.execute(insert(files), here | row)
    [found] = _mails(boxes, "c", "uwe")
    assert {(one.role, one.contact_id) for one in found.participants} == {(Role.TO, "ann"), (Role.CC, None)}
    assert [(one.part, one.state) for one in found.files] == [
        ("1.9", FileState.KEPT),
        ("1.10", FileState.WAITING),
        ("2", FileState.TOO_LARGE),
    ]
    assert found.shown_state is MailState.DELAYED
