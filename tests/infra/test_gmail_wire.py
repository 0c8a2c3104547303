"""What no Gmail should say, and some do: cut, late, mixed-up and senseless answers from a scripted server."""

import gzip
import json
import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from domain.crm.categories import Category
from domain.errors import TryAgain
from domain.mail.content import MailContent
from domain.mail.messages import Fetched
from domain.mailboxes.history import ChangeKind
from domain.sorting.label_changes import LabelChange
from domain.sorting.label_names import LABEL_NAMES
from infra.gmail.bounds import MOST, MOST_OF_A_BATCH
from infra.gmail.grants import GoogleGrant
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail

Answer = bytes | Callable[[bytes], bytes]
STAR = LabelChange(frozenset({"STARRED"}), frozenset())


class Trickle(bytes):
    """An answer that is sent byte by byte."""


class Script(socketserver.ThreadingTCPServer):
    """Gives the answers in `script`, one a request, and hangs up when there are none left."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.script: list[Answer] = []
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast(Script, self.server)
        while head := self.rfile.readline():
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                head += line
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            request = head + self.rfile.read(int(length[1]) if length else 0)
            server.requests.append(request)
            if not server.script:
                return
            answer = server.script.pop(0)
            if isinstance(answer, Trickle):
                self._trickle(answer)
                return
            self.wfile.write(answer if isinstance(answer, bytes) else answer(request))
            if b"Connection: close" in (answer if isinstance(answer, bytes) else b""):
                return

    def _trickle(self, answer: bytes) -> None:
        with suppress(OSError):
            for one in answer:
                self.wfile.write(bytes([one]))
                time.sleep(0.03)


@pytest.fixture
def google() -> Iterator[Script]:
    with Script() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def mailbox(google: Script) -> Iterator[GmailMailbox]:
    gmail = Gmail(google.url, timeout_seconds=2)
    yield gmail.open(
        GoogleGrant("client", "secret", "refresh", f"{google.url}/token", access_token="access").written()
    )
    gmail.close()


def http(body: object = None, status: int = 200, **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content_Type": "application/json", "Content_Length": str(len(content)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + content


def message(message_id: str) -> dict[str, Any]:
    return {
        "id": message_id,
        "threadId": "t",
        "internalDate": 1_767_225_600_000,
        "payload": {"mimeType": "text/plain"},
    }


def parts(bodies: Mapping[str, bytes], content_id: str = "response-{}", end: str = "--b--\r\n") -> Answer:
    """A batch answer: to each message asked for its body, in turned order; none is a part left out."""

    def answer(request: bytes) -> bytes:
        asked = re.findall(rb"Content-ID: <(.+?)>.*?(?:messages/)(\w+)", request, re.DOTALL)
        head = (
            "--b\r\nContent-Type: application/http\r\nContent-ID: <%s>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n%s\r\n"
        )
        pieces = [
            head % (content_id.format(number.decode()), bodies[message_id.decode()].decode())
            for number, message_id in reversed(asked)
            if message_id.decode() in bodies
        ]
        return http("".join([*pieces, end]).encode(), Content_Type="multipart/mixed; boundary=b")

    return answer


def nameless() -> bytes:
    """A batch answer whose one part does not say whose it is."""
    part = b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n--b--\r\n"
    return http(part, Content_Type="multipart/mixed; boundary=b")


def good(*message_ids: str) -> dict[str, bytes]:
    return {i: json.dumps(message(i)).encode() for i in message_ids}


def troubles(found: Mapping[str, object]) -> dict[str, tuple[str, bool]]:
    return {i: (t.reason, t.whole_mailbox) for i, t in found.items() if isinstance(t, TryAgain)}


def test_a_batch_is_sorted_by_its_ids_not_by_its_order(google: Script, mailbox: GmailMailbox) -> None:
    google.script = [parts(good("a", "b", "c"))]
    found = mailbox.headers(["a", "b", "c"])
    assert [m.message_id for m in found.values() if isinstance(m, Fetched)] == ["a", "b", "c"]
    assert google.requests[0].startswith(b"POST /batch/gmail/v1 HTTP/1.1\r\n")


@pytest.mark.rule("E87")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(parts(good("a", "b"), content_id="response-"), id="ids that say nothing"),
        pytest.param(parts(good("a", "b"), content_id=""), id="empty ids"),
        pytest.param(parts(good("b")), id="a part is missing"),
        pytest.param(parts({}, end="--b\r\n\r\n--b--\r\n"), id="a part without anything"),
        pytest.param(parts({}, end=""), id="nothing"),
        pytest.param(http({"not": "multipart"}), id="no parts at all"),
        pytest.param(nameless(), id="parts without a name"),
        pytest.param(
            http(b"--b\r\n\r\nno HTTP", Content_Type="multipart/mixed; boundary=b"),
            id="parts that are no answers",
        ),
        pytest.param(http(b"\xff\xfe", Content_Type="multipart/mixed; boundary=b"), id="not a text"),
        pytest.param(http({}, status=302, Location="http://127.0.0.1:1/"), id="sent elsewhere"),
    ],
)
def test_a_batch_answer_that_cannot_be_told_apart_is_nobody_s(
    google: Script, mailbox: GmailMailbox, answer: Answer
) -> None:
    google.script = [answer]
    ids = ["a", "b", *(f"m{number}" for number in range(30))]
    found = troubles(mailbox.headers(ids))
    assert list(found) == ids
    assert {whole for _, whole in found.values()} == {True}
    asked = [request.split(b"?")[0].rpartition(b"/")[2] for request in google.requests[1:]]
    assert set(asked) == {b"a", b"profile"}, "the first, alone, whether anything is answered, and no more"


@pytest.mark.rule("E87")
def test_what_cannot_be_told_apart_is_asked_for_one_by_one(google: Script, mailbox: GmailMailbox) -> None:
    nameless = parts(good("a", "b", "c"), content_id="response-")
    limited = http({"error": {"errors": [{"reason": "rateLimitExceeded"}]}}, status=429)
    broken, elsewhere = http({"error": {}}, status=500), http({"historyId": "1"})
    alone = [http(message("a")), broken, elsewhere, http(message("c")), limited]
    google.script = [nameless, *alone]
    found = mailbox.headers(["a", "b", "c", "d", "e"])
    assert [message_id for message_id, message in found.items() if isinstance(message, Fetched)] == ["a", "c"]
    assert troubles(found) == {
        "b": ("http_500", False),
        "d": ("rateLimitExceeded", True),
        "e": ("rateLimitExceeded", True),
    }
    assert len(google.requests) == 6, "the last is not sent any more"


def swollen(size: int) -> dict[str, bytes]:
    """Answers of so many bytes, by how they say where they end."""
    body = b"x" * size
    head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    packed = gzip.compress(body, 1)
    return {
        "by its length": head + b"Content-Length: %d\r\n\r\n" % size,
        "in chunks": head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, body),
        "to the end of the line": head + b"Connection: close\r\n\r\n" + body,
        "packed": head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
    }


@pytest.mark.rule("E102")
@pytest.mark.parametrize("form", swollen(0))
def test_of_a_batch_that_would_not_fit_into_memory_each_mail_is_asked_for_alone(
    google: Script, mailbox: GmailMailbox, form: str
) -> None:
    google.script = [swollen(MOST_OF_A_BATCH + 1)[form], http(message("a")), http(message("b"))]
    found = mailbox.contents(["a", "b"])
    assert [mail.message_id for mail in found.values() if isinstance(mail, MailContent)] == ["a", "b"]
    assert (mailbox.spent.units, mailbox.spent.requests) == (80, 3), "the batch was paid too"


@pytest.mark.rule("E102")
def test_a_mail_that_would_not_fit_alone_is_its_own_trouble(google: Script, mailbox: GmailMailbox) -> None:
    google.script = [swollen(MOST + 1)["by its length"], http(message("b"))]
    assert troubles(mailbox.contents(["a"])) == {"a": ("too_large", False)}
    assert isinstance(mailbox.contents(["b"])["b"], MailContent)


@pytest.mark.parametrize(
    "answer", [{"messages": [{}]}, {"messages": "a"}, {"messages": [{"id": "a", "labelIds": [1]}]}]
)
def test_a_thread_that_cannot_be_read_is_asked_for_again_and_an_empty_one_is_none(
    google: Script, mailbox: GmailMailbox, answer: dict[str, Any]
) -> None:
    google.script = [http(answer), http({})]
    with pytest.raises(TryAgain):
        mailbox.thread("a")
    assert mailbox.thread("a") == ()


def test_a_part_that_is_odd_is_one_message_s_trouble(google: Script, mailbox: GmailMailbox) -> None:
    bodies = good("a", "b", "c", "d", "e")
    bodies["a"], bodies["b"] = bodies["b"], bodies["a"]
    bodies["c"] = b'{"id": "c", "internalD'
    bodies["d"] = b'{"id": "d"}'
    google.script = [parts(bodies), parts(good("a") | {"b": b"[]"}), parts({"a": b'{"id": "b"}', "b": b"{}"})]
    found = mailbox.headers(["a", "b", "c", "d", "e"])
    assert troubles(found) == dict.fromkeys("abcd", ("odd_answer", False))
    assert isinstance(found["e"], Fetched)
    assert troubles(mailbox.labels.look(["a", "b"])) == {"b": ("odd_answer", False)}
    assert troubles(mailbox.labels.change({"a": STAR, "b": STAR})) == dict.fromkeys(
        "ab", ("odd_answer", False)
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(http(b"<html>Hello</html>"), "odd_answer", id="a page"),
        pytest.param(http(b""), "odd_answer", id="nothing"),
        pytest.param(http({}), "odd_answer", id="nothing in it"),
        pytest.param(http([1]), "odd_answer", id="a list"),
        pytest.param(http({"history": {}, "labels": 7}), "odd_answer", id="other than promised"),
        pytest.param(http({"history": [{"id": "x"}], "labels": [{}]}), "odd_answer", id="not a number"),
        pytest.param(http({}, Content_Length="99", Connection="close"), "connection_broken", id="cut"),
        pytest.param(b"Connection: close", "connection_broken", id="not HTTP"),
        pytest.param(http(b"x", Content_Encoding="gzip"), "odd_answer", id="not the gzip it claims"),
        pytest.param(http([], status=403), "odd_answer", id="a refusal that the library trips over"),
    ],
)
def test_an_answer_that_cannot_be_read_is_asked_for_again(
    google: Script, mailbox: GmailMailbox, answer: Answer, reason: str
) -> None:
    calls: list[Callable[[], object]] = [
        mailbox.cursor_now,
        mailbox.address,
        mailbox.own_addresses,
        lambda: list(mailbox.changes_since("1")),
        lambda: mailbox.labels.ensure(LABEL_NAMES, {}),
        lambda: mailbox.watch("projects/p/topics/t"),
    ]
    for call in calls:
        google.script = [answer] * 2
        with pytest.raises(TryAgain) as caught:
            call()
        assert caught.value.reason == reason
    google.script = [http({"historyId": 7})]
    assert mailbox.cursor_now() == "7"


def test_silence_ends_and_its_late_answer_is_nobody_s(google: Script, mailbox: GmailMailbox) -> None:
    late = threading.Event()

    def slow(_: bytes) -> bytes:
        late.wait(60)
        return http({"historyId": "1"})

    google.script = [slow, http({"historyId": "2"})]
    with pytest.raises(TryAgain, match=r"^timeout$"):
        mailbox.cursor_now()
    late.set()
    assert mailbox.cursor_now() == "2"
    assert (mailbox.spent.units, mailbox.spent.requests) == (2, 2)


@pytest.mark.rule("E87", "W2")
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"X: ", id="in its head"),
        pytest.param(b"Content-Length: 5000\r\n\r\n", id="of a known length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nfff\r\n", id="in chunks"),
        pytest.param(b"\r\n", id="until the line ends"),
    ],
)
def test_an_answer_that_trickles_on_and_on_is_cut_whatever_its_form(google: Script, head: bytes) -> None:
    gmail = Gmail(google.url, timeout_seconds=0.25)
    mailbox = gmail.open(
        GoogleGrant("client", "secret", "refresh", f"{google.url}/token", access_token="access").written()
    )
    google.script = [Trickle(b"HTTP/1.1 200 OK\r\n" + head + b"x" * 5_000), http({"historyId": "2"})]
    with pytest.raises(TryAgain, match=r"^timeout$"):
        mailbox.cursor_now()
    assert mailbox.cursor_now() == "2"
    gmail.close()


def test_a_line_that_went_dead_meanwhile_is_opened_again(google: Script, mailbox: GmailMailbox) -> None:
    google.script = [http({"historyId": "1"}, Connection="close"), http({"historyId": "2"})]
    assert [mailbox.cursor_now(), mailbox.cursor_now()] == ["1", "2"]
    with pytest.raises(TryAgain, match=r"^connection_broken$"):
        mailbox.cursor_now()


def test_nobody_there_costs_nothing() -> None:
    gmail = Gmail("http://127.0.0.1:1", timeout_seconds=2)
    mailbox = gmail.open(
        GoogleGrant("client", "secret", "refresh", "http://127.0.0.1:1/token", "access").written()
    )
    assert troubles(mailbox.headers(["a", "b"])) == dict.fromkeys("ab", ("unreachable", True))
    assert mailbox.spent.units == 0
    gmail.close()


@pytest.mark.rule("W8")
def test_history_may_be_empty_doubled_and_in_numbers(google: Script, mailbox: GmailMailbox) -> None:
    added = {"id": 12, "messages": [{"id": "a"}], "messagesAdded": [{"message": {"id": "a"}}]}
    beyond = 2**70
    google.script = [
        http({"nextPageToken": "1", "historyId": "99"}),
        http({"history": [added, added, {"id": "9"}], "nextPageToken": "2", "historyId": 99}),
        http({"history": [{"id": str(beyond), "messages": [{"id": "a"}]}], "historyId": 99}),
        http({"historyId": "5"}),
    ]
    pages = list(mailbox.changes_since("10"))
    assert [page.cursor for page in pages] == ["10", "12", str(beyond)]
    assert [page.last for page in pages] == [False, False, True]
    assert [(c.kind, c.message_id, c.folder) for c in pages[1].changes] == [
        (ChangeKind.ARRIVED, "a", None)
    ] * 2
    assert pages[2].changes == ()
    assert [page.cursor for page in mailbox.changes_since("10")] == ["10"]


@pytest.mark.rule("W12")
def test_a_label_that_another_made_first_is_used(google: Script, mailbox: GmailMailbox) -> None:
    system = {"id": "INBOX", "name": "INBOX", "type": "system"}
    taken = http({"error": {"code": 409, "message": "Label name exists or conflicts"}}, status=409)
    listed = {"labels": [system, {"id": "Label_7", "name": "OPEN DEALS", "type": "user"}]}
    google.script = [http({"labels": [system]}), taken, http(listed)]
    names = {Category.OPEN: "Open Deals"}
    assert mailbox.labels.ensure(names, {}) == {Category.OPEN: "Label_7"}
    google.script = [http({"labels": [system]}), taken, http({"labels": [system]})]
    with pytest.raises(TryAgain, match=r"^label_conflict$"):
        mailbox.labels.ensure(names, {})
    assert b'"labelListVisibility": "labelShow", "messageListVisibility": "show"' in google.requests[1]


@pytest.mark.rule("E84", "E87")
def test_a_conflict_that_only_a_reader_meets_passes(google: Script, mailbox: GmailMailbox) -> None:
    google.script = [http({"error": {"code": 409, "message": "Conflict"}}, status=409)] * 3
    for read in (lambda: next(mailbox.listed_since(datetime(2026, 1, 1, tzinfo=UTC))), mailbox.cursor_now):
        with pytest.raises(TryAgain):
            read()
    with pytest.raises(TryAgain):
        next(mailbox.changes_since("1"))


@pytest.mark.rule("E87", "W12")
def test_a_conflict_over_a_mail_that_is_there_passes(google: Script, mailbox: GmailMailbox) -> None:
    conflict = http({"error": {"code": 409, "message": "Conflict"}}, status=409)
    other = http({"historyId": "1"})
    change = LabelChange(frozenset({"Label_7"}), frozenset())
    for one in (mailbox.labels.change, mailbox.labels.change_in_threads):
        google.script = [conflict, other]
        assert isinstance(one({"a": change})["a"], TryAgain)
    google.script = [conflict] * 3
    with pytest.raises(TryAgain):
        mailbox.watch("projects/p/topics/t")


@pytest.mark.rule("E14")
def test_an_alias_counts_unless_google_says_that_it_is_not_verified(
    google: Script, mailbox: GmailMailbox
) -> None:
    aliases = [
        {"sendAsEmail": "Sales@Example.org", "verificationStatus": "accepted"},
        {"sendAsEmail": "boss@example.org", "verificationStatus": "pending"},
        {"sendAsEmail": "odd@example.org", "verificationStatus": "verificationStatusUnspecified"},
        {"sendAsEmail": "new@example.org", "verificationStatus": "a word that is new"},
        {"sendAsEmail": "no address", "verificationStatus": "accepted"},
        {"sendAsEmail": "A.Maria@example.com"},
        {"sendAsEmail": "am@example.com", "verificationStatus": None},
        {"sendAsEmail": "ana@example.com", "isPrimary": True},
    ]
    google.script = [http({"sendAs": aliases})]
    assert tuple(mailbox.own_addresses()) == (
        "ana@example.com",
        "sales@example.org",
        "a.maria@example.com",
        "am@example.com",
    )


@pytest.mark.rule("E14", "Z16")
@pytest.mark.parametrize(
    ("more", "name"),
    [
        pytest.param({"displayName": "Ana López"}, "Ana López", id="a name"),
        pytest.param({"displayName": ""}, "", id="an empty one"),
        pytest.param({}, "", id="none at all"),
        pytest.param({"displayName": None}, "", id="null"),
    ],
)
def test_the_name_beside_an_own_address_comes_along(
    google: Script, mailbox: GmailMailbox, more: dict[str, object], name: str
) -> None:
    primary = {"sendAsEmail": "ana@example.com", "isPrimary": True} | more
    google.script = [http({"sendAs": [primary]})]
    assert mailbox.own_addresses() == {"ana@example.com": name}
    assert len(google.requests) == 1
    assert "displayName" in google.requests[0].decode()


@pytest.mark.rule("W14")
def test_the_clock_is_the_provider_s(google: Script, mailbox: GmailMailbox) -> None:
    watched = {"historyId": 5, "expiration": 1_767_830_400_000}
    google.script = [http(watched, Date="Thu, 01 Jan 2026 00:00:00 GMT"), http(watched)]
    watch = mailbox.watch("projects/p/topics/t")
    assert watch.answered_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert watch.expires_at == datetime(2026, 1, 8, tzinfo=UTC)
    with pytest.raises(TryAgain):
        mailbox.watch("projects/p/topics/t")
    limited = {
        "error": {"errors": [{"reason": "rateLimitExceeded"}], "message": "Retry after 2026-01-01T00:02:00Z"}
    }
    google.script = [http(limited, status=429, Date="Thu, 01 Jan 2026 00:00:00 GMT")]
    with pytest.raises(TryAgain) as caught:
        mailbox.cursor_now()
    assert caught.value.after is not None
    assert caught.value.after.total_seconds() == 120


def test_odd_token_and_revoke_answers_are_asked_for_again(google: Script) -> None:
    gmail = Gmail(google.url, timeout_seconds=2)
    mailbox = gmail.open(GoogleGrant("client", "secret", "refresh", f"{google.url}/token").written())
    for answer in (http({}), http(b"<html>"), http([]), http({"access_token": "x", "expires_in": "soon"})):
        google.script = [answer]
        with pytest.raises(TryAgain):
            mailbox.cursor_now()
    google.script = [http({}, status=503)]
    with pytest.raises(TryAgain, match=r"^revoke_http_503$"):
        mailbox.revoke()
    assert b"POST /revoke " in google.requests[-1]
    gmail.close()
