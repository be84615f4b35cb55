"""Nothing weak is written, whoever asks for it: reading old mail is another matter."""

from dataclasses import replace

import pytest

import smimekit
from smimekit import Policy, PolicyError
from smimekit.algorithms import (
    CONTENT_CIPHERS,
    READ_ONLY_SCHEMES,
    SIGNATURE_SCHEMES,
    ContentCipher,
    SignatureKind,
    SignatureScheme,
)
from smimekit.testing import FakeCA

CA = FakeCA()
RSA = CA.person("alice@example.org", key="rsa-2048")
MAIL = b"From: alice@example.org\n\nHello\n"
POLICIES = (Policy.INTEROP, Policy.MODERN, Policy.LEGACY_READ)
BROKEN = [
    row
    for row in READ_ONLY_SCHEMES
    if row.kind is SignatureKind.RSA_PKCS1 and row.digest.strength < 112
]


def scheme_id(row: SignatureScheme) -> str:
    return f"{row.name}-{row.oid}"


@pytest.mark.parametrize("policy", POLICIES, ids=lambda row: row.name)
@pytest.mark.parametrize("scheme", BROKEN, ids=scheme_id)
def test_broken_digests_are_not_signed_with(scheme: SignatureScheme, policy: Policy) -> None:
    """RFC 8551, 2.2: MD5 and SHA-1 are for historic mail only."""
    with pytest.raises(PolicyError) as caught:
        smimekit.sign(MAIL, RSA, scheme=scheme, policy=policy)
    assert caught.value.code == "policy.weak"


@pytest.mark.parametrize(
    "scheme",
    [row for row in SIGNATURE_SCHEMES if row.kind.startswith("rsa")],
    ids=scheme_id,
)
def test_every_scheme_that_we_write_can_be_named(scheme: SignatureScheme) -> None:
    mail = smimekit.sign(MAIL, RSA, scheme=scheme)
    trust = smimekit.Trust(anchors=[CA.certificate])
    (signature,) = smimekit.verify(mail, trust).signatures
    assert signature.algorithm == scheme.name


@pytest.mark.parametrize(
    "cipher", [row for row in CONTENT_CIPHERS.values() if row.weak], ids=lambda row: row.name
)
def test_old_ciphers_are_not_encrypted_with(cipher: ContentCipher) -> None:
    with pytest.raises(PolicyError):
        smimekit.encrypt(MAIL, to=[RSA], cipher=cipher, policy=Policy.LEGACY_READ)


def test_short_keys_neither_sign_nor_receive() -> None:
    weak = CA.weak_key("old@example.org")
    with pytest.raises(PolicyError):
        smimekit.sign(MAIL, weak, policy=Policy.LEGACY_READ)
    with pytest.raises(PolicyError):
        smimekit.encrypt(MAIL, to=[weak], policy=Policy.LEGACY_READ)
    assert smimekit.sign(MAIL, weak, policy=replace(Policy.INTEROP, minimum_rsa=1024))
