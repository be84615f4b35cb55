"""What is signed or encrypted may be a file, and no mail: then it is the payload as it is."""

from base64 import b64encode

import pytest

import smimekit
from smimekit import Trust
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.wrapping import wrap_for
from smimekit.policy import Policy
from smimekit.testing import FakeCA

BOB = FakeCA().person("bob@example.org")

FILES = {
    "nothing": b"",
    "text": b"A line.\n",
    "many lines like fields": b"key: value\n" * 3_000,
    "more than a header can have": b"key: " + b"x" * (1 << 21),
    "fields, and then none": b"key: value\nand more\n",
    "an empty line": b"\n",
    "binary": bytes(range(256)) * 8,
}


def encrypted(file: bytes) -> bytes:
    cipher = Policy.MODERN.cipher
    key = new_content_key(cipher)
    recipient = wrap_for(BOB.certificate, key, Policy.MODERN.rsa_padding)
    return enveloped_data(file, cipher, key, [recipient])


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_encrypted_file(file: bytes) -> None:
    cms = encrypted(file)
    assert smimekit.decrypt(cms, [BOB]).bytes() == file
    with smimekit.open(cms, keys=[BOB], trust=Trust()) as opened:
        assert len(opened.envelope) == 1


@pytest.mark.parametrize(
    "label",
    ["CMS", "CMS OBJECT", "PKCS7", "PKCS #7 SIGNED DATA", "SIGNED MESSAGE", "ENCRYPTED MESSAGE"],
)
def test_label_of_pem(label: str) -> None:
    """All programs' words for CMS; which kind it is, its content type says (RFC 7468, 9)."""
    text = b64encode(encrypted(b"A line.\n")).decode()
    pem = f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"
    assert smimekit.decrypt(pem.encode(), [BOB]).bytes() == b"A line.\n"


def test_pem_of_something_else() -> None:
    with pytest.raises(smimekit.MimeError):
        smimekit.decrypt(BOB.certificate.pem(), [BOB])
