"""Roots of version 1: no CA by their own word, but where they are named as anchors."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.trust import Purpose, Status, Trust
from tests.trust import certs
from tests.trust.certs import NOW, Made, ca, person
from tests.trust.hostile import ALICE, NO_WARNINGS

pytestmark = NO_WARNINGS

ECDSA = der.sequence(der.oid("1.2.840.10045.4.3.2"))


def version_1(made: Made, signer: Made | None = None) -> Certificate:
    """The same name and key, without version and extensions (as `openssl x509 -signkey` writes)."""
    tbs = der.Reader(made.der).enter(der.SEQUENCE).enter(der.SEQUENCE)
    assert tbs.raw()[0] == 0xA0  # the version
    content = der.sequence(*(tbs.raw() for _ in range(6)))
    signature = (signer or made).key.sign(content, ec.ECDSA(hashes.SHA256()))
    return Certificate(der.sequence(content, ECDSA, der.bit_string(signature)))


ROOT = ca("Old root")
OLD = version_1(ROOT)


def status(leaf: Certificate, anchor: Certificate, *extra: Certificate) -> Status:
    trust = Trust(anchors=[anchor])
    return trust.judge(leaf, Purpose.VERIFY, at=NOW, extra_certificates=extra).status


def test_an_anchor_of_version_1_issues() -> None:
    """RFC 5280, 6.1.4 (k): known to be a CA by other means; RFC 8550, 2.2: MUST be supported."""
    assert (OLD.version, OLD.is_ca) == (1, False)
    assert status(person(ALICE, ROOT).certificate, OLD) is Status.TRUSTED
    below = ca("Below", ROOT)
    assert status(person(ALICE, below).certificate, OLD, below.certificate) is Status.TRUSTED
    assert status(person(ALICE, ca("Old root")).certificate, OLD) is Status.TRUSTED  # the same key


def test_nobody_else_of_version_1_issues() -> None:
    middle = ca("Middle", ROOT)
    old = version_1(middle, ROOT)
    leaf = person(ALICE, middle).certificate
    assert old.signed_by(OLD)
    assert status(leaf, OLD, old) is Status.UNTRUSTED
    assert status(leaf, old) is Status.UNTRUSTED  # not self-signed: no root
    assert status(person(ALICE, ROOT).certificate, ca("Other").certificate, OLD) is Status.UNTRUSTED


@pytest.mark.parametrize("bits", [None, ("digital_signature",)])
def test_an_anchor_of_version_3_has_to_say_it(bits: tuple[str, ...] | None) -> None:
    silent = ca("Silent root", basic=False, bits=bits)
    assert silent.certificate.version == 3
    assert status(person(ALICE, silent).certificate, silent.certificate) is Status.UNTRUSTED


def test_an_old_root_is_no_better_than_its_key() -> None:
    weak = certs.make("Weak root", private=certs.key("weak", "p192"))
    old = version_1(weak)
    assert old.is_self_signed
    assert status(person(ALICE, weak).certificate, old) is Status.UNTRUSTED
