"""Are topic, grant, subscription and dead letters as `lodestone setup google` and `lodestone topic` make them?"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    MethodNotImplemented,
    NotFound,
    RetryError,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1

from domain.checks import Finding, failed, ok, warning
from infra.gmail.pubsub import ATTEMPTS, dead, differences, wanted, wanted_dead
from infra.gmail.setup import PUBLISHER, PUSHER, SUBSCRIBER

SECONDS = 5.0
ONCE: Mapping[str, Any] = {"retry": None, "timeout": SECONDS}
MAKE = "run `lodestone topic`"
GRANT = "run the commands of `lodestone setup google`"
AGENT = re.compile(r"serviceAccount:service-\d+@gcp-sa-pubsub\.iam\.gserviceaccount\.com")
ENOUGH = {
    PUBLISHER: (PUBLISHER, "roles/pubsub.editor", "roles/pubsub.admin", "roles/editor", "roles/owner"),
    SUBSCRIBER: (SUBSCRIBER, "roles/pubsub.editor", "roles/pubsub.admin", "roles/editor", "roles/owner"),
}
"""Other roles that hold the same right; what a role of the customer's own holds we cannot see."""


class _Unseen(Exception):
    """The look could not be taken; the finding says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.check)
        self.finding = finding


def topic(project: str, name: str, *, gmail_is_googles: bool) -> Iterator[Finding]:
    """The topic is there and Gmail may publish to it."""
    check = "topic"
    try:
        with _asking(check, f"topic {name}"), pubsub_v1.PublisherClient() as publisher:
            path = publisher.topic_path(project, name)
            publisher.get_topic(topic=path, **ONCE)
            if emulated() and gmail_is_googles:
                says = "PUBSUB_EMULATOR_HOST is set, and Gmail itself publishes to no emulator"
                yield failed(check, says, "leave it out, or set LODESTONE_GMAIL_ENDPOINT too for a trial")
            else:
                yield ok(check, path)
            with _asking("topic.grant", "the grant"):
                policy = publisher.get_iam_policy(request={"resource": path}, **ONCE)
        yield of_grant("topic.grant", policy.bindings, f"serviceAccount:{PUSHER}", PUBLISHER, "Gmail")
    except _Unseen as error:
        yield error.finding


def subscription(project: str, topic_name: str, name: str) -> Iterator[Finding]:
    """The subscription is ours and lasts; what nobody could take in is kept."""
    check = "subscription"
    try:
        with _asking(check, f"subscription {name}"), pubsub_v1.SubscriberClient() as subscriber:
            wish = wanted(project, topic_name, name)
            found = subscriber.get_subscription(subscription=wish.name, **ONCE)
            yield from of_subscription(wish, found)
            letters = wanted_dead(project, topic_name, name)
            with _asking("subscription.dead", f"the dead letters' subscription {dead(name)}"):
                kept = subscriber.get_subscription(subscription=letters.name, **ONCE)
            yield of_dead_letters(letters, kept)
            with _asking("subscription.agent", "the right of Pub/Sub's own account"):
                policy = subscriber.get_iam_policy(request={"resource": wish.name}, **ONCE)
                with pubsub_v1.PublisherClient() as publisher:
                    there = publisher.get_iam_policy(request={"resource": letters.topic}, **ONCE)
        yield of_agent(there.bindings, policy.bindings)
    except _Unseen as error:
        yield error.finding


def emulated() -> bool:
    """Whether this is no Google at all."""
    return bool(os.environ.get("PUBSUB_EMULATOR_HOST"))


def of_subscription(wish: Any, found: Any) -> Iterator[Finding]:
    """`wish` is as `lodestone topic` would make it."""
    check = "subscription"
    if found.topic != wish.topic:
        says = f"it belongs to {found.topic}, not to {wish.topic}"
        yield failed(check, says, "delete it and run `lodestone topic`, or name another one")
        return
    if found.detached or found.push_config.push_endpoint or found.bigquery_config.table:
        yield failed(
            check, "it is detached, or pushes elsewhere: nobody can pull from it", f"delete it, then {MAKE}"
        )
        return
    if found.filter:
        yield failed(check, "it has a filter, which drops notifications", f"delete it, then {MAKE}")
        return
    yield ok(check, found.name)
    deadline = f"its ack deadline is {found.ack_deadline_seconds} s, not {wish.ack_deadline_seconds}"
    lacking = {
        "ack_deadline_seconds": ("deadline", deadline),
        "expiration_policy": ("expiry", "it expires when nobody has pulled for a while"),
        "retry_policy": ("retry", "what goes back comes again at once, or otherwise than it should"),
        "dead_letter_policy": ("dead", f"it has no dead-letter topic of ours with {ATTEMPTS} attempts"),
    }
    for name in differences(wish, found):
        yield warning(f"{check}.{lacking[name][0]}", lacking[name][1], MAKE)


def of_dead_letters(wish: Any, found: Any) -> Finding:
    """Without a subscription of its own that lasts, what goes to the dead-letter topic is lost."""
    check = "subscription.dead"
    if found.topic != wish.topic:
        return warning(check, f"{found.name} belongs to {found.topic}", f"delete it, then {MAKE}")
    if "expiration_policy" in differences(wish, found):
        return warning(check, "the dead letters' subscription expires", MAKE)
    return ok(check, "dead letters are kept")


def of_grant(check: str, bindings: Collection[Any], member: str, role: str, who: str) -> Finding:
    """Whether the policy gives this member the role, or one that holds it."""
    right = role.rpartition(".")[2]
    holding = [one for one in bindings if one.role in ENOUGH[role] and member in one.members]
    if any(not one.condition.expression for one in holding):
        return ok(check, f"{who} is {right}")
    if holding:
        return warning(check, f"{who} is {right} on a condition", "grant it without one")
    if any(one.role in ENOUGH[role] and "allUsers" in one.members for one in bindings):
        return warning(check, f"everybody on the internet is {right}", f"{GRANT}; then take allUsers away")
    step = f"{GRANT}; an organisation policy (domain-restricted sharing) may forbid it: docs/GOOGLE.md"
    return failed(check, f"{who} is not {right}", step)


def of_agent(on_topic: Collection[Any], on_subscription: Collection[Any]) -> Finding:
    """Pub/Sub itself must be allowed to take dead letters from the one to the other."""
    check = "subscription.agent"
    lacking = [
        right
        for right, role, bindings in (
            ("publish to the dead-letter topic", PUBLISHER, on_topic),
            ("take them from the subscription", SUBSCRIBER, on_subscription),
        )
        if not any(one.role in ENOUGH[role] and any(map(AGENT.fullmatch, one.members)) for one in bindings)
    ]
    if not lacking:
        return ok(check, "Pub/Sub may move dead letters")
    says = f"no account of Pub/Sub's own may {' or '.join(lacking)} by their own policies"
    return warning(check, says, f"{GRANT}; nothing to do if the project grants it")


@contextmanager
def _asking(check: str, what: str) -> Iterator[None]:
    """What Google answers instead, as a finding."""
    finding: Finding
    try:
        yield
    except NotFound:
        finding = failed(check, f"{what} is not there", f"{MAKE}, or check the names in the settings")
    except MethodNotImplemented:
        finding = warning(
            check, f"{what} cannot be checked here: this is an emulator", "nothing; look again at Google's"
        )
    except Forbidden:
        finding = warning(check, f"we may not look at {what}", GRANT)
    except (GoogleAPICallError, RetryError) as error:
        says = f"Pub/Sub does not answer ({type(error).__name__})"
        finding = failed(check, says, "check the network and PUBSUB_EMULATOR_HOST")
    except GoogleAuthError as error:
        says = f"there are no usable Google credentials ({type(error).__name__})"
        finding = failed(check, says, "check GOOGLE_APPLICATION_CREDENTIALS")
    else:
        return
    raise _Unseen(finding) from None
