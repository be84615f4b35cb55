"""What is signed or encrypted may be a file, and no mail: then it is the payload as it is."""

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


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_encrypted_file(file: bytes) -> None:
    cipher = Policy.MODERN.cipher
    key = new_content_key(cipher)
    recipient = wrap_for(BOB.certificate, key, Policy.MODERN.rsa_padding)
    cms = enveloped_data(file, cipher, key, [recipient])
    assert smimekit.decrypt(cms, [BOB]).bytes() == file
    with smimekit.open(cms, keys=[BOB], trust=Trust()) as opened:
        assert len(opened.envelope) == 1
