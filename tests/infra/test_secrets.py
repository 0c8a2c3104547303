"""Tokens at rest (I10)."""

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from domain.channels import Target
from infra.secrets import Cipher, WrongKey
from tests.worlds import GRANT, KEY

SECRETS = ("client-secret-1", "refresh-token-1", "access-token-1")
OTHER_KEY = Fernet.generate_key().decode()


@pytest.mark.rule("I10")
def test_a_sealed_grant_opens_with_its_key_and_shows_nothing() -> None:
    sealed = Cipher((KEY,)).seal(GRANT)

    assert Cipher((KEY,)).unseal(sealed) == GRANT
    assert not [secret for secret in SECRETS if secret.encode() in sealed]
    assert Cipher((KEY,)).seal(GRANT) != sealed, "equal grants do not look alike"


def test_a_grant_that_was_never_used_has_no_access_token() -> None:
    fresh = replace(GRANT, access_token=None, expires_at=None)

    assert Cipher((KEY,)).unseal(Cipher((KEY,)).seal(fresh)) == fresh


@pytest.mark.rule("I10")
def test_a_channels_target_is_sealed_and_comes_under_the_first_key() -> None:
    target = Target("https://hooks.example.com/t0ken", "whsec_t0ken")
    old = Cipher((KEY,)).seal_target(target)
    rotating = Cipher((OTHER_KEY, KEY))
    new = rotating.renewed(old)

    assert b"t0ken" not in old
    assert new is not None
    assert Cipher((OTHER_KEY,)).unseal_target(new) == target
    assert rotating.renewed(new) is None


@pytest.mark.rule("I10")
def test_keys_are_rotated_by_putting_the_new_one_first() -> None:
    old = Cipher((KEY,)).seal(GRANT)
    rotating = Cipher((OTHER_KEY, KEY))
    new = rotating.seal(GRANT)

    assert rotating.unseal(old) == rotating.unseal(new) == GRANT
    assert Cipher((OTHER_KEY,)).unseal(new) == GRANT, "the first key encrypts"
    with pytest.raises(WrongKey):
        Cipher((OTHER_KEY,)).unseal(old)


@pytest.mark.rule("I10")
@pytest.mark.parametrize("sealed", [b"", b"nonsense", Cipher((OTHER_KEY,)).seal(GRANT)])
def test_what_cannot_be_opened_names_the_setting_and_nothing_else(sealed: bytes) -> None:
    with pytest.raises(WrongKey) as caught:
        Cipher((KEY,)).unseal(sealed)

    assert str(caught.value) == "a stored token cannot be read with the keys in LODESTONE_TOKEN_KEYS"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("key", ["", "short", KEY[:-4], "ключ"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever its words
        Cipher((key,))


@pytest.mark.rule("I10")
def test_no_secret_stands_in_what_python_shows() -> None:
    shown = f"{GRANT!r} {GRANT} {[GRANT]} {Cipher((KEY,))!r}"

    assert not [secret for secret in (*SECRETS, KEY) if secret in shown]
