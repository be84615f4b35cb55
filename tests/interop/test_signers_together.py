"""RSA and ECDSA side by side: whoever knows one of them verifies, and whoever knows both, too."""

import pytest

import smimekit
from smimekit.testing import FakeCA
from tests.interop.messages import body_of, split_signed
from tests.interop.peers import Gpgsm, Nss, OpenSsl, People

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nHello\r\n"
MAIL = b"From: alice@example.org\r\n" + ENTITY

ORDERS = pytest.mark.parametrize(
    "kinds", [("rsa-2048", "p256"), ("p256", "rsa-2048")], ids=" then ".join
)


def signed(people: People, kinds: tuple[str, str], *, opaque: bool) -> bytes:
    signers = [people(f"alice {kind}") for kind in kinds]
    return smimekit.sign(MAIL, signers, opaque=opaque, headers=None)


@ORDERS
@pytest.mark.parametrize("opaque", [False, True])
def test_openssl_verifies_both(
    openssl: OpenSsl, people: People, ca: FakeCA, kinds: tuple[str, str], opaque: bool
) -> None:
    assert openssl.verify(signed(people, kinds, opaque=opaque), ca.certificate) == ENTITY


@ORDERS
def test_nss_verifies_both(nss: Nss, people: People, kinds: tuple[str, str]) -> None:
    assert nss.decode(body_of(signed(people, kinds, opaque=True))) == ENTITY


@ORDERS
def test_gpgsm_verifies_what_it_knows(gpgsm: Gpgsm, people: People, kinds: tuple[str, str]) -> None:
    entity, signature = split_signed(signed(people, kinds, opaque=False))
    assert gpgsm.verify(signature, content=entity) == ENTITY
