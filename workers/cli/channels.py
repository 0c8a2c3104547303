"""Where notifications go besides the list: `lodestone channels`."""

import secrets
from base64 import b64encode
from typing import Annotated, Any

import typer

from domain.channels import ChannelKind, ChannelReport, ReceiverVerdict, Target
from domain.errors import Refused
from domain.ids import ChannelId
from handlers import channels
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say, show_json
from workers.cli.terminal.tables import plain, show_table
from workers.cli.terminal.times import in_utc, timestamp

Id = Annotated[
    int, typer.Argument(help="The channel's number, as `lodestone channels list` shows it.", min=1)
]


def add(
    webhook: Annotated[
        str | None, typer.Option("--webhook", help="An https URL that takes signed CloudEvents.")
    ] = None,
    apprise: Annotated[
        str | None, typer.Option("--apprise", help="An apprise URL: slack://…, msteams://…, mailtos://…")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Only this user's notifications; else those of all users.")
    ] = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Send notifications somewhere from now on. A webhook's secret is shown this once.

    Example: `lodestone channels add --webhook https://crm.example.com/hooks/mail --user uwe`

    Example: `lodestone channels add --apprise slack://TOKEN_A/TOKEN_B/TOKEN_C/#sales`
    """
    if (webhook is None) == (apprise is None):
        raise Refused("name one target: --webhook URL or --apprise URL")
    kind = ChannelKind.WEBHOOK if webhook is not None else ChannelKind.APPRISE
    secret = _new_secret() if webhook is not None else None
    channel = channels.add(user, kind, Target(webhook or apprise or "", secret), open_app().context, location)
    if as_json:
        show_json(
            {
                "channel_id": channel.id,
                "channel_kind": kind.value,
                "host": channel.host,
                "user_id": user,
                "secret": secret,
            }
        )
        return
    say(
        f"channel {channel.id} ({kind.value}, {plain(channel.host)}) gets {user or 'everybody'}'s notifications"
    )
    if secret:
        say(f"secret: {secret}")


def show_all(location: Location = None, as_json: Json = False) -> None:
    """Show the channels and how they stand; never their URLs, which are secrets.

    Example: `lodestone channels list`
    """
    found = channels.reports(open_app().context, location)
    if as_json:
        show_json([_as_json(one) for one in found])
    elif found:
        show_table([_row(one) for one in found])
    else:
        say("no channels: notifications stay on the users' lists")


def remove(channel_id: Id, location: Location = None, as_json: Json = False) -> None:
    """End a channel. What waits for it is not sent; the users' lists keep it. Example: `lodestone channels remove 3`"""
    channels.remove(ChannelId(channel_id), open_app().context, location)
    _done(as_json, {"channel_id": channel_id}, f"channel {channel_id} is removed")


def send_test(channel_id: Id, location: Location = None, as_json: Json = False) -> None:
    """Send a test event, and say what the receiver answered. Example: `lodestone channels test 3`"""
    answer = channels.send_test(ChannelId(channel_id), open_app().context, location)
    good = answer.verdict is ReceiverVerdict.TAKEN
    _done(
        as_json,
        {"channel_id": channel_id, "taken": good, "answer": answer.reason},
        f"channel {channel_id} has {'taken' if good else 'not taken'} the test: {answer.reason}",
    )
    if not good:
        raise typer.Exit(1)


def retry(channel_id: Id, location: Location = None, as_json: Json = False) -> None:
    """Switch a channel on again, end its rest, and send what was set aside. Example: `lodestone channels retry 3`"""
    again = channels.retry(ChannelId(channel_id), open_app().context, location)
    _done(
        as_json,
        {"channel_id": channel_id, "retried_notifications": again},
        f"channel {channel_id} is on; notifications that had been set aside: {again}",
    )


def _done(as_json: bool, value: dict[str, Any], text: str) -> None:
    if as_json:
        show_json(value)
    else:
        say(text)


def _as_json(one: ChannelReport) -> dict[str, Any]:
    return {
        "channel_id": one.id,
        "channel_kind": one.kind.value,
        "host": one.host,
        "user_id": one.user_id,
        "channel_state": one.state.value,
        "resting_until": timestamp(one.resting_until),
        "waiting_notifications": one.waiting,
        "oldest_waiting_at": timestamp(one.waiting_since),
        "set_aside_notifications": one.set_aside,
        "trouble": one.trouble,
    }


def _row(one: ChannelReport) -> dict[str, Any]:
    return {
        "channel_id": one.id,
        "kind": one.kind.value,
        "host": one.host,
        "user": one.user_id,
        "state": one.state.value,
        "resting_until": in_utc(one.resting_until),
        "waiting": one.waiting,
        "waiting_since": in_utc(one.waiting_since),
        "set_aside": one.set_aside,
        "trouble": one.trouble,
    }


def _new_secret() -> str:
    """A secret of the size that Standard Webhooks asks for: 24 to 64 bytes."""
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


def add_to(app: typer.Typer) -> None:
    commands = typer.Typer(
        help="Where notifications go besides the users' lists: webhooks, chat, mail. "
        "Example: `lodestone channels list`",
        no_args_is_help=True,
    )
    commands.command("add")(add)
    commands.command("list")(show_all)
    commands.command("test")(send_test)
    for command in (remove, retry):
        commands.command()(command)
    app.add_typer(commands, name="channels")
