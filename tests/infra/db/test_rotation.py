"""Everything stored under a former key comes under the first one (I10)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from domain.channels import ChannelKind, Target
from domain.connections.connections import Sharing, Wishes
from domain.connections.permissions import needed
from domain.connections.sign_ins import SignIn
from domain.ids import ChannelId
from domain.mailboxes.accounts import AccountKey
from infra.db.rotation import AT_ONCE, Rotated, rotate
from infra.db.store import Store
from infra.secrets import Cipher, WrongKey
from tests.providers import changed, held
from tests.worlds import GRANT, HERE, KEY, START

NEW = Fernet.generate_key().decode()
TARGET = Target("https://hooks.example.com/t0ken", "whsec_t0ken")
SIGN_IN = SignIn(
    "gmail", "uwe", "http://127.0.0.1/", "verifier", needed(labels=True), Wishes(sharing=Sharing.CUSTOM)
)


@pytest.fixture
def rotating(store: Store, database_url: str) -> Iterator[Store]:
    """The same database as processes open it that have the new key first."""
    opened = Store(database_url, Cipher((NEW, KEY)))
    yield opened
    opened.engine.dispose()


@pytest.fixture
def renewed(store: Store, database_url: str) -> Iterator[Store]:
    """The same database as it is opened once the old key is dropped."""
    opened = Store(database_url, Cipher((NEW,)))
    yield opened
    opened.engine.dispose()


def fill(store: Store, connections: int = 1) -> None:
    with store.begin("tests.fill") as tx:
        for number in range(connections):
            mailbox_id = tx.mailboxes.add(
                AccountKey("gmail", f"u{number}@firm.example"), f"u{number}@firm.example"
            )
            grant = changed(GRANT, refresh_token=f"refresh-{number}")
            tx.of(HERE).connections.add(f"u{number}", mailbox_id, grant, Sharing.PRIVATE)
        tx.of(HERE).channels.add("uwe", ChannelKind.WEBHOOK, TARGET)
        tx.of(HERE).sign_ins.begin("state", SIGN_IN, 600)
        tx.of(HERE).objects.make_keys()


def refresh_tokens(store: Store, connections: int) -> list[str]:
    with store.begin("tests.look") as tx:
        found = [tx.of(HERE).connections.of_user(f"u{number}")[0].grant for number in range(connections)]
    return [held(grant).refresh_token for grant in found if grant]


@pytest.mark.rule("I10")
def test_all_is_read_with_the_new_key_alone(store: Store, rotating: Store, renewed: Store) -> None:
    many = 2 * AT_ONCE + 1
    fill(store, many)
    with pytest.raises(WrongKey):
        refresh_tokens(renewed, 1)
    with store.begin("tests.keep") as tx:
        keys = tx.of(HERE).objects.keys()
    assert keys is not None
    sealed = keys.seal(b"content")
    done = rotate(rotating, Cipher((NEW, KEY)))
    assert done == {
        "grants": Rotated(many),
        "channels": Rotated(1),
        "sign-ins": Rotated(1),
        "organisation-keys": Rotated(1),
    }
    assert refresh_tokens(renewed, many) == [f"refresh-{number}" for number in range(many)]
    with renewed.begin("tests.look") as tx:
        channel = tx.of(HERE).channels.get(ChannelId(1))
        assert channel is not None
        assert channel.target == TARGET
        assert tx.of(HERE).sign_ins.take("state", "uwe") == SIGN_IN
        now = tx.of(HERE).objects.keys()
        assert now is not None
        assert now.unseal(sealed) == b"content", "no object is written anew"
    again = rotate(rotating, Cipher((NEW, KEY)))
    assert again == {
        "grants": Rotated(),
        "channels": Rotated(),
        "sign-ins": Rotated(),
        "organisation-keys": Rotated(),
    }


def test_what_nobody_came_back_for_is_not_kept_for_its_key(store: Store, rotating: Store) -> None:
    fill(store)
    with store.begin("tests.wait") as tx:
        tx.db.execute(text("UPDATE sign_ins SET expires_at = 0"))
    assert rotate(rotating, Cipher((NEW, KEY)))["sign-ins"] == Rotated()


def test_a_sign_in_that_another_release_began_is_unknown(store: Store, cipher: Cipher) -> None:
    fill(store)
    with store.begin("tests.older") as tx:
        tx.db.execute(text("UPDATE sign_ins SET sealed = :older"), {"older": cipher.seal('{"scopes": []}')})
        assert tx.of(HERE).sign_ins.take("state", "uwe") is None
        assert tx.of(HERE).sign_ins.take("state", "uwe") is None, "and is used up"


@pytest.mark.rule("I10")
def test_what_no_key_reads_stays_as_it_is_and_holds_up_nothing(
    store: Store, rotating: Store, renewed: Store
) -> None:
    fill(store, 2)
    with store.begin("tests.spoil") as tx:
        tx.db.execute(
            text('UPDATE connections SET "grant" = :other WHERE id = 1'), {"other": b"another key's"}
        )
    done = rotate(rotating, Cipher((NEW, KEY)))
    assert done["grants"] == Rotated(1, unreadable=1)
    with store.begin("tests.look") as tx:
        assert tx.db.scalar(text('SELECT "grant" FROM connections WHERE id = 1')) == b"another key's"
    with renewed.begin("tests.look") as tx:
        assert tx.of(HERE).connections.of_user("u1")[0].grant is not None


@pytest.mark.rule("I10", "W6")
def test_a_grant_that_changes_meanwhile_is_not_overwritten(store: Store, rotating: Store) -> None:
    """Between the look and the commit a worker keeps a fresh access token."""
    fill(store)
    fresh = changed(
        GRANT, refresh_token="refresh-0", access_token="fresh", expires_at=START + timedelta(days=1)
    )

    class Interrupted(Cipher):
        def renewed(self, sealed: bytes) -> bytes | None:
            with rotating.begin("tests.refresh") as tx:
                [connection] = tx.of(HERE).connections.of_user("u0")
                tx.connections.keep_grant(connection, fresh)
            return super().renewed(sealed)

    done = rotate(rotating, Interrupted((NEW, KEY)))
    assert done["grants"] == Rotated()
    with rotating.begin("tests.look") as tx:
        assert tx.of(HERE).connections.of_user("u0")[0].grant == fresh
