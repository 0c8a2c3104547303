"""The topic that a watch names: Gmail tries it first, and refuses one to which it cannot publish."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from googleapiclient.errors import HttpError

from infra.local.gmail import GmailControl, GmailServer
from infra.local.pubsub import PubSubServer
from tests.infra.local.gmail.conftest import ANA, Refused

TOPIC = "projects/lodestone/topics/gmail"


@pytest.fixture
def pubsub() -> Iterator[PubSubServer]:
    with PubSubServer() as pubsub:
        yield pubsub


@pytest.fixture
def server(pubsub: PubSubServer) -> Iterator[GmailServer]:
    """In this file the local Gmail has a Pub/Sub."""
    with GmailServer(pubsub_host=pubsub.host, push_interval=0) as server:
        yield server


def watch(users: Any) -> Any:
    return users.watch(userId="me", body={"topicName": TOPIC})


def test_a_watch_on_a_topic_that_is_not_there_is_refused(
    users: Any, control: GmailControl, pubsub: PubSubServer
) -> None:
    with pytest.raises(HttpError) as refused:
        watch(users).execute()
    assert refused.value.resp.status == 404
    assert refused.value.reason == (
        f"Error sending test message to Cloud PubSub {TOPIC} : Resource not found (resource=gmail)."
    )
    assert control.dump(ANA).watched_topic is None
    with grpc.insecure_channel(pubsub.host) as channel:
        PublisherClient(transport=PublisherGrpcTransport(channel=channel)).create_topic(name=TOPIC)
    watch(users).execute()
    assert control.dump(ANA).watched_topic == TOPIC


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("404.noTopic", 404, "notFound"),
        ("403.noPublisher", 403, "forbidden"),
        ("400.otherProject", 400, "invalidArgument"),
    ],
)
def test_what_the_operator_has_to_mend_can_be_asked_for(
    users: Any, control: GmailControl, refused: Refused, kind: str, status: int, reason: str
) -> None:
    control.fault(kind, ["watch"])
    assert refused(watch(users)) == (status, reason)
    control.clear_faults()
