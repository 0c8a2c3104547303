"""The command line: one line for an error, exit 2 for what the caller can mend, 1 for what failed."""

import sys

import typer
from sqlalchemy.exc import DBAPIError

from domain.errors import AccessRevoked, GiveUp, TryAgain
from handlers.connections import Refused
from infra.db.migrate import WrongSchema
from infra.secrets import WrongKey
from infra.settings import WrongSetting
from workers.cli import accounts, crm, demo, processes, reports
from workers.cli.output import fail

app = typer.Typer(
    help="Join Gmail mailboxes to the contacts and deals of a CRM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
processes.add_to(app)
accounts.add_to(app)
crm.add_to(app)
reports.add_to(app)
demo.add_to(app)

_CALLERS = (WrongSetting, WrongSchema, WrongKey, Refused)


def main() -> None:
    """Run the command; errors that have a way out are told in one line."""
    try:
        app()
    except _CALLERS as error:
        fail(str(error), code=2)
    except AccessRevoked:
        fail("Google no longer accepts this grant: the user has to sign in again", code=1)
    except TryAgain as error:
        fail(f"Gmail cannot be reached or limits us ({error.reason}): try again in a minute", code=1)
    except GiveUp as error:
        fail(f"Gmail refuses ({error.reason}); see the log and Google's admin console", code=1)
    except DBAPIError as error:
        fail(f"the database does not answer ({type(error).__name__}): check LODESTONE_DATABASE_URL", code=1)
    except KeyboardInterrupt:
        sys.exit(130)
