"""RFC 4134: the S/MIME examples of 2005, whose algorithms are weak today.

Each payload is the RFC's ExContent.bin. INTEROP refuses to call any of them verified, and to
decrypt; LEGACY_READ reads them and says that they are weak. The time is that of the RFC.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import smimekit
from smimekit import (
    Certificate,
    Credential,
    InsufficientProtection,
    Policy,
    PolicyError,
    Protection,
    Status,
    Trust,
)
from smimekit.message.layers import Encrypted, Integrity, SignatureForm, Signed
from smimekit.policy import Grade

AT = datetime(2005, 7, 1, tzinfo=UTC)

Read = Callable[[str], bytes]


@pytest.fixture(scope="module")
def read(vectors: Path) -> Read:
    return lambda name: vectors.joinpath("rfc4134", name).read_bytes()


@pytest.fixture(scope="module")
def trust(read: Read) -> Trust:
    roots = [Certificate.from_pem(read(f"Carl{kind}Self.pem")) for kind in ("RSA", "DSS")]
    return Trust(anchors=roots, policy=Policy.LEGACY_READ)


@pytest.fixture(scope="module")
def bob(read: Read) -> Credential:
    return Credential.from_pem(read("BobPrivRSAEncrypt.pem"), read("BobRSASignByCarl.pem"))


SIGNED = {
    "4.1.bin": ("dsa-sha1", 1),
    "4.2.bin": ("rsa-pkcs1-sha1", 1),
    "4.3.bin": ("dsa-sha1", 1),
    "4.4.bin": ("dsa-sha1", 1),
    "4.5.bin": ("rsa-pkcs1-sha1", 1),
    "4.6.bin": ("dsa-sha1", 2),
    "4.7.bin": ("dsa-sha1", 1),
    "4.8.eml": ("dsa-sha1", 1),
    "4.9.eml": ("dsa-sha1", 1),
    "4.10.bin": ("dsa-sha1", 1),
}


def opened(name: str, read: Read, trust: Trust, policy: Policy) -> smimekit.Opened:
    content = read("ExContent.bin") if name == "4.3.bin" else None
    return smimekit.open(read(name), trust=trust, at=AT, content=content, policy=policy)


@pytest.mark.parametrize("name", SIGNED)
def test_signed(name: str, read: Read, trust: Trust) -> None:
    """dsa-sha1, and RSA with SHA-1."""
    algorithm, signers = SIGNED[name]
    with opened(name, read, trust, Policy.LEGACY_READ) as message:
        payload = message.payload(require=Protection.INTACT).bytes()
        assert len(message.signatures) == signers
        first = message.signatures[0]
    assert payload.removeprefix(b"\r\n") == read("ExContent.bin")  # an entity's empty header
    assert first.integrity is Integrity.GOOD
    assert first.algorithm == algorithm
    assert first.assessment.grade is Grade.WEAK
    assert first.judgement is not None
    # 4.4 brings a CRL along on which its own signer stands.
    wanted = Status.REJECTED if name == "4.4.bin" else Status.TRUSTED
    assert first.judgement.status is wanted


@pytest.mark.parametrize("name", SIGNED)
def test_weak_signatures_never_count_without_being_asked_for(
    name: str, read: Read, trust: Trust
) -> None:
    with opened(name, read, trust, Policy.INTEROP) as message:
        assert message.protection == Protection.NONE
        assert {each.assessment.grade for each in message.signatures} == {Grade.REFUSED}


def test_a_signer_whose_key_inherits_its_parameters_is_reported(read: Read, trust: Trust) -> None:
    """4.6: Diane's DSA key has no parameters of its own, which no primitive here can use."""
    with opened("4.6.bin", read, trust, Policy.LEGACY_READ) as message:
        found = [each.integrity for each in message.signatures]
    assert found == [Integrity.GOOD, Integrity.UNSUPPORTED]


def test_certificates_only(read: Read, trust: Trust) -> None:
    with opened("4.11.bin", read, trust, Policy.LEGACY_READ) as message:
        [layer] = message.envelope
        assert isinstance(layer, Signed)
        assert layer.form is SignatureForm.CERTS_ONLY
        assert layer.signatures == ()
        names = {each.subject_text for each in layer.certificates}
        assert names == {"CN=AliceDSS", "CN=CarlDSS"}
        assert message.protection == Protection.NONE


def test_the_sender_of_4_8_is_not_its_signer(read: Read, trust: Trust) -> None:
    """From says examples.com, the certificate example.com."""
    with pytest.raises(smimekit.WrongSender):
        smimekit.verify(read("4.8.eml"), trust, at=AT, policy=Policy.LEGACY_READ)
    payload = smimekit.verify(
        read("4.8.eml"), trust, at=AT, policy=Policy.LEGACY_READ, expect="AliceDSS@example.com"
    )
    assert payload.bytes() == b"\r\n" + read("ExContent.bin")


@pytest.mark.parametrize(
    "name, cipher",
    [("5.1.bin", "des-ede3-cbc"), ("5.2.bin", "rc2-cbc"), ("5.3.eml", "des-ede3-cbc")],
)
def test_encrypted(name: str, cipher: str, read: Read, trust: Trust, bob: Credential) -> None:
    with smimekit.open(read(name), keys=[bob], trust=trust, policy=Policy.LEGACY_READ) as message:
        [layer] = message.envelope
        assert isinstance(layer, Encrypted)
        assert layer.algorithm == cipher
        assert message.protection == Protection.NONE  # RFC 9787, 6.5
        with pytest.raises(InsufficientProtection, match="others may have read it"):
            message.payload(require=Protection.CONFIDENTIAL)
    plain = smimekit.decrypt(read(name), keys=[bob], policy=Policy.LEGACY_READ).bytes()
    assert plain == read("ExContent.bin")
    with pytest.raises(PolicyError) as refused:
        smimekit.decrypt(read(name), keys=[bob])
    assert refused.value.code == "policy.weak"
