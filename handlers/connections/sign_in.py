"""Signing in on the provider's own page, in two steps: the page is asked for, then the answer is taken (Z6–Z9, Z15)."""

import secrets

import structlog

from domain.connections.connections import Connection, ConnectionState, Wishes
from domain.connections.permissions import Permission, needed
from domain.connections.sign_ins import SignIn
from domain.errors import AccessRevoked, GiveUp, NotDelegated, Refused, TryAgain, UnknownAddress
from domain.ids import ConnectionId
from domain.mailboxes.accounts import AccountKey, Grant
from handlers.connections.connecting import save
from handlers.connections.permissions import check_grant, check_may_connect
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.ports.providers import MailProvider, SignInPage
from handlers.ports.store import InLocation

log = structlog.get_logger()

GOOD_FOR = 600.0
"""Seconds from the beginning to the answer; the code lives as long."""

REFUSED_BY_USER = "access_denied"

_LIVES = frozenset({ConnectionState.ACTIVE, ConnectionState.PAUSED})
"""A paused connection goes on with the grant it has once the permission is back (D12)."""


def is_needed(user_id: str, wishes: Wishes, context: Context, location: Where = None) -> bool:
    """Whether the user has to go to the page for these settings: who is signed in with enough permissions has not."""
    with context.store.begin("sign_ins.look", reads_only=True) as tx:
        now = _connection(user_id, located(location, tx))
    if now is None or now.state is not ConnectionState.ACTIVE or now.grant is None:
        return True
    given = context.providers[now.grant.provider].permissions(now.grant)
    return given is not None and not _permissions(wishes, now) <= given


def begin(
    user_id: str,
    redirect_uri: str,
    wishes: Wishes,
    *,
    provider: str,
    replace: bool = False,
    context: Context,
    location: Where = None,
) -> tuple[str, str]:
    """The page's URL, and the state that the answer has to come with. What would be refused in the end is refused
    here, before the user grants anything."""
    page = _page(context.providers[provider])
    state = secrets.token_urlsafe(32)
    with context.store.begin("sign_ins.begin") as tx:
        here = located(location, tx)
        check_may_connect(user_id, here)
        now = None if replace else _connection(user_id, here)
        _check(wishes, now)
        verifier = secrets.token_urlsafe(64)
        sign_in = SignIn(
            provider, user_id, redirect_uri, verifier, _permissions(wishes, now), wishes, replace
        )
        here.sign_ins.begin(state, sign_in, GOOD_FOR)
        mailbox = tx.mailboxes.get(now.mailbox_id) if now else None
    log.info("sign_in.begun", user_id=user_id)
    return page.url(sign_in, state, mailbox.address if mailbox else None), state


def complete(
    user_id: str,
    state: str,
    code: str | None,
    *,
    error: str | None = None,
    context: Context,
    location: Where = None,
) -> tuple[ConnectionId, str]:
    """The connection's id and address, from what the page sent the user back with: a code, or an error.

    The state is good for one time, whatever comes of it: it is taken before the provider is asked. Where the answer
    leads to no connection, nothing is stored and the grant is given back (Z9).
    """
    known = context.providers.values()
    if not any(provider.sign_in for provider in known):
        raise Refused("; ".join(provider.about.no_sign_in for provider in known))
    with context.store.begin("sign_ins.take") as tx:
        sign_in = located(location, tx).sign_ins.take(state, user_id)
    if sign_in is None:
        raise Refused("this sign-in is unknown, was used already or is older than ten minutes: begin again")
    provider = context.providers[sign_in.provider]
    company = provider.about.company
    page = _page(provider)
    if error or not code:
        raise Refused(_why_not(error, company))
    try:
        grant = page.exchange(sign_in, code)
    except AccessRevoked:
        raise Refused(
            f"{company} does not take the code, it is used already or too old: begin again"
        ) from None
    try:
        check_grant(grant, sign_in.permissions, provider)
        return save(
            user_id, grant, sign_in.wishes, replace=sign_in.replace, context=context, location=location
        )
    except (Refused, AccessRevoked, GiveUp, TryAgain):
        _give_back(grant, context)
        raise


def abandon(user_id: str, state: str, context: Context, location: Where = None) -> None:
    """Nobody comes back for this sign-in: nothing of it stays."""
    with context.store.begin("sign_ins.take") as tx:
        located(location, tx).sign_ins.take(state, user_id)


def delegate(
    user_id: str,
    address: str,
    wishes: Wishes,
    *,
    provider: str,
    replace: bool = False,
    context: Context,
    location: Where = None,
) -> tuple[ConnectionId, str]:
    """The connection's id and address: nobody signs in, the mailbox is entered by its organisation's leave. Raises
    Refused."""
    delegation = context.providers[provider].delegation
    company = context.providers[provider].about.company
    if delegation is None:
        raise Refused(context.providers[provider].about.no_delegation)
    with context.store.begin("sign_ins.look", reads_only=True) as tx:
        permissions = _permissions(wishes, _connection(user_id, located(location, tx)))
    grant = delegation.grant(address, permissions)
    try:
        return save(user_id, grant, wishes, replace=replace, context=context, location=location)
    except UnknownAddress:
        raise Refused(
            f"{company} knows no mailbox of this address: it has to be the primary one of an account of the domain"
        ) from None
    except NotDelegated:
        raise Refused(delegation.refusal(grant)) from None


def _page(provider: MailProvider) -> SignInPage:
    if provider.sign_in is None:
        raise Refused(provider.about.no_sign_in)
    return provider.sign_in


def _connection(user_id: str, here: InLocation) -> Connection | None:
    """The one that the user has (Z15)."""
    return next((c for c in here.connections.of_user(user_id) if c.state is not ConnectionState.OFF), None)


def _check(wishes: Wishes, now: Connection | None) -> None:
    if wishes.sorting and not (wishes.magnet or (wishes.magnet is None and now and now.features.magnet)):
        raise Refused("sorting needs MailMagnet (rule Z12)")
    if wishes.sharing is None and now is None and not wishes.sync:
        raise Refused("a new connection needs a sharing option: private, custom or public (rule Z10)")


def _permissions(wishes: Wishes, now: Connection | None) -> frozenset[Permission]:
    """The least for the settings as they will be. A dry run changes no label."""
    sorting, dry_run = wishes.sorting, wishes.dry_run
    if sorting is None:
        sorting = now is not None and now.features.sorting and wishes.magnet is not False
    if dry_run is None:
        dry_run = now is not None and now.dry_run
    return needed(labels=sorting and not dry_run)


def _why_not(error: str | None, company: str) -> str:
    if error == REFUSED_BY_USER:
        return f"access was refused on {company}'s page: nothing is connected (rule Z9)"
    return f"{company}'s page did not end with a code: nothing is connected, begin again (rule Z9)"


def _give_back(grant: Grant, context: Context) -> None:
    """End at the provider what nothing came of, as far as it lets us. Not while a connection lives by that account:
    it might end all that we were granted there (D12). Nor while something of the mailbox is left to delete: somebody
    may wait for that with a grant that no connection has yet (T4)."""
    mailbox = context.open(grant)
    try:
        key = context.providers[grant.provider].key(mailbox.grant, mailbox.address())
        account = AccountKey(grant.provider, key)
        with context.store.begin("sign_ins.look", reads_only=True) as tx:
            mailbox_id = tx.mailboxes.id_of(account)
            others = tx.connections.of_mailbox(mailbox_id) if mailbox_id else ()
            left = tx.connections.disconnecting_in(mailbox_id) if mailbox_id else ()
        if not left and not any(other.state in _LIVES for other in others):
            mailbox.revoke()
    except (AccessRevoked, GiveUp, TryAgain) as error:
        log.warning("grant.abandoned", error=type(error).__name__)
