"""`lodestone mail`, `lodestone open` and `lodestone notifications --live` as a user runs them: as processes."""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from domain.connections.connections import Features, Sharing
from domain.ids import ConnectionId
from domain.mailboxes.accounts import AccountKey
from domain.notifications import NotificationKind
from infra.db.store import Store
from infra.db.tables.mail import notifications
from infra.local.gmail import GmailControl, GmailServer
from infra.secrets import Cipher
from tests.journeys.world import UWE, crm
from tests.providers import granted
from tests.terminals import Done, Terminal
from tests.worlds import HERE
from workers.demo.canary import Canaries, Search

CARLA = "carla@firm.example"
NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)
HOSTILE = "\x1b]0;mine\x07[bold]Hi[/bold] :smile: \u202egnp.exe\u2069 世界"


@dataclass(frozen=True, slots=True)
class Desk:
    """A terminal beside a local Gmail and a store with a small CRM in it."""

    terminal: Terminal
    store: Store
    gmail: GmailControl

    def connect(self, user: str, address: str, sharing: Sharing = Sharing.PUBLIC) -> ConnectionId:
        made = self.gmail.create_mailbox(address)
        grant = granted(made)
        with self.store.begin("tests.connect") as tx:
            mailbox_id = tx.mailboxes.add(AccountKey("gmail", address), address)
            tx.mailboxes.keep_own_addresses(mailbox_id, [address])
            connection_id = tx.of(HERE).connections.add(user, mailbox_id, grant, sharing)
            tx.connections.change(connection_id, Features(magnet_since=tx.now()), dry_run=False)
            return connection_id

    def put(self, raw: bytes | EmailMessage, *, mailbox: str = UWE, at: int = 0) -> str:
        content = raw if isinstance(raw, bytes) else raw.as_bytes()
        return self.gmail.deliver(mailbox, content, internal_date=NOON + 1000 * at).id

    def notify(
        self,
        connection_id: ConnectionId,
        message_id: str | None,
        kind: NotificationKind = NotificationKind.MAIL,
    ) -> int:
        now = datetime(2026, 11, 20, 12, tzinfo=UTC)
        mail = {
            "message_id": message_id,
            "contact_id": "ann",
            "author": "ann@example.com",
            "received_at": now,
        }
        row = {"connection_id": connection_id, "user_id": "uwe", "created_at": now, "kind": kind.value}
        with self.store.engine.begin() as db:
            added = insert(notifications).values(
                {"organisation_id": 1, "location_id": 1} | row | (mail if message_id else {})
            )
            return int(db.scalars(added.returning(notifications.c.id)).one())

    def listed(self) -> list[int]:
        with self.store.engine.connect() as db:
            return list(db.scalars(select(notifications.c.id).order_by(notifications.c.id)))

    def run(self, *words: str) -> Done:
        return self.terminal.run(*words)


@pytest.fixture
def desk(tmp_path: Path, sqlite_url: str, cipher: Cipher) -> Iterator[Desk]:
    store = Store(sqlite_url, cipher)
    crm(store.engine)
    with GmailServer() as server:
        folder = tmp_path / "desk"
        folder.mkdir()
        terminal = Terminal(
            folder, sqlite_url, {"LODESTONE_GMAIL_ENDPOINT": server.url, "LODESTONE_LOG_LEVEL": "INFO"}
        )
        yield Desk(terminal, store, GmailControl(server.url))
    store.engine.dispose()


def plain(
    subject: str, text: str = "Text.", sender: str = "Ann <ann@example.com>", to: str = UWE
) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail.set_content(text)
    return mail


def with_files(*names: str) -> EmailMessage:
    mail = plain("files")
    for name in names:
        mail.add_attachment(
            f"content of {name}".encode(), maintype="application", subtype="pdf", filename=name
        )
    return mail


@pytest.mark.rule("Z17")
def test_a_contacts_mail_in_a_table_and_as_json(desk: Desk) -> None:
    desk.connect("uwe", UWE)
    first = desk.put(plain("the offer", "Dear Uwe,\nhere it is."), at=1)
    second = desk.put(plain("my answer", sender=UWE, to="ann@example.com"), at=2)
    done = desk.run("mail", "ann")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert [lines[0].split()[-1], lines[2].split()[-1]] == [second, first]
    assert lines[2].startswith("2026-11-20 12:00:01 UTC  in     Ann <ann@example.com>")
    assert "the offer" in lines[2]
    assert lines[3] == "    Dear Uwe, here it is."

    page = desk.run("mail", "ann", "--as", "uwe", "--json", "--limit", "1").json
    assert [one["subject"] for one in page["mails"]] == ["my answer"]
    assert page["mails"][0]["direction"] == "outbound"
    assert page["mailboxes"] == [{"mailbox": UWE, "trouble": None, "mails_not_fetched": 0}]
    again = desk.run("mail", "ann", "--json", "--before", page["next_page"]).json
    assert [one["message_id"] for one in again["mails"]] == [first]
    assert again["next_page"] is None


@pytest.mark.rule("E100", "Z17a")
def test_mail_through_a_list_says_so(desk: Desk) -> None:
    desk.connect("uwe", UWE)
    mail = plain("news", sender="Ann via Users <users@lists.example>")
    mail["List-Post"], mail["X-Original-From"] = "<mailto:users@lists.example>", "Ann <ann@example.com>"
    through, straight = desk.put(mail, at=2), desk.put(plain("straight"), at=1)
    lines = desk.run("mail", "--mine").out.splitlines()
    assert [line.split("Text.")[0].rstrip().endswith(", via a list") for line in lines[::2]] == [True, False]
    listed = desk.run("mail", "--mine", "--json").json["mails"]
    assert {one["message_id"]: one["via_list"] for one in listed} == {through: True, straight: False}
    shown = desk.run("mail", "--mine", through).out
    assert shown.splitlines()[0] == f"Mailbox: {UWE} (in, via a list, received 2026-11-20 12:00:02 UTC)"


@pytest.mark.rule("Z17", "D13")
def test_one_mail_and_its_mailbox(desk: Desk) -> None:
    desk.connect("uwe", UWE)
    desk.connect("carla", CARLA)
    message_id = desk.put(plain("hers", "To Carla.", to=CARLA), mailbox=CARLA)
    assert desk.run("mail", "ann").err.splitlines()[-1] == "lodestone: name the user who looks: --as USER"
    assert desk.run("mail", "ann", "--as", "uwe").out.splitlines()[0].endswith(f"{CARLA}/{message_id}")
    for words in ((message_id,), (f"{CARLA}/{message_id}",), (message_id, "--mailbox", CARLA)):
        done = desk.run("mail", "ann", *words, "--as", "uwe")
        assert done.code == 0, done.err
        assert done.out.splitlines()[0] == f"Mailbox: {CARLA} (in, received 2026-11-20 12:00:00 UTC)"
        assert done.out.endswith("Subject: hers\n\nTo Carla.\n")
    wrong = desk.run("mail", "ann", f"{UWE}/{message_id}", "--as", "uwe")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.splitlines()[-1] == "lodestone: there is no such mail here"


@pytest.mark.rule("Z17a")
def test_the_owners_own_mailbox(desk: Desk) -> None:
    desk.connect("uwe", UWE)
    statement = desk.put(plain("statement", sender="bank@example.net"), at=1)
    desk.put(plain("lunch", sender=CARLA), at=2)
    assert [one["subject"] for one in desk.run("mail", "--mine", "--json").json["mails"]] == [
        "lunch",
        "statement",
    ]
    found = desk.run("mail", "--mine", "--search", "subject:statement", "--json").json["mails"]
    assert [one["message_id"] for one in found] == [statement]
    assert desk.run("mail", "--mine", statement, "--as", "uwe").out.startswith(f"Mailbox: {UWE}")


def test_attachments_are_listed_and_saved_under_names_that_harm_nothing(desk: Desk) -> None:
    desk.connect("uwe", UWE)
    message_id = desk.put(with_files("invoice.pdf", "../../evil.sh", "invoice.pdf", "\x1b[31m.pdf"))
    listed = desk.run("mail", "ann", message_id).out
    assert "Attachment 1: invoice.pdf (application/pdf, 22 bytes)\n" in listed
    assert "\x1b" not in listed
    for _ in range(2):
        assert desk.run("mail", "ann", message_id, "--save", "files").code == 0
    folder = desk.terminal.folder / "files"
    assert sorted(os.listdir(desk.terminal.folder)) == ["files"]
    names = sorted(os.listdir(folder))
    assert len(names) == 8
    assert {"invoice.pdf", "invoice-2.pdf", "invoice-3.pdf", "invoice-4.pdf", "_.._evil.sh"} <= set(names)
    assert (folder / "invoice.pdf").read_text() == "content of invoice.pdf"
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in names} == {0o600}
    told = desk.run("mail", "ann", message_id, "--save", "more", "--json").json["attachments"]
    assert told[0] == {
        "number": 1,
        "file_name": "invoice.pdf",
        "mime_type": "application/pdf",
        "size_bytes": 22,
        "saved_as": "more/invoice.pdf",
    }


def test_a_folder_that_cannot_be_is_told_in_one_line(desk: Desk) -> None:
    desk.connect("uwe", UWE)
    message_id = desk.put(with_files("a.pdf"))
    (desk.terminal.folder / "file").write_text("")
    done = desk.run("mail", "ann", message_id, "--save", "file/under")
    assert done.code == 2
    assert done.err.splitlines()[-1] == "lodestone: nothing can be saved into file/under (Not a directory)"


def test_a_hostile_mail_is_shown_as_harmless_text(desk: Desk) -> None:
    desk.connect("uwe", UWE)
    raw = (
        "From: =?utf-8?q?=1b=5b2J=e2=80=ae?= <ann@example.com>\r\nTo: uwe@firm.example\r\n"
        f"Subject: {HOSTILE}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{HOSTILE}\u2028next\x9b2J\x00\r\n"
    )
    message_id = desk.put(raw.encode())
    for words in (("mail", "ann"), ("mail", "ann", message_id)):
        shown = desk.run(*words)
        assert shown.code == 0, shown.err
        assert "[bold]Hi[/bold] :smile: gnp.exe 世界" in shown.out
        assert not set(shown.out) & set("\x00\x07\x1b\x9b\u202e\u2069\u2028")
    as_json = desk.run("mail", "ann", message_id, "--json")
    assert as_json.out.isascii()
    assert "\x1b" not in as_json.out
    assert json.loads(as_json.out)["subject"] == HOSTILE


@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param(("mail",), "name a contact, or add --mine", id="nothing named"),
        pytest.param(("mail", "zoe"), "there is no contact zoe that user uwe may open", id="no such contact"),
        pytest.param(
            ("mail", "ann", "--before", "garbage!"),
            "--before is no token of a page: take it from the end of the page before",
            id="no token",
        ),
        pytest.param(
            ("mail", "ann", "--before", "W10"),
            "--before is no token of a page: take it from the end of the page before",
            id="a token of nothing",
        ),
        pytest.param(("mail", "ann", "../../ff"), "that is no mailbox address", id="no mailbox"),
        pytest.param(("mail", "ann", "x y"), "there is no such mail here", id="no id"),
        pytest.param(("mail", "ann", "nosuchid"), "there is no such mail here", id="no id of Gmail's"),
        pytest.param(("mail", "ann", "ffff"), "there is no such mail here", id="no such mail"),
        pytest.param(
            ("mail", "ann", "--search", "x"),
            "--search goes with --mine: a contact's mail is found by its addresses",
            id="a search on a contact",
        ),
        pytest.param(("mail", "ann", "--save", "x"), "--save goes with one mail: name its id", id="save all"),
        pytest.param(("open", "7"), "there is no notification 7 for user uwe", id="no such notification"),
        pytest.param(
            ("mail", "ann", "--as", "nobody"),
            "there is no user nobody: `lodestone crm import --users FILE` or `lodestone connect` makes one known",
            id="no such user",
        ),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(desk: Desk, words: tuple[str, ...], line: str) -> None:
    desk.connect("uwe", UWE)
    done = desk.run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == f"lodestone: {line}"


def test_a_mailbox_that_fails_is_named_and_alone_it_is_an_error(desk: Desk) -> None:
    desk.connect("uwe", UWE)
    desk.connect("carla", CARLA)
    desk.put(plain("his"))
    desk.gmail.revoke(CARLA)
    done = desk.run("mail", "ann", "--as", "uwe")
    assert done.code == 0
    assert done.out.splitlines()[-1] == f"{CARLA} cannot be shown: its user has to sign in again"
    alone = desk.run("mail", "ann", "--as", "uwe", "--mailbox", CARLA, "--json")
    assert alone.code == 1
    assert alone.json["mailboxes"] == [
        {"mailbox": CARLA, "trouble": "sign_in_needed", "mails_not_fetched": 0}
    ]


@pytest.mark.rule("Z24", "Z25")
def test_notifications_with_what_gmail_shows_now(desk: Desk) -> None:
    connection_id = desk.connect("uwe", UWE)
    there = desk.notify(connection_id, desk.put(plain("the offer", "Here it is.")))
    gone = desk.notify(connection_id, "f" * 16)
    notice = desk.notify(connection_id, None, NotificationKind.SIGN_IN_NEEDED)
    lines = desk.run("notifications", "--user", "uwe", "--live").out.splitlines()
    assert lines[0].split()[0] == str(there)
    assert "the offer" in lines[0]
    assert lines[1].strip() == "Here it is."
    assert "(deleted meanwhile)" in lines[2]
    assert "please sign in again" in lines[3]
    told = desk.run("notifications", "--user", "uwe", "--live", "--json").json
    assert [
        (one["notification_id"], one["subject"], one["preview"], one["message_deleted"]) for one in told
    ] == [
        (there, "the offer", "Here it is.", False),
        (gone, None, None, True),
        (notice, None, None, False),
    ]
    assert desk.listed() == [there, gone, notice], "showing the list removes nothing"


@pytest.mark.rule("Z24", "Z27", "E37")
def test_opening_a_notification_shows_its_mail_or_removes_it(desk: Desk) -> None:
    connection_id = desk.connect("uwe", UWE)
    mails = [desk.put(plain(f"mail {n}", f"Text {n}.")) for n in range(4)]
    ids = [desk.notify(connection_id, message_id) for message_id in mails]
    opened = desk.run("open", str(ids[0]), "--as", "uwe")
    assert opened.out.endswith("Subject: mail 0\n\nText 0.\n")
    told = desk.run("open", str(ids[0]), "--json").json
    assert told["notification"] == desk.run("notifications", "--user", "uwe", "--json").json[0]
    assert told["notification"]["name"] == "Ann"
    assert (told["message_deleted"], told["notification"]["notification_id"], told["mail"]["message_id"]) == (
        False,
        ids[0],
        mails[0],
    )
    desk.gmail.delete(UWE, mails[1])
    desk.gmail.trash(UWE, mails[2])
    desk.gmail.spam(UWE, mails[3])
    said = "the mail was deleted meanwhile: its notification is removed\n"
    assert [desk.run("open", str(ids[n])).out for n in (1, 2)] == [said, said]
    assert desk.run("open", str(ids[3]), "--json").json["message_deleted"] is True
    assert desk.listed() == ids[:1]
    assert desk.run("open", str(ids[1])).code == 2


@pytest.mark.rule("Z27")
def test_a_notification_is_opened_by_its_own_user_and_stays_where_gmail_is_away(desk: Desk) -> None:
    connection_id = desk.connect("uwe", UWE)
    desk.connect("carla", CARLA)
    mine = desk.notify(connection_id, desk.put(plain("mine")))
    other = desk.run("open", str(mine), "--as", "carla")
    assert other.err.splitlines()[-1] == f"lodestone: there is no notification {mine} for user carla"
    desk.gmail.fault("503", ["messages.get"])
    assert desk.run("open", str(mine), "--as", "uwe").code == 1
    assert desk.listed() == [mine]
    desk.gmail.clear_faults()
    desk.gmail.revoke(UWE)
    assert desk.run("open", str(mine), "--as", "uwe").code == 1
    assert mine in desk.listed()


@pytest.mark.rule("Z1", "Z2", "Z25", "I3")
def test_nothing_that_was_shown_is_kept_or_logged(desk: Desk) -> None:
    connection_id = desk.connect("uwe", UWE)
    canaries = Canaries()
    words = list(canaries.words)
    mail = plain(words[0], words[1], sender=f'"{words[2]}" <ann@example.com>')
    mail.add_attachment(words[3].encode(), maintype="text", subtype="csv", filename=f"{words[3]}.csv")
    message_id = desk.put(mail)
    notice = desk.notify(connection_id, message_id)
    search = Search(words)
    logged = []
    for command in (
        ("mail", "ann"),
        ("mail", "ann", message_id),
        ("mail", "--mine", "--search", words[1]),
        ("notifications", "--user", "uwe", "--live"),
        ("open", str(notice)),
        ("mail", "ann", "ffff"),
    ):
        done = desk.run(*command)
        logged.append(done.err)
        if done.code == 0:
            assert words[0] in done.out, command
    desk.gmail.fault("half_answer", ["messages.get"])
    logged += [desk.run("mail", "ann").err, desk.run("mail", "ann", message_id).err]
    assert search.in_bytes("".join(logged).encode()) == set()
    assert "mail.shown" in "".join(logged)
    database = Path(str(desk.store.engine.url.database))
    for folder in (database.parent, desk.terminal.folder):
        assert search.in_folder(folder).found == []
    assert search.in_folder(database.parent).files
