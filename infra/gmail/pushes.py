"""What Gmail says when it pushes, and what is to be done where it cannot (FACTS §1)."""

import json
from collections.abc import Mapping

from domain.mail.addresses import canonical

TOPIC_MISSING, TOPIC_CLOSED, TOPIC_ELSEWHERE = "topicMissing", "topicClosed", "topicElsewhere"
NO_PUSH: Mapping[str, str] = {
    TOPIC_MISSING: "run `lodestone topic`, which makes the topic",
    TOPIC_CLOSED: "run the commands of `lodestone setup google`, which let Gmail publish to the topic",
    TOPIC_ELSEWHERE: "the topic has to be in the OAuth client's project: set LODESTONE_PUBSUB_PROJECT to it, then run "
    "`lodestone topic`",
}
"""Our words for why Google cannot push to our topic, and what to do."""


def pushed_key(data: bytes) -> str | None:
    """The address in a notification, None for anything that is not one of Gmail's.

    Its historyId is not read: we always go on from our own cursor (FACTS §2).
    """
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict) or "historyId" not in payload:
        return None
    address = payload.get("emailAddress")
    return canonical(address) if isinstance(address, str) else None
