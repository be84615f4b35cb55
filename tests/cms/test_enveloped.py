"""Encryption: keys wrapped and unwrapped, content encrypted and decrypted, and every failure alike."""

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
from asn1crypto import cms
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, GCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import (
    AES128_CBC,
    AES128_GCM,
    AES128_WRAP,
    AES256_CBC,
    AES256_GCM,
    CHACHA20_POLY1305,
    CONTENT_CIPHERS,
    CURVES,
    DES_EDE3_CBC,
    DIGESTS,
    EC_PUBLIC_KEY,
    ECDH_SCHEMES,
    KEY_WRAPS,
    RC2_CBC,
    SHA1,
    SHA256,
    SHA512,
    AlgorithmIdentifier,
    ContentCipher,
    Curve,
    KdfKind,
    RsaPadding,
    rsa_padding,
)
from smimekit.certificate import Certificate
from smimekit.cms import attributes as attrs
from smimekit.cms.attributes import attribute
from smimekit.cms.cipher import decryption, new_iv
from smimekit.cms.content import (
    AUTH_ENVELOPED_DATA,
    DATA,
    ENVELOPED_DATA,
    TST_INFO,
    enter_content,
)
from smimekit.cms.enveloped import (
    EnvelopedReader,
    enveloped_data,
    enveloped_data_stream,
    new_content_key,
)
from smimekit.cms.identifiers import IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.recipient_reading import read_recipients
from smimekit.cms.recipients import (
    ContentKey,
    KeyAgreeRecipient,
    KeyTransRecipient,
    OriginatorKey,
    RecipientEncryptedKey,
    RecipientInfo,
    UnknownRecipient,
    algorithm_name,
    encode_recipients,
)
from smimekit.cms.transport import open_transport
from smimekit.cms.wrapping import can_encrypt_to, unwrap, wrap_for
from smimekit.errors import (
    CmsError,
    DecryptionError,
    LimitExceeded,
    NoMatchingKey,
    PolicyError,
    SmimeError,
)
from smimekit.keys import Credential
from smimekit.policy import Policy
from tests.cms import forge
from tests.cms.forge import LIMITS, Sink, content_info, indefinite, join, loosen

EMITTED = [row for row in CONTENT_CIPHERS.values() if row.emitted]
PADDINGS = [
    RsaPadding(),
    RsaPadding(SHA1, SHA1),
    RsaPadding(SHA256, SHA256),
    RsaPadding(SHA512, SHA256, b"label"),
]
KEY = ContentKey(bytes(range(16)))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(SmimeError) as caught:
        call()
    assert isinstance(caught.value, SmimeError)
    return caught.value.code


def opened(
    mail: bytes, who: Credential, *, size: int = 1 << 16, policy: Policy = Policy.INTEROP
) -> bytes:
    """Decrypt a ContentInfo to its very end."""
    reader = forge.ber(mail, size)
    envelope = EnvelopedReader(reader, enter_content(reader), limits=LIMITS)
    key = unwrap(envelope.recipients, who.certificate, who.key, size=envelope.key_size, attempts=9)
    sink = Sink()
    envelope.decrypt(key, policy, sink)
    reader.leave()
    reader.leave()
    reader.finish()
    return bytes(sink.data)


def for_people(
    *who: Credential, key: ContentKey = KEY, padding: RsaPadding = PADDINGS[0]
) -> list[RecipientInfo]:
    return [wrap_for(one.certificate, key, padding) for one in who]


def alice(kind: str = "p256") -> Credential:
    return forge.person(kind)


def bob(kind: str = "p256") -> Credential:
    return forge.person(kind, "bob@example.org")


# --- keys, wrapped and unwrapped -----------------------------------------------------------


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("kind", ["p256", "p384", "p521"])
def test_agreement(kind: Any, size: Any) -> None:
    key = ContentKey(bytes(range(size)))
    recipients = read_again(for_people(alice(kind), key=key))
    found = unwrap(recipients, alice(kind).certificate, alice(kind).key, size=size, attempts=1)
    assert found.octets == key.octets
    assert found.certificate == alice(kind).certificate


@pytest.mark.parametrize("padding_", PADDINGS, ids=lambda row: row.name)
def test_transport(padding_: Any) -> None:
    who = alice("rsa-2048")
    recipients = read_again(for_people(who, padding=padding_))
    assert unwrap(recipients, who.certificate, who.key, size=16, attempts=1).octets == KEY.octets


def read_again(recipients: Sequence[RecipientInfo]) -> tuple[RecipientInfo, ...]:
    encoded = encode_recipients(recipients)
    assert len(cms.RecipientInfos.load(encoded)) == len(recipients)
    found = read_recipients(der.Reader(encoded).enter(der.SET), limits=LIMITS)
    assert set(found) == set(recipients)
    return found


def x963(digest: Any, secret: bytes, size: int, shared_info: bytes) -> bytes:
    """ANSI X9.63 (SEC 1, 3.6.1), written out: the hashes of secret, counter and shared info."""
    out = b""
    for counter in range(1, 10):
        running = hashes.Hash(digest)
        running.update(secret + struct.pack(">I", counter) + shared_info)
        out += running.finalize()
    return out[:size]


@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda row: row.name)
def test_key_derivation_as_rfc_5753_says(curve: Curve) -> None:
    """RFC 5753, 7.2, computed by itself from what the message holds."""
    kind = curve.name.lower().replace("-", "")
    (recipient,) = for_people(alice(kind), key=ContentKey(bytes(16)))
    native = cms.RecipientInfos.load(encode_recipients([recipient]))[0].chosen
    algorithm = native["key_encryption_algorithm"]
    assert algorithm["algorithm"].dotted == curve.agreement.oid
    assert native["version"].native == "v3"
    assert native["ukm"].native is None
    point = native["originator"].chosen["public_key"].native
    wrap = KEY_WRAPS[
        cms.KeyEncryptionAlgorithm.load(algorithm["parameters"].dump())["algorithm"].dotted
    ]
    assert isinstance(recipient, KeyAgreeRecipient)
    assert recipient.algorithm.parameters == der.sequence(der.oid(wrap.oid))
    private = forge.private(kind)
    peer = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, point)
    bits = struct.pack(">I", wrap.key_size * 8)
    info = (
        b"\x30"
        + bytes((len(recipient.algorithm.parameters) + 8,))
        + recipient.algorithm.parameters
        + b"\xa2\x06\x04\x04"
        + bits
    )
    digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[
        curve.agreement.digest.name
    ]
    kek = x963(digest, private.exchange(ec.ECDH(), peer), wrap.key_size, info)
    wrapped = native["recipient_encrypted_keys"][0]["encrypted_key"].native
    assert aes_key_unwrap(kek, wrapped) == bytes(16)


def agreement(
    *,
    ukm: bytes | None = None,
    null: bool = False,
    scheme: str = "1.3.132.1.11.1",
    parameters: bytes | None = None,
    curve: ec.EllipticCurve | None = None,
    rid: Any = None,
    point: bytes | None = None,
    compressed: bool = False,
) -> KeyAgreeRecipient:
    """A recipient for Alice as a foreign program might make it, computed here."""
    wrap = der.sequence(der.oid(AES128_WRAP.oid), der.NULL_VALUE if null else b"")
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    secret = ephemeral.exchange(ec.ECDH(), forge.private().public_key())
    info = der.sequence(
        wrap,
        b"" if ukm is None else der.explicit(0, der.octet_string(ukm)),
        der.explicit(2, der.octet_string(struct.pack(">I", 128))),
    )
    digest = {
        "sha1": hashes.SHA1(),  # noqa: S303 - old senders
        "sha224": hashes.SHA224(),
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }[ECDH_SCHEMES[scheme].digest.name]
    kek = x963(digest, secret, 16, info)
    form = PublicFormat.CompressedPoint if compressed else PublicFormat.UncompressedPoint
    own = ephemeral.public_key()
    if curve is not None:
        own = ec.generate_private_key(curve).public_key()
    return KeyAgreeRecipient(
        OriginatorKey(
            AlgorithmIdentifier(EC_PUBLIC_KEY, parameters),
            point if point is not None else own.public_bytes(Encoding.X962, form),
        ),
        ukm,
        AlgorithmIdentifier(scheme, wrap),
        (
            RecipientEncryptedKey(
                rid or IssuerAndSerialNumber.of(alice().certificate), aes_key_wrap(kek, KEY.octets)
            ),
        ),
    )


def unwrapped(
    *recipients: RecipientInfo, who: Credential | None = None, size: int | None = 16
) -> bytes:
    who = who or alice()
    return unwrap(read_again(recipients), who.certificate, who.key, size=size, attempts=9).octets


@pytest.mark.parametrize(
    "scheme", [oid for oid, row in ECDH_SCHEMES.items() if row.kdf is KdfKind.X963]
)
@pytest.mark.parametrize("ukm", [None, b"", b"user keying material"])
def test_agreements_of_others(scheme: Any, ukm: Any) -> None:
    """Every KDF digest, with and without ukm; cofactor 1 makes both primitives one."""
    assert unwrapped(agreement(scheme=scheme, ukm=ukm)) == KEY.octets


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize("parameters", [None, der.NULL_VALUE, der.oid("1.2.840.10045.3.1.7")])
def test_parameters_of_old_senders(null: Any, parameters: Any) -> None:
    """A NULL in the key wrap's identifier goes into the KDF; originatorKey may name its curve."""
    assert unwrapped(agreement(null=null, parameters=parameters)) == KEY.octets


def test_compressed_points() -> None:
    assert unwrapped(agreement(compressed=True)) == KEY.octets


def test_recipients_by_key_identifier() -> None:
    key_id = alice().certificate.key_id
    assert key_id is not None
    assert unwrapped(agreement(rid=SubjectKeyIdentifier(key_id))) == KEY.octets
    who = alice("rsa-2048")
    rsa_id = who.certificate.key_id
    assert rsa_id is not None
    encrypted = who.key.public_key.encrypt(KEY.octets, padding.PKCS1v15())  # type: ignore[union-attr]  # RSA
    transport = KeyTransRecipient(SubjectKeyIdentifier(rsa_id), RsaPadding().identifier, encrypted)
    assert unwrapped(transport, who=who) == KEY.octets


def test_several_recipients() -> None:
    everybody = [bob(), alice("rsa-2048"), alice("p384"), alice(), bob("rsa-2048")]
    mail = enveloped_data(b"hello", AES128_CBC, KEY, for_people(*everybody))
    for who in everybody:
        assert opened(mail, who) == b"hello"
    with pytest.raises(NoMatchingKey):
        opened(mail, alice("p521"))


def test_a_second_try() -> None:
    """One RecipientInfo that does not open is not the end, if another names the same key."""
    broken = replace(
        agreement(),
        keys=(RecipientEncryptedKey(IssuerAndSerialNumber.of(alice().certificate), bytes(24)),),
    )
    assert unwrapped(broken, agreement()) == KEY.octets
    assert unwrapped(agreement(), broken) == KEY.octets


# --- keys that do not open: all alike ------------------------------------------------------


def refused(*recipients: RecipientInfo, who: Credential | None = None) -> None:
    """The answer is a random key: another one each time, of the length that the cipher wants.

    Of what is no PKCS #1 v1.5 the primitives library makes octets by itself, of one length and
    the same each time: by chance, that is one of the three.
    """
    constant = 0
    for size in (16, 24, 32):
        found = {unwrapped(*recipients, who=who, size=size) for _ in range(2)}
        constant += len(found) == 1
        assert {len(each) for each in found} == {size}
        assert KEY.octets not in found
    assert constant <= 1


OFF_CURVE = b"\x04" + (5).to_bytes(32, "big") + (7).to_bytes(32, "big")


@pytest.mark.parametrize(
    "point",
    [
        b"",
        b"\x00",
        b"\x04",
        OFF_CURVE,
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
        b"\x02" + b"\xff" * 32,
        b"\x05" + bytes(32),
        bytes(65),
        b"\x06" + OFF_CURVE[1:],
    ],
)
def test_invalid_points(point: Any) -> None:
    """A point off the curve would show bits of the private key."""
    refused(agreement(point=point))


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP256K1()], ids=lambda curve: curve.name)
def test_points_of_other_curves(curve: Any) -> None:
    refused(agreement(curve=curve))


def test_agreements_that_do_not_fit() -> None:
    good = agreement()
    mine = IssuerAndSerialNumber.of(alice().certificate)
    wrap = good.algorithm.parameters
    for algorithm in (
        AlgorithmIdentifier("1.2.3", wrap),
        AlgorithmIdentifier(good.algorithm.oid),
        AlgorithmIdentifier(good.algorithm.oid, der.NULL_VALUE),
        AlgorithmIdentifier(good.algorithm.oid, der.sequence(der.oid("1.2.3"))),
        AlgorithmIdentifier(
            good.algorithm.oid, der.sequence(der.tlv(der.OID, b"\x2a" + b"\x81" * 300 + b"\x01"))
        ),
        AlgorithmIdentifier("1.3.132.1.11.2", wrap),
    ):
        refused(replace(good, algorithm=algorithm))
    for encrypted in (b"", bytes(7), bytes(16), bytes(24), bytes(25), bytes(100)):
        refused(replace(good, keys=(RecipientEncryptedKey(mine, encrypted),)))
    refused(replace(good, ukm=b"other"))
    refused(replace(good, originator=mine))
    refused(replace(good, originator=SubjectKeyIdentifier(b"x")))


def transport(
    encrypted: bytes,
    padding_: RsaPadding = PADDINGS[0],
    who: Credential | None = None,
    algorithm: AlgorithmIdentifier | None = None,
) -> KeyTransRecipient:
    rid = IssuerAndSerialNumber.of((who or alice("rsa-2048")).certificate)
    return KeyTransRecipient(rid, algorithm or padding_.identifier, encrypted)


@pytest.mark.parametrize("padding_", PADDINGS[:3], ids=lambda row: row.name)
def test_transport_that_does_not_open(padding_: Any) -> None:
    for encrypted in (
        b"",
        b"\0",
        bytes(256),
        b"\xff" * 256,
        bytes(255) + b"\1",
        bytes(257),
        bytes(1000),
        bytes(range(256)),
    ):
        refused(transport(encrypted, padding_), who=alice("rsa-2048"))


@pytest.mark.parametrize("size", [0, 5, 15, 17, 32])
def test_keys_of_the_wrong_length(size: Any) -> None:
    """RFC 3218, 2.3.2: no sender learns that the padding was right."""
    public = forge.rsa_key().public_key()
    refused(transport(public.encrypt(bytes(size), padding.PKCS1v15())), who=alice("rsa-2048"))


def test_oaep_with_another_label_or_digest() -> None:
    made = for_people(alice("rsa-2048"), padding=PADDINGS[2])[0]
    assert isinstance(made, KeyTransRecipient)
    for other in (PADDINGS[1], PADDINGS[0], replace(PADDINGS[2], label=b"x")):
        refused(replace(made, algorithm=other.identifier), who=alice("rsa-2048"))


@pytest.mark.parametrize("algorithm", [
    AlgorithmIdentifier("1.2.3"), AlgorithmIdentifier("1.2.840.113549.1.1.7", der.integer(1)),
    AlgorithmIdentifier("1.2.840.113549.1.1.7", der.sequence(der.explicit(0, der.sequence(der.tlv(der.OID, b"\x2a" + b"\x81" * 300 + b"\x01"))))),
])  # fmt: skip
def test_transport_by_unknown_algorithms(algorithm: Any) -> None:
    refused(transport(bytes(256), algorithm=algorithm), who=alice("rsa-2048"))


@pytest.mark.parametrize("kind", ["p256", "ed25519", "x25519"])
def test_transport_to_a_key_that_cannot_decrypt(kind: Any) -> None:
    """The sender's choice, and no mistake of whoever opens the mail."""
    refused(transport(bytes(256), who=alice(kind)), who=alice(kind))
    mail = enveloped_data(b"hello", AES128_CBC, KEY, [transport(bytes(256), who=alice(kind))])
    for _ in range(3):
        assert_undecryptable(mail, alice(kind))


@pytest.mark.parametrize("kind", ["rsa-2048", "ed25519", "x25519"])
def test_agreement_with_a_key_that_cannot_agree(kind: Any) -> None:
    refused(agreement(rid=IssuerAndSerialNumber.of(alice(kind).certificate)), who=alice(kind))


def assert_undecryptable(mail: bytes, who: Credential) -> None:
    """One error without a cause; or, once in 256 times by CBC, garbage."""
    found, refusal = b"", None
    try:
        found = opened(mail, who)
    except DecryptionError as error:
        refusal = error
    assert b"hello" not in found
    if refusal is not None:
        assert str(refusal) == "The message could not be decrypted."
        assert refusal.code == "decryption"
        assert refusal.__cause__ is None


class Counting:
    """A private key that counts what it is asked for."""

    def __init__(self, key: Any) -> None:
        self._key, self.count = key, 0
        self.public_key = key.public_key

    def exchange(self, peer: Any) -> bytes:
        self.count += 1
        found: bytes = self._key.exchange(peer)
        return found


@pytest.mark.parametrize("attempts", [0, 1, 5])
def test_limit_unwrap_attempts(attempts: Any) -> None:
    broken = RecipientEncryptedKey(IssuerAndSerialNumber.of(alice().certificate), bytes(24))
    many = replace(agreement(), keys=(broken,) * 100)
    key: Any = Counting(alice().key)
    recipients = [many, agreement()]
    if attempts:
        unwrap(recipients, alice().certificate, key, size=16, attempts=attempts)
    else:
        with pytest.raises(NoMatchingKey):
            unwrap(recipients, alice().certificate, key, size=16, attempts=0)
    assert key.count == attempts


# --- who can be encrypted to ---------------------------------------------------------------


def test_who_can_be_encrypted_to() -> None:
    for kind, can in (
        ("p256", True),
        ("p521", True),
        ("rsa-2048", True),
        ("x25519", True),
        ("ml-kem-768", True),
        ("ed25519", False),
        ("ml-dsa-44", False),
    ):
        assert can_encrypt_to(alice(kind).certificate) is can
        if not can:
            assert code_of(partial(for_people, alice(kind))) == "usage.recipient-key"


def test_a_key_for_pss_only() -> None:
    """RFC 4055, 1.2: id-RSASSA-PSS in a certificate limits the key to signatures."""
    from tests.test_certificate import put, rebuild  # noqa: PLC0415 - only here

    bits = der.Reader(alice("rsa-2048").certificate.spki).enter(der.SEQUENCE)
    bits.raw()
    spki = der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.10")), bits.raw())
    signer = Certificate(rebuild(put(6, spki)))
    assert not can_encrypt_to(signer)
    assert code_of(lambda: wrap_for(signer, KEY, RsaPadding())) == "usage.recipient-key"


def test_a_key_too_small_for_the_padding() -> None:
    weak = forge.ca().weak_key("weak@example.org").certificate
    assert code_of(lambda: wrap_for(weak, KEY, RsaPadding(SHA512, SHA512))) == "usage.recipient-key"


def test_keys_are_not_shown() -> None:
    assert "octets" not in repr(ContentKey(b"secret"))


# --- RecipientInfos ------------------------------------------------------------------------


def test_unknown_kinds_are_skipped() -> None:
    """RFC 5652, 6.2: an ori, and what a later standard may add to the CHOICE."""
    others = [
        der.constructed(4, der.oid("1.2.3")),
        der.constructed(4, der.oid("1.2.3"), der.NULL_VALUE),
        der.constructed(5, der.integer(0)),
        der.implicit(6, b"x"),
    ]
    mine = agreement()
    encoded = der.set_of([*others, mine.encode()])
    found = read_recipients(der.Reader(encoded).enter(der.SET), limits=LIMITS)
    assert set(found) == {mine, *map(UnknownRecipient, ("other 1.2.3", "[5]", "[6]"))}
    names = {"other 1.2.3", "[5]", "[6]", "ecdh-std-sha256"}
    assert {algorithm_name(each) for each in found} == names
    assert unwrap(found, alice().certificate, alice().key, size=16, attempts=1).octets == KEY.octets


@pytest.mark.parametrize(
    "value",
    [
        der.sequence(),
        der.sequence(der.integer(2), der.implicit(1, b"k")),
        der.constructed(1, der.integer(3), der.explicit(0, der.constructed(2, der.oid("1.2.3")))),
        der.constructed(2, der.integer(4), der.octet_string(b"k")),
        der.constructed(3, der.integer(1)),
        der.constructed(4, der.octet_string(b"")),
    ],
)
def test_a_malformed_recipient_keeps_the_message_from_nobody(value: Any) -> None:
    mine = agreement()
    found = read_recipients(der.Reader(value + mine.encode()), limits=LIMITS)
    assert found[1] == mine
    assert isinstance(found[0], UnknownRecipient)
    assert found[0].kind.startswith("malformed: ")


@pytest.mark.parametrize(
    "value",
    [der.integer(1), der.set_of([]), der.NULL_VALUE, der.constructed(5)[:1], b"\xbf\x80\0"],
)
def test_recipients_that_are_none(value: Any) -> None:
    """Whatever has no tag of the CHOICE."""
    with pytest.raises(CmsError):
        read_recipients(der.Reader(value), limits=LIMITS)


def test_limit_recipients() -> None:
    limits = replace(LIMITS, recipients=3)
    one = transport(b"x").encode()
    assert len(read_recipients(der.Reader(one * 3), limits=limits)) == 3
    assert (
        code_of(lambda: read_recipients(der.Reader(one * 4), limits=limits)) == "limit.recipients"
    )
    twice = replace(agreement(), keys=agreement().keys * 2).encode()
    assert len(read_recipients(der.Reader(one + twice), limits=limits)) == 2
    for value in (one * 2 + twice, twice * 2):
        with pytest.raises(LimitExceeded) as caught:
            read_recipients(der.Reader(value), limits=limits)
        assert caught.value.code == "limit.recipients"
    many = replace(agreement(), keys=agreement().keys * 4)
    assert (
        code_of(lambda: read_recipients(der.Reader(many.encode()), limits=limits))
        == "limit.recipients"
    )


def test_recipient_key_identifiers_with_more_in_them() -> None:
    """RFC 5652, 6.2.2: a date and other attributes may follow the identifier."""
    rid = der.constructed(
        0, der.octet_string(b"key"), der.tlv(der.GENERALIZED_TIME, b"20260101000000Z")
    )
    good = agreement()
    inside = [
        der.integer(3),
        der.explicit(0, good.originator.encode()),
        good.algorithm.encode(),
        der.sequence(der.sequence(rid, der.octet_string(b"x"))),
    ]
    (found,) = read_recipients(der.Reader(der.constructed(1, *inside)), limits=LIMITS)
    assert isinstance(found, KeyAgreeRecipient)
    assert found.keys == (RecipientEncryptedKey(SubjectKeyIdentifier(b"key"), b"x"),)


# --- content -------------------------------------------------------------------------------


@given(
    st.lists(st.binary(max_size=50), max_size=8),
    st.sampled_from(EMITTED),
    st.sampled_from([1, 7, 1 << 16]),
)
def test_round_trip(chunks: Any, cipher: Any, size: Any) -> None:
    content = b"".join(chunks)
    key = new_content_key(cipher)
    recipients = for_people(alice(), key=key)
    whole = enveloped_data(content, cipher, key, recipients)
    stream = join(enveloped_data_stream(chunks, cipher, key, recipients))
    for mail in (whole, stream, loosen(whole)):
        assert opened(mail, alice(), size=size) == content
    info = cms.ContentInfo.load(whole)
    expected = "authenticated_enveloped_data" if cipher.authenticated else "enveloped_data"
    assert info["content_type"].native == expected
    assert info["content"]["version"].native == ("v0" if cipher.authenticated else "v2")
    assert der.to_der(whole) == whole
    if cipher.mode == "cbc":
        inner = info["content"]["encrypted_content_info"]
        iv = inner["content_encryption_algorithm"]["parameters"].native
        context = Cipher(AES(key.octets), CBC(iv)).decryptor()
        plain = context.update(inner["encrypted_content"].native) + context.finalize()
        assert plain[: -plain[-1]] == content


def test_versions() -> None:
    """RFC 5652, 6.1: 0 only where every recipient is of version 0."""
    by_key = KeyTransRecipient(SubjectKeyIdentifier(b"key"), RsaPadding().identifier, b"x")
    cases: list[tuple[list[RecipientInfo], str]] = [
        ([transport(b"x")], "v0"),
        ([by_key], "v2"),
        ([transport(b"x"), by_key], "v2"),
        ([transport(b"x"), agreement()], "v2"),
    ]
    for recipients, version in cases:
        made = cms.ContentInfo.load(enveloped_data(b"", AES128_CBC, KEY, recipients))
        assert made["content"]["version"].native == version


def test_keys_and_nonces_are_new_each_time() -> None:
    assert len({new_content_key(AES256_GCM).octets for _ in range(9)}) == 9
    assert len({new_iv(AES256_CBC) for _ in range(9)}) == 9
    assert {len(new_iv(row)) for row in EMITTED} == {12, 16}
    assert len(new_content_key(AES256_GCM).octets) == 32


def envelope(
    oid: str,
    parameters: bytes | None,
    encrypted: bytes | None,
    *tail: bytes,
    outer: str = ENVELOPED_DATA,
    inner: str = DATA,
    recipients: Sequence[RecipientInfo] = (),
) -> bytes:
    """An envelope put together by hand, for Alice."""
    content = b"" if encrypted is None else der.implicit(0, encrypted)
    inside = der.sequence(
        der.integer(0),
        encode_recipients(recipients or [agreement()]),
        der.sequence(der.oid(inner), AlgorithmIdentifier(oid, parameters).encode(), content),
        *tail,
    )
    return content_info(outer, inside)


def cbc(plain: bytes) -> bytes:
    context = Cipher(AES(KEY.octets), CBC(bytes(16))).encryptor()
    return envelope(
        AES128_CBC.oid, der.octet_string(bytes(16)), context.update(plain) + context.finalize()
    )


def test_cbc_by_hand() -> None:
    assert opened(cbc(b"hello" + bytes((11,)) * 11), alice()) == b"hello"
    assert opened(cbc(b"x" * 16 + bytes((16,)) * 16), alice()) == b"x" * 16
    assert opened(cbc(bytes((16,)) * 16), alice()) == b""


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        bytes(16),
        b"x" * 15 + b"\x11",
        b"x" * 15 + b"\xff",
        b"x" * 14 + b"\x01\x02",
        b"x" * 16 + b"\x00" + bytes((16,)) * 15,
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 16])
def test_cbc_padding(plain: Any, size: Any) -> None:
    """RFC 5652, 6.3; and one error for all."""
    with pytest.raises(DecryptionError) as caught:
        opened(cbc(plain), alice(), size=size)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("encrypted", [b"", b"x", bytes(15), bytes(17)])
def test_cbc_of_odd_length(encrypted: Any) -> None:
    with pytest.raises(DecryptionError):
        opened(envelope(AES128_CBC.oid, der.octet_string(bytes(16)), encrypted), alice())


def gcm(
    plain: bytes = b"hello",
    *,
    nonce: bytes = bytes(12),
    tag_size: int = 16,
    declared: int | None = 16,
    aad: bytes | None = None,
    sent: bytes | None = None,
    inner: str = DATA,
    cut: int | None = None,
    unprotected: bytes = b"",
) -> bytes:
    """AuthEnvelopedData (RFC 5083), with cryptography itself."""
    context = Cipher(AES(KEY.octets), GCM(nonce)).encryptor()
    if aad is not None:
        context.authenticate_additional_data(aad)
    encrypted = context.update(plain) + context.finalize()
    parameters = der.sequence(
        der.octet_string(nonce), b"" if declared is None else der.integer(declared)
    )
    attributes = b"" if aad is None else b"\xa1" + (sent or aad)[1:]
    tag = context.tag[:tag_size] if cut is None else context.tag[:cut]
    return envelope(
        AES128_GCM.oid,
        parameters,
        encrypted,
        attributes,
        der.octet_string(tag),
        unprotected,
        outer=AUTH_ENVELOPED_DATA,
        inner=inner,
    )


TYPE = attribute(attrs.CONTENT_TYPE, der.oid(DATA))
TIME = attribute("1.2.3", der.integer(1))
SIGNED_TYPE = "1.2.840.113549.1.9.16.1.5"
"""A content type whose OID is as long as that of TSTInfo."""


@pytest.mark.parametrize("tag_size", [12, 13, 14, 15, 16])
@pytest.mark.parametrize("nonce", [8, 12, 13, 16, 60])
@pytest.mark.parametrize("aad", [None, der.set_of([TYPE]), der.set_of([TYPE, TIME])])
def test_gcm(tag_size: Any, nonce: Any, aad: Any) -> None:
    """RFC 5084, 3.2: tags of 12 to 16 octets, nonces of other lengths; RFC 5083: authAttrs."""
    mail = gcm(nonce=bytes(nonce), tag_size=tag_size, declared=tag_size, aad=aad)
    for size in (1, 1 << 16):
        assert opened(mail, alice(), size=size) == b"hello"
    damaged = bytearray(mail)
    damaged[-1] ^= 1
    with pytest.raises(DecryptionError):
        opened(bytes(damaged), alice())


def test_gcm_tag_of_default_length() -> None:
    assert opened(gcm(tag_size=12, declared=None), alice()) == b"hello"
    with pytest.raises(DecryptionError):
        opened(gcm(tag_size=16, declared=None), alice())


@pytest.mark.parametrize("cut", [0, 1, 4, 11, 12, 15])
@pytest.mark.parametrize("aad", [None, der.set_of([TYPE])])
def test_gcm_tag_shorter_than_declared(cut: Any, aad: Any) -> None:
    """A forger may not choose how much of the tag counts."""
    with pytest.raises(DecryptionError):
        opened(gcm(cut=cut, aad=aad), alice())


@pytest.mark.parametrize("declared", [-1, 0, 4, 8, 11, 17, 1 << 64])
def test_gcm_tag_sizes_that_are_none(declared: Any) -> None:
    """RFC 5084, 3.2: AES-GCM-ICVlen ::= INTEGER (12 | 13 | 14 | 15 | 16)."""
    size = declared if 0 <= declared <= 16 else 16
    assert (
        code_of(lambda: opened(gcm(declared=declared, tag_size=size), alice()))
        == "cms.cipher-parameters"
    )


@pytest.mark.parametrize("aad", [None, der.set_of([TYPE])])
@pytest.mark.parametrize("at", [0, 4])
def test_gcm_damage(aad: Any, at: Any) -> None:
    mail = gcm(aad=aad)
    start = mail.index(b"\x80\x05") + 2
    damaged = bytearray(mail)
    damaged[start + at] ^= 1
    with pytest.raises(DecryptionError):
        opened(bytes(damaged), alice())


def test_gcm_without_a_tag() -> None:
    parameters = der.sequence(der.octet_string(bytes(12)), der.integer(16))
    missing = envelope(AES128_GCM.oid, parameters, b"hello", outer=AUTH_ENVELOPED_DATA)
    assert code_of(lambda: opened(missing, alice())) == "cms.malformed"


def test_attributes_are_covered() -> None:
    """RFC 5083, 2.2: the AAD is the DER of the SET OF."""
    in_order = der.set_of([TYPE, TIME])
    disorder = der.tlv(der.SET, *sorted([TYPE, TIME], reverse=True))
    assert opened(gcm(aad=in_order, sent=disorder), alice()) == b"hello"
    assert opened(gcm(aad=in_order, sent=loosen(disorder)), alice()) == b"hello"
    for sent in (
        der.set_of([TYPE]),
        der.set_of([TYPE, attribute("1.2.3", der.integer(2))]),
        der.set_of([]),
    ):
        with pytest.raises(DecryptionError):
            opened(gcm(aad=in_order, sent=sent), alice())


def test_attributes_left_out() -> None:
    """The tag over attributes is none over nothing."""
    context = Cipher(AES(KEY.octets), GCM(bytes(12))).encryptor()
    context.authenticate_additional_data(der.set_of([TYPE]))
    encrypted = context.update(b"hello") + context.finalize()
    parameters = der.sequence(der.octet_string(bytes(12)), der.integer(16))
    mail = envelope(
        AES128_GCM.oid,
        parameters,
        encrypted,
        der.octet_string(context.tag),
        outer=AUTH_ENVELOPED_DATA,
    )
    with pytest.raises(DecryptionError):
        opened(mail, alice())


def test_attributes_name_the_type_of_the_content() -> None:
    """RFC 5083, 2.1 with RFC 5652, 11.1: the OID beside the ciphertext is not covered."""
    aad = der.set_of([attribute(attrs.CONTENT_TYPE, der.oid(TST_INFO))])
    assert opened(gcm(aad=aad, inner=TST_INFO), alice()) == b"hello"
    assert code_of(lambda: opened(gcm(aad=aad), alice())) == "cms.content-type"


@pytest.mark.parametrize("aad", [None, der.set_of([TIME])])
def test_content_that_is_not_data_needs_the_attribute(aad: Any) -> None:
    """RFC 5083, 2.1: authAttrs MUST be there; without them anybody could rename data."""
    assert code_of(lambda: opened(gcm(aad=aad, inner=TST_INFO), alice())) == "cms.content-type"
    assert opened(gcm(aad=aad), alice()) == b"hello"


@pytest.mark.parametrize("cipher", [AES256_GCM, CHACHA20_POLY1305], ids=lambda row: row.name)
def test_content_of_another_type_is_written_with_the_attribute(cipher: Any) -> None:
    recipients = for_people(alice(), key=ContentKey(bytes(32)))
    args = (cipher, ContentKey(bytes(32)), recipients)
    whole = enveloped_data(b"hello", *args, content_type=TST_INFO)
    stream = join(enveloped_data_stream([b"hel", b"lo"], *args, content_type=TST_INFO))
    for mail in (whole, stream, loosen(whole)):
        assert opened(mail, alice()) == b"hello"
        renamed = mail.replace(der.oid(TST_INFO), der.oid(SIGNED_TYPE), 1)
        assert code_of(partial(opened, renamed, alice())) == "cms.content-type"
        renamed = mail.replace(der.oid(TST_INFO), der.oid(SIGNED_TYPE))
        with pytest.raises(DecryptionError):
            opened(renamed, alice())
    (named,) = cms.ContentInfo.load(whole)["content"]["auth_attrs"]
    assert named["type"].native == "content_type"
    assert [value.dotted for value in named["values"]] == [TST_INFO]


def test_other_ciphers_name_the_type_only() -> None:
    """EnvelopedData has no place for authenticated attributes."""
    mail = enveloped_data(b"hello", AES128_CBC, KEY, for_people(alice()), content_type=TST_INFO)
    reader = forge.ber(mail)
    assert EnvelopedReader(reader, enter_content(reader), limits=LIMITS).inner_type == TST_INFO
    assert opened(mail, alice()) == b"hello"


def test_unprotected_attributes_are_passed_over() -> None:
    loose = b"\xa2" + der.set_of([TIME])[1:]
    assert opened(gcm(unprotected=loose), alice()) == b"hello"
    plain = b"hello" + bytes((11,)) * 11
    encrypted = Cipher(AES(KEY.octets), CBC(bytes(16))).encryptor().update(plain)
    mail = envelope(
        AES128_CBC.oid, der.octet_string(bytes(16)), encrypted, b"\xa1" + der.set_of([TIME])[1:]
    )
    assert opened(mail, alice()) == b"hello"


# --- ciphers and structures that do not fit ------------------------------------------------


def test_gcm_in_enveloped_data() -> None:
    """There is no place for the tag: whoever put it there wants it unchecked."""
    parameters = der.sequence(der.octet_string(bytes(12)), der.integer(16))
    assert (
        code_of(lambda: opened(envelope(AES128_GCM.oid, parameters, b"hello"), alice()))
        == "cms.cipher"
    )


def test_cbc_in_auth_enveloped_data() -> None:
    """RFC 9709 knows the attack: a GCM message renamed to CBC decrypts to what leaks the key."""
    tag = der.octet_string(bytes(16))
    mail = envelope(
        AES128_CBC.oid, der.octet_string(bytes(16)), bytes(16), tag, outer=AUTH_ENVELOPED_DATA
    )
    assert code_of(lambda: opened(mail, alice())) == "cms.cipher"


def test_unknown_ciphers() -> None:
    assert code_of(lambda: opened(envelope("1.2.3", None, b""), alice())) == "cms.cipher"


def test_an_old_cipher_is_refused_by_its_name() -> None:
    """A person can look for a program that reads DES, and for an OID less well."""
    with pytest.raises(CmsError, match=r"cipher 1\.3\.14\.3\.2\.7 \(des-cbc\) is not") as caught:
        opened(envelope("1.3.14.3.2.7", der.octet_string(bytes(8)), bytes(8)), alice())
    assert caught.value.code == "cms.cipher"


def test_no_content() -> None:
    assert (
        code_of(
            lambda: opened(envelope(AES128_CBC.oid, der.octet_string(bytes(16)), None), alice())
        )
        == "cms.no-content"
    )


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        der.NULL_VALUE,
        der.octet_string(b""),
        der.octet_string(bytes(15)),
        der.octet_string(bytes(17)),
        der.sequence(),
    ],
)
def test_cbc_parameters_that_are_none(parameters: Any) -> None:
    with pytest.raises(CmsError):
        opened(envelope(AES128_CBC.oid, parameters, bytes(16)), alice())


@pytest.mark.parametrize("more", [der.integer(12), der.NULL_VALUE, der.octet_string(bytes(12))])
def test_gcm_parameters_end_with_the_size_of_the_tag(more: Any) -> None:
    """RFC 5084, 3.2: whoever takes the last of two sizes reads another tag."""
    context = Cipher(AES(KEY.octets), GCM(bytes(12))).encryptor()
    encrypted = context.update(b"hello") + context.finalize()
    usual = der.octet_string(bytes(12)) + der.integer(16)
    for parameters, code in ((usual, None), (usual + more, "cms.cipher-parameters")):
        mail = envelope(
            AES128_GCM.oid, der.sequence(parameters), encrypted, der.octet_string(context.tag),
            outer=AUTH_ENVELOPED_DATA,
        )  # fmt: skip
        if code is None:
            assert opened(mail, alice()) == b"hello"
        else:
            assert code_of(lambda: opened(mail, alice())) == code  # noqa: B023


@pytest.mark.parametrize("nonce", [0, 1, 7, 129, 1000])
def test_gcm_nonces_that_the_library_does_not_take(nonce: Any) -> None:
    parameters = der.sequence(der.octet_string(bytes(nonce)), der.integer(16))
    mail = envelope(
        AES128_GCM.oid, parameters, b"x", der.octet_string(bytes(16)), outer=AUTH_ENVELOPED_DATA
    )
    assert code_of(lambda: opened(mail, alice())) == "cms.cipher-parameters"


@pytest.mark.parametrize("cipher", CONTENT_CIPHERS.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("size", [0, 1, 15, 17, 33, 129, 300])
def test_keys_that_do_not_fit_the_cipher(cipher: ContentCipher, size: Any) -> None:
    """Whoever unwraps may be a plug-in: a key of another length is a DecryptionError."""
    parameters = (
        cipher.identifier(bytes(12)).parameters
        if cipher.emitted and cipher.authenticated
        else der.sequence(der.octet_string(bytes(12)))
        if cipher.authenticated
        else der.octet_string(bytes(cipher.block))
    )
    identifier = AlgorithmIdentifier(cipher.oid, parameters)
    if cipher is RC2_CBC and 1 <= size <= 128:
        decryption(cipher, identifier, bytes(size))
    else:
        with pytest.raises(DecryptionError):
            decryption(cipher, identifier, bytes(size))


# --- old ciphers ---------------------------------------------------------------------------


def triple_des() -> bytes:
    context = Cipher(TripleDES(bytes(range(24))), CBC(bytes(8))).encryptor()
    encrypted = context.update(b"hello\3\3\3")
    recipients = for_people(alice(), key=ContentKey(bytes(range(24))))
    return envelope(DES_EDE3_CBC.oid, der.octet_string(bytes(8)), encrypted, recipients=recipients)


def test_weak_ciphers_are_read_where_the_policy_says_so() -> None:
    assert opened(triple_des(), alice(), policy=Policy.LEGACY_READ) == b"hello"
    for policy in (Policy.INTEROP, Policy.MODERN):
        with pytest.raises(PolicyError, match="des-ede3-cbc"):
            opened(triple_des(), alice(), policy=policy)


RC2_ENCRYPTED = bytes.fromhex("2269552ab0f85ca6")
"""RFC 2268, 5: eight octets of zero under the 16-octet key, 128 bits effective."""


def rc2(parameters: bytes, key: bytes = bytes.fromhex("88bca90e90875a7f0f79c384627bafb2")) -> bytes:
    public = forge.rsa_key().public_key()
    recipients = [transport(public.encrypt(key, padding.PKCS1v15()))]
    return envelope(RC2_CBC.oid, parameters, RC2_ENCRYPTED, recipients=recipients)


@pytest.mark.parametrize("size", [1, 1 << 16])
def test_limit_rc2_bytes(size: int) -> None:
    """RC2 is computed in Python: the ciphertext of a layer has a bound, whatever its pieces."""
    mail = rc2(der.sequence(der.integer(58), der.octet_string(bytes((3,)) * 8)))
    most = replace(LIMITS, rc2_bytes=len(RC2_ENCRYPTED))
    policy = replace(Policy.LEGACY_READ, limits=most)
    assert opened(mail, alice("rsa-2048"), policy=policy, size=size) == bytes((3,)) * 5
    less = replace(policy, limits=replace(most, rc2_bytes=len(RC2_ENCRYPTED) - 1))
    code = code_of(lambda: opened(mail, alice("rsa-2048"), policy=less, size=size))
    assert code == "limit.rc2-bytes"


def test_rc2() -> None:
    # The plaintext is the IV then: zeros under CBC give back the IV, here a block of padding.
    iv = bytes((3,)) * 8
    parameters = der.sequence(der.integer(58), der.octet_string(iv))
    found = opened(rc2(parameters), alice("rsa-2048"), policy=Policy.LEGACY_READ)
    assert found == bytes((3,)) * 5
    with pytest.raises(PolicyError, match="rc2"):
        opened(rc2(parameters), alice("rsa-2048"))


@pytest.mark.parametrize(
    "parameters",
    [
        der.octet_string(b"short"),
        der.octet_string(b""),
        der.sequence(der.integer(58), der.octet_string(b"short")),
        der.sequence(der.integer(7), der.octet_string(bytes(8))),
        der.sequence(der.integer(58)),
        der.NULL_VALUE,
    ],
)
def test_rc2_parameters_that_are_none(parameters: Any) -> None:
    with pytest.raises(CmsError):
        opened(rc2(parameters), alice("rsa-2048"), policy=Policy.LEGACY_READ)


@pytest.mark.parametrize("size", [0, 129, 200])
def test_rc2_keys_that_are_none(size: Any) -> None:
    """What v1.5 gives for a wrong ciphertext has any length: it has to look like a wrong key."""
    mail = rc2(der.octet_string(bytes(8)), bytes(size))
    try:
        opened(mail, alice("rsa-2048"), policy=Policy.LEGACY_READ)
    except DecryptionError:
        return


# --- any bytes -----------------------------------------------------------------------------


@cache
def messages() -> list[tuple[bytes, Credential]]:
    wide = for_people(alice(), alice("rsa-2048"))
    return [
        (enveloped_data(b"hello", AES128_CBC, KEY, wide), alice()),
        (enveloped_data(b"hello", AES128_GCM, KEY, wide), alice("rsa-2048")),
        (join(enveloped_data_stream([b"hello"] * 3, AES128_CBC, KEY, wide)), alice("rsa-2048")),
        (loosen(gcm(aad=der.set_of([TYPE]))), alice()),
        (triple_des(), alice()),
        (rc2(der.sequence(der.integer(58), der.octet_string(bytes(8)))), alice("rsa-2048")),
    ]


def test_cut_off_anywhere() -> None:
    for mail, who in messages()[:4]:
        for end in range(0, len(mail), 7):
            try:
                opened(mail[:end], who)
            except (CmsError, DecryptionError):
                continue
            pytest.fail(f"opened though cut off at {end}")


@given(
    st.integers(0, 5),
    st.lists(
        st.tuples(st.floats(0, 0.9999), st.integers(0, 255), st.sampled_from("-+=")),
        min_size=1,
        max_size=4,
    ),
)
def test_damaged_messages(number: Any, changes: Any) -> None:
    """A text or a refusal that is one of ours; for whoever opens it never a UsageError."""
    mail, who = messages()[number]
    data = bytearray(mail)
    for place, octet, how in changes:
        at = int(place * len(data))
        data[at : at + (how != "+")] = b"" if how == "-" else bytes((octet,))
    with suppress(CmsError, LimitExceeded, DecryptionError, NoMatchingKey):
        opened(bytes(data), who, policy=Policy.LEGACY_READ)


def test_indefinite_lengths_everywhere() -> None:
    assert opened(loosen(cbc(b"hello" + bytes((11,)) * 11)), alice()) == b"hello"
    split = indefinite(0xA0, der.octet_string(b"ab"), indefinite(0x24, der.octet_string(b"c")))
    assert join(forge.ber(split).octets(0x80)) == b"abc"


# --- OAEP ----------------------------------------------------------------------------------

SHA_2 = {"sha224", "sha256", "sha384", "sha512"}
OAEP_DIGESTS = [row for row in DIGESTS if row.name in {"sha1", *SHA_2}]


@pytest.mark.parametrize("digest", OAEP_DIGESTS, ids=lambda row: row.name)
@pytest.mark.parametrize("mgf", OAEP_DIGESTS, ids=lambda row: row.name)
def test_every_oaep(digest: Any, mgf: Any) -> None:
    """RFC 3560 and RFC 4055, 4.1: each hash with each mask and either label."""
    bob = alice("rsa-2048")
    for label in (b"", b"a label"):
        padding = RsaPadding(digest, mgf, label)
        (made,) = for_people(bob, padding=padding)
        (again,) = read_again([made])
        assert isinstance(again, KeyTransRecipient)
        assert rsa_padding(again.algorithm) == padding
        assert open_transport(again, bob.key) == KEY.octets
        wrong = replace(padding, label=label + b"x")
        changed = replace(again, algorithm=wrong.identifier)
        with pytest.raises(DecryptionError):
            open_transport(changed, bob.key)


@pytest.mark.parametrize("digest", [row for row in DIGESTS if row not in OAEP_DIGESTS])
def test_oaep_that_nobody_computes(digest: Any) -> None:
    for wanted in (RsaPadding(digest, SHA256), RsaPadding(SHA256, digest)):
        assert (
            code_of(partial(for_people, alice("rsa-2048"), padding=wanted)) == "usage.recipient-key"
        )
        (made,) = for_people(alice("rsa-2048"), padding=PADDINGS[2])
        assert isinstance(made, KeyTransRecipient)
        with pytest.raises(DecryptionError):
            open_transport(replace(made, algorithm=wanted.identifier), alice("rsa-2048").key)
