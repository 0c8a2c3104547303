"""Whom an answer goes to, shown before it leaves (H45)."""

import sys

import typer

from domain.errors import Refused
from domain.mail.safe_text import safe_line
from handlers.outbox.preparing import Prepared
from workers.cli.mail.rendering import show_json
from workers.cli.terminal.output import say


def agree(prepared: Prepared, *, can_ask: bool) -> None:
    """Ask at a terminal; without one the user must have agreed by --yes (H45)."""
    if not can_ask or not sys.stdin.isatty():
        raise Refused(f"this answer would go to {_recipients(prepared)}: add --yes if that is meant")
    if not typer.confirm(f"Send this answer to {_recipients(prepared)}?"):
        raise typer.Exit(1)


def _recipients(prepared: Prepared) -> str:
    to, cc = (", ".join(one.address for one in those) for those in (prepared.mail.to, prepared.mail.cc))
    return safe_line(f"{to}, copies to {cc}" if cc else to)


def show_prepared(prepared: Prepared, *, as_json: bool) -> None:
    """Who would get the mail and under which subject, for who is only asking."""
    mail = prepared.mail
    if as_json:
        show_json(
            {
                "reply_to_message_id": (mail.replies_to and mail.replies_to.message_id) or None,
                "reply_to_mail_id": prepared.answers,
                "to": [one.address for one in mail.to],
                "cc": [one.address for one in mail.cc],
                "subject": mail.subject,
            }
        )
        return
    say(f"would go to {_recipients(prepared)}, as {safe_line(mail.subject)}")
    if mail.replies_to:
        say(f"it answers mail {prepared.answers or mail.replies_to.message_id}")
