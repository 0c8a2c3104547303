"""A CRM's own sign-in page: its messages as any program may write them, through a real worker process
(docs/SIGN_IN.md)."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from infra.db.store import Store
from infra.local.gmail import GmailControl, GmailServer
from tests.browser import grant_access
from tests.journeys.world import wait_for
from tests.workers.test_crm_actors import Factory, envelope
from tests.worlds import ONE_DATABASE

DOCUMENT = (Path(__file__).parents[2] / "docs" / "SIGN_IN.md").read_text()
QUEUE = "lodestone:queue:sign_in"
UWE = "uwe@firm.example"
BACK = "https://crm.example.com/google/back"
CANARY = "zephyrine"
"""Stands in every value that must not get out."""

NO_SHARING = "a new connection needs a sharing option: private, custom or public (rule Z10)"
BESIDES = (
    "a field is there besides user, redirect_uri, sharing, replace, magnet, sorting, dry_run, sync, location"
)

pytestmark = ONE_DATABASE


class Page:
    """The CRM's web server: it puts messages on the queue and waits for their answers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def ask(self, actor: str, fields: object, **other: Any) -> dict[str, Any]:
        """The answer to one message."""
        message_id = uuid.uuid4().hex
        message = envelope(actor, fields, queue_name="sign_in", message_id=message_id, **other)
        with self._redis.pipeline() as both:
            both.hset(f"{QUEUE}.msgs", message_id, json.dumps(message))
            both.rpush(QUEUE, message_id)
            both.execute()
        return self.answer(message_id)

    def answer(self, message_id: str) -> dict[str, Any]:
        key = f"lodestone:answer:{message_id}"
        found: Any = self._redis.blpop([key], timeout=120)
        assert found, "there is no answer"
        answer: dict[str, Any] = json.loads(found[1])
        return answer


@pytest.fixture
def google() -> Iterator[GmailControl]:
    with GmailServer() as server:
        control = GmailControl(server.url)
        control.create_mailbox(UWE)
        yield control


@pytest.fixture
def factory(
    tmp_path: Path, store: Store, database_url: str, redis: Redis, redis_server: Any, google: GmailControl
) -> Iterator[Factory]:
    """A worker beside a local Google whose client is a web page's."""
    file = tmp_path / "client_secret.json"
    file.write_text(json.dumps(google.add_client(BACK, kind="web")))
    factory = Factory(tmp_path, store, database_url, redis, redis_server.url)
    factory.start(LODESTONE_GMAIL_ENDPOINT=google.base_url, LODESTONE_OAUTH_CLIENT_FILE=str(file))
    yield factory
    factory.close()


@pytest.fixture
def page(factory: Factory, redis: Redis) -> Page:
    return Page(redis)


def beginning(**other: object) -> dict[str, object]:
    return {"user": "uwe", "redirect_uri": BACK, "sharing": "private", "magnet": True, **other}


@pytest.mark.rule("Z7", "Z8", "I10", "I3")
def test_a_users_browser_goes_to_google_and_comes_back_to_the_crm(
    page: Page, factory: Factory, google: GmailControl
) -> None:
    begun = page.ask("mailboxes.begin_sign_in", beginning())
    assert begun.keys() == {"ok", "url"}
    came = grant_access(begun["url"])
    fields = {"user": "uwe", "state": came["state"], "code": came["code"]}
    made = page.ask("mailboxes.complete_sign_in", fields)
    assert made == {"ok": True, "connection_id": 1, "mailbox": UWE}
    assert factory.rows("SELECT user_id, sharing, magnet_since IS NOT NULL FROM connections") == [
        ("uwe", "private", 1)
    ]
    again = page.ask("mailboxes.complete_sign_in", fields)
    assert (again["ok"], again["error"]) == (False, "refused")
    assert "used already" in again["reason"]
    secrets = (came["state"], came["code"], begun["url"])
    assert wait_for(lambda: not any(one in repr(factory.in_redis()) for one in secrets)), (
        "acknowledged, and gone"
    )
    assert not any(one in factory.log() for one in secrets)
    assert factory.said("sign_in.begun")
    assert factory.said("connection.made")


@pytest.mark.rule("Z9")
def test_a_refusal_is_answered_with_its_reason(page: Page, factory: Factory, google: GmailControl) -> None:
    google.consent(without=["https://www.googleapis.com/auth/gmail.compose"])
    came = grant_access(page.ask("mailboxes.begin_sign_in", beginning())["url"])
    answer = page.ask(
        "mailboxes.complete_sign_in", {"user": "uwe", "state": came["state"], "code": came["code"]}
    )
    assert (answer["ok"], answer["error"]) == (False, "refused")
    assert "gmail.compose" in answer["reason"]
    google.consent(refuses=True)
    came = grant_access(page.ask("mailboxes.begin_sign_in", beginning())["url"])
    answer = page.ask("mailboxes.complete_sign_in", {"user": "uwe", **came})
    assert "access was refused" in answer["reason"]
    assert factory.rows("SELECT * FROM connections") == []


def test_google_away_is_answered_too(page: Page, google: GmailControl) -> None:
    came = grant_access(page.ask("mailboxes.begin_sign_in", beginning())["url"])
    google.fault("503", ["token"])
    answer = page.ask(
        "mailboxes.complete_sign_in", {"user": "uwe", "state": came["state"], "code": came["code"]}
    )
    assert answer == {"ok": False, "error": "try_again", "reason": "token_http_503"}


@pytest.mark.rule("I3", "I10")
def test_odd_fields_are_refused_by_name_and_their_values_stay_out(page: Page, factory: Factory) -> None:
    odd: list[tuple[str, dict[str, object], str]] = [
        ("begin", beginning(user=None), "user is missing or no text"),
        ("begin", beginning(user="u" * 256), "user is longer than 255 characters"),
        ("begin", beginning(user=f"\ud800{CANARY}"), "user is not UTF-8"),
        ("begin", beginning(redirect_uri=f"http://{CANARY}.example/"), "redirect_uri is no https address"),
        ("begin", beginning(redirect_uri=f"http://[{CANARY}"), "redirect_uri is no https address"),
        ("begin", beginning(sharing=CANARY), "sharing is none of private, custom, public"),
        ("begin", beginning(magnet=CANARY), "magnet is neither true nor false"),
        ("begin", beginning(sharing=None), NO_SHARING),
        ("begin", beginning(**{CANARY: 1}), BESIDES),
        ("complete", {"user": "uwe", "code": CANARY}, "state is missing or no text"),
        ("complete", {"user": "uwe", "state": CANARY * 1_000}, "state is missing or no text"),
        ("complete", {"user": "uwe", "state": CANARY, "code": {"x": CANARY}}, "code is missing or no text"),
    ]  # fmt: skip
    for step, fields, reason in odd:
        answer = page.ask(f"mailboxes.{step}_sign_in", fields)
        assert answer == {"ok": False, "error": "refused", "reason": reason}
    by_place = page.ask("mailboxes.begin_sign_in", beginning(), args=[CANARY])
    assert by_place["reason"].startswith("a field is there besides")
    assert factory.rows("SELECT * FROM sign_ins") == []
    assert CANARY not in factory.log()
    assert CANARY not in repr(factory.in_redis())


def test_what_is_no_message_of_this_queue_is_dropped(page: Page, factory: Factory, redis: Redis) -> None:
    for message in (b"{", json.dumps(envelope("crm.delete_contact", {"id": CANARY})).encode()):
        redis.hset(f"{QUEUE}.msgs", "odd", message)
        redis.rpush(QUEUE, "odd")
    assert page.ask("mailboxes.begin_sign_in", beginning())["ok"]
    assert {line["queue"] for line in factory.said("job.refused")} == {"sign_in"}
    assert CANARY not in factory.log()


def test_the_messages_of_the_document_work_as_they_stand(page: Page, redis: Redis) -> None:
    [command] = re.findall(r"^HSET lodestone:queue:sign_in\.msgs (\S+) '(.*)'$", DOCUMENT, re.M)
    message_id, data = command
    fields = json.loads(data)["kwargs"]
    assert fields["redirect_uri"] == BACK
    redis.hset(f"{QUEUE}.msgs", message_id, data)
    redis.rpush(QUEUE, message_id)
    key = f"lodestone:answer:{message_id}"
    assert wait_for(lambda: bool(redis.llen(key)))
    assert 0 < int(str(redis.ttl(key))) <= 120, "what nobody fetches does not stay"
    assert page.answer(message_id)["ok"]
