"""CRLs and OCSP responses by every kind of signature that a CA may make (RFC 8550, 4.3)."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.x509 import ocsp

from smimekit import der
from smimekit.algorithms import (
    ED448,
    ED25519,
    ML_DSA_65,
    RSA_PKCS1_SHA256,
    RSA_PSS_SHA256,
    SHA384,
    SignatureScheme,
    ecdsa,
)
from smimekit.certificate import Certificate
from smimekit.primitives import sign
from smimekit.trust import Judgement, Purpose, Revocation, RevocationPolicy, Status, Trust
from tests.trust.certs import NOW, Made, ca, crl, person
from tests.trust.network import ocsp_answer

ALICE = "alice@example.com"
KEYS: dict[str, tuple[SignatureScheme, Any]] = {
    "rsa": (RSA_PKCS1_SHA256, rsa.generate_private_key(65537, 2048)),
    "pss": (RSA_PSS_SHA256, rsa.generate_private_key(65537, 2048)),
    "ecdsa": (ecdsa(SHA384), ec.generate_private_key(ec.SECP384R1())),
    "ed25519": (ED25519, ed25519.Ed25519PrivateKey.generate()),
    "ed448": (ED448, ed448.Ed448PrivateKey.generate()),
    "ml-dsa": (ML_DSA_65, mldsa.MLDSA65PrivateKey.generate()),
}
HELPER = ec.generate_private_key(ec.SECP256R1())


def anew(signed: bytes, scheme: SignatureScheme, private: Any) -> bytes:
    """What is signed (with ECDSA) and names its algorithm outside and perhaps inside, by a key."""
    whole = der.Reader(signed).enter(der.SEQUENCE)
    content, old = whole.raw(der.SEQUENCE), whole.raw(der.SEQUENCE)
    new = scheme.identifier.encode()
    inside, parts = der.Reader(content).enter(der.SEQUENCE), []
    while inside.more:
        part = inside.raw()
        parts.append(new if part == old else part)
    content = der.sequence(*parts)
    return der.sequence(content, new, der.bit_string(sign(private, scheme, content)))


def response_anew(response: bytes, scheme: SignatureScheme, private: Any) -> bytes:
    outer = der.Reader(response).enter(der.SEQUENCE)
    status, inside = outer.raw(), outer.enter(0xA0).enter(der.SEQUENCE)
    kind, basic = inside.raw(), inside.read(der.OCTET_STRING)
    made = der.octet_string(anew(basic, scheme, private))
    return der.sequence(status, der.tlv(0xA0, der.sequence(kind, made)))


def authority(kind: str) -> tuple[Made, Made]:
    """A root with a key of this kind, and somebody whom it certified."""
    scheme, private = KEYS[kind]
    made = ca("Evidence root", private=private, sign_with=HELPER)
    root = Made(Certificate(anew(made.der, scheme, private)), HELPER, made.name)
    leaf = person(ALICE, root, key_ids=False)
    return root, Made(Certificate(anew(leaf.der, scheme, private)), leaf.key, leaf.name)


def answer(root: Made, leaf: Made, status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD) -> bytes:
    """By the helper's key, in the name of the root."""
    return ocsp_answer(leaf, root, status, signer=ca("Evidence root", private=HELPER))


def judged(root: Made, leaf: Made, **evidence: Any) -> Judgement:
    trust = Trust(anchors=[root.certificate], revocation=RevocationPolicy.HARD, clock=lambda: NOW)
    return trust.judge(leaf.certificate, Purpose.VERIFY, **evidence)


@pytest.mark.parametrize("kind", KEYS)
def test_a_crl_counts(kind: str) -> None:
    scheme, private = KEYS[kind]
    root, leaf = authority(kind)
    good, bad = (anew(one, scheme, private) for one in (crl(root), crl(root, leaf.certificate)))
    assert judged(root, leaf, crls=[good]).status is Status.TRUSTED
    assert judged(root, leaf, crls=[bad]).status is Status.REJECTED
    broken = good[:-1] + bytes([good[-1] ^ 1])
    for forged in (crl(root), broken):
        assert judged(root, leaf, crls=[forged]).revocation is Revocation.UNKNOWN


@pytest.mark.parametrize("kind", KEYS)
def test_an_ocsp_response_counts(kind: str) -> None:
    scheme, private = KEYS[kind]
    root, leaf = authority(kind)
    good, bad = (
        response_anew(answer(root, leaf, status), scheme, private)
        for status in (ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED)
    )
    assert judged(root, leaf, ocsps=[good]).status is Status.TRUSTED
    assert judged(root, leaf, ocsps=[bad]).status is Status.REJECTED
    broken = good[:-1] + bytes([good[-1] ^ 1])
    for forged in (answer(root, leaf), broken):
        assert judged(root, leaf, ocsps=[forged]).revocation is Revocation.UNKNOWN
