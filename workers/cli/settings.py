"""`lodestone settings`: of the organisation, and of a user's connection."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from handlers import settings
from workers.cli.settings_words import CONNECTION, ORGANISATION, grouped, read_organisation, read_wishes
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say, show_json
from workers.cli.terminal.progress import deleting

User = Annotated[str | None, typer.Option("--user", help="The CRM's id of the user whose connection it is.")]


def set_setting(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME VALUE...",
            help=f"Of the organisation: {', '.join(ORGANISATION)}. With --user: {', '.join(CONNECTION)}.",
        ),
    ],
    user: User = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Change settings of the organisation, or of the location (assignment-inbound, assignment-outbound,
    third-parties: for two-way sync), several at once if you like: all are saved, or none. Lists are replaced as a
    whole, `-` empties them; words for categories are added, and `-` instead of a category takes one back.

    Example: `lodestone settings set time-zone Europe/Berlin`

    Example: `lodestone settings set category "Closed Lost" LOST "Closed Won" WON`

    Example: `lodestone settings set sharing-roles Sales=public sharing-only user:uwe role:Head`

    Example: `lodestone settings set --user uwe magnet on sorting on sharing custom share-contact c17 on`

    Example: `lodestone settings set label-names german`

    Example: `lodestone settings set --user uwe exclude-from-sharing lawyer.example`
    """
    groups = grouped(words, CONNECTION if user else ORGANISATION)
    if user:
        wishes = read_wishes(groups)
        app = open_app()
        with deleting() as progress:
            settings.change(user, wishes, app.context, progress, location)
        _show_connection(user, settings.show(user, app.store, location), as_json=as_json)
        return
    values, users, roles = read_organisation(groups)
    settings.change_organisation(values, open_app().context, users=users, roles=roles, location=location)
    if as_json:
        show_json(_as_json(values))
        return
    for name, value in values.items():
        say(f"{name} is {_in_words(value)}")
    if "label-names" in values:
        say("labels that were made earlier keep their names (rule E54)")


def show_settings(user: User = None, location: Location = None, as_json: Json = False) -> None:
    """Show the settings of the organisation and the location, or with --user those of his connection.

    Example: `lodestone settings show --user uwe`
    """
    app = open_app()
    if user:
        _show_connection(user, settings.show(user, app.store, location), as_json=as_json)
        return
    found, own = settings.organisation(app.store, location), settings.of_location(app.store, location)
    sharing = found.sharing
    shown: dict[str, Any] = {
        "time-zone": found.time_zone,
        "internal-domain": sorted(found.internal_domains),
        "exclude": sorted(found.exclusions.addresses | found.exclusions.domains),
        "sharing-roles": {role: option.value for role, option in sorted(sharing.by_role.items())},
        "sharing-users": {user_id: option.value for user_id, option in sorted(sharing.by_user.items())},
        "sharing-only": {"users": sorted(sharing.only_users), "roles": sorted(sharing.only_roles)},
        "sharing-exclude": sorted(sharing.excluded_domains),
        "category": {word: name.value for word, name in sorted(found.categories.items())},
        "label-names": list(found.label_names.values()),
        "assignment-inbound": own.assigned_inbound,
        "assignment-outbound": own.assigned_outbound,
        "third-parties": own.third_parties,
    }
    if as_json:
        show_json(_as_json(shown))
        return
    for name, value in shown.items():
        say(f"{name}: {_in_words(value)}" if value is not None else f"{name}: UTC (not set)")


def _show_connection(user_id: str, shown: settings.ConnectionSettings, *, as_json: bool) -> None:
    connection = shown.connection
    values: dict[str, Any] = {
        "mailbox": shown.address,
        "state": connection.state.value,
        "sharing": connection.sharing.value,
        "magnet": connection.features.magnet,
        "sorting": connection.features.sorting,
        "dry-run": connection.dry_run,
        "exclude-from-sharing": sorted(connection.excluded_domains),
        "share-contact": sorted(shown.contacts),
    }
    if as_json:
        show_json(
            {
                "user_id": user_id,
                **_as_json(values),
                "sharing_that_counts": shown.option,
                "proposed_internal_domain": shown.proposed,
            }
        )
        return
    for name, value in values.items():
        say(f"{name}: {_in_words(value)}")
    if shown.aliases:
        say(f"aliases: {_in_words([one.address for one in shown.aliases])}")
    for one in shown.aliases:
        if one.held_by:
            say(f"{one.address} does not count as an alias: {one.held_by} has it (rule E14)")
    if shown.option is not connection.sharing:
        say(f"By the organisation's settings this mailbox is {shown.option.value}, whatever its owner chose")
    if shown.proposed:
        say(
            f"{shown.proposed} may be an internal domain: `lodestone settings set internal-domain …` makes mail "
            "from there nobody's contact (rule E18)"
        )


_IN_JSON = {
    "category": "deal_categories",
    "state": "connection_state",
}
"""What has another name in --json, where these mean something else."""


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """By the names of the settings, with underscores."""
    found = {_IN_JSON.get(name, name.replace("-", "_")): value for name, value in values.items()}
    match found:
        case {"sharing_only": {"users": users, "roles": roles}}:
            found["sharing_only"] = {"user_ids": users, "roles": roles}
    return found


def _in_words(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case list():
            return ", ".join(value) or "empty"
        case {"users": users, "roles": roles}:
            return _in_words([f"user:{one}" for one in users] + [f"role:{one}" for one in roles])
        case dict():
            return _in_words([f"{key}={option or 'nothing'}" for key, option in value.items()])
    return str(value)


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Settings of the organisation and of connections. "
        "Example: `lodestone settings set time-zone Europe/Berlin`",
        no_args_is_help=True,
    )
    group.command("set")(set_setting)
    group.command("show")(show_settings)
    app.add_typer(group, name="settings")
