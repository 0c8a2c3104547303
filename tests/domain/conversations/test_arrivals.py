"""Order plays no part (E103): whatever order mails come in, and however often, the same conversations result.

What a place keeps of mails is folded in memory here, by the rules alone; the store does the same with rows.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.conversations.membership import Arriving, Conversation, How, Known, ReplyIds, linked, place, top
from domain.conversations.standings import Standing
from domain.mail.subjects import is_same

NINE = datetime(2026, 3, 15, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Mail:
    """`copies` are its (mailbox, thread id)s."""

    id: str
    received_at: datetime
    rfc_message_id: str | None
    names: tuple[str, ...]
    subject: str
    outside: frozenset[str]
    copies: frozenset[tuple[int, str]]

    def arriving(self) -> Arriving:
        return Arriving(self.id, self.received_at, self.subject, self.outside, ReplyIds(self.names))


@dataclass
class Location:
    """The conversations of one location."""

    mails: dict[str, Mail] = field(default_factory=dict)
    whose: dict[str, str] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)

    def arrives(self, mail: Mail, copy: tuple[int, str]) -> None:
        """One mailbox shows the mail."""
        found = linked(mail.arriving(), self._known(mail, copy))
        placed = place(mail.arriving(), found)
        earlier = self.mails.get(mail.id, replace(mail, copies=frozenset()))
        self.mails[mail.id] = replace(mail, copies=earlier.copies | {copy})
        if placed is None:
            self.whose[mail.id] = self.roots.setdefault(mail.id, mail.id)
            return
        self.whose[mail.id] = placed.conversation_id
        for mail_id, conversation in self.whose.items():
            if conversation in placed.merged:
                self.whose[mail_id] = placed.conversation_id
        for one in placed.merged:
            del self.roots[one]
        self.roots[placed.conversation_id] = self._root(
            placed.conversation_id, placed.root_id, climbs=placed.climbs
        )

    def partition(self) -> dict[frozenset[str], str]:
        """The ids of mails that are together, and their root."""
        together: dict[str, set[str]] = defaultdict(set)
        for mail_id, conversation in self.whose.items():
            together[conversation].add(mail_id)
        return {frozenset(ids): self.roots[conversation] for conversation, ids in together.items()}

    def _known(self, mail: Mail, copy: tuple[int, str]) -> Iterable[Known]:
        for one in self.mails.values():
            conversation_id = self.whose[one.id]
            root = self.mails[self.roots[conversation_id]]
            conversation = Conversation(conversation_id, Standing.ACTIVE, root.id, root.received_at)
            if one.id == mail.id:
                yield Known(conversation, How.ITSELF, one.id)
                continue
            if one.rfc_message_id in mail.names:
                yield Known(conversation, How.NAMES, one.id, one.rfc_message_id)
            if mail.rfc_message_id in one.names:
                yield Known(conversation, How.NAMED_BY, one.id)
            if copy in one.copies:
                yield Known(conversation, How.THREAD, "", None, frozenset({one.subject}), one.outside)

    def _root(self, conversation_id: str, mail_id: str, *, climbs: bool) -> str:
        if not climbs:
            return mail_id
        inside = [one for one in self.mails.values() if self.whose[one.id] == conversation_id]
        ids = defaultdict[str | None, list[str]](list)
        for one in inside:
            ids[one.rfc_message_id].append(one.id)
        return top(mail_id, {one.id: [i for name in one.names for i in ids[name]] for one in inside})


def told(arrivals: Sequence[tuple[Mail, tuple[int, str]]]) -> dict[frozenset[str], str]:
    location = Location()
    for mail, copy in arrivals:
        location.arrives(mail, copy)
    return location.partition()


def hanging_together(mails: Sequence[Mail]) -> set[frozenset[str]]:
    """The same said another way: everybody with everybody."""
    groups = {mail.id: {mail.id} for mail in mails}
    for one in mails:
        for other in mails:
            if _is_pair(one, other):
                groups[one.id] |= groups[other.id]
                for member in groups[one.id]:
                    groups[member] = groups[one.id]
    return {frozenset(group) for group in groups.values()}


def _is_pair(one: Mail, other: Mail) -> bool:
    if one.rfc_message_id in other.names or other.rfc_message_id in one.names:
        return True
    alike = is_same(one.subject, other.subject) or bool(one.outside & other.outside)
    return bool(one.copies & other.copies) and alike


SUBJECTS = ("Offer", "Re: Offer", "AW: Offer", "Fwd: Offer", "Bill", "")
PEOPLE = ("ann@example.com", "bob@example.com", "eve@example.org")


@st.composite
def wild_mails(draw: st.DrawFn, *, reused: bool) -> list[Mail]:
    """Anything goes: missing and reused Message-IDs, chains cut short, thread ids of several subjects, two mailboxes.
    What a mail names came before it, unless ids are `reused`."""
    number = draw(st.integers(1, 9))
    ids: list[str | None] = [f"i{n}" if draw(st.integers(0, 6)) else None for n in range(number)]
    if reused:
        ids = [draw(st.sampled_from([one, "i0", "i1"])) for one in ids]
    return [
        Mail(
            id=f"m{n}",
            received_at=NINE + timedelta(minutes=n),
            rfc_message_id=ids[n],
            names=tuple(sorted(draw(st.sets(st.sampled_from([*filter(None, ids[:n]), "i99"]), max_size=2)))),
            subject=draw(st.sampled_from(SUBJECTS)),
            outside=draw(st.frozensets(st.sampled_from(PEOPLE), max_size=2)),
            copies=draw(
                st.frozensets(st.tuples(st.integers(1, 2), st.sampled_from("tuv")), min_size=1, max_size=2)
            ),
        )
        for n in range(number)
    ]


def arrivals_of(mails: Sequence[Mail]) -> list[tuple[Mail, tuple[int, str]]]:
    return [(mail, copy) for mail in mails for copy in sorted(mail.copies)]


@pytest.mark.rule("E103", "E81", "E44", "E45", "E52", "E53", "E104", "H15", "H47")
@settings(max_examples=300)
@given(wild_mails(reused=True), st.randoms(use_true_random=False))
def test_mails_that_hang_together_are_one_conversation_whatever_order_they_come_in(
    mails: list[Mail], shuffled: random.Random
) -> None:
    arrivals = arrivals_of(mails)
    mixed = arrivals + arrivals[::2]
    shuffled.shuffle(mixed)

    expected = hanging_together(mails)

    assert set(told(arrivals)) == expected
    assert set(told(arrivals[::-1])) == expected
    assert set(told(mixed)) == expected


@pytest.mark.rule("E103", "D6-1")
@settings(max_examples=300)
@given(wild_mails(reused=False), st.randoms(use_true_random=False))
def test_the_root_is_the_one_that_came_first_in_order_whatever_order_mails_come_in(
    mails: list[Mail], shuffled: random.Random
) -> None:
    arrivals = arrivals_of(mails)
    in_order = told(arrivals)

    mixed = arrivals + arrivals[::3]
    shuffled.shuffle(mixed)

    assert in_order == {group: min(group) for group in in_order}
    assert told(arrivals[::-1]) == in_order
    assert told(mixed) == in_order


@st.composite
def threads(draw: st.DrawFn) -> list[list[Mail]]:
    """Threads as people write them, each mail answering another by one header, by both or by a chain cut short; the
    clock of the provider tells nothing of who answers whom. All have one subject, and thread ids are split."""
    forest = []
    for number in range(draw(st.integers(1, 3))):
        thread: list[Mail] = []
        chains: list[tuple[str, ...]] = []
        for n in range(draw(st.integers(1, 7))):
            answered = draw(st.integers(0, n - 1)) if n else None
            chain = () if answered is None else (*chains[answered], f"{number}-{answered}@x.example")
            chains.append(chain)
            thread.append(
                Mail(
                    id=f"{number}-{n}",
                    received_at=NINE + timedelta(minutes=draw(st.integers(0, 99))),
                    rfc_message_id=f"{number}-{n}@x.example",
                    names=chain[-draw(st.integers(1, 9)) :],
                    subject="Offer" if n == 0 else draw(st.sampled_from(["Re: Offer", "Something else"])),
                    outside=frozenset({PEOPLE[number]}),
                    copies=frozenset({(1, f"t{number}-{draw(st.integers(0, 1))}")}),
                )
            )
        forest.append(thread)
    return forest


@pytest.mark.rule("E103", "E44", "E45", "E53", "E101", "D6-1")
@settings(max_examples=300)
@given(threads(), st.randoms(use_true_random=False))
def test_true_threads_are_found_with_their_true_roots_whatever_the_clock_says(
    forest: list[list[Mail]], shuffled: random.Random
) -> None:
    arrivals = [arrival for thread in forest for arrival in arrivals_of(thread)]
    expected = {frozenset(mail.id for mail in thread): thread[0].id for thread in forest}

    mixed = arrivals + arrivals[::2]
    shuffled.shuffle(mixed)

    assert told(arrivals) == expected
    assert told(arrivals[::-1]) == expected
    assert told(mixed) == expected
