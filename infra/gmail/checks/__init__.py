"""What `lodestone doctor` looks at of Google's. Each look answers with findings, whatever it meets, and in a time."""

from collections.abc import Mapping
from pathlib import Path

from domain.checks import Finding, Part, warning
from infra.gmail.checks import backlog, clocks, files, pubsub
from infra.settings import Settings

_PUBSUB = ("pubsub_project", "pubsub_topic", "pubsub_subscription")


def parts(settings: Settings) -> Mapping[str, Part]:
    """By the first word of their findings."""
    names = (settings.pubsub_project, settings.pubsub_topic, settings.pubsub_subscription)
    googles = settings.gmail_endpoint is None
    found = {
        "topic": Part(_PUBSUB, lambda: pubsub.topic(*names[:2], gmail_is_googles=googles)),
        "subscription": Part(_PUBSUB, lambda: pubsub.subscription(*names)),
        "backlog": Part(_PUBSUB, lambda: backlog.look(names[0], names[2])),
        "gmail": Part(("gmail_endpoint",), lambda: clocks.look(settings.gmail_endpoint)),
    }
    if pubsub.emulated():
        found["backlog"] = Part((), lambda: [_unknown_backlog()])
    return found | _of_files(settings.oauth_client_file, settings.service_account_file, names[0])


def _of_files(client: Path | None, account: Path | None, project: str) -> dict[str, Part]:
    found: dict[str, Part] = {}
    if client is not None:
        found["oauth client"] = Part(
            ("pubsub_project",), lambda: files.client(client, project), "oauth_client_file"
        )
    if account is not None:
        found["service account"] = Part((), lambda: files.service_account(account), "service_account_file")
    return found


def _unknown_backlog() -> Finding:
    return warning("backlog", "what waits is unknown: an emulator has no Cloud Monitoring", "nothing")
