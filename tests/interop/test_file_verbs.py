"""Files: what `openssl cms -binary` writes is read, and the other way round."""

import pytest

from smimekit import Credential, Trust, files
from smimekit.testing import FakeCA
from tests.interop.peers import OpenSsl

CONTENT = bytes(range(256)) * 100 + b"\n\r\r\n"


@pytest.fixture(scope="module")
def ca() -> FakeCA:
    return FakeCA("File CA")


@pytest.fixture(scope="module", params=["rsa-2048", "p256"])
def person(request: pytest.FixtureRequest, ca: FakeCA) -> Credential:
    return ca.person("alice@example.org", key=request.param)


@pytest.mark.parametrize("detached", [False, True])
def test_openssl_reads_signed_files(
    openssl: OpenSsl, ca: FakeCA, person: Credential, detached: bool
) -> None:
    signed = b"".join(files.sign(CONTENT, person, detached=detached))
    beside = CONTENT if detached else None
    found = openssl.verify(signed, ca.certificate, "-binary", form="der", content=beside)
    assert found == CONTENT


@pytest.mark.parametrize("detached", [False, True])
def test_we_read_its_signed_files(
    openssl: OpenSsl, ca: FakeCA, person: Credential, detached: bool
) -> None:
    options = ["-binary"] if detached else ["-binary", "-nodetach"]
    signed = openssl.sign(CONTENT, person, *options, form="der")
    payload = files.verify(
        signed,
        Trust(anchors=[ca.certificate]),
        expect="alice@example.org",
        content=CONTENT if detached else None,
    )
    assert payload.bytes() == CONTENT


def test_encrypted_files(openssl: OpenSsl, person: Credential) -> None:
    sealed = b"".join(files.encrypt(CONTENT, [person]))
    assert openssl.decrypt(sealed, person, "-binary", form="der") == CONTENT
    theirs = openssl.encrypt(CONTENT, [person.certificate], "-binary", "-aes256", form="der")
    assert files.decrypt(theirs, [person]).bytes() == CONTENT


def test_signed_and_encrypted_files(openssl: OpenSsl, ca: FakeCA, person: Credential) -> None:
    bob = ca.person("bob@example.org", key="rsa-2048")
    sealed = b"".join(files.encrypt(CONTENT, [bob], signer=person))
    signed = openssl.decrypt(sealed, bob, "-binary", form="der")
    assert openssl.verify(signed, ca.certificate, "-binary", form="der") == CONTENT
