"""What is kept of a grant stays what it was: no row is written anew (I10)."""

from domain.mailboxes.accounts import Grant
from infra.gmail.grants import GoogleGrant
from tests.worlds import GRANT, START

KEPT = (
    '{"client_id": "client.apps.example.com", "client_secret": "client-secret-1", "refresh_token": "refresh-token-1", '
    '"token_uri": "https://oauth.example.com/token", "access_token": "access-token-1", '
    '"expires_at": "2026-03-15T10:00:00+00:00", "scopes": [], "subject": null}'
)
OLDER = '{"client_id": "a", "client_secret": "b", "refresh_token": "c", "token_uri": "d", "expires_at": null}'


def test_a_grant_is_written_as_it_always_was() -> None:
    assert GRANT.text == KEPT
    assert GoogleGrant.read(GRANT).written() == GRANT
    assert GoogleGrant.read(GRANT).expires_at == START.replace(hour=10)


def test_a_grant_from_before_there_were_scopes_and_service_accounts_is_read() -> None:
    found = GoogleGrant.read(Grant("gmail", OLDER))
    assert (found.access_token, found.expires_at, found.scopes, found.subject) == (None, None, (), None)
