"""A mailbox's archive whose threads are known by construction, with what makes threads hard to find (E101 to E104)."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

ME = "uwe@firm.example"
MAILS_A_THREAD = 5
SUBJECTS = ("The offer", "Invoice", "Invoice 7", "Your visit", "Re: hello", "")


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody whom the CRM knows."""

    id: str
    address: str


@dataclass(frozen=True, slots=True)
class Written:
    """A mail of the archive. `thread`: its true thread, None where it leads away to a stranger and is not to be kept.
    `lies_in`: what Gmail shows as its thread."""

    n: int
    thread: int | None
    lies_in: str
    raw: bytes
    is_sent: bool


@dataclass(slots=True)
class _Thread:
    """A thread while it is being written; `mails` are the Message-IDs that an answer can name, with their chains."""

    number: int
    contact: Contact
    subject: str
    mails: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)


def people(threads: int) -> list[Contact]:
    """Each has several threads, so that neither subject nor person tells them apart."""
    return [Contact(f"c{n}", f"c{n}@example.com") for n in range(max(1, threads // 4))]


def archive(mails: int, seed: int) -> list[Written]:
    """So many mails in a fifth as many threads, mixed as time mixes them: a mail comes after what it answers."""
    return list(_Author(mails, seed).write())


class _Author:
    def __init__(self, mails: int, seed: int) -> None:
        self._mails = mails
        self._chance = random.Random(seed)
        contacts = people(mails // MAILS_A_THREAD)
        self._threads = [
            _Thread(n, self._chance.choice(contacts), self._chance.choice(SUBJECTS))
            for n in range(mails // MAILS_A_THREAD)
        ]
        self._written: list[Written] = []

    def write(self) -> Iterator[Written]:
        """Each thread begins; then whichever thread goes on."""
        for thread in self._threads:
            self._begin(thread)
        kinds = (self._answer, self._answer, self._other_subject, self._by_prose, self._folded, self._nameless,
                 self._malformed, self._reused, self._third_party, self._by_stranger)  # fmt: skip
        while len(self._written) < self._mails:
            self._chance.choice(kinds)(self._chance.choice(self._threads))
        return iter(self._written[: self._mails])

    def _begin(self, thread: _Thread) -> None:
        self._put(thread, (), subject=thread.subject)

    def _answer(self, thread: _Thread) -> None:
        """To any mail of the thread, by In-Reply-To, References or both; of References the near end may be all."""
        own, chain = self._chance.choice(thread.mails)
        whole = (*chain, own)
        both = [f"In-Reply-To: <{own}>", f"References: {_named(whole[-self._chance.randint(1, 9) :])}"]
        fields = self._chance.choice((both, both[:1], both[1:]))
        self._put(thread, whole, fields=fields, sent=self._chance.random() < 0.4)

    def _other_subject(self, thread: _Thread) -> None:
        """Gmail begins another thread for it."""
        own, chain = self._chance.choice(thread.mails)
        fields = [f"In-Reply-To: <{own}>", f"References: {_named((*chain, own))}"]
        self._put(thread, (*chain, own), fields=fields, subject="Something else", apart=True)

    def _by_prose(self, thread: _Thread) -> None:
        own, chain = self._chance.choice(thread.mails)
        said = f'In-Reply-To: Your message of "Sun, 15 Mar 2026 10:00:00 +0100." <{own}>'
        self._put(thread, (*chain, own), fields=[said])

    def _folded(self, thread: _Thread) -> None:
        own, chain = self._chance.choice(thread.mails)
        folded = "\r\n\t".join(f"<{one}>" for one in (*chain, own))
        self._put(thread, (*chain, own), fields=[f"References:\r\n {folded}\r\n (the whole thread)"])

    def _nameless(self, thread: _Thread) -> None:
        self._leaf(thread, None)

    def _malformed(self, thread: _Thread) -> None:
        self._leaf(thread, "Message-ID: no id at all")

    def _reused(self, thread: _Thread) -> None:
        """A broken program gives all its mails one id."""
        self._leaf(thread, "Message-ID: <always.the.same@example.com>")

    def _leaf(self, thread: _Thread, id_field: str | None) -> None:
        """An answer that none can answer by its id."""
        own, chain = self._chance.choice(thread.mails)
        fields = [f"In-Reply-To: <{own}>", *([id_field] if id_field else [])]
        self._put(thread, (*chain, own), fields=fields, has_id=False)

    def _third_party(self, thread: _Thread) -> None:
        """Forwarded to a stranger, who answers: nobody of the thread sees it."""
        own, chain = self._chance.choice(thread.mails)
        n = len(self._written)
        stranger, whole = f"stranger{n}@example.org", (*chain, own)
        refs = [f"In-Reply-To: <{own}>", f"References: {_named(whole)}"]
        self._put(
            thread,
            whole,
            fields=refs,
            subject=f"Fwd: {thread.subject}",
            sent=True,
            other=stranger,
            kept=False,
        )
        forward = f"{n}@firm.example"
        refs = [f"In-Reply-To: <{forward}>", f"References: {_named((*whole, forward))}"]
        self._put(thread, whole, fields=refs, other=stranger, kept=False)

    def _by_stranger(self, thread: _Thread) -> None:
        """A colleague of the contact answers, with her in copy."""
        own, chain = self._chance.choice(thread.mails)
        fields = [
            f"In-Reply-To: <{own}>",
            f"References: {_named((*chain, own))}",
            f"Cc: {thread.contact.address}",
        ]
        self._put(thread, (*chain, own), fields=fields, other=f"colleague{thread.number}@example.org")

    def _put(
        self, thread: _Thread, chain: tuple[str, ...], *, fields: Sequence[str] = (), subject: str | None = None,
        sent: bool = False, other: str = "", apart: bool = False, kept: bool = True, has_id: bool = True,
    ) -> None:  # fmt: skip
        n = len(self._written)
        their = other or thread.contact.address
        sender, to = (ME, their) if sent else (their, ME)
        said = subject if subject is not None else f"Re: {thread.subject}"
        own = f"{n}@{sender.partition('@')[2]}"
        lines = [
            f"From: {sender}",
            f"To: {to}",
            f"Subject: {said}",
            f"Date: Sun, 15 Mar 2026 {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02} +0100",
            *([f"Message-ID: <{own}>"] if has_id else []),
            *fields,
        ]
        if kept and has_id:
            thread.mails.append((own, chain))
        lies_in = f"{thread.number} apart {n}" if apart else str(thread.number)
        raw = "\r\n".join([*lines, "", f"Mail {n}.", ""]).encode()
        self._written.append(Written(n, thread.number if kept else None, lies_in, raw, sent))


def _named(ids: Sequence[str]) -> str:
    return " ".join(f"<{one}>" for one in ids)
