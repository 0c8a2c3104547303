"""Webhooks and apprise over real sockets: who is talked to, what is signed, what is never reached (I10)."""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook, WebhookVerificationError

from domain.channels import Channel, ChannelKind, ReceiverAnswer, ReceiverVerdict, Target, Unusable
from domain.cloud_events import envelope
from domain.ids import ChannelId
from infra.notifiers import Notifiers
from infra.notifiers.addresses import checked, is_public
from infra.notifiers.chat import ChatSender
from infra.notifiers.webhook import MOST, WebhookSender
from infra.notifiers.wires import Wires
from tests.nowhere import dead_port
from workers.demo.receiver import Receiver

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise's

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
TAKEN = ReceiverAnswer(ReceiverVerdict.TAKEN, "http 200")
TIME = datetime(2026, 3, 15, tzinfo=UTC)
EVENT = envelope("id-1", "lodestone.channel.tested", "main/main", TIME, {"name": "Zoë"})
HOST = "hooks.example.com"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver([SECRET]) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made certificate for HOST, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "host.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return file


@pytest.fixture
def tls_receiver(certificate: Path) -> Iterator[Receiver]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with Receiver([SECRET], tls=tls) as receiver:
        yield receiver


def sender(**options: object) -> WebhookSender:
    """For targets on loopback."""
    return WebhookSender(**{"may_be_private": True, **options})  # type: ignore[arg-type]  # names of its own


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("0.0.0.0", False),  # noqa: S104 - an address to refuse
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.0.0.8", False),
        ("198.18.0.1", False),
        ("203.0.113.7", False),
        ("224.0.0.1", False),
        ("239.1.1.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fd12:3456:789a::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::5db8:d70e", True),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::", False),
        ("2002:5db8:d70e::1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("hooks.example.com", False),
        ("", False),
    ],
)
def test_only_the_internets_own_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


def test_one_private_address_among_several_is_enough_to_refuse_the_host() -> None:
    both = ("93.184.215.14", "10.0.0.1")
    with pytest.raises(Unusable):
        checked(HOST, 443, may_be_private=False, resolve=lambda host, port: both)
    assert checked(HOST, 443, may_be_private=True, resolve=lambda host, port: both) == both


@pytest.mark.parametrize(
    "written", ["2130706433", "0x7f.1", "127.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_found_out_however_it_is_written(written: str) -> None:
    with pytest.raises(Unusable, match=r"private network|cannot be found"):
        WebhookSender(may_be_private=False).check(f"https://{written}/")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://93.184.215.14/", "https"),
        ("ftp://93.184.215.14/", "no URL"),
        ("https://", "no URL"),
        ("hooks.example.com", "no URL"),
        ("https://93.184.215.14:99999/", "no URL"),
        ("https://a..b/", "no URL"),
        ("https://93.184.215.14/a b", "no URL"),
        ("https://93.184.215.14/\r\nX: y", "no URL"),
        ("https://uwe@93.184.215.14/", "user name"),
        ("https://uwe:t0ken@93.184.215.14/", "user name"),
        ("https://127.0.0.1/", "private network"),
    ],
)
def test_a_url_that_is_not_used_says_why_and_not_what_it_is(url: str, why: str) -> None:
    with pytest.raises(Unusable, match=why) as raised:
        WebhookSender(may_be_private=False).check(url)
    assert "t0ken" not in str(raised.value)


@pytest.mark.rule("I2")
def test_a_webhook_is_signed_so_that_the_librarys_own_check_holds(receiver: Receiver) -> None:
    assert sender().send(Target(receiver.url, SECRET), EVENT) == ReceiverAnswer(
        ReceiverVerdict.TAKEN, "http 204"
    )
    [got] = receiver.got
    assert Webhook(SECRET).verify(got.body, dict(got.headers)) == EVENT
    assert got.headers["webhook-id"] == "id-1"
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    for body, headers in (
        (got.body + b" ", dict(got.headers)),
        (got.body, {**got.headers, "webhook-id": "id-2"}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, headers)


def test_the_certificate_must_be_the_hosts_and_trusted(tls_receiver: Receiver, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    asked: list[str] = []

    def resolve(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",)

    def send(host: str, tls: ssl.SSLContext | None) -> ReceiverAnswer:
        target = Target(f"https://{host}:{tls_receiver.port}/x?y=1", SECRET)
        return sender(tls=tls, resolve=resolve).send(target, EVENT)

    assert send(HOST, trusting).verdict is ReceiverVerdict.TAKEN
    assert asked == [HOST], "resolved once, and connected to what was looked at"
    assert tls_receiver.got[0].headers["host"] == f"{HOST}:{tls_receiver.port}"
    assert send("other.example.com", trusting) == ReceiverAnswer(
        ReceiverVerdict.LATER, "certificate", untouched=True
    )
    assert send(HOST, None) == ReceiverAnswer(ReceiverVerdict.LATER, "certificate", untouched=True)
    assert len(tls_receiver.got) == 1


def test_a_host_that_turns_private_after_it_was_added_is_not_reached(receiver: Receiver) -> None:
    answers = [("93.184.215.14",), ("127.0.0.1",)]
    turning = WebhookSender(may_be_private=False, resolve=lambda host, port: answers.pop(0))
    url = f"https://{HOST}:{receiver.port}/"
    turning.check(url)
    assert turning.send(Target(url, SECRET), EVENT) == ReceiverAnswer(
        ReceiverVerdict.LATER, "private address", untouched=True
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answers.append((status, {"Location": receiver.url}))
    assert sender().send(Target(receiver.url, SECRET), EVENT).verdict is ReceiverVerdict.REFUSED
    assert len(receiver.got) == 1


def test_the_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead_port()}")
    assert sender().send(Target(receiver.url, SECRET), EVENT).verdict is ReceiverVerdict.TAKEN


def _serve(*pieces: bytes, stop: threading.Event, pause: float = 0.05) -> int:
    """One connection, answered with the pieces one by one, the last for ever."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(65_536)
            for piece in pieces:
                connection.sendall(piece)
            while not stop.wait(pause):
                try:
                    connection.sendall(pieces[-1] if pieces else b"")
                except OSError:
                    return

    threading.Thread(target=run, daemon=True).start()
    return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param((), (ReceiverVerdict.LATER, "timeout"), id="says nothing"),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\n", b"x"), (ReceiverVerdict.LATER, "timeout"), id="a header without end"
        ),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"z"),
            (ReceiverVerdict.TAKEN, "http 200"),
            id="a body without end, which nobody reads",
        ),
    ],
)
def test_a_receiver_that_takes_its_time_is_left_when_ours_is_over(
    pieces: tuple[bytes, ...], expected: tuple[ReceiverVerdict, str]
) -> None:
    stop = threading.Event()
    url = f"http://127.0.0.1:{_serve(*pieces, stop=stop)}/"
    try:
        answer = sender(seconds=2).send(Target(url, SECRET), EVENT)
        assert (answer.verdict, answer.reason, answer.untouched) == (*expected, False)
    finally:
        stop.set()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"z" * 1_000_000,
            ReceiverVerdict.TAKEN,
            id="long",
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", ReceiverVerdict.LATER, id="no HTTP"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1_000 + b"\r\n", ReceiverVerdict.LATER, id="1,000 headers"
        ),
    ],
)
def test_a_strange_answer_is_an_answer(answer: bytes, verdict: ReceiverVerdict) -> None:
    stop = threading.Event()
    url = f"http://127.0.0.1:{_serve(answer, stop=stop, pause=60)}/"
    try:
        assert sender().send(Target(url, SECRET), EVENT).verdict is verdict
    finally:
        stop.set()


def test_nobody_there_has_certainly_taken_nothing() -> None:
    url = f"http://127.0.0.1:{dead_port()}/"
    answer = sender().send(Target(url, SECRET), EVENT)
    assert (answer.verdict, answer.untouched, answer.counted) == (ReceiverVerdict.LATER, True, False)
    gone = sender(resolve=_nowhere).send(Target(f"http://{HOST}/", SECRET), EVENT)
    assert gone == ReceiverAnswer(ReceiverVerdict.LATER, "host not found", untouched=True)


def _nowhere(host: str, port: int) -> tuple[str, ...]:
    raise socket.gaierror(socket.EAI_NONAME, "nobody knows")


def send_kept(count: int, target: Target, by: WebhookSender) -> list[ReceiverAnswer]:
    """So many events, one after the other."""
    with Wires() as wires:
        return [by.send(target, EVENT, wires) for _ in range(count)]


def test_events_that_follow_each_other_go_out_by_one_connection(
    receiver: Receiver, tls_receiver: Receiver, certificate: Path
) -> None:
    assert {a.verdict for a in send_kept(5, Target(receiver.url, SECRET), sender())} == {
        ReceiverVerdict.TAKEN
    }
    assert (len(receiver.got), receiver.connections) == (5, 1)
    safe = sender(
        tls=ssl.create_default_context(cafile=certificate), resolve=lambda host, port: ("127.0.0.1",)
    )
    target = Target(f"https://{HOST}:{tls_receiver.port}/", SECRET)
    assert {a.verdict for a in send_kept(5, target, safe)} == {ReceiverVerdict.TAKEN}
    assert (len(tls_receiver.got), tls_receiver.connections) == (5, 1)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(b"\r\nConnection: close\r\n\r\n", id="it says so"),
        pytest.param(b"\r\n\r\n", id="it says nothing"),
        pytest.param(b"\r\n\r\nHTTP/1.1 408 Request Timeout\r\n\r\n", id="it says more than was asked"),
    ],
)
def test_a_receiver_that_hangs_up_after_each_answer_gets_every_event(ending: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(3):
                with server.accept()[0] as connection:
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0" + ending)

        answering = threading.Thread(target=answer)
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert send_kept(3, Target(url, SECRET), sender(seconds=30)) == [TAKEN] * 3
        answering.join(30)


def test_a_receiver_that_hangs_up_instead_of_answering_gets_the_event_by_another_connection() -> None:
    bodies = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for events in (2, 1):
                with server.accept()[0] as connection:
                    for number in range(events):
                        bodies.append(connection.recv(65_536).partition(b"\r\n\r\n")[2])
                        if number == 0:
                            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert send_kept(2, Target(url, SECRET), sender(seconds=30)) == [TAKEN] * 2
        answering.join(30)
    assert len(bodies) == 3
    assert len(set(bodies)) == 1, "it may have taken the second event: the repeat has the same id"


@pytest.mark.rule("I10")
def test_each_new_connection_is_looked_at_anew(receiver: Receiver) -> None:
    receiver.answers.append((200, {"Connection": "close"}))
    answers = [("127.0.0.1",), ()]
    turning = sender(resolve=lambda host, port: answers.pop(0) or _nowhere(host, port))
    url = f"http://{HOST}:{receiver.port}/"
    assert [one.reason for one in send_kept(2, Target(url, SECRET), turning)] == [
        "http 200",
        "host not found",
    ]
    assert answers == []


def test_an_answer_that_is_not_read_to_its_end_ends_its_connection() -> None:
    stop = threading.Event()
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"z" * MOST
    url = f"http://127.0.0.1:{_serve(long, stop=stop, pause=60)}/"
    try:
        with Wires() as wires:
            answer = sender(seconds=30).send(Target(url, SECRET), EVENT, wires)
            assert answer.verdict is ReceiverVerdict.TAKEN
            assert wires.idle == 0
    finally:
        stop.set()


@pytest.mark.rule("W16")
def test_who_is_to_stop_does_not_wait_for_a_receiver_that_hangs(receiver: Receiver) -> None:
    receiver.open.clear()
    stopping = threading.Event()
    channel = Channel(ChannelId(1), ChannelKind.WEBHOOK, Target(receiver.url, SECRET))
    threading.Timer(0.2, stopping.set).start()
    with Notifiers(may_be_private=True, seconds=600).kept(stopping.is_set) as kept:
        assert kept.send(channel, EVENT, "") == ReceiverAnswer(ReceiverVerdict.LEFT, "stopping")


@pytest.mark.rule("W16")
def test_who_is_to_stop_does_not_wait_for_a_connection_either() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]  # nobody accepts: the next has to wait to be let in
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        stopping = threading.Event()
        channel = Channel(ChannelId(1), ChannelKind.WEBHOOK, Target(f"http://127.0.0.1:{port}/", SECRET))
        threading.Timer(0.2, stopping.set).start()
        with Notifiers(may_be_private=True, seconds=600).kept(stopping.is_set) as kept:
            assert kept.send(channel, EVENT, "") == ReceiverAnswer(
                ReceiverVerdict.LEFT, "stopping", untouched=True
            )
        for one in waiting:
            one.close()


@pytest.mark.rule("I3", "I10")
def test_chat_gets_the_line_and_the_log_nothing(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="apprise")
    channel = Channel(ChannelId(1), ChannelKind.APPRISE, Target(f"json://127.0.0.1:{receiver.port}/t0ken"))
    answer = Notifiers(may_be_private=True).send(channel, EVENT, "Ann Example has written")
    assert answer == ReceiverAnswer(ReceiverVerdict.TAKEN, "accepted")
    assert b"Ann Example has written" in receiver.got[0].body
    receiver.answers.append((500, {}))
    again = Notifiers(may_be_private=True).send(channel, EVENT, "Ann Example has written")
    assert again == ReceiverAnswer(ReceiverVerdict.LATER, "not accepted", counted=True)
    assert "t0ken" not in caplog.text
    assert "Ann" not in caplog.text


def test_chat_follows_no_redirect_even_if_its_url_asks_for_it(receiver: Receiver) -> None:
    receiver.answers.append((302, {"Location": receiver.url}))
    target = Target(f"json://127.0.0.1:{receiver.port}/?redirect=yes")
    assert ChatSender(may_be_private=True).send(target, "x").verdict is ReceiverVerdict.LATER
    assert len(receiver.got) == 1


@pytest.mark.parametrize("url", ["json://127.0.0.1:{port}/", "json://localhost:{port}/"])
def test_chat_does_not_reach_our_own_network(receiver: Receiver, url: str) -> None:
    target = Target(url.format(port=receiver.port))
    answer = ChatSender(may_be_private=False).send(target, "x")
    assert answer == ReceiverAnswer(ReceiverVerdict.LATER, "private address", untouched=True)
    assert receiver.got == []


def test_mail_by_chat_urls_does_not_reach_our_own_network_either() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        url = f"mailto://uwe:t0ken@127.0.0.1:{server.getsockname()[1]}?from=a@example.com&to=b@example.com"
        assert ChatSender(may_be_private=False).send(Target(url), "x").reason == "private address"
        with pytest.raises(TimeoutError):
            server.accept()


def test_chat_that_nobody_answers_for_is_not_the_messages_fault() -> None:
    answer = ChatSender(may_be_private=True).send(Target(f"json://127.0.0.1:{dead_port()}/"), "x")
    assert answer == ReceiverAnswer(ReceiverVerdict.LATER, "not reached", untouched=True)


@pytest.mark.parametrize(
    "url", ["syslog://", "dbus://", "windows://", "nothing", "nosuch://x", "slack://", "json://127.0.0.1/"]
)
def test_chat_urls_that_are_not_used(url: str) -> None:
    with pytest.raises(Unusable):
        ChatSender(may_be_private=False).check(url)


def test_a_service_without_a_host_is_taken_as_it_is() -> None:
    ChatSender(may_be_private=False).check("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general")
