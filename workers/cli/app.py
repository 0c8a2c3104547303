"""The command line. An error is one line; exit code 2 means that the caller can mend it, 1 that something failed."""

import sys
from importlib import import_module

import typer

from workers.cli.terminal.output import FULL, at_end, fail, hand_over, unwritten

MODULES = {
    "processes": ("migrate", "topic", "dispatcher", "worker", "sweep", "notifier", "run"),
    "keys": ("keys",),
    "accounts": ("connect", "disconnect"),
    "connections": ("connection",),
    "aliases": ("alias",),
    "settings": ("settings",),
    "crm.commands": ("crm",),
    "channels": ("channels",),
    "locations": ("locations",),
    "labels": ("labels",),
    "status": ("status",),
    "explain": ("explain",),
    "notifications": ("notifications",),
    "mail.commands": ("mail", "open"),
    "conversations": ("conversations", "conversation"),
    "events": ("events",),
    "operations": ("pause", "resume", "retry"),
    "ledger": ("ledger",),
    "quota": ("quota",),
    "setup": ("setup",),
    "doctor": ("doctor",),
    "mail.sending": ("send", "outbox"),
    "demo": ("demo",),
}
"""The commands of each module. Only the module of the command is imported, because all together take long."""


def build(command: str | None) -> typer.Typer:
    """The application with the module of one command, or with all of them to show its help."""
    app = typer.Typer(
        help="Join Gmail mailboxes to the contacts and deals of a CRM.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        callback=lambda: None,
    )
    needed = [module for module, commands in MODULES.items() if command in commands] or MODULES
    for module in needed:
        import_module(f"workers.cli.{module}").add_to(app)
    return app


def main() -> None:
    """Run the command. An error with a known way out is printed in one line."""
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else None)()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            unwritten(error)
        text, code = _way_out(error)
        fail(text, code=code)
    finally:
        at_end.close()
        hand_over()


def _way_out(error: Exception) -> tuple[str, int]:
    """What to do about an error, and the exit code; raises it again when it is none of these."""
    from redis.exceptions import RedisError

    from domain.errors import (
        AccessRevoked,
        DatabaseAway,
        GiveUp,
        GrantRefused,
        ObjectsAway,
        Refused,
        TryAgain,
    )
    from infra.db.migrate import WrongSchema
    from infra.secrets import WrongKey
    from infra.settings import WrongSetting

    if type(error).__module__.startswith("google."):
        return _google_way_out(error)
    match error:
        case WrongSetting() | WrongSchema() | WrongKey() | Refused():
            return str(error), 2
        case AccessRevoked():
            return "Google no longer accepts this grant: the user has to sign in again", 1
        case GrantRefused():
            return f"no access at the provider ({error.reason}): `lodestone doctor` says who can mend that", 1
        case ObjectsAway():
            return f"the object store takes or gives nothing ({error.reason}): check LODESTONE_OBJECTS", 1
        case TryAgain():
            return f"the provider cannot be reached or limits us ({error.reason}): try again in a minute", 1
        case GiveUp():
            return f"the provider refuses ({error.reason}); see the log and the provider's admin console", 1
        case DatabaseAway():
            return _database_way_out(error.reason)
        case RedisError():
            return f"Redis does not answer ({type(error).__name__}): check LODESTONE_REDIS_URL", 1
    raise error


def _database_way_out(reason: str) -> tuple[str, int]:
    """The same for errors of the database."""
    if reason == "away":
        return "the database does not answer: check LODESTONE_DATABASE_URL, and that it runs", 1
    if reason == "schema":
        return "another release has changed the database meanwhile: use that one's `lodestone`", 2
    return "the database is busy, something else holds what this needs: try again in a minute", 1


def _google_way_out(error: Exception) -> tuple[str, int]:
    """The same for errors of Pub/Sub's client, whose imports other commands need not wait for."""
    from google.api_core.exceptions import GatewayTimeout, GoogleAPIError, ServiceUnavailable
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

    name = type(error).__name__
    match error:
        case DefaultCredentialsError():
            return f"there are no Google credentials ({name}): check GOOGLE_APPLICATION_CREDENTIALS", 2
        case GoogleAuthError():
            return f"Google does not accept the credentials ({name}): check GOOGLE_APPLICATION_CREDENTIALS", 1
        case ServiceUnavailable() | GatewayTimeout():
            return f"Pub/Sub cannot be reached ({name}): check the network, then try again", 1
        case GoogleAPIError():
            return (
                f"Pub/Sub refuses ({name}): check LODESTONE_PUBSUB_PROJECT and the service account's rights",
                1,
            )
    raise error
