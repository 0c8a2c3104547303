"""The Procfile's processes, and the keys they need.

Each imports its own parts only when it runs: Pub/Sub alone would double a worker's memory and start.
"""

import typer

from workers.cli.output import say


def migrate() -> None:
    """Bring the database to this release. Example: `lodestone migrate`"""
    from infra import logs
    from infra.db.migrate import migrate as bring_up
    from infra.db.store import open_engine
    from infra.settings import load

    settings = load()
    logs.set_up(settings.log_level, process="release")
    engine = open_engine(settings.database_url.get_secret_value())
    bring_up(engine)
    say("the database is at this release's migration")


def topic() -> None:
    """Make the Pub/Sub topic and subscription where they are missing. Example: `lodestone topic`"""
    from infra import logs
    from infra.pubsub import ensure_subscription
    from infra.settings import load

    settings = load()
    logs.set_up(settings.log_level, process="release")
    ensure_subscription(settings.pubsub_project, settings.pubsub_topic, settings.pubsub_subscription)
    say(f"{settings.topic} and its subscription {settings.pubsub_subscription} are there")


def dispatcher() -> None:
    """Pull Gmail's notifications and wake the workers. Example: `lodestone dispatcher`"""
    from workers.dispatcher import main

    main()


def worker() -> None:
    """Do the work: catch up, match, announce, sort. Example: `lodestone worker`"""
    from workers.worker import main

    main()


def sweep() -> None:
    """Keep the clock: sweep, renew, re-drive, purge. Example: `lodestone sweep`"""
    from workers.sweep import main

    main()


def notifier() -> None:
    """Send notifications to webhooks and by apprise URLs. Example: `lodestone notifier`"""
    from workers.notifier import main

    main()


def new_key() -> None:
    """Make a key for LODESTONE_TOKEN_KEYS. Example: `lodestone keys new`"""
    from cryptography.fernet import Fernet

    say(Fernet.generate_key().decode())


def add_to(app: typer.Typer) -> None:
    for command in (migrate, topic, dispatcher, worker, sweep, notifier):
        app.command()(command)
    keys = typer.Typer(help="Keys that encrypt the stored tokens.", no_args_is_help=True)
    keys.command("new")(new_key)
    app.add_typer(keys, name="keys")
