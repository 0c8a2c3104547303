"""What has to be made at Google's before anything can run: `lodestone setup google`."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from workers.cli.terminal.output import Json, fail, say, show_json

if TYPE_CHECKING:
    from infra.gmail.setup import Place
    from infra.settings import Settings

NEEDED = ("pubsub_project", "pubsub_topic", "pubsub_subscription")


def google(as_json: Json = False) -> None:
    """Print the gcloud commands that make the project ready: APIs, topic, grants, subscriptions, service account.

    For the project, topic and subscription of the settings; docs/GOOGLE.md walks through them. Nothing is run.
    Paste them into a shell with gcloud, or into Google's Cloud Shell. What only a person can do follows them.

    Example: `lodestone setup google`
    """
    from infra.gmail.setup import settings, steps
    from infra.settings import examine

    found, wrong = examine()
    for name in NEEDED:
        if name in wrong:
            fail(wrong[name], code=2)
    place = _place(found)
    if as_json:
        plan = [{"title": s.title, "commands": s.commands, "by_hand": s.by_hand} for s in steps(place)]
        show_json({"setup_steps": plan, "settings": settings(place)})
        return
    for number, step in enumerate(steps(place), 1):
        say(f"# {number}. {step.title}")
        for line in (*step.commands, *(f"#    {words}" for words in step.by_hand)):
            say(line)
        say("")
    say("# Then set, and run `lodestone doctor`:")
    for name, value in settings(place).items():
        say(f"#    {name}={value}")


def _place(found: "Settings") -> "Place":
    from infra.gmail.setup import Place

    credentials = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    client = _read(found.oauth_client_file)
    return Place(
        project=found.pubsub_project,
        topic=found.pubsub_topic,
        subscription=found.pubsub_subscription,
        account=_text(_read(credentials and Path(credentials)).get("client_email")),
        redirect_uris=tuple(filter(None, map(_text, _list(client.get("web", {}).get("redirect_uris"))))),
        delegate=_text(_read(found.service_account_file).get("client_id")),
    )


def _read(file: Path | str | None) -> dict[str, Any]:
    """What a file of Google's says; nothing when there is none yet, or it is something else."""
    try:
        found = json.loads(Path(file).read_text()) if file else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    """A value that may be printed: one line without control characters."""
    return value if isinstance(value, str) and value.isprintable() else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def add_to(app: typer.Typer) -> None:
    setup = typer.Typer(
        help="Make things ready at Google's. Example: `lodestone setup google`", no_args_is_help=True
    )
    setup.command("google")(google)
    setup.callback()(lambda: None)
    app.add_typer(setup, name="setup")
