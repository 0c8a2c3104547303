"""Gmail for the contract suites: the adapter on the local Gmail, whose control is everybody's hand."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from domain.connections.permissions import Permission
from domain.mail.folders import Folder
from domain.mailboxes.accounts import Grant
from handlers.ports.capabilities import Mailbox
from infra.gmail.delegation import ServiceAccount
from infra.gmail.provider import Gmail
from infra.gmail.scopes import scopes_for
from infra.gmail.sign_in import GoogleSignIn
from infra.local.gmail import GmailControl, GmailServer, Mail
from tests.contracts.topics import Topics, local_topics
from tests.contracts.world import Asked, World
from tests.nowhere import dead_port
from tests.providers import granted, held

TOPIC = "projects/lodestone/topics/gmail"
SERVICE = "lodestone@local.iam.gserviceaccount.com"

_PLACES: Mapping[Folder, tuple[str, ...]] = {
    Folder.INBOX: ("INBOX",),
    Folder.SENT: ("SENT",),
    Folder.DRAFTS: ("DRAFT",),
    Folder.SPAM: ("SPAM",),
    Folder.TRASH: ("TRASH",),
    Folder.CHAT: ("CHAT",),
    Folder.OTHER: (),
}
_BY_HAND = {"INBOX", "SPAM", "TRASH"}
_WRITES = ("drafts.create", "drafts.send")
_NUMBERS = count(1)


class GmailWorld(World):
    """One mailbox of the local Gmail."""

    unknown_id = "18a"
    reserved_name = "Inbox"
    target, other_target = TOPIC, f"{TOPIC}-2"

    def __init__(self, server: GmailServer, topics: Topics, folder: Path) -> None:
        self._topics = topics
        self._folder = folder
        self._control = GmailControl(server.url)
        self._url = server.url
        self._adapters: list[Gmail] = []
        self.address = f"uwe{next(_NUMBERS)}@example.com"
        self.grant = self.grant_again()
        self.secrets = (held(self.grant).refresh_token, held(self.grant).client_secret)
        self._page = GoogleSignIn(self._file("client.json", self._control.client_file()))
        self._service = ServiceAccount(self._file("service.json", self._control.service_account(SERVICE)))
        for topic in (self.target, self.other_target):
            topics.make(topic)
        self._control.reset_counters()

    def open_elsewhere(self) -> Mailbox:
        kept = self.open()
        kept.address()
        return self._adapter(f"http://127.0.0.1:{dead_port()}", 1).open(kept.grant)

    def provider(self, *, patience: float = 30) -> Gmail:
        return self._adapter(self._url, patience)

    def _adapter(self, url: str, patience: float) -> Gmail:
        adapter = Gmail(url, timeout_seconds=patience, sign_in=self._page, service_account=self._service)
        self._adapters.append(adapter)
        return adapter

    def _file(self, name: str, content: object) -> Path:
        file = self._folder / name
        file.write_text(json.dumps(content))
        return file

    def asked(self) -> Asked:
        told = self._control.counters()
        units = told.by_mailbox.get(self.address, {}).get("units", 0)
        return Asked(told.http_requests + told.token_requests, units)

    def deliver(self, raw: bytes, folder: Folder = Folder.INBOX, received: datetime | None = None) -> str:
        moment = None if received is None else round(received.timestamp() * 1000)
        return self._control.deliver(self.address, raw, _PLACES[folder], moment).id

    def deliver_many(self, count: int, raw: bytes) -> list[str]:
        return [
            found.id for found in self._control.deliver_many(Mail(self.address, raw) for _ in range(count))
        ]

    def folders(self) -> Mapping[str, Folder]:
        return {one.id: _folder(one.label_ids) for one in self._control.dump(self.address).messages}

    def move(self, message_id: str, folder: Folder) -> None:
        there = set(_PLACES[folder])
        self._control.change_labels(self.address, message_id, add=there, remove=_BY_HAND - there)

    def delete(self, message_id: str) -> None:
        self._control.delete(self.address, message_id)

    def grant_again(self) -> Grant:
        user = self._control.create_mailbox(self.address)
        return granted(user)

    def let_in(self, *permissions: Permission) -> None:
        self._control.service_account(SERVICE, scopes_for(permissions))

    def revoke(self) -> None:
        self._control.revoke(self.address)

    def expire_access(self) -> None:
        self._control.expire_access_tokens(self.address)

    def grant_file(self) -> Path:
        return self._file("token.json", self._control.create_mailbox(self.address))

    def visit(self, url: str) -> str:
        place = urlsplit(url)
        with closing(HTTPConnection(place.netloc, timeout=30)) as connection:
            connection.request("GET", f"{place.path}?{place.query}")
            return connection.getresponse().headers["Location"]

    def untick(self, permission: Permission) -> None:
        self._control.consent(hint=self.address, without=scopes_for([permission]))

    def expire_codes(self) -> None:
        self._control.expire_codes()

    def own_addresses(self, verified: Mapping[str, str], pending: Collection[str] = ()) -> None:
        aliases = [address for address in verified if address != self.address]
        self._control.set_aliases(self.address, aliases, pending, names=verified)

    def watched(self) -> str | None:
        return self._control.dump(self.address).watched_topic

    def pushed(self) -> bytes:
        return self._topics.pushed(self.target, self.address.encode())

    def labels(self) -> Mapping[str, str]:
        named = self._control.dump(self.address).labels
        return {one: name for one, name in named.items() if one.startswith("Label_")}

    def labels_of(self, message_id: str) -> Collection[str]:
        message = self._control.dump(self.address).message(message_id)
        return message.label_ids if message else ()

    def label(self, message_id: str, name: str) -> str:
        self._control.change_labels(self.address, message_id, add=[name])
        return next(one for one, called in self.labels().items() if called == name)

    def unlabel(self, message_id: str, label_id: str) -> None:
        self._control.change_labels(self.address, message_id, remove=[label_id])

    def rename_label(self, label_id: str, name: str) -> None:
        self._control.rename_label(self.address, label_id, name)

    def delete_label(self, label_id: str) -> None:
        self._control.delete_label(self.address, label_id)

    def refuse_labels(self) -> None:
        self._control.limit_labels(self.address, len(self._control.dump(self.address).labels))

    def deny_label(self) -> None:
        self._fault("409", ["labels.create"])

    def throttle(self, seconds: float) -> None:
        self._fault("429", retry_after=seconds)
        self._fault("429", ["batch"], retry_after=seconds)

    def be_away(self) -> None:
        self._fault("503")
        self._fault("503", ["token"])

    def refuse(self) -> None:
        self._fault("403.domainPolicy")

    def refuse_client(self) -> None:
        self._fault("token.invalid_client")

    def break_line(self) -> None:
        self._fault("cut")

    def be_slow(self, seconds: float) -> None:
        self._fault("slow", delay=seconds)

    def be_silent(self) -> None:
        self._fault("timeout", after=False)

    def trickle(self) -> None:
        self._fault("trickle", delay=0.1)

    def poison(self, message_id: str) -> None:
        self._fault("500", message_id=message_id)

    def hang_on(self, message_id: str) -> None:
        self._fault("cut", message_id=message_id)

    def lose_history(self) -> None:
        self._control.expire_history(self.address)

    def refuse_cursors(self) -> None:
        self._fault("refuse_history")

    def be_late(self) -> None:
        self._fault("history_lag", share=0.5, delay=600)

    def repeat_changes(self) -> None:
        self._fault("repeat_page")

    def empty_pages(self) -> None:
        self._fault("empty_page")

    def hide_folders(self) -> None:
        self._fault("omit_label_ids")

    def lose_answers(self) -> None:
        self._fault("cut", _WRITES, after=True)

    def refuse_sending(self) -> None:
        self._control.limit_sending(self.address, 0)

    def refuse_target(self) -> None:
        self._topics.delete(self.target)

    def _fault(self, kind: str, methods: Collection[str] = (), **more: Any) -> None:
        self._control.fault(kind, methods, mailbox=self.address, **more)

    def calm(self) -> None:
        self._control.clear_faults()

    def close(self) -> None:
        self.calm()
        for adapter in self._adapters:
            adapter.close()


def _folder(label_ids: Collection[str]) -> Folder:
    """For mails that `deliver` and `move` have put somewhere, and those of drafts: each in one place."""
    return next((folder for folder, places in _PLACES.items() if set(places) & set(label_ids)), Folder.OTHER)


@contextmanager
def gmail_worlds(folder: Path) -> Iterator[Callable[[], GmailWorld]]:
    """A local Gmail with a Pub/Sub to push to, and mailboxes in it."""
    with local_topics() as (host, topics), GmailServer(pubsub_host=host, push_interval=0) as server:
        yield lambda: GmailWorld(server, topics, folder)
