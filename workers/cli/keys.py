"""The keys that encrypt what is stored."""

import typer

from workers.cli.terminal.output import Json, say, show_json


def new_key(as_json: Json = False) -> None:
    """Make a key for LODESTONE_TOKEN_KEYS. Example: `lodestone keys new`"""
    from cryptography.fernet import Fernet

    key = Fernet.generate_key().decode()
    if as_json:
        show_json({"key": key})
    else:
        say(key)


def rotate_keys(as_json: Json = False) -> None:
    """Encrypt everything that is stored under the first key of LODESTONE_TOKEN_KEYS.

    Put the new key first, the old one behind it, and restart every process before; drop the old key when nothing
    is left to do. It may be stopped and repeated at any time.

    Example: `lodestone keys rotate`
    """
    from infra.db.rotation import rotate
    from infra.secrets import WrongKey
    from workers.cli.terminal.opening import open_app

    app = open_app()
    done = rotate(app.store, app.cipher)
    renewed = {name: each.renewed for name, each in done.items()}
    unreadable = sum(each.unreadable for each in done.values())
    if as_json:
        show_json({"renewed": renewed, "unreadable": {name: each.unreadable for name, each in done.items()}})
    else:
        say("now under the first key: " + ", ".join(f"{name} {count}" for name, count in renewed.items()))
    if unreadable:
        raise WrongKey(
            f"{unreadable} stored values cannot be read with the keys in LODESTONE_TOKEN_KEYS: add the key that "
            "they were encrypted with, then rotate again"
        )


def add_to(app: typer.Typer) -> None:
    keys = typer.Typer(
        help="Keys that encrypt the stored tokens. Example: `lodestone keys new`", no_args_is_help=True
    )
    keys.command("new")(new_key)
    keys.command("rotate")(rotate_keys)
    app.add_typer(keys, name="keys")
