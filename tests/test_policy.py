"""What is emitted and what is accepted."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from smimekit import algorithms
from smimekit.algorithms import (
    CONTENT_CIPHERS,
    DIGESTS,
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ED25519,
    MD5,
    RSA_PKCS1_SHA256,
    RSA_PSS_SHA256,
    SHA1,
    SHA256,
    AlgorithmIdentifier,
    signature_scheme,
)
from smimekit.errors import PolicyError, UsageError
from smimekit.policy import Grade, Policy
from smimekit.primitives import key_name, key_size
from tests.cms import forge

STRICT = [Policy.INTEROP, Policy.MODERN]
ALL = [*STRICT, Policy.LEGACY_READ]


def by_name(policy: Any) -> Any:
    return policy.name


@pytest.mark.parametrize("policy", ALL, ids=by_name)
def test_nothing_weak_is_emitted(policy: Any) -> None:
    assert policy.content(policy.cipher).grade is Grade.GOOD
    assert policy.rsa_signature.digest.strength >= 112
    assert policy.rsa_signature in algorithms.SIGNATURE_SCHEMES
    for kind in ("p256", "p384", "p521", "ed25519", "rsa-2048"):
        key = forge.private(kind).public_key()
        assert policy.signature(policy.scheme_for(key), key).grade is Grade.GOOD


def test_modern_is_authenticated() -> None:
    """RFC 8551, 2.7: AES-GCM, PSS and OAEP."""
    assert Policy.MODERN.cipher.authenticated
    assert Policy.MODERN.rsa_signature is RSA_PSS_SHA256
    assert Policy.MODERN.rsa_padding.digest is SHA256


@pytest.mark.parametrize("digest", DIGESTS, ids=by_name)
@pytest.mark.parametrize("policy", ALL, ids=by_name)
def test_digests(policy: Any, digest: Any) -> None:
    scheme = signature_scheme(AlgorithmIdentifier(algorithms.RSA_ENCRYPTION), digest)
    assert scheme is not None
    found = policy.signature(scheme, forge.rsa_key().public_key())
    if digest not in {MD5, SHA1}:
        assert found.grade is Grade.GOOD
    elif policy is Policy.LEGACY_READ:
        assert found.grade is Grade.WEAK
    else:
        assert found.grade is Grade.REFUSED
    assert (found.reason is None) == (found.grade is Grade.GOOD)


@pytest.mark.parametrize("cipher", CONTENT_CIPHERS.values(), ids=by_name)
def test_ciphers(cipher: Any) -> None:
    weak = cipher.name in {"des-ede3-cbc", "rc2-cbc"}
    for policy in STRICT:
        assert policy.content(cipher).grade is (Grade.REFUSED if weak else Grade.GOOD)
    assert Policy.LEGACY_READ.content(cipher).grade is (Grade.WEAK if weak else Grade.GOOD)


def weak_keys() -> list[Any]:
    return [
        forge.ca().weak_key("weak@example.org").certificate.public_key,
        dsa.generate_private_key(2048).public_key(),
        ec.generate_private_key(ec.SECP192R1()).public_key(),
    ]


def test_weak_keys() -> None:
    for key in weak_keys():
        for policy in STRICT:
            found = policy.key(key)
            assert found.grade is Grade.REFUSED
            with pytest.raises(PolicyError, match=r"LEGACY_READ"):
                policy.require(found, "Refused")
        assert Policy.LEGACY_READ.key(key).grade is Grade.WEAK
        Policy.LEGACY_READ.require(Policy.LEGACY_READ.key(key), "Read")
        for policy in ALL:
            with pytest.raises(PolicyError) as caught:
                policy.scheme_for(key)
            assert caught.value.code == "policy.weak"


def test_a_key_is_graded_with_its_signature() -> None:
    weak = weak_keys()[0]
    assert Policy.INTEROP.signature(RSA_PKCS1_SHA256, weak).grade is Grade.REFUSED


@pytest.mark.parametrize(
    ("bits", "grade"),
    [(2047, Grade.WEAK), (2048, Grade.GOOD), (16384, Grade.GOOD), (16385, Grade.REFUSED)],
)
def test_rsa_key_sizes(bits: int, grade: Grade) -> None:
    """RFC 8551, 4.2: 2048 bits at least. Over 16384 bits even LEGACY_READ does not go."""
    key = rsa.RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
    assert Policy.LEGACY_READ.key(key).grade is grade


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        ("rsa-2048", RSA_PKCS1_SHA256),
        ("p256", ECDSA_SHA256),
        ("p384", ECDSA_SHA384),
        ("p521", ECDSA_SHA512),
        ("ed25519", ED25519),
    ],
)
def test_schemes(kind: Any, scheme: Any) -> None:
    """RFC 8551, 2.2 and RFC 5753, 8: a digest as strong as the curve."""
    assert Policy.INTEROP.scheme_for(forge.private(kind).public_key()) is scheme


def test_another_curve_signs_with_sha256() -> None:
    key = ec.generate_private_key(ec.SECP256K1()).public_key()
    assert Policy.INTEROP.scheme_for(key) is ECDSA_SHA256
    assert key_name(key) == "EC secp256k1"


def test_a_key_that_cannot_sign() -> None:
    with pytest.raises(UsageError) as caught:
        Policy.INTEROP.scheme_for(forge.private("x25519").public_key())
    assert caught.value.code == "usage.scheme"


@pytest.mark.parametrize(
    ("kind", "name", "size"),
    [
        ("rsa-2048", "RSA-2048", 2048),
        ("p521", "EC P-521", 521),
        ("ed25519", "Ed25519", 256),
        ("x25519", "X25519", 256),
    ],
)
def test_names_of_keys(kind: Any, name: Any, size: Any) -> None:
    key = forge.private(kind).public_key()
    assert (key_name(key), key_size(key)) == (name, size)
