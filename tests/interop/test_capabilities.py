"""What OpenSSL, NSS and gpgsm announce is harvested, and chooses what they are sent."""

import pytest

import smimekit
from smimekit import EncryptionPlan, MemoryTrustStore, Policy, Purpose, Trust
from smimekit.message.layers import Encrypted
from smimekit.testing import FakeCA
from smimekit.trust import ByAddress, Record
from tests.interop.messages import body_of
from tests.interop.peers import Gpgsm, Nss, OpenSsl, People, folder, pem

ENTITY = b"Content-Type: text/plain\r\n\r\nOne line,\r\nand another.\r\n"
ALICE = "alice@example.org"


def harvested(mail: bytes, ca: FakeCA) -> tuple[Record, ...]:
    """The records of Alice's certificates, after one mail of hers."""
    store = MemoryTrustStore()
    trust = Trust(store, anchors=[ca.certificate])
    with smimekit.open(mail, trust=trust, expect=ALICE) as opened:
        moment = opened.signatures[0].judgement
        assert moment is not None
        smimekit.harvest(opened).put_into(store, at=moment.at)
    assert store.records(ByAddress(ALICE))
    return trust.usable(ALICE, Purpose.ENCRYPT).records


def sent(to: tuple[Record, ...], policy: Policy) -> tuple[EncryptionPlan, bytes]:
    """A plan, and the message that is just so."""
    plan = smimekit.plan_encryption(to, policy=policy)
    mail = smimekit.encrypt(ENTITY, to, policy=policy)
    with smimekit.open(mail, trust=Trust()) as opened:
        layer = opened.envelope[0]
        assert isinstance(layer, Encrypted)
        assert plan.cipher is not None
        assert layer.algorithm == plan.cipher.name
    return plan, mail


@pytest.mark.parametrize("key", ["p256", "rsa-2048"])
@pytest.mark.parametrize("policy", [Policy.INTEROP, Policy.MODERN], ids=lambda row: row.name)
def test_openssl(openssl: OpenSsl, people: People, ca: FakeCA, key: str, policy: Policy) -> None:
    """It lists AES in CBC mode, and then Triple DES, DES and RC2."""
    alice = people(f"alice {key}")
    to = harvested(openssl.sign(ENTITY, alice), ca)
    assert [record.certificate for record in to] == [alice.certificate]
    plan, mail = sent(to, policy)
    (entry,) = plan.served
    assert (entry.cipher.name, entry.knowledge) == ("aes-256-cbc", "announced")
    assert openssl.decrypt(mail, alice) == ENTITY


@pytest.mark.parametrize("key", ["p256", "rsa-2048"])
def test_openssl_that_announces_nothing(
    openssl: OpenSsl, people: People, ca: FakeCA, key: str
) -> None:
    alice = people(f"alice {key}")
    to = harvested(openssl.sign(ENTITY, alice, "-nosmimecap"), ca)
    for policy, cipher in ((Policy.INTEROP, "aes-256-cbc"), (Policy.MODERN, "aes-256-gcm")):
        plan, mail = sent(to, policy)
        (entry,) = plan.served
        assert (entry.cipher.name, entry.knowledge) == (cipher, "assumed")
        assert openssl.decrypt(mail, alice) == ENTITY


@pytest.mark.parametrize("key", ["p256", "rsa-2048"])
@pytest.mark.parametrize("policy", [Policy.INTEROP, Policy.MODERN], ids=lambda row: row.name)
def test_nss(nss: Nss, people: People, ca: FakeCA, key: str, policy: Policy) -> None:
    alice = people(f"alice {key}")
    plan, mail = sent(harvested(nss.sign(ENTITY, alice, "-G", "-P"), ca), policy)
    (entry,) = plan.served
    assert (entry.cipher.name, entry.knowledge) == ("aes-256-cbc", "announced")
    if key == "rsa-2048":  # it does not decrypt for EC keys at all
        assert entry.key_management == "rsa-pkcs1"
        assert nss.decode(body_of(mail)) == ENTITY


@pytest.mark.parametrize("policy", [Policy.INTEROP, Policy.MODERN], ids=lambda row: row.name)
def test_gpgsm(gpgsm: Gpgsm, people: People, ca: FakeCA, policy: Policy) -> None:
    """It lists AES-128 in CBC mode and Triple DES."""
    alice = people("alice rsa-2048")
    plan, mail = sent(harvested(gpgsm.sign(ENTITY, alice), ca), policy)
    (entry,) = plan.served
    assert (entry.cipher.name, entry.knowledge) == ("aes-128-cbc", "announced")
    assert entry.key_management == "rsa-pkcs1"
    assert gpgsm.decrypt(body_of(mail)) == ENTITY


def test_all_of_them_together(
    openssl: OpenSsl, nss: Nss, gpgsm: Gpgsm, people: People, ca: FakeCA
) -> None:
    """One message to three programs and ourselves: the best that all four read."""
    alice = people("alice rsa-2048")
    by_openssl = harvested(openssl.sign(ENTITY, alice), ca)
    by_nss = harvested(nss.sign(ENTITY, alice, "-G", "-P"), ca)
    by_gpgsm = harvested(gpgsm.sign(ENTITY, alice), ca)
    ours = harvested(smimekit.sign(b"From: alice@example.org\r\n" + ENTITY, alice), ca)
    plan, mail = sent((*ours, *by_openssl), Policy.MODERN)
    assert plan.served[0].cipher.name == "aes-256-cbc"
    plan, mail = sent((*ours, *by_openssl, *by_nss, *by_gpgsm), Policy.MODERN)
    assert {each.cipher.name for each in plan.served} == {"aes-128-cbc"}
    assert openssl.decrypt(mail, alice) == ENTITY
    assert nss.decode(body_of(mail)) == ENTITY
    assert gpgsm.decrypt(body_of(mail)) == ENTITY


CONFIGURATION = """\
[extensions]
basicConstraints=critical,CA:FALSE
keyUsage=critical,keyAgreement
subjectAltName=email:alice@example.org
1.2.840.113549.1.9.15=ASN1:SEQUENCE:list
[list]
one=SEQUENCE:gcm
two=SEQUENCE:cbc
[gcm]
id=OID:id-aes128-GCM
[cbc]
id=OID:AES-256-CBC
"""


def test_an_extension_that_openssl_wrote(openssl: OpenSsl, people: People) -> None:
    """RFC 4262, by another's hand."""
    with folder() as here:
        (here / "key.pem").write_bytes(pem(people("alice p256")))
        (here / "extensions").write_text(CONFIGURATION)
        openssl.call(
            *("req", "-new", "-x509", "-key", str(here / "key.pem"), "-subj", "/CN=Alice"),
            *("-config", str(here / "extensions"), "-extensions", "extensions"),
            *("-out", str(here / "certificate.pem")),
        )
        (certificate,) = smimekit.load_certificates((here / "certificate.pem").read_bytes())
    (entry,) = smimekit.plan_encryption([certificate]).served
    assert (entry.cipher.name, entry.knowledge) == ("aes-128-gcm", "certificate")
