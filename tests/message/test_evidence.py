"""What a message brings along costs no more than its limits say."""

from dataclasses import replace
from typing import Any

import pytest

import smimekit
from smimekit import LimitExceeded, Limits, Policy, Trust, der
from smimekit.algorithms import SHA256, ecdsa
from smimekit.cms.compressed import compressed_data
from smimekit.cms.signed_writing import signed_data
from smimekit.cms.signer_writing import sign_content
from smimekit.primitives import digester
from smimekit.testing import FakeCA
from smimekit.trust import Revocation, Status

CA = FakeCA()
ALICE = CA.person("alice@example.org")
TRUST = Trust(anchors=[CA.certificate])
TEXT = b"Content-Type: text/plain\r\n\r\nhello\r\n"


def with_crl(crl: bytes) -> bytes:
    """Bare CMS, opaque, with a CRL in its bag."""
    running = digester(SHA256)
    running.update(TEXT)
    value = running.digest()
    info = sign_content(ALICE.certificate, ALICE.key, ecdsa(SHA256), lambda _: value, ())
    data = signed_data(TEXT, (SHA256.identifier,), (ALICE.certificate.der,), (info,))
    whole = der.Reader(data).enter(der.SEQUENCE)
    oid = whole.raw()
    inside = whole.enter(0xA0).enter(der.SEQUENCE)
    parts = [inside.raw() for _ in range(5)]
    content = der.sequence(*parts[:4], der.set_of((crl,), 0xA1), parts[4])
    return der.sequence(oid, der.explicit(0, content))


def limited(**limits: Any) -> Policy:
    return replace(Policy.INTEROP, limits=Limits(**limits))


def test_evidence_in_the_message_counts_within_its_limit() -> None:
    message = with_crl(CA.crl([ALICE]))
    [found] = smimekit.open(message, trust=TRUST).signatures
    assert found.judgement is not None
    assert (found.judgement.status, found.judgement.revocation) == (
        Status.REJECTED,
        Revocation.REVOKED,
    )
    [found] = smimekit.open(message, trust=TRUST, policy=limited(evidence_bytes=100)).signatures
    assert found.judgement is not None
    assert found.judgement.revocation is Revocation.UNKNOWN


def test_layers_of_compression_share_their_limit() -> None:
    """Each layer is a thousand times the one around it, at the sender's will."""
    inner = bytes(1_000_000)
    nested = compressed_data(compressed_data(inner))
    with smimekit.open(nested, trust=TRUST) as opened:
        assert len(opened.envelope) == 2
    with smimekit.open(nested, trust=TRUST, policy=limited(inflated_bytes=1_002_000)):
        pass
    with pytest.raises(LimitExceeded) as refused:
        smimekit.open(nested, trust=TRUST, policy=limited(inflated_bytes=1_000_100))
    assert refused.value.code == "limit.inflated-bytes"
