"""Nothing that can be delivered or sent makes the server fail, hang or grow."""

import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from infra.local.gmail import ControlError, GmailControl, GmailServer, Mail

ANA = "ana@example.com"
ROOT = Path(__file__).parents[4]
TYPE = b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n"


def nested(depth: int) -> bytes:
    """Multiparts within multiparts."""
    return b"".join(TYPE % b"%d" % n + b"--%d\r\n" % n for n in range(depth)) + b"\r\nbottom"


def noise(seed: int, size: int) -> bytes:
    rng = random.Random(seed)
    words = [
        b"\r\n",
        b"\n",
        b"\r",
        b"--b",
        b"--b--",
        b": ",
        b";",
        b"=",
        b'"',
        b"\0",
        b"\xff",
        b"=?utf-8?b?",
        b"?=",
    ]
    words += [
        b"Content-Type: multipart/mixed; boundary=b",
        b"From",
        b"<a@b>",
        b"(",
        b"Content-Transfer-Encoding:base64",
    ]
    return b"".join(rng.choice(words) for _ in range(size))


GARBAGE = {
    "nothing": b"",
    "one newline": b"\n",
    "no headers": b"\r\n\r\nbody",
    "only headers": b"From: bob@client.example",
    "nul bytes": b"From: \0bob@client.example\0\r\nSub\0ject: x\r\nSubject: a\0b\r\n\r\n\0\0",
    "not utf-8": b"From: \xff\xfe\xfa <bob@client.example>\r\nSubject: \xc3\x28\r\n\r\n\x80",
    "a huge header": b"Subject: " + b"x" * 10_000_000 + b"\r\n\r\nbody",
    "a huge folded header": b"Subject: x" + b"\r\n y" * 300_000 + b"\r\n\r\nbody",
    "very many headers": b"X: y\r\n" * 100_000 + b"\r\nbody",
    "very many references": b"References: " + b"<a@b.example> " * 200_000 + b"\r\n\r\n",
    "an endless From": b"From: " + b"(" * 200_000 + b"<" * 200_000 + b"\r\n\r\n",
    "deep nesting": nested(5_000),
    "very many parts": TYPE % b"b" + b"--b\r\n\r\nx\r\n" * 50_000,
    "an empty boundary": b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nx\r\n----\r\n',
    "parts that never begin": TYPE % b"b" + b"no parts",
    "parts without content": TYPE % b"b" + b"--b\r\n--b\n--b--",
    "broken encodings": b"Content-Transfer-Encoding: base64\r\n\r\n!!!QQ=Q==Q\r\n",
    "an unknown charset": b"Content-Type: text/plain; charset=klingon\r\n\r\nnuq\xffneH",
    "a codec that is no charset": b"Content-Type: text/plain; charset=zlib\r\n\r\nx",
    "a broken encoded word": b"Subject: =?utf-8?b?!!!?= =?nope?q?x?=\r\n\r\n",
    "broken parameters": b"Content-Type: text/plain; ;; =x; a; name*0*=x'y; name*=''%zz; \"\r\n\r\n",
    "open tags": b"Content-Type: text/html\r\n\r\n" + b"<style" * 100_000,
    "mbox": b"From bob Mon Jan 1\r\nSubject: x\r\n\r\n",
    **{f"noise {seed}": noise(seed, 400) for seed in range(20)},
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_delivered_and_read_like_any_mail(name: str, users: Any, control: GmailControl) -> None:
    raw = GARBAGE[name]
    began = time.process_time()
    message_id = control.deliver(ANA, raw).id
    for form in ("full", "metadata", "minimal"):
        answer = users.messages().get(userId="me", id=message_id, format=form).execute()
        assert answer["sizeEstimate"] == len(raw)
    assert control.raw(ANA, message_id) == raw
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /batch HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /batch HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /batch HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /batch HTTP/1.1\r\nContent-Length: 10\r\n\r\nshort",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        bytes(range(256)) * 10,
    ],
)
def test_a_broken_request_ends_its_connection_only(
    sent: bytes, server: GmailServer, control: GmailControl
) -> None:
    where = urlsplit(server.url)
    with closing(socket.create_connection((where.hostname, where.port or 0), timeout=60)) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while True:
            try:
                if not connection.recv(65536):
                    break
            except ConnectionError:
                break
    assert control.mailboxes() == []


def test_chunks_keep_alive_and_absolute_addresses(server: GmailServer, ana: Any) -> None:
    where = urlsplit(server.url)
    sent = (
        b"POST /token HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\ngrant\r\n8;x=y\r\n_type=xx\r\n0\r\n\r\n"
        b"GET http://gmail.example/gmail/v1/users/me/profile HTTP/1.1\r\nConnection: close\r\n\r\n"
    )
    with closing(socket.create_connection((where.hostname, where.port or 0), timeout=60)) as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"Invalid grant_type: xx" in received
    assert b"HTTP/1.1 401 " in received
    assert received.count(b"\r\nDate: ") == 2


def test_broken_bodies_are_400(http: Callable[..., Any], token: str) -> None:
    for body in (
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"name": 1}',
        b'{"color": []}',
        b"\xff",
        b'{"name": "\\ud800"}x',
    ):
        reply = http("POST", "/gmail/v1/users/me/labels", body, Authorization=token)
        assert (reply.status, body) == (400, body)
    odd = http("POST", "/gmail/v1/users/me/labels", b'{"name": "\\ud800"}', Authorization=token)
    assert odd.json["name"] == "\ud800"


def test_control_refuses_politely(control: GmailControl, ana: Any, http: Callable[..., Any]) -> None:
    with pytest.raises(ControlError) as caught:
        control.change_labels(ANA, ["ff"], add=["STARRED"])
    assert caught.value.status == 404
    for verb, path, body in (
        ("POST", "mailboxes", b"[]"),
        ("POST", "mailboxes", b"{"),
        ("POST", "deliver", b"no line"),
        ("POST", f"mailboxes/{ANA}/deliver?internal_date=x", b""),
        ("POST", "faults", b'{"kind": "500", "colour": 1}'),
    ):
        assert http(verb, f"/control/{path}", body).status == 400, path
    assert http("GET", "/control/nonsense").status == 404
    assert http("GET", "/nonsense").status == 404


def test_raw_mails_stay_out_of_memory(server: GmailServer, control: GmailControl, ana: Any) -> None:
    process, body = psutil.Process(), b"x" * 50_000
    before = process.memory_info().rss
    began = time.process_time()
    ids = [server.deliver(ANA, b"Subject: %d\r\n\r\n" % n + body).id for n in range(2_000)]
    assert time.process_time() - began < 10
    assert process.memory_info().rss - before < 40_000_000
    assert control.raw(ANA, ids[1_234]) == b"Subject: 1234\r\n\r\n" + body


def test_the_spool_lies_where_it_is_told(tmp_path: Path) -> None:
    with GmailServer(spool_folder=tmp_path) as server:
        server.create_mailbox(ANA)
        message = server.deliver(ANA, b"Subject: x\r\n\r\n")
        assert server.world.raw(message) == b"Subject: x\r\n\r\n"
    assert list(tmp_path.iterdir()) == []


def test_delivery_in_bulk_keeps_order_and_details(control: GmailControl, ana: Any) -> None:
    control.create_mailbox("bea@example.com")
    mails = [
        Mail(ANA, b"Subject: 1\n\nx", internal_date=5),
        Mail("bea@example.com", b"", labels=[]),
        Mail(ANA, b"\n\n", labels=["SENT", "Mine"], internal_date=4),
    ]
    one, two, three = control.deliver_many(mails)
    dump = control.dump(ANA)
    assert [message.id for message in dump.messages] == [three.id, one.id]
    assert [message.labels for message in dump.messages] == [{"SENT", "Mine"}, {"INBOX", "UNREAD"}]
    found = control.dump("bea@example.com").message(two.id)
    assert found is not None
    assert found.label_ids == frozenset()
    assert control.deliver("bea@example.com", b"x", labels=[]).id != two.id


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT", "shutdown"])
def test_as_a_process_it_says_where_it_is_and_ends_quietly(ending: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "infra.local.gmail", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        control = GmailControl(process.stdout.readline().decode().strip())
        control.create_mailbox(ANA)
        assert control.mailboxes() == [ANA]
        if ending == "shutdown":
            control.shutdown()
        else:
            process.send_signal(signal.Signals[ending])
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()  # else what does not end is waited for without end
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_stopping_ends_open_connections_and_can_be_repeated() -> None:
    server = GmailServer()
    where = urlsplit(server.url)
    server.start()
    with closing(socket.create_connection((where.hostname, where.port or 0), timeout=60)) as connection:
        connection.sendall(b"GET /nonsense HTTP/1.1\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 404 ")
        server.stop()
        while connection.recv(65_536):
            pass
    server.stop()
    assert server.wait(0)
    GmailServer().stop()
