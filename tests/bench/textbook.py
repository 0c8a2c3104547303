"""The yardstick: the pipeline as a textbook writes it, for the same local Google and the same mails as ours.

One Pub/Sub message, one Dramatiq job, `history.list`, then per mail one `messages.get` and one
`messages.modify`. A job builds the service from the mailbox's credentials and asks it for `users().messages()` at
every call, as in Google's own samples: a service kept for each thread and mailbox would hold 0.7 MB. No database.
`python -m tests.bench.textbook subscriber` is one of its two processes, `… worker` the other.
"""

import json
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from google.cloud import pubsub_v1
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build

LABEL = "Customers"
ROLES = ("subscriber", "worker")


def watched(root: str, grant: dict[str, str]) -> dict[str, str]:
    """A mailbox with a watch and a label: its grant, its cursor and the label's id."""
    service = _service(root, grant)
    topic = "projects/lodestone/topics/gmail"
    watch = service.users().watch(userId="me", body={"topicName": topic}).execute()
    label = service.users().labels().create(userId="me", body={"name": LABEL}).execute()
    return grant | {"cursor": watch["historyId"], "label": label["id"]}


def _service(root: str, grant: dict[str, str]) -> Any:
    names = ("refresh_token", "token_uri", "client_id", "client_secret")
    credentials = Credentials(None, **{name: grant[name] for name in names})
    return build(
        "gmail", "v1", credentials=credentials, client_options={"api_endpoint": root}, static_discovery=True
    )


def _broker() -> Any:
    broker = RedisBroker(url=os.environ["REDIS"])
    dramatiq.set_broker(broker)
    return broker


def _subscribe() -> None:
    """One job per push."""
    _broker()
    job = dramatiq.actor(_changed)
    subscriber = pubsub_v1.SubscriberClient()

    def take(message: Any) -> None:
        job.send(json.loads(message.data)["emailAddress"])
        message.ack()

    path = subscriber.subscription_path("lodestone", "lodestone")
    subscriber.subscribe(path, take).result()


def _work() -> None:
    broker = _broker()
    dramatiq.actor(_changed)
    dramatiq.Worker(broker, worker_threads=8).start()
    threading.Event().wait()


@cache
def _world() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(os.environ["TEXTBOOK"]).read_text())
    return found


_guard = threading.Lock()


def _changed(address: str) -> None:
    """What Gmail's guide does with a push: history since the last one, each mail fetched and labelled."""
    known = _world()["mailboxes"][address]
    service = _service(_world()["root"], known)
    with _guard:
        start = known["cursor"]
        answer = service.users().history().list(userId="me", startHistoryId=start, maxResults=500).execute()
        known["cursor"] = answer["historyId"]
    added = [
        one["message"]["id"] for page in answer.get("history", ()) for one in page.get("messagesAdded", ())
    ]
    for message_id in added:
        service.users().messages().get(userId="me", id=message_id).execute()
        body = {"addLabelIds": [known["label"]], "removeLabelIds": ["INBOX"]}
        service.users().messages().modify(userId="me", id=message_id, body=body).execute()


if __name__ == "__main__":
    {"subscriber": _subscribe, "worker": _work}[sys.argv[1]]()
