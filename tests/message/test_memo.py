"""What is worked out once for a credential or a certificate holds for what it was asked, only."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message

import pytest

import smimekit
from smimekit import Chain, Credential, Policy, PolicyError, Signer, Trust, UsageError, der
from smimekit.algorithms import AES128_GCM, RSA_PSS_SHA256
from smimekit.cms.attributes import attribute
from smimekit.cms.recipients import KeyTransRecipient
from smimekit.message.layers import Encrypted, Signed
from smimekit.testing import FakeCA

DRAFT = b"From: alice@example.org\r\n\r\nText\r\n"
AT = datetime(2026, 3, 1, tzinfo=UTC)
STRICT = replace(Policy.INTEROP, minimum_rsa=4096)
LENIENT = replace(STRICT, accepts_weak=True)


@pytest.fixture
def alice() -> Credential:
    return FakeCA("Example CA").intermediate().person("alice@example.org", key="rsa-2048")


def layer(mail: bytes, *keys: Credential) -> object:
    with smimekit.open(mail, keys=keys, trust=Trust()) as opened:
        return opened.envelope[0]


def signed(mail: bytes) -> Signed:
    found = layer(mail)
    assert isinstance(found, Signed)
    return found


def encrypted(mail: bytes, who: Credential) -> Encrypted:
    found = layer(mail, who)
    assert isinstance(found, Encrypted)
    assert found.failure is None
    return found


def test_a_signature_has_the_scheme_that_is_asked_for(alice: Credential) -> None:
    for _ in range(2):
        for scheme, name in ((None, "rsa-pkcs1-sha256"), (RSA_PSS_SHA256, "rsa-pss-sha256")):
            (found,) = signed(smimekit.sign(DRAFT, Signer(alice, scheme=scheme))).signatures
            assert found.algorithm == name
            assert found.integrity == "good"
    for policy in (Policy.INTEROP, Policy.MODERN, Policy.INTEROP):
        (found,) = signed(smimekit.sign(DRAFT, alice, policy=policy, at=AT)).signatures
        assert found.algorithm == policy.rsa_signature.name


def test_a_signature_has_the_chain_that_is_asked_for(alice: Credential) -> None:
    for _ in range(2):
        for chain, count in ((Chain.LEAF, 1), (Chain.WITHOUT_ROOT, 2), (Chain.WITH_ROOT, 3)):
            mail = smimekit.sign(DRAFT, Signer(alice, chain=chain))
            assert len(signed(mail).certificates) == count


def test_a_signature_says_what_it_is_asked_to(alice: Credential) -> None:
    """By the same signer at the same time, or at another; by one with more to say."""
    own = attribute("1.2.3.4", der.integer(1))
    more = Signer(alice, signed=(("1.2.3.4", der.integer(1)),))
    for who in (alice, more, alice):
        for at in (AT, AT, AT + timedelta(seconds=1), AT):
            mail = smimekit.sign(DRAFT, who, at=at)
            (found,) = signed(mail).signatures
            assert found.integrity == "good"
            assert found.signing_time == at
            part = message_from_bytes(mail).get_payload(1)
            assert isinstance(part, Message)
            assert (own in bytes(part.get_payload(decode=True))) is (who is more)


def test_a_key_that_is_too_weak_stays_so(alice: Credential) -> None:
    """A policy that is stricter than the one before is asked anew."""
    for _ in range(2):
        smimekit.sign(DRAFT, alice)
        smimekit.encrypt(DRAFT, to=[alice.certificate])
        with pytest.raises(PolicyError):
            smimekit.sign(DRAFT, alice, policy=STRICT)
        with pytest.raises(PolicyError):
            smimekit.encrypt(DRAFT, to=[alice.certificate], policy=STRICT)


def test_a_signature_is_as_good_as_the_policy_says(alice: Credential) -> None:
    """The certificate is the same one, which is known from the mail before."""
    mail, trust = smimekit.sign(DRAFT, alice), Trust()
    for _ in range(2):
        for policy, grade in ((Policy.INTEROP, "good"), (STRICT, "refused"), (LENIENT, "weak")):
            with smimekit.open(mail, trust=trust, policy=policy) as opened:
                (found,) = opened.signatures
            assert found.assessment.grade == grade
            assert found.integrity == "good"


def test_a_recipient_gets_what_the_policy_says(alice: Credential) -> None:
    for _ in range(2):
        for policy in (Policy.INTEROP, Policy.MODERN):
            mail = smimekit.encrypt(DRAFT, to=[alice.certificate], policy=policy)
            found = encrypted(mail, alice)
            assert found.cipher == policy.cipher
            (recipient,) = found.recipients
            assert isinstance(recipient, KeyTransRecipient)
            assert recipient.algorithm == policy.rsa_padding.identifier


def test_a_cipher_that_is_asked_for_goes_before(alice: Credential) -> None:
    for cipher in (None, AES128_GCM, None):
        mail = smimekit.encrypt(DRAFT, to=[alice.certificate], cipher=cipher)
        assert encrypted(mail, alice).cipher == (cipher or Policy.INTEROP.cipher)


def test_who_may_not_is_refused_each_time() -> None:
    ca = FakeCA("Example CA")
    reader, writer = ca.encrypt_only("r@example.org"), ca.sign_only("w@example.org")
    for _ in range(2):
        with pytest.raises(UsageError):
            smimekit.sign(DRAFT, reader)
        with pytest.raises(UsageError):
            smimekit.encrypt(DRAFT, to=[writer.certificate])


def test_variants_of_a_policy_choose_for_themselves() -> None:
    only = replace(Policy.INTEROP, ciphers=(AES128_GCM,), cipher=AES128_GCM)
    assert only.choices == (AES128_GCM,)
    assert only.believed == (AES128_GCM,)
    assert Policy.INTEROP.believed[0] == Policy.INTEROP.cipher
    assert replace(only, cipher=Policy.INTEROP.cipher).believed == (Policy.INTEROP.cipher,)
