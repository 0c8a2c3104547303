"""Tokens at rest (I10)."""

import pytest
from cryptography.fernet import Fernet

from infra.secrets import Cipher, WrongKey
from tests.worlds import GRANT, KEY

SECRETS = ("client-secret-1", "refresh-token-1", "access-token-1")
OTHER_KEY = Fernet.generate_key().decode()


@pytest.mark.rule("I10")
def test_a_sealed_text_opens_with_its_key_and_shows_nothing() -> None:
    sealed = Cipher((KEY,)).seal(GRANT.text)

    assert Cipher((KEY,)).unseal(sealed) == GRANT.text
    assert not [secret for secret in SECRETS if secret.encode() in sealed]
    assert Cipher((KEY,)).seal(GRANT.text) != sealed, "equal texts do not look alike"


@pytest.mark.rule("I10")
def test_keys_are_rotated_by_putting_the_new_one_first() -> None:
    old = Cipher((KEY,)).seal(GRANT.text)
    rotating = Cipher((OTHER_KEY, KEY))
    new = rotating.seal(GRANT.text)
    again = rotating.renewed(old)

    assert again is not None
    assert Cipher((OTHER_KEY,)).unseal(again) == GRANT.text
    assert rotating.renewed(new) is None
    assert rotating.unseal(old) == rotating.unseal(new) == GRANT.text
    assert Cipher((OTHER_KEY,)).unseal(new) == GRANT.text, "the first key encrypts"
    with pytest.raises(WrongKey):
        Cipher((OTHER_KEY,)).unseal(old)


@pytest.mark.rule("I10")
@pytest.mark.parametrize("sealed", [b"", b"nonsense", Cipher((OTHER_KEY,)).seal(GRANT.text)])
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
