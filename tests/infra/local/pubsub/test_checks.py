"""What is refused before anything is changed."""

from collections.abc import Callable
from typing import Any

import pytest
from grpc import StatusCode

from infra.local.pubsub import checks, wire
from infra.local.pubsub.broker import Broker


@pytest.mark.parametrize(
    ("name", "good"),
    [
        pytest.param("projects/p/topics/gmail", True, id="plain"),
        pytest.param("projects/p/topics/a-b_c.d~e+f%g", True, id="every sign that is allowed"),
        pytest.param("projects/p/topics/a" + "b" * 254, True, id="255 long"),
        pytest.param("projects/p/topics/a" + "b" * 255, False, id="256 long"),
        pytest.param("projects/p/topics/ab", False, id="2 long"),
        pytest.param("projects/p/topics/1abc", False, id="begins with a digit"),
        pytest.param("projects/p/topics/google", False, id="begins with goog"),
        pytest.param("projects/p/topics/a/bc", False, id="with a slash"),
        pytest.param("projects/p/subscriptions/gmail", False, id="of another kind"),
        pytest.param("projects//topics/gmail", False, id="no project"),
        pytest.param("gmail", False, id="short"),
    ],
)
def test_names(name: str, good: bool) -> None:
    if good:
        checks.check_name(name, "topics")
    else:
        with pytest.raises(checks.StatusError, match="Invalid"):
            checks.check_name(name, "topics")


def message(**fields: Any) -> wire.Wire:
    return wire.PubsubMessage(**fields)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(list, id="no message"),
        pytest.param(lambda: [message(data=b"x")] * 1_001, id="1,001 messages"),
        pytest.param(lambda: [message(data=b"x" * 5_000_000)] * 2, id="over 10 MB"),
        pytest.param(lambda: [message()], id="empty"),
        pytest.param(lambda: [message(attributes={str(n): "x" for n in range(101)})], id="101 attributes"),
        pytest.param(lambda: [message(attributes={"k" * 257: "x"})], id="a long key"),
        pytest.param(lambda: [message(attributes={"google": "x"})], id="Google's key"),
        pytest.param(lambda: [message(attributes={"k": "x" * 1_025})], id="a long value"),
    ],
)
def test_messages_that_are_refused(messages: Callable[[], list[wire.Wire]]) -> None:
    with pytest.raises(checks.StatusError) as refused:
        checks.check_messages(messages())

    assert refused.value.code is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        pytest.param({"labels": {"a": "b"}, "expiration_policy": {}}, None, id="recorded"),
        pytest.param({"push_config": {}}, None, id="an empty push_config means pull"),
        pytest.param({"push_config": {"push_endpoint": "https://example.com"}}, "push_config", id="push"),
        pytest.param({"filter": "attributes.a"}, "filter", id="filter"),
        pytest.param(
            {"dead_letter_policy": {"dead_letter_topic": "projects/p/topics/gmail"}}, None, id="dead letter"
        ),
        pytest.param({"retry_policy": {}}, None, id="retry"),
        pytest.param(
            {"enable_exactly_once_delivery": True}, "enable_exactly_once_delivery", id="exactly once"
        ),
        pytest.param({"enable_message_ordering": True}, "enable_message_ordering", id="ordering"),
    ],
)
def test_a_setting_that_is_not_built_is_refused_by_name(fields: dict[str, Any], refused: str | None) -> None:
    broker = Broker()
    broker.create_topic(wire.Topic(name="projects/p/topics/gmail"))
    settings = wire.Subscription(
        name="projects/p/subscriptions/ours", topic="projects/p/topics/gmail", **fields
    )
    if refused is None:
        broker.create_subscription(settings)
    else:
        with pytest.raises(checks.StatusError, match=f"Subscription.{refused} is not supported") as error:
            broker.create_subscription(settings)
        assert error.value.code is StatusCode.UNIMPLEMENTED


def test_lists_come_in_pages() -> None:
    broker = Broker()
    for name in ("ccc", "aaa", "bbb"):
        broker.create_topic(wire.Topic(name=f"projects/p/topics/{name}"))
    broker.create_topic(wire.Topic(name="projects/other/topics/aaa"))

    first, token = broker.topics(wire.ListTopicsRequest(project="projects/p", page_size=2))
    second, end = broker.topics(wire.ListTopicsRequest(project="projects/p", page_size=2, page_token=token))

    assert [topic.name[-3:] for topic in first + second] == ["aaa", "bbb", "ccc"]
    assert end == ""
