"""CRLs that somebody has count in every judgement, and beside whatever else there is."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import smimekit
from smimekit import Certificate, Limits, Purpose, Trust, UntrustedSigner, UsageError
from smimekit.testing import FakeCA
from smimekit.trust import EvidenceSource, HandedEvidence, RevocationPolicy
from smimekit.trust.paths import Path
from smimekit.trust.revocation.gather import Gathered


@pytest.fixture
def ca() -> FakeCA:
    return FakeCA()


def judged(ca: FakeCA, who: Certificate, evidence: EvidenceSource | None) -> str:
    trust = Trust(anchors=[ca.certificate], evidence=evidence)
    return str(trust.judge(who, Purpose.VERIFY, at=ca.now).revocation)


def test_a_crl_in_each_form_it_has(ca: FakeCA, tmp_path: FilePath) -> None:
    alice, bob = ca.person("alice@example.org"), ca.person("bob@example.org")
    ca.revoke(alice)
    crl = ca.crl()
    pem = x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM)
    (tmp_path / "ca.crl").write_bytes(crl)
    for form in (crl, pem, b"its CRL:\n" + pem, tmp_path / "ca.crl", str(tmp_path / "ca.crl")):
        evidence = HandedEvidence([form])
        assert judged(ca, alice.certificate, evidence) == "revoked"
        assert judged(ca, bob.certificate, evidence) == "good"
    assert judged(ca, alice.certificate, None) == "unknown"


def test_it_counts_for_a_mail(ca: FakeCA) -> None:
    alice = ca.person("alice@example.org")
    ca.revoke(alice)
    trust = Trust(anchors=[ca.certificate], evidence=HandedEvidence([ca.crl()]))
    mail = smimekit.sign(b"From: alice@example.org\n\nHello\n", alice)
    for _ in range(2):  # as it was judged, and as it is remembered
        with pytest.raises(UntrustedSigner) as caught:
            smimekit.verify(mail, trust)
        assert caught.value.code == "untrusted-signer.rejected"


def test_another_authority_revokes_nobody(ca: FakeCA) -> None:
    """Of the same name, too: its signature is another one."""
    alice, other = ca.person("alice@example.org"), FakeCA()
    other.revoke(alice)
    assert judged(ca, alice.certificate, HandedEvidence([other.crl()])) == "unknown"


def test_it_ends_when_it_says_so(ca: FakeCA) -> None:
    alice = ca.person("alice@example.org")
    hard = RevocationPolicy.HARD
    evidence = HandedEvidence([ca.crl()])
    trust = Trust(anchors=[ca.certificate], evidence=evidence, revocation=hard)
    assert trust.judge(alice.certificate, Purpose.VERIFY, at=ca.now).status == "trusted"
    later = ca.now + timedelta(days=100)
    assert trust.judge(alice.certificate, Purpose.VERIFY, at=later).status == "untrusted"


class Counting(EvidenceSource):
    """Has one CRL, on the network, and counts how often it is asked."""

    def __init__(self, crl: bytes) -> None:
        self._has = HandedEvidence([crl])
        self.asked = 0

    def known(self, path: Path, *, limits: Limits) -> Gathered:
        del path, limits
        return Gathered()

    def fetch(self, path: Path, *, extra: Iterable[Certificate], limits: Limits) -> Gathered:
        self.asked += 1
        found = self._has.fetch(path, extra=extra, limits=limits)
        return Gathered(found.evidence, changed=True)

    def bounded(self) -> "Counting":
        return self

    def version(self) -> int:
        return self.asked

    @property
    def ask_again(self) -> timedelta:
        return timedelta(minutes=5)


def test_what_is_beside_it_is_asked_only_where_it_does_not_do(ca: FakeCA) -> None:
    other = FakeCA("Other CA")
    alice, eve = ca.person("alice@example.org"), other.person("eve@example.org")
    other.revoke(eve)
    network = Counting(other.crl())
    evidence = HandedEvidence([ca.crl()], beside=network)
    trust = Trust(anchors=[ca.certificate, other.certificate], evidence=evidence)
    assert trust.judge(alice.certificate, Purpose.VERIFY, at=ca.now).revocation == "good"
    assert network.asked == 0
    assert trust.judge(eve.certificate, Purpose.VERIFY, at=ca.now).revocation == "revoked"
    assert network.asked == 1
    assert evidence.version() == 1
    assert evidence.ask_again == timedelta(minutes=5)


@pytest.mark.parametrize(
    "crls",
    [
        [b""],
        [b"no CRL"],
        [b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"],
        [b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    ],
    ids=["nothing", "text", "damaged", "something else"],
)
def test_what_cannot_be_read_is_no_evidence_that_nobody_misses(crls: list[bytes]) -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        HandedEvidence(crls)
    assert caught.value.code == "usage.evidence"


def test_what_could_not_all_be_looked_at(ca: FakeCA) -> None:
    with pytest.raises(UsageError, match="too many"):
        HandedEvidence([ca.crl()] * (Limits().crls + 1))


def test_one_crl_is_a_list_of_one(ca: FakeCA) -> None:
    one: Any = ca.crl()
    with pytest.raises(UsageError, match="list"):
        HandedEvidence(one)
