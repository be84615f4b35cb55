"""Several signers, countersignatures, time-stamps, and content of other types: both ways.

What Debian's 1.72 cannot do, `test_bouncycastle_signed.py` says.
"""

import pytest

import smimekit
from smimekit import Trust
from smimekit import algorithms as rows
from smimekit.cms.content import DATA
from smimekit.cms.countersignature import countersign
from smimekit.cms.signed_writing import signed_data
from smimekit.cms.signer_writing import sign_content
from smimekit.message.layers import Integrity
from smimekit.message.signing import Signer
from smimekit.primitives import digest
from smimekit.testing import FakeCA
from smimekit.trust import Source
from tests.cms.stamping import authority
from tests.interop.castle import BouncyCastle
from tests.interop.messages import body_of
from tests.interop.peers import People, Refused
from tests.interop.test_bouncycastle_signed import (
    ALICE,
    ENTITY,
    MAIL,
    info,
    java,
    message,
    only_signature,
)

# --- several of them -----------------------------------------------------------------------


def test_several_signers(bouncycastle: BouncyCastle, people: People, trust: Trust) -> None:
    kinds = {"p384": rows.ECDSA_SHA384, "rsa-2048": rows.RSA_PSS_SHA256, "ed25519": rows.ED25519}
    signers = [(people(f"alice {kind}"), java(scheme)) for kind, scheme in kinds.items()]
    for form in ("", "stream"):
        cms = bouncycastle.sign(ENTITY, *signers, options=form)
        with smimekit.open(cms, trust=trust, expect=ALICE) as opened:
            assert [each.integrity for each in opened.signatures] == [Integrity.GOOD] * 3
            assert {each.algorithm for each in opened.signatures} == {
                scheme.name for scheme in kinds.values()
            }
    ours = body_of(smimekit.sign(MAIL, [who for who, _ in signers], opaque=True, headers=None))
    assert bouncycastle.verify(ours).signers == 3


@pytest.mark.parametrize("kind", ["p256", "ed25519", "rsa-2048"])
def test_countersignatures(
    bouncycastle: BouncyCastle, people: People, ca: FakeCA, kind: str
) -> None:
    alice, notary = people("alice"), people(f"notary {kind}")
    scheme = {"p256": rows.ECDSA_SHA256, "ed25519": rows.ED25519}.get(kind, rows.RSA_PKCS1_SHA256)
    ours = message(
        alice,
        countersign(info(alice, rows.ECDSA_SHA256), notary.certificate, notary.key, scheme),
    )
    assert bouncycastle.verify(ours, notary.certificate).countersigners == 1
    signed = body_of(smimekit.sign(MAIL, alice, opaque=True, headers=None))
    theirs = bouncycastle.countersign(signed, (notary, java(scheme)))
    # Bouncy Castle leaves the bag as it was: the notary has to be known.
    store = smimekit.MemoryTrustStore()
    source = Source(kind="upload", origin="", at=ca.now, reference="")
    store.put(notary.certificate, source, at=ca.now)
    knows = Trust(store, anchors=[ca.certificate])
    (found,) = only_signature(theirs, knows).countersignatures
    assert (found.integrity, found.algorithm) == (Integrity.GOOD, scheme.name)
    value = found.attributes.message_digest if found.attributes else None
    assert value is not None
    changed = theirs.replace(value, bytes([value[0] ^ 1]) + value[1:])
    (found,) = only_signature(changed, knows).countersignatures
    assert found.integrity is Integrity.CONTENT_CHANGED
    with pytest.raises(Refused):
        bouncycastle.verify(changed, notary.certificate)


def test_timestamps(bouncycastle: BouncyCastle, people: People, ca: FakeCA, trust: Trust) -> None:
    tsa, time = authority(), int(ca.now.timestamp())
    made: list[tuple[bytes, bytes]] = []

    def stamp(signature: bytes) -> bytes:
        token = bouncycastle.stamp(signature, tsa, "SHA256withECDSA", rows.SHA512.oid, time)
        made.append((token, signature))
        return token

    cms = body_of(
        smimekit.sign(MAIL, Signer(people("alice"), timestamp=stamp), opaque=True, headers=None)
    )
    (found,) = only_signature(cms, trust).timestamps
    assert found.intact
    assert found.time is not None
    assert (found.time.timestamp(), found.serial, found.policy) == (time, 42, "1.2.3.4.1")
    assert bouncycastle.verify(cms).content == ENTITY
    ((token, signature),) = made
    assert bouncycastle.check_stamp(token, signature, tsa.certificate) == time
    with pytest.raises(Refused):
        bouncycastle.check_stamp(token, signature + b"!", tsa.certificate)


# --- content of other types ----------------------------------------------------------------

SOME_TYPE = "1.2.840.113549.1.9.16.1.2"  # id-ct-authData; its syntax is nothing to us here


@pytest.mark.parametrize("form", ["", "stream", "keyid"], ids=["ber", "stream", "keyid"])
def test_content_of_another_type(
    bouncycastle: BouncyCastle, people: People, trust: Trust, form: str
) -> None:
    alice = people("alice")
    signer = (alice, "SHA256withECDSA")
    theirs = bouncycastle.sign(ENTITY, signer, options=form, content_type=SOME_TYPE)
    assert only_signature(theirs, trust).integrity is Integrity.GOOD
    ours = signed_data(
        ENTITY,
        [rows.SHA256.identifier],
        [alice.certificate.der],
        [
            sign_content(
                alice.certificate,
                alice.key,
                rows.ECDSA_SHA256,
                lambda row: digest(row, ENTITY),
                (),
                content_type=SOME_TYPE,
            )
        ],
        content_type=SOME_TYPE,
    )
    assert bouncycastle.verify(ours).content == ENTITY


def test_another_type_needs_attributes(
    bouncycastle: BouncyCastle, people: People, trust: Trust
) -> None:
    """RFC 5652, 5.3: MUST be present where the content is not id-data. Bouncy Castle takes it."""
    signer = (people("alice"), "SHA256withECDSA")
    for content_type, verdict in ((DATA, Integrity.GOOD), (SOME_TYPE, Integrity.MALFORMED)):
        cms = bouncycastle.sign(ENTITY, signer, options="bare", content_type=content_type)
        assert bouncycastle.verify(cms).content == ENTITY
        assert only_signature(cms, trust).integrity is verdict


def test_a_type_that_was_changed(bouncycastle: BouncyCastle, people: People, trust: Trust) -> None:
    """The signer signed content of another type than the message names (11.1)."""
    cms = bouncycastle.sign(
        ENTITY, (people("alice"), "SHA256withECDSA"), options="der", content_type=SOME_TYPE
    )
    encoded = bytes.fromhex("060b2a864886f70d0109100102")
    assert cms.count(encoded) == 2  # in the message and in the signed attributes
    changed = cms.replace(encoded, encoded[:-1] + b"\x03", 1)
    assert only_signature(changed, trust).integrity is Integrity.MALFORMED
    with pytest.raises(Refused):
        bouncycastle.verify(changed)
