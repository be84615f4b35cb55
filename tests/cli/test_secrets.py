"""What stands on a command line by mistake, or in the URL of a store, is not shown again."""

from collections.abc import Sequence

import pytest

from tests.cli.support import Run

SECRET = "XyzzyPasswordMarker"  # noqa: S105 - which is what it is for
URLS = [
    f"postgresql://user:{SECRET}@127.0.0.1:1/none",
    f"postgresql://user:{SECRET}@127.0.0.1:port/none",
    f"postgresql://host:{SECRET}",
    f"postgresql:user:{SECRET}@host",
    f"postgresql://user:{SECRET}@[::1/none",
    f"nosuch://user:{SECRET}@host/none",
    f"sqlite://user:{SECRET}@host/none.db",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("words", [["trust", "list"], ["trust", "list", "--json"]], ids=" ".join)
def test_no_store_shows_its_password(run: Run, url: str, words: Sequence[str]) -> None:
    done = run(*words, "--store", url)
    assert done.status == 2
    assert SECRET not in done.text + done.err


@pytest.mark.parametrize(
    "place",
    [
        f"imaps://bob:{SECRET}@127.0.0.1/",
        f"imaps://bob:{SECRET}@127.0.0.1:port/",
        f"imaps://bob:{SECRET}",
        f"imaps://bob:{SECRET}@[::1/",
        f"imaps://[{SECRET}@x/",
    ],
)
def test_no_account_shows_its_password(run: Run, place: str) -> None:
    done = run("harvest", place, "--store", "memory:", "--json")
    assert (done.status, done.code) == (2, "usage.imap-url")
    assert SECRET not in done.text + done.err


@pytest.mark.parametrize(
    "key",
    [
        f"pkcs11:token=t?pin-value={SECRET}",
        f"pkcs11:token=t;pin-value={SECRET}#",
        f"pkcs11:token=t;pin-value={SECRET};pin-value={SECRET}",
        f"pkcs11:pin-value={SECRET}",
        f"pkcs11:token=t&pin-value={SECRET}%",
        f"pkcs11:token=t?module-path=x&pin={SECRET}",
    ],
)
def test_no_token_shows_its_pin(run: Run, key: str) -> None:
    done = run("decrypt", "--key", key, "encrypted.eml", "-o", "x", "--json")
    assert done.status == 2
    assert done.code in {"usage.pin", "usage.key-uri"}
    assert SECRET not in done.text + done.err


@pytest.mark.parametrize("url", [f"ldap://cn=reader:{SECRET}@h", f"ldap://u:{SECRET}@h:port"])
def test_no_directory_shows_its_password(run: Run, url: str) -> None:
    done = run("trust", "lookup", "--store", "memory:", "bob@example.org", "--ldap", url, "--json")
    assert (done.status, done.code) == (2, "usage.ldap-url")
    assert SECRET not in done.text + done.err
