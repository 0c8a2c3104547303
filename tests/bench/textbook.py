"""The yardstick: the pipeline as a textbook writes it, on the same local Google and the same mails as ours.

One Pub/Sub message, one Dramatiq job, `history.list`, then per mail one `messages.get` and one
`messages.modify`; the service is built once per process and asked for `users().messages()` at every call, as
in Google's own samples; no database. `python -m tests.bench.textbook --mails 1000 --mailboxes 10` runs it and
ours, one after the other, and prints both and the ratio of their CPU seconds.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

import dramatiq
import psutil
from dramatiq.brokers.redis import RedisBroker
from google.cloud import pubsub_v1
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build

from infra.local.gmail.client import Mail
from infra.local.ports import ServerProcess
from tests.bench.burst import CUSTOMERS_SHARE, burst, settled_cpu
from tests.journeys.world import mail
from workers.demo.stage import Stage

LABEL = "Customers"
ROLES = ("subscriber", "worker")


def main() -> None:
    """Run both, or with a role one process of the textbook pipeline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1_000)
    parser.add_argument("--mailboxes", type=int, default=10)
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        {"subscriber": _subscribe, "worker": _work}[options.role]()
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder) / "stage") as stage:
        found["textbook"] = textbook(stage, options.mails, options.mailboxes)
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder) / "stage") as stage:
        found["ours"] = burst(stage, options.mails, options.mailboxes)
    ratio = found["ours"]["cpu_seconds_per_1000"] / found["textbook"]["cpu_seconds_per_1000"]
    json.dump(found | {"cpu_ratio": round(ratio, 2)}, sys.stdout, indent=2)
    sys.stdout.write("\n")


def textbook(stage: Stage, mails: int, mailboxes: int) -> dict[str, object]:
    """Deliver while nothing runs, start both processes, wait until the last mail is labelled."""
    boxes = [f"user{n}@firm.example" for n in range(mailboxes)]
    grants = {box: _watched(stage, box) for box in boxes}
    place = stage.folder / "textbook.json"
    place.write_text(json.dumps({"root": stage.gmail.base_url + "/", "mailboxes": grants}))
    environment = stage.environment | {"TEXTBOOK": str(place), "REDIS": stage.redis.url}
    _start(stage, environment)
    to_start = settled_cpu(stage, ROLES)
    for role in ROLES:
        stage.stop(role, signal.SIGKILL)
    stage.gmail.reset_counters()
    for n in range(mails):
        box = boxes[n % mailboxes]
        stage.gmail.deliver_many([Mail(box, mail(CUSTOMERS_SHARE[n // mailboxes % 4], n, to=box))])
    began = time.monotonic()
    _start(stage, environment)
    while stage.gmail.counters().by_method.get("messages.modify", {"calls": 0})["calls"] < mails:
        time.sleep(0.25)
    wall = time.monotonic() - began
    cpu = sum(sum(psutil.Process(stage.servers[role].pid).cpu_times()[:2]) for role in ROLES)
    counters = stage.gmail.counters()
    for role in ROLES:
        stage.stop(role, signal.SIGKILL)
    return {
        "wall_seconds": round(wall, 1),
        "cpu_seconds_per_1000": round((cpu - sum(to_start.values())) / mails * 1000, 2),
        "cpu_to_start": round(sum(to_start.values()), 1),
        "units_per_mail": round(counters.units / mails, 2),
        "http_requests_per_mail": round((counters.http_requests + counters.token_requests) / mails, 3),
    }


def _start(stage: Stage, environment: dict[str, str]) -> None:
    for role in ROLES:
        words = [sys.executable, "-m", "tests.bench.textbook", "--role", role]
        stage.servers[role] = ServerProcess(words, log=stage.logs / f"{role}.log", environment=environment)


def _watched(stage: Stage, box: str) -> dict[str, str]:
    """A mailbox with a watch and a label: its grant, its cursor and the label's id."""
    grant: dict[str, str] = dict(stage.gmail.create_mailbox(box, ()))
    service = _service(stage.gmail.base_url + "/", grant)
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


_guards = {name: threading.Lock() for name in ("open", "cursor")}
_services: dict[tuple[int, str], Any] = {}


def _changed(address: str) -> None:
    """What Gmail's guide does with a push: history since the last one, each mail fetched and labelled."""
    known = _world()["mailboxes"][address]
    with _guards["open"]:
        key = threading.get_ident(), address
        service = _services.setdefault(key, None) or _service(_world()["root"], known)
        _services[key] = service
    with _guards["cursor"]:
        start = known["cursor"]
        answer = service.users().history().list(userId="me", startHistoryId=start, maxResults=500).execute()
        known["cursor"] = answer["historyId"]
    added = [
        one["message"]["id"] for page in answer.get("history", ()) for one in page.get("messagesAdded", ())
    ]
    for gmail_id in added:
        service.users().messages().get(userId="me", id=gmail_id).execute()
        body = {"addLabelIds": [known["label"]], "removeLabelIds": ["INBOX"]}
        service.users().messages().modify(userId="me", id=gmail_id, body=body).execute()


if __name__ == "__main__":
    main()
