"""What we write in BER, for content of any length, is read by every program.

It is not what the verbs write today; the streams of `cms` are the ground they will stand on.
"""

from collections.abc import Iterator
from hashlib import sha256

import pytest

import smimekit
from smimekit import Credential, Trust
from smimekit import algorithms as rows
from smimekit.cms.enveloped import enveloped_data_stream, new_content_key
from smimekit.cms.signed_writing import signed_data_stream
from smimekit.cms.signer_writing import sign_content
from smimekit.cms.wrapping import wrap_for
from smimekit.testing import FakeCA
from tests.interop.peers import Gpgsm, Nss, OpenSsl, People

CONTENT = b"A line of text, and others like it.\r\n" * 4_000
SIZES = {"one chunk": len(CONTENT), "chunks of 1000": 1_000, "chunks of 57 KB": 57 << 10}
sizes = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)


def chunks(size: int) -> Iterator[bytes]:
    return (CONTENT[at : at + size] for at in range(0, len(CONTENT), size))


def signed(who: Credential, size: int) -> bytes:
    scheme = rows.ecdsa(rows.SHA256)

    def infos() -> list[bytes]:
        digest = sha256(CONTENT).digest()
        return [sign_content(who.certificate, who.key, scheme, lambda _: digest, ())]

    digests = [scheme.digest.identifier]
    return b"".join(signed_data_stream(chunks(size), digests, [who.certificate.der], infos))


def encrypted(who: Credential, cipher: rows.ContentCipher, size: int) -> bytes:
    key = new_content_key(cipher)
    recipients = [wrap_for(who.certificate, key, rows.RsaPadding())]
    return b"".join(enveloped_data_stream(chunks(size), cipher, key, recipients))


@sizes
def test_signed(
    openssl: OpenSsl,
    nss: Nss,
    gpgsm: Gpgsm,
    people: People,
    ca: FakeCA,
    trust: Trust,
    size: int,
) -> None:
    cms = signed(people("alice"), size)
    assert openssl.verify(cms, ca.certificate, form="der") == CONTENT
    assert nss.decode(cms) == CONTENT
    assert gpgsm.verify(cms) == CONTENT
    assert smimekit.verify(cms, trust, expect="alice@example.org").bytes() == CONTENT


@sizes
@pytest.mark.parametrize("key", ["rsa-2048", "p256"])
@pytest.mark.parametrize("cipher", [rows.AES256_CBC, rows.AES256_GCM], ids=["CBC", "GCM"])
def test_encrypted(
    openssl: OpenSsl, people: People, size: int, key: str, cipher: rows.ContentCipher
) -> None:
    bob = people(f"bob {key}")
    cms = encrypted(bob, cipher, size)
    assert openssl.decrypt(cms, bob, form="der") == CONTENT
    assert smimekit.decrypt(cms, [bob]).bytes() == CONTENT


@sizes
def test_encrypted_for_others(nss: Nss, gpgsm: Gpgsm, people: People, size: int) -> None:
    cms = encrypted(people("bob rsa-2048"), rows.AES128_CBC, size)
    assert nss.decode(cms) == CONTENT
    assert gpgsm.decrypt(cms) == CONTENT
