"""Recipients beyond the usual: `openssl cms` reads ours, and we read its.

What OpenSSL 3.0 cannot do: X25519, X448, ML-KEM, RSA-KEM, ChaCha20 and CEK-HKDF.
"""

import pytest

import smimekit
from smimekit import CertificateRecipient, Trust
from smimekit import algorithms as rows
from smimekit.cms.agreement import Agreement, agree_with_all
from smimekit.cms.enveloped import enveloped_data
from smimekit.cms.recipients import ContentKey, KekRecipient, PasswordRecipientInfo
from smimekit.keys import Decryptor, PasswordRecipient, SharedKeyRecipient
from smimekit.message.addressee import Addressee
from smimekit.message.layers import Encrypted
from tests.interop.peers import OpenSsl, People, Refused, folder

ENTITY = b"Content-Type: text/plain\r\n\r\nOne line,\r\nand another.\r\n"
BRAINPOOL = ("brainpoolp256r1", "brainpoolp384r1", "brainpoolp512r1")
CURVES = ("p256", "p384", "p521", *BRAINPOOL)
PADDING = rows.RsaPadding()
KEY = ContentKey(bytes(range(32)))


def layer_of(message: bytes, who: Decryptor) -> Encrypted:
    with smimekit.open(message, keys=[who], trust=Trust()) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Encrypted)
        assert layer.content is not None
        assert layer.content.bytes() == ENTITY
        return layer


# --- key agreement -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BRAINPOOL)
def test_brainpool(openssl: OpenSsl, people: People, kind: str) -> None:
    bob = people(f"bob {kind}")
    layer_of(openssl.encrypt(ENTITY, [bob.certificate], "-aes-256-cbc"), bob)
    assert openssl.decrypt(smimekit.encrypt(ENTITY, [bob]), bob) == ENTITY


SCHEMES = [
    row
    for row in rows.ECDH_SCHEMES.values()
    if row.digest is not rows.SHA1 and row.kdf is rows.KdfKind.X963
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda row: row.name)
@pytest.mark.parametrize("kind", ["p256", "brainpoolp384r1"])
def test_schemes_and_ukm(
    openssl: OpenSsl, people: People, kind: str, scheme: rows.EcdhScheme
) -> None:
    bob = people(f"bob {kind}")
    for ukm in (None, b"user keying material"):
        agreement = Agreement(scheme=scheme, wrap=rows.AES256_WRAP, ukm=ukm)
        to = CertificateRecipient(bob.certificate, PADDING, agreement)
        assert openssl.decrypt(smimekit.encrypt(ENTITY, [to]), bob) == ENTITY


@pytest.mark.parametrize("kind", ["p384", "brainpoolp512r1"])
@pytest.mark.parametrize("mode", ["0", "1"])
def test_cofactor(openssl: OpenSsl, people: People, kind: str, mode: str) -> None:
    bob = people(f"bob {kind}")
    options = (f"ecdh_cofactor_mode:{mode}", "ecdh_kdf_md:sha384")
    message = openssl.encrypt(ENTITY, [bob.certificate], "-aes-256-cbc", key_options=options)
    layer_of(message, bob)


@pytest.mark.parametrize("kind", CURVES)
def test_one_agreement_for_all(openssl: OpenSsl, people: People, kind: str) -> None:
    who = [people(f"{name} {kind}") for name in ("alice", "bob", "carol")]
    shared = agree_with_all([each.certificate for each in who], KEY)
    cms = enveloped_data(ENTITY, rows.AES256_CBC, KEY, [shared])
    for each in who:
        assert openssl.decrypt(cms, each, form="der") == ENTITY


# --- shared keys and passwords -------------------------------------------------------------


def encrypt(openssl: OpenSsl, *options: str) -> bytes:
    with folder() as here:
        return openssl._make(here, ENTITY, "der", "-encrypt", "-binary", *options)


def decrypt(openssl: OpenSsl, cms: bytes, *options: str) -> bytes:
    with folder() as here:
        return openssl._make(here, cms, None, "-decrypt", "-inform", "der", *options)


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-gcm"])
def test_shared_keys(openssl: OpenSsl, size: int, cipher: str) -> None:
    key = bytes(range(size))
    who = SharedKeyRecipient(b"\x01\x02name", key)
    named = ("-secretkey", key.hex(), "-secretkeyid", who.key_id.hex())
    layer = layer_of(encrypt(openssl, f"-{cipher}", *named), who)
    assert isinstance(layer.recipients[0], KekRecipient)
    row = {row.name: row for row in rows.CONTENT_CIPHERS.values()}[cipher]
    content_key = ContentKey(KEY.octets[: row.key_size])
    cms = enveloped_data(ENTITY, row, content_key, [who.wrap(content_key)])
    assert decrypt(openssl, cms, *named) == ENTITY
    with pytest.raises(Refused):
        decrypt(openssl, cms, "-secretkey", bytes(size).hex(), "-secretkeyid", "0102")


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc"])
def test_passwords(openssl: OpenSsl, cipher: str) -> None:
    """password."""
    who = PasswordRecipient("correct horse", iterations=2000)
    option = ("-pwri_password", "correct horse")
    layer = layer_of(encrypt(openssl, f"-{cipher}", *option), who)
    assert isinstance(layer.recipients[0], PasswordRecipientInfo)
    row = {row.name: row for row in rows.CONTENT_CIPHERS.values()}[cipher]
    content_key = ContentKey(KEY.octets[: row.key_size])
    cms = enveloped_data(ENTITY, row, content_key, [who.wrap(content_key)])
    assert decrypt(openssl, cms, *option) == ENTITY
    with pytest.raises(Refused):
        decrypt(openssl, cms, "-pwri_password", "wrong")


def test_everybody_at_once(openssl: OpenSsl, people: People) -> None:
    shared, password = SharedKeyRecipient(b"name", bytes(16)), PasswordRecipient("x", iterations=9)
    someone = people("bob"), people("bob rsa-2048"), people("bob brainpoolp256r1")
    to: list[Addressee] = [shared, password, *someone]
    assert (
        openssl.decrypt(smimekit.encrypt(ENTITY, [*to, people("dana x25519")]), someone[0])
        == ENTITY
    )
    cms = enveloped_data(
        ENTITY,
        rows.AES256_CBC,
        KEY,
        [each.wrap(KEY) for each in (shared, password)],
    )
    assert decrypt(openssl, cms, "-pwri_password", "x") == ENTITY
    for each in (shared, password):
        layer_of(cms, each)


def test_what_openssl_skips(openssl: OpenSsl, people: People) -> None:
    """An ori among the recipients does not keep others from reading."""
    bob = people("bob")
    message = smimekit.encrypt(ENTITY, [people("carol ml-kem-768"), bob])
    assert openssl.decrypt(message, bob) == ENTITY
