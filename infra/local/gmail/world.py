"""The state of the server: mailboxes, consents, spool, meter, faults and push. It is lost at the end."""

import random
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from infra.local.gmail.control.faults import Faults
from infra.local.gmail.http.errors import ApiError
from infra.local.gmail.mail import headers
from infra.local.gmail.mail.spool import Spool
from infra.local.gmail.mailbox import Mailbox, Message, Watch
from infra.local.gmail.push import Push
from infra.local.gmail.quota import Meter
from infra.local.gmail.sign_in.accounts import Accounts, Grant

WATCH_LIFE = 7 * 24 * 3600 * 1000
"""A watch ends after seven days at the latest (FACTS §1)."""

ARRIVING = ("INBOX", "UNREAD")


class World:
    """Shared by the API, the batch endpoint and control. Safe for many threads."""

    def __init__(
        self,
        pubsub_host: str | None = None,
        *,
        spool_folder: Path | None = None,
        push_interval: float = 1.0,
        token_lifetime: float = 3599,
        seed: int = 0,
    ) -> None:
        self.meter = Meter()
        self.faults = Faults()
        self.accounts = Accounts(token_lifetime)
        self.push = Push(pubsub_host, self.meter.note, self.faults, push_interval)
        self.spool = Spool(spool_folder)
        self._rng = random.Random(seed)  # noqa: S311 - ids that can be repeated
        self._guard = threading.Lock()
        self._mailboxes: dict[str, Mailbox] = {}
        self._former: dict[str, Mailbox] = {}
        self._aliases: dict[str, Mailbox] = {}
        self._last_id = 0

    def close(self) -> None:
        """Publish the queued notifications and remove the spool."""
        self.push.stop()
        self.spool.close()

    def create_mailbox(self, address: str, aliases: Collection[str] = ()) -> Mailbox:
        """The mailbox of this address, created if there is none. `aliases` are its other sendAs addresses."""
        with self._guard:
            mailbox = self._mailboxes.get(address.lower(), self._former.get(address.lower()))
            if mailbox is None:
                rng = random.Random(self._rng.random())  # noqa: S311
                mailbox = Mailbox(
                    address, tuple(aliases), self._changed, rng, history_id=rng.randint(10**6, 10**7)
                )
                self._mailboxes[address.lower()] = mailbox
                self._aliases |= {alias.lower(): mailbox for alias in aliases}
            return mailbox

    def mailbox(self, address: str) -> Mailbox:
        """The mailbox of a present or former address. Raises KeyError for an address without a mailbox."""
        found = self._mailboxes.get(address.lower(), self._former.get(address.lower()))
        if found is None:
            raise KeyError(address.lower())
        return found

    def receiver(self, address: str) -> Mailbox | None:
        """The mailbox that receives mail to an address: its own, an alias, a former one, or one with a +tag."""
        name, at, domain = address.lower().rpartition("@")
        for one in (f"{name}{at}{domain}", f"{name.partition('+')[0]}{at}{domain}"):
            for known in (self._mailboxes, self._former, self._aliases):
                if one in known:
                    return known[one]
        return None

    def set_aliases(
        self,
        mailbox: Mailbox,
        aliases: Collection[str],
        pending: Collection[str] = (),
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Its other sendAs addresses from now on, those whose owner has not yet agreed, and the names of any."""
        with self._guard:
            self._aliases = {alias: whose for alias, whose in self._aliases.items() if whose is not mailbox}
            self._aliases |= {alias.lower(): mailbox for alias in aliases}
            mailbox.aliases, mailbox.pending = tuple(aliases), tuple(pending)
            mailbox.names = {address.lower(): name for address, name in (names or {}).items()}

    def rename(self, mailbox: Mailbox, address: str) -> None:
        """Rename as an administrator: the account keeps consents and mails, and the old address becomes an alias."""
        with self._guard:
            old, new = mailbox.address, address
            for known in (self._mailboxes, self._former):
                if known.get(new.lower(), mailbox) is not mailbox:
                    raise ValueError(f"there is a mailbox {new}")
            renamed = {new.lower() if m is mailbox else name: m for name, m in self._mailboxes.items()}
            self._mailboxes = renamed
            self._former[old.lower()] = mailbox
            self._former.pop(new.lower(), None)
            mailbox.former = (*mailbox.former, old)
            if old.lower() in mailbox.names:
                mailbox.names[new.lower()] = mailbox.names[old.lower()]
            mailbox.aliases = (
                old,
                *(a for a in mailbox.aliases if a.lower() not in (old.lower(), new.lower())),
            )
            mailbox.address = new

    def mailboxes(self) -> list[Mailbox]:
        """All mailboxes, in order of creation."""
        with self._guard:
            return list(self._mailboxes.values())

    def deliver(
        self,
        address: str,
        raw: bytes,
        labels: Collection[str] | None = None,
        internal_date: int | None = None,
        thread_id: str | None = None,
    ) -> Message:
        """Put raw bytes into a mailbox: into INBOX and UNREAD, or with exactly these labels.

        Labels are ids or names (a new name makes a label); `internal_date` is epoch ms, now by
        default. Raises KeyError for an address without a mailbox, ApiError for an impossible label.
        """
        mailbox = self.mailbox(address)
        label_ids = ARRIVING if labels is None else [mailbox.label_for(label).id for label in labels]
        return self.put(mailbox, raw, label_ids, internal_date, thread_id)

    def put(
        self,
        mailbox: Mailbox,
        raw: bytes,
        label_ids: Collection[str],
        date: int | None = None,
        thread_id: str | None = None,
        draft_id: str = "",
    ) -> Message:
        """A new message; `thread_id` None finds its thread by what it refers to, "" gives it one of its own."""
        message_id, facts, place = self._new_id(), headers.facts(raw), self.spool.append(raw)
        date = int(time.time() * 1000) if date is None else date
        thread_id = thread_id if thread_id is None else thread_id or message_id
        return mailbox.add(message_id, facts, place, date, label_ids, thread_id, draft_id)

    def raw(self, message: Message) -> bytes:
        """The mail as it was delivered."""
        return self.spool.read(message.place)

    def caller(self, authorization: str) -> str:
        """The address that an access token is for, in lower case; empty when no valid token is given."""
        try:
            return self.mailbox(self.accounts.holder(authorization).address).address.lower()
        except ApiError:
            return ""

    def kills(self, grant: Grant) -> bool:
        """End this consent with its tokens if a fault says so; returns whether. Later consents stay."""
        address = self.mailbox(grant.address).address
        if not self.faults.struck("token_death", address, thing=address, since=grant.made):
            return False
        self.accounts.drop(grant)
        return True

    def announce(self, mailbox: Mailbox, watch: Watch) -> None:
        """Send the notification that follows every successful watch at once."""
        self._notify(mailbox, watch, at_once=True)

    def _changed(self, mailbox: Mailbox, labels: frozenset[str]) -> None:
        watch = mailbox.watch
        if watch is None or not watch.concerns(labels) or watch.expiration <= time.time() * 1000:
            return
        self._notify(mailbox, watch)

    def _notify(self, mailbox: Mailbox, watch: Watch, *, at_once: bool = False) -> None:
        self.push.notify(mailbox.address, watch.topic, mailbox.history_id, at_once=at_once)

    def _new_id(self) -> str:
        """16 hex digits that grow with time, as Gmail's do; unique in this server."""
        with self._guard:
            self._last_id = max(self._last_id + self._rng.randint(1, 1000), int(time.time() * 1000) << 20)
            return f"{self._last_id:016x}"
