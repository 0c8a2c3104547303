"""The Procfile's processes, and what they need before they start.

Each imports its own parts only when it runs: Pub/Sub alone would double a worker's memory and start.
"""

import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from workers.cli.terminal.output import Json, fail, say, show_json, tell

if TYPE_CHECKING:
    from infra.settings import Settings


def migrate(as_json: Json = False) -> None:
    """Bring the database to this release. While another process migrates it, this waits and says so.

    Example: `lodestone migrate`
    """
    from infra.db.migrate import HEAD
    from infra.db.migrate import migrate as bring_up
    from infra.db.store import open_engine
    from workers.cli.terminal.progress import now_and_then

    settings = _settings()
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    bring_up(
        open_engine(settings.database_url.get_secret_value()),
        progress=now_and_then("migrating"),
        waits=lambda: tell(
            f"waiting since {since}: somebody else is migrating this database, or writes to it"
        ),
    )
    if as_json:
        show_json({"migration": HEAD})
    else:
        say("the database is at this release's migration")


def topic(as_json: Json = False) -> None:
    """Make the Pub/Sub topic and subscription where they are missing, and set the subscription's settings right.

    Its ack deadline, expiry, retry policy and dead letters become those that Lodestone needs; it says which it
    changed.

    Example: `lodestone topic`
    """
    from infra.gmail.pubsub import OtherTopic, ensure_subscription

    settings = _settings()
    project, name = settings.pubsub_project, settings.pubsub_subscription
    try:
        changed = ensure_subscription(project, settings.pubsub_topic, name)
    except OtherTopic as error:
        fail(
            f"subscription {name} belongs to topic {error}, which cannot be changed: delete it, or name another "
            "with LODESTONE_PUBSUB_SUBSCRIPTION",
            code=2,
        )
    if as_json:
        show_json({"topic": settings.topic, "subscription": name, "changed_settings": changed})
        return
    say(f"{settings.topic} and its subscription {name} are there")
    if changed:
        say(f"changed on the subscription: {', '.join(changed)}")


def _settings() -> "Settings":
    """The settings of this process, its log on standard error: standard output is the command's answer."""
    from infra import logs
    from infra.settings import load

    settings = load()
    with redirect_stdout(sys.stderr):
        logs.set_up(settings.log_level, process="release")
    return settings


def dispatcher() -> None:
    """Pull Gmail's notifications and wake the workers. Example: `lodestone dispatcher`"""
    from workers.dispatcher import main

    main()


def worker() -> None:
    """Do the work: catch up, match, announce, sort. Example: `lodestone worker`"""
    from workers.worker import main

    main()


def sweep() -> None:
    """Do what is due by the clock: sweep, renew, re-drive, purge. Example: `lodestone sweep`"""
    from workers.sweep import main

    main()


def notifier() -> None:
    """Send notifications to webhooks and by apprise URLs. Example: `lodestone notifier`"""
    from workers.notifier import main

    main()


def run() -> None:
    """Be dispatcher, worker, sweep and notifier in one process, for a small installation or a first look.

    Without LODESTONE_PUBSUB_PROJECT or Google credentials nothing is pulled, and without the topic, which `lodestone
    topic` makes, Google pushes nothing: then the sweep finds the mail.

    Example: `lodestone migrate && lodestone run`
    """
    from workers.run import main

    main()


def add_to(app: typer.Typer) -> None:
    for command in (migrate, topic, dispatcher, worker, sweep, notifier, run):
        app.command()(command)
