"""The batch endpoints: parts that answer, and fail, by themselves."""

import re
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from infra.local.gmail import GmailControl

ANA = "ana@example.com"
RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\nbody"
Json = dict[str, Any]
NUMBERS = count()


@pytest.fixture
def service(service: Any, control: GmailControl) -> Any:
    """Signed in already: a batch that must refresh first does so on a connection it never closes."""
    service.users().getProfile(userId="me").execute()
    control.reset_counters()
    return service


def run(service: Any, requests: dict[str, Any]) -> dict[str, Any]:
    """The answers by name: a dict, or the status of a refusal."""
    found: dict[str, Any] = {}

    def keep(name: str, answer: Any, error: HttpError | None) -> None:
        found[name] = answer if error is None else error.resp.status

    batch = service.new_batch_http_request(callback=keep)
    for name, request in requests.items():
        batch.add(request, request_id=name)
    batch.execute()
    return found


def test_parts_fail_by_themselves(service: Any, users: Any, control: GmailControl) -> None:
    one, two = control.deliver(ANA, RAW).id, control.deliver(ANA, RAW).id
    control.poison(ANA, two)
    messages = users.messages()
    found = run(
        service,
        {
            "good one": messages.get(userId="me", id=one, format="minimal"),
            "gone": messages.get(userId="me", id="ff"),
            "poisoned": messages.get(userId="me", id=two),
            "other mailbox": messages.get(userId="bea@example.com", id=one),
            "modified": messages.modify(userId="me", id=one, body={"addLabelIds": ["STARRED"]}),
            "empty answer": messages.batchModify(
                userId="me", body={"ids": [one], "removeLabelIds": ["INBOX"]}
            ),
            "not built": users.threads().list(userId="me"),
        },
    )
    assert found.pop("good one")["id"] == one
    assert found.pop("modified")["labelIds"] == ["INBOX", "STARRED", "UNREAD"]
    assert found == {"gone": 404, "poisoned": 500, "other mailbox": 403, "empty answer": "", "not built": 501}


def test_every_part_counts_but_the_batch_is_one_request(
    service: Any, users: Any, control: GmailControl
) -> None:
    one = control.deliver(ANA, RAW).id
    run(service, {str(n): users.messages().get(userId="me", id=one) for n in range(25)})
    counters = control.counters()
    assert (counters.http_requests, counters.calls, counters.units) == (1, 25, 500)
    assert counters.by_mailbox[ANA] == {"calls": 25, "units": 500}


def test_parts_may_belong_to_different_mailboxes(
    ana: Json, control: GmailControl, connect: Callable[[Json], Any]
) -> None:
    first, second = connect(ana), connect(control.create_mailbox("bea@example.com"))
    for service in (first, second):
        service.users().getProfile(userId="me").execute()
    found = run(
        first, {"ana": first.users().getProfile(userId="me"), "bea": second.users().getProfile(userId="me")}
    )
    assert {name: answer["emailAddress"] for name, answer in found.items()} == {
        "ana": ANA,
        "bea": "bea@example.com",
    }


def batch_of(count: int, path: str = "/gmail/v1/users/me/profile") -> bytes:
    part = f"--b\nContent-Type: application/http\nContent-ID: <p>\n\nGET {path} HTTP/1.1\nHost: x\n\n\n"
    return (part * count + "--b--").encode()


@pytest.mark.parametrize("path", ["/batch", "/batch/gmail/v1"])
def test_the_outer_authorisation_serves_and_content_ids_come_back(
    path: str, http: Callable[..., Any], token: str
) -> None:
    reply = http("POST", path, batch_of(2), Authorization=token, Content_Type="multipart/mixed; boundary=b")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("multipart/mixed; boundary=")
    assert reply.body.count(b"HTTP/1.1 200 OK") == 2
    assert reply.body.count(b"Content-ID: <response-p>") == 2


def test_without_any_authorisation_every_part_is_401(http: Callable[..., Any], ana: Json) -> None:
    reply = http("POST", "/batch", batch_of(2), Content_Type="multipart/mixed; boundary=b")
    assert reply.status == 200
    assert reply.body.count(b"HTTP/1.1 401 Unauthorized") == 2


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (batch_of(100), "multipart/mixed; boundary=b", 200),
        (batch_of(101), "multipart/mixed; boundary=b", 400),
        (b"", "multipart/mixed; boundary=b", 400),
        (b"garbage", "multipart/mixed", 400),
        (batch_of(1), "text/plain", 400),
    ],
)
def test_limits(body: bytes, content_type: str, status: int, http: Callable[..., Any], token: str) -> None:
    assert http("POST", "/batch", body, Authorization=token, Content_Type=content_type).status == status


def test_a_part_that_is_no_request_is_400(http: Callable[..., Any], token: str) -> None:
    body = b"--b\r\n\r\nnonsense\r\n--b\r\n\r\n\r\n--b\r\n\r\nPOST /batch HTTP/1.1\r\n\r\n--b--"
    reply = http("POST", "/batch", body, Authorization=token, Content_Type="multipart/mixed; boundary=b")
    assert (reply.body.count(b"HTTP/1.1 400 "), reply.body.count(b"HTTP/1.1 501 ")) == (2, 1)


def test_the_whole_batch_can_fail(service: Any, users: Any, control: GmailControl) -> None:
    control.fault("429", ["batch"], times=1, retry_after=7)
    with pytest.raises(HttpError) as caught:
        run(service, {"a": users.getProfile(userId="me")})
    assert (caught.value.resp.status, caught.value.resp["retry-after"]) == (429, "7")
    assert run(service, {"a": users.getProfile(userId="me")})["a"]["emailAddress"] == ANA


def statuses(reply: Any) -> list[bytes]:
    return re.findall(rb"HTTP/1.1 (\d+) ", reply.body)


def sent(http: Callable[..., Any], token: str, count: int = 20) -> Any:
    named = re.sub(rb"<p>", lambda _: b"<p%d>" % next(NUMBERS), batch_of(count))
    return http("POST", "/batch", named, Authorization=token, Content_Type="multipart/mixed; boundary=b")


def test_parts_fail_one_by_one_each_with_an_error_of_its_own(
    http: Callable[..., Any], token: str, control: GmailControl
) -> None:
    def met(seed: int) -> list[bytes]:
        control.clear_faults()
        control.fault("batch_part", share=0.5, seed=seed)
        return statuses(sent(http, token, 60))

    first = met(5)
    assert set(first) == {b"200", b"403", b"429", b"500", b"503"}
    assert met(5) == first
    assert http("GET", "/gmail/v1/users/me/profile", Authorization=token).status == 200


def test_a_part_that_fails_has_had_no_effect(service: Any, users: Any, control: GmailControl) -> None:
    ids = [control.deliver(ANA, RAW).id for _ in range(20)]
    control.fault("batch_part", ["messages.modify"], share=0.5, mailbox=ANA)
    found = run(
        service,
        {i: users.messages().modify(userId="me", id=i, body={"addLabelIds": ["STARRED"]}) for i in ids},
    )
    done = {i for i, answer in found.items() if isinstance(answer, dict)}
    assert 0 < len(done) < 20
    assert {m.id for m in control.dump(ANA).messages if "STARRED" in m.label_ids} == done


def test_parts_without_ids_of_their_own(http: Callable[..., Any], token: str, control: GmailControl) -> None:
    control.fault("batch_no_ids", times=1)
    reply = sent(http, token)
    assert reply.body.count(b"Content-ID: response-\r\n") == len(statuses(reply)) == 20
    assert b"Content-ID: response-\r\n" not in sent(http, token).body


def test_parts_in_another_order_are_still_told_apart(
    service: Any, users: Any, control: GmailControl, http: Callable[..., Any], token: str
) -> None:
    control.fault("batch_shuffled", seed=2)
    ids = [control.deliver(ANA, RAW).id for _ in range(9)]
    found = run(service, {i: users.messages().get(userId="me", id=i, format="minimal") for i in ids})
    assert {i: answer["id"] for i, answer in found.items()} == {i: i for i in ids}
    order = [int(number) for number in re.findall(rb"<response-p(\d+)>", sent(http, token).body)]
    assert sorted(order) == list(range(min(order), min(order) + 20))
    assert order != sorted(order)
