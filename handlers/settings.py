"""The settings of an organisation, a location and a connection. A change is saved whole or not at all (Z13, D13)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from domain.connections.aliases import Alias
from domain.connections.connections import Connection, ConnectionState, Sharing, Wishes
from domain.connections.sharing import option
from domain.crm.locations import LOCATION_SETTINGS, LocationSettings
from domain.crm.organisations import Organisation
from domain.crm.users import User
from domain.errors import GiveUp, Refused, TryAgain
from domain.ids import ConnectionId
from domain.mail.public_mail import proposed_internal
from domain.sorting.label_names import check_taken
from handlers.connections import connecting, disconnecting, sharing
from handlers.connections.permissions import check_known, check_may_connect
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.ports.store import InOrganisation, Store, Transaction
from handlers.sessions import with_mailbox

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """A connection's settings. `option` is the sharing option that counts, by role, user or the owner's choice;
    `proposed` is a domain that may be internal (E18), `aliases` are registered (E14), `watch_trouble` is why
    nothing is pushed of the mailbox, in its provider's word (E85)."""

    connection: Connection
    address: str
    option: Sharing
    contacts: frozenset[str]
    proposed: str | None
    aliases: tuple[Alias, ...]
    watch_trouble: str | None


def change_organisation(
    values: Mapping[str, object],
    context: Context,
    *,
    users: Collection[str] = (),
    roles: Collection[str] = (),
    location: Where = None,
) -> None:
    """Set values of the organisation and the location by their names.

    `users` and `roles` are those that the values name; raises Refused when one of them is unknown.
    """
    _check_label_names(values.get("label-names"), context)
    with context.store.begin("settings.set") as tx:
        here = located(location, tx)
        for user_id in sorted(users):
            check_known(user_id, here)
        for role in sorted(roles):
            if not here.users.has_role(role):
                raise Refused(
                    f"no user has the role {role}: `lodestone crm import --users FILE` tells of roles"
                )
        for name, value in values.items():
            if name in LOCATION_SETTINGS:
                here.location_settings.set(name, value)
            else:
                here.settings.set(name, _with_earlier(value, here) if name == "category" else value)
    log.info("settings.changed", names=sorted(values), organisation_id=here.organisation_id)


def _check_label_names(names: object, context: Context) -> None:
    """Each provider that has rules for them must take them."""
    if not isinstance(names, list):
        return
    for provider in [one.about for one in context.providers.values()]:
        if provider.label_names:
            check_taken(names, provider.label_names, provider.title)


def _with_earlier(words: object, here: InOrganisation) -> object:
    """Add words for categories to those that are set. None takes a word back; an empty mapping takes back all."""
    if not isinstance(words, Mapping) or not words:
        return words
    known = {word: found.value for word, found in here.settings.get().categories.items()}
    return {word: name for word, name in {**known, **words}.items() if name is not None}


def organisation(store: Store, location: Where = None) -> Organisation:
    """The organisation's settings as they are now."""
    with store.begin("settings.show", reads_only=True) as tx:
        return located(location, tx).settings.get()


def of_location(store: Store, location: Where = None) -> LocationSettings:
    """The location's settings as they are now."""
    with store.begin("settings.show", reads_only=True) as tx:
        return located(location, tx).location_settings.get()


def show(user_id: str, store: Store, location: Where = None) -> ConnectionSettings:
    """The settings of the user's connection. Raises Refused when he has none."""
    with store.begin("settings.show", reads_only=True) as tx:
        here = located(location, tx)
        connection = the_one(user_id, here.connections.of_user(user_id))
        mailbox = tx.mailboxes.get(connection.mailbox_id)
        rules = here.settings.get()
        return ConnectionSettings(
            connection=connection,
            address=mailbox.address if mailbox else "",
            option=option(here.users.get(user_id) or User(user_id), connection.sharing, rules.sharing),
            contacts=tx.connections.shared_contacts(connection.id),
            proposed=proposed_internal(mailbox.address, rules.internal_domains) if mailbox else None,
            aliases=here.aliases.of_users([user_id]),
            watch_trouble=mailbox.watch.trouble if mailbox and connection.works else None,
        )


def change(
    user_id: str,
    wishes: Wishes,
    context: Context,
    progress: Callable[[int], object] = lambda _: None,
    location: Where = None,
) -> None:
    """Change a connection's settings, which counts at once for jobs that wait (E92).

    Only what is switched on needs the provider; the rest is done also while it is away, or the user has to sign in
    again. `progress` is called with how many more mails are deleted of what was kept. Raises Refused, and what
    `Mailbox` raises.
    """
    if wishes.magnet or wishes.sorting or wishes.dry_run is False:
        connecting.save(user_id, None, wishes, context=context, location=location)
        return
    with context.store.begin("settings.save") as tx:
        here = located(location, tx)
        check_may_connect(user_id, here, locked=True)
        sharing.check(user_id, wishes, here)
        connection = the_one(user_id, here.connections.of_users([user_id]))
        watched = _switch_off(connection, wishes, tx)
        sharing.keep(connection, wishes, tx)
    log.info(
        "connection.changed", connection_id=connection.id, location_id=connection.location.id, user_id=user_id
    )
    disconnecting.clear(connection.id, context, progress)
    if not watched:
        context.store.scrub()
        _stop_watch(connection.id, context)


def the_one(user_id: str, mine: Collection[Connection]) -> Connection:
    """The user's connection that is not off (Z15). Raises Refused when there is none."""
    for connection in mine:
        if connection.state is not ConnectionState.OFF:
            return connection
    raise Refused(f"user {user_id} has no connection: `lodestone connect --user {user_id}` makes one")


def _switch_off(connection: Connection, wishes: Wishes, tx: Transaction) -> bool:
    """Switch features off (Z36); returns False when the mailbox no longer needs its watch."""
    if wishes.magnet is None and wishes.sorting is None and wishes.dry_run is None:
        return True
    before = connection.features
    features = before.switched(
        magnet=before.magnet and wishes.magnet is None, sorting=before.sorting and wishes.sorting is None
    )
    dry_run = connection.dry_run if wishes.dry_run is None else wishes.dry_run
    tx.connections.change(connection.id, features, dry_run=dry_run)
    if features.any or not before.any:
        return True
    return disconnecting.forget(connection, tx)


def _stop_watch(connection_id: ConnectionId, context: Context) -> None:
    """End the push registration. If that fails it ends by itself, and pushes until then find no cursor."""
    with context.store.begin("settings.look", reads_only=True) as tx:
        connection = tx.connections.get(connection_id)
    if connection is None or connection.state is not ConnectionState.ACTIVE:
        return
    try:
        with_mailbox([connection], context, lambda mailbox: mailbox.stop_watch())
    except (TryAgain, GiveUp) as error:
        log.warning("watch.abandoned", mailbox_id=connection.mailbox_id, reason=error.reason)
