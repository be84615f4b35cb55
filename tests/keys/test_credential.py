"""Which key goes with which certificate, what it is for, and the files that say so."""

import dataclasses
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from smimekit.algorithms import ED25519, SHA256, RsaPadding, SignatureScheme, ecdsa
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, KeyFileError, UsageError
from smimekit.keys import Credential, SoftwareKey
from smimekit.keys.pkcs12 import read_pfx
from smimekit.primitives import PublicKey, verify
from smimekit.testing import FakeCA
from smimekit.testing.profiles import Profile, subject_name


@cache
def root() -> FakeCA:
    return FakeCA("Root")


@cache
def sub() -> FakeCA:
    return root().intermediate("Sub")


@cache
def alice() -> Credential:
    return sub().person("alice@example.org")


def key_pem(who: Credential, password: bytes | None = None) -> bytes:
    assert isinstance(who.key, SoftwareKey)
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return who.key._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def pems(*certificates: Certificate) -> bytes:
    return b"".join(certificate.pem() for certificate in certificates)


def second_certificate(who: Credential, ca: FakeCA, profile: Profile) -> Credential:
    """Another certificate for the same key."""
    assert isinstance(who.key, SoftwareKey)
    leaf = ca._issue(subject_name("again"), who.addresses, who.key._key, profile)
    return Credential(who.key, leaf, ca.chain)


class Token:
    """A key that does not leave its token."""

    def __init__(self, key: SoftwareKey) -> None:
        self._key = key

    @property
    def public_key(self) -> PublicKey:
        return self._key.public_key

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        return self._key.sign(data, scheme)

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        return self._key.decrypt(ciphertext, padding)

    def exchange(self, peer: PublicKey) -> bytes:
        return self._key.exchange(peer)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return self._key.decapsulate(ciphertext)


# --- the record ----------------------------------------------------------------------------


def test_key_and_certificate_belong_together() -> None:
    other = root().person("bob@example.org")
    with pytest.raises(UsageError) as error:
        Credential(other.key, alice().certificate)
    assert error.value.code == "usage.key-mismatch"


def test_siblings_have_no_siblings() -> None:
    dual = root().dual("d@example.org")
    with pytest.raises(UsageError) as error:
        Credential(alice().key, alice().certificate, siblings=(dual,))
    assert error.value.code == "usage.siblings"


def test_it_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        alice().chain = ()  # type: ignore[misc]  # that is the point


def test_it_shows_no_key() -> None:
    shown = repr(root().dual("d@example.org"))
    assert "d@example.org" in shown
    assert "and 1 more" in shown
    assert "Key" not in shown


def test_a_pair_for_each_purpose() -> None:
    dual = root().dual("d@example.org")
    assert dual.all == (dual, dual.siblings[0])
    assert dual.signing is dual
    assert dual.encryption_certificate == dual.siblings[0].certificate
    swapped = dataclasses.replace(
        dual.siblings[0], siblings=(dataclasses.replace(dual, siblings=()),)
    )
    assert swapped.signing.certificate == dual.certificate
    assert swapped.encryption_certificate == dual.siblings[0].certificate


def test_one_pair_for_both() -> None:
    assert alice().signing is alice()
    assert alice().encryption_certificate == alice().certificate


def test_who_may_not_sign() -> None:
    for who in (root().encrypt_only("e@example.org"), root().person("x@example.org", key="x25519")):
        with pytest.raises(UsageError) as error:
            _ = who.signing
        assert error.value.code == "usage.not-for-signing"
        assert who.encryption_certificate == who.certificate


@pytest.mark.parametrize("key", ["p256", "ed25519", "rsa-2048"])
def test_who_may_not_be_encrypted_to(key: str) -> None:
    assert root().sign_only("s@example.org", key=key).encryption_certificate is None


def test_addresses_of_all_certificates_once() -> None:
    other = root().encrypt_only("alice@example.org", "a@example.net")
    both = Credential(alice().key, alice().certificate, siblings=(other,))
    assert both.addresses == ("alice@example.org", "a@example.net")


# --- PKCS #12 ------------------------------------------------------------------------------


def test_there_and_back(tmp_path: Path) -> None:
    dual = sub().dual("d@example.org", key="ed25519")
    file = tmp_path / "dual.p12"
    file.write_bytes(dual.to_pkcs12("geheim"))
    for source in (file, str(file), file.read_bytes()):
        found = Credential.from_pkcs12(source, "geheim")
        assert [each.certificate for each in found.all] == [each.certificate for each in dual.all]
        assert [each.chain for each in found.all] == [dual.chain, dual.chain]
    signature = found.key.sign(b"x", ED25519)
    assert verify(dual.certificate.public_key, ED25519, signature, b"x")


def test_the_signing_pair_comes_first() -> None:
    dual = sub().dual("d@example.org")
    plain = dataclasses.replace(dual, siblings=())
    swapped = dataclasses.replace(dual.siblings[0], siblings=(plain,))
    assert Credential.from_pkcs12(swapped.to_pkcs12("x"), "x").certificate == dual.certificate


def test_the_newest_certificate_of_a_key_comes_first() -> None:
    old = second_certificate(alice(), sub(), Profile(start=timedelta(days=-900)))
    young = second_certificate(alice(), sub(), Profile(start=timedelta(hours=-1)))
    for pool in (
        pems(old.certificate, young.certificate),
        pems(young.certificate, old.certificate),
    ):
        found = Credential.from_pem(key_pem(alice()), pool)
        assert [each.certificate for each in found.all] == [young.certificate, old.certificate]


def test_the_certificate_that_a_key_names_comes_before_newer_ones() -> None:
    old = second_certificate(alice(), sub(), Profile(start=timedelta(days=-900)))
    young = second_certificate(alice(), sub(), Profile(start=timedelta(hours=-1)))
    data = dataclasses.replace(old, siblings=(young,)).to_pkcs12("x")
    found = Credential.from_pkcs12(data, "x")
    assert [each.certificate for each in found.all] == [old.certificate, young.certificate]


def test_a_key_that_stays_where_it_is() -> None:
    key = alice().key
    assert isinstance(key, SoftwareKey)
    token = Credential(Token(key), alice().certificate)
    assert verify(
        token.certificate.public_key, ecdsa(SHA256), token.key.sign(b"x", ecdsa(SHA256)), b"x"
    )
    with pytest.raises(UsageError) as error:
        token.to_pkcs12("x")
    assert error.value.code == "usage.key-export"


def test_no_file_without_a_password() -> None:
    with pytest.raises(UsageError):
        alice().to_pkcs12("")


def test_a_missing_file_is_the_systems_business(tmp_path: Path) -> None:
    for load in (Credential.from_pkcs12, Credential.from_pem):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "none")


# --- PEM -----------------------------------------------------------------------------------


def test_pem_in_one_piece_and_in_many(tmp_path: Path) -> None:
    key, leaf, above = key_pem(alice()), alice().certificate.pem(), pems(*alice().chain)
    file = tmp_path / "chain.pem"
    file.write_bytes(above)
    for pieces in ((key + leaf + above,), (above, leaf, key), (file, key, str(file), leaf)):
        assert Credential.from_pem(*pieces).certificate == alice().certificate
        assert Credential.from_pem(*pieces).chain == alice().chain


def test_der_is_read_too() -> None:
    key = alice().key
    assert isinstance(key, SoftwareKey)
    found = Credential.from_pem(key.pkcs8(), alice().certificate.der)
    assert found.certificate == alice().certificate


def test_encrypted_pem() -> None:
    data = key_pem(alice(), b"geheim") + alice().certificate.pem()
    found = Credential.from_pem(data, password="geheim")  # noqa: S106 - a test
    assert found.certificate == alice().certificate
    for password, code in (("wrong", "key.wrong-password"), (None, "key.password-needed")):
        with pytest.raises(KeyFileError) as error:
            Credential.from_pem(data, password=password)
        assert error.value.code == code


def test_two_pairs_in_pem() -> None:
    dual = sub().dual("d@example.org", key="rsa-2048")
    data = b"".join(key_pem(each) + each.certificate.pem() for each in reversed(dual.all))
    found = Credential.from_pem(data)
    assert [each.certificate for each in found.all] == [each.certificate for each in dual.all]


def test_the_chain_goes_up_and_has_no_strangers() -> None:
    imposter = FakeCA("Sub")  # the name of the real one, not its key
    stranger = root().person("stranger@example.org")
    pool = [
        imposter.certificate,
        stranger.certificate,
        *reversed(alice().chain),
        alice().certificate,
    ]
    found = Credential.from_pem(key_pem(alice()), pems(*pool))
    assert found.chain == (sub().certificate, root().certificate)


def test_an_imposter_without_key_identifiers_stays_out_too() -> None:
    bare = _bare_certificate("Sub")
    assert bare.key_id is None
    found = Credential.from_pem(key_pem(alice()), pems(bare, alice().certificate, *alice().chain))
    assert found.chain == alice().chain


def _bare_certificate(name: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        subject_name(name), subject_name(name), key.public_key(), x509.random_serial_number(),
        root().now - timedelta(days=1), root().now + timedelta(days=1),
    )  # fmt: skip
    return Certificate(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


def test_looking_for_the_chain_has_a_bound() -> None:
    bogus = [_bare_certificate("Sub") for _ in range(70)]
    found = Credential.from_pem(key_pem(alice()), pems(*bogus, alice().certificate, *alice().chain))
    assert found.chain == ()


def test_key_identifiers_keep_strangers_cheap() -> None:
    bogus = [FakeCA("Sub").certificate for _ in range(70)]
    found = Credential.from_pem(key_pem(alice()), pems(*bogus, alice().certificate, *alice().chain))
    assert found.chain == alice().chain


def test_a_certificate_is_written_once() -> None:
    who = Credential(alice().key, alice().certificate, (alice().certificate, *alice().chain))
    assert len(read_pfx(who.to_pkcs12("x"), "x").certificates) == 3


@pytest.mark.parametrize(
    "pieces, code",
    [
        ((), "key.none"),
        ((b"-----BEGIN NOTHING-----\n-----END NOTHING-----",), "key.none"),
        (("certificate",), "key.none"),
        (("key",), "key.no-certificate"),
        (("key", "stranger"), "key.no-certificate"),
        (("key", b"neither"), "key.malformed"),
        (("key", "certificate", b"-----BEGIN CERTIFICATE-----\nMII"), "key.malformed"),
    ],
)
def test_pem_that_is_no_credential(pieces: tuple[str | bytes, ...], code: str) -> None:
    known = {
        "certificate": alice().certificate.pem(),
        "key": key_pem(alice()),
        "stranger": root().certificate.pem(),
    }
    with pytest.raises(KeyFileError) as error:
        Credential.from_pem(*(known[each] if isinstance(each, str) else each for each in pieces))
    assert error.value.code == code


def test_a_damaged_certificate_says_that_it_is_one() -> None:
    damaged = b"-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(CertificateError):
        Credential.from_pem(key_pem(alice()), damaged)
