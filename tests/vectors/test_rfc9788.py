"""RFC 9788, Appendix C: messages that nobody here wrote, and what each step must give.

The keys and certificates are those of RFC 9216; all of it is valid until 2052.
"""

import base64
import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

import smimekit
from smimekit import Certificate, Credential, Protection, Trust
from smimekit.message.layers import Encrypted, Signed

AT = datetime(2026, 1, 1, tzinfo=UTC)

SIGNED = {
    "smime-one-part", "smime-multipart", "smime-one-part-complex", "smime-multipart-complex",
    "smime-one-part-hp", "smime-multipart-hp", "smime-one-part-complex-hp",
    "smime-multipart-complex-hp", "smime-one-part-complex-rfc8551hp",
    "smime-multipart-complex-rfc8551hp",
}  # fmt: skip
"""Signed only; the other 19 are encrypted, with the signature inside."""

LF_INSIDE = {"smime-one-part-complex-rfc8551hp", "smime-enc-signed-complex-rfc8551hp-baseline"}
"""What was signed here has bare LF below the message/rfc822 header: the octets of the CMS say
so, the text of an RFC cannot. We hand out what was signed."""


@pytest.fixture(scope="module")
def rfc9216(vectors: Path) -> Path:
    return vectors / "rfc_pem" / "rfc9216"


@pytest.fixture(scope="module")
def trust(rfc9216: Path) -> Trust:
    [root] = rfc9216.glob("01-*.pem")
    return Trust(anchors=[Certificate.from_pem(root.read_bytes())])


def pkcs12(folder: Path, number: int, name: str) -> Credential:
    [pem] = folder.glob(f"{number:02}-*.pem")
    lines = pem.read_bytes().split(b"\n")
    data = base64.b64decode(b"".join(line for line in lines if not line.startswith(b"-----")))
    return Credential.from_pkcs12(data, name)


@pytest.fixture(scope="module")
def bob(rfc9216: Path) -> Credential:
    return pkcs12(rfc9216, 13, "bob")


def messages(vectors: Path) -> list[Path]:
    return sorted(vectors.joinpath("rfc9788").glob("smime-*.eml"))


def test_there_are_29_messages(vectors: Path) -> None:
    with (vectors / "rfc9788" / "manifest.tsv").open(newline="") as file:
        rows = [row[1] for row in csv.reader(file, delimiter="\t") if row]
    named = {
        name.removesuffix(".eml")
        for name in rows
        if name.startswith("smime-") and name.endswith(".eml")
    }
    assert named == {path.stem for path in messages(vectors)}
    assert len(named) == 29
    assert named >= SIGNED


def test_each_step_equals_the_expected_bytes(
    vectors: Path, trust: Trust, bob: Credential, subtests: pytest.Subtests
) -> None:
    for path in messages(vectors):
        with subtests.test(path.stem):
            expected = sorted(path.parent.glob(f"{path.stem}.[0-9]-*.expected"))
            with smimekit.open(path.read_bytes(), keys=[bob], trust=trust, at=AT) as opened:
                steps = [
                    opened.inside(layer, require=Protection.VERIFIED).bytes()
                    for layer in opened.envelope
                    if not (isinstance(layer, Signed) and layer.form == "multipart/signed")
                ]
            wanted = [each.read_bytes() for each in expected]
            if path.stem in LF_INSIDE:
                assert b"\r\n\r\nMIME-Version: 1.0\nContent-Type: multipart/mixed" in steps[-1]
                steps[-1] = steps[-1].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            assert steps == wanted


def test_each_message_verifies_and_decrypts(
    vectors: Path, trust: Trust, bob: Credential, subtests: pytest.Subtests
) -> None:
    for path in messages(vectors):
        with subtests.test(path.stem):
            data = path.read_bytes()
            with smimekit.open(data, keys=[bob], trust=trust, at=AT) as opened:
                encrypted = any(isinstance(each, Encrypted) for each in opened.envelope)
                assert encrypted is (path.stem not in SIGNED)
                wanted = Protection.VERIFIED | Protection.INTACT
                if encrypted:
                    wanted |= Protection.CONFIDENTIAL
                assert opened.protection == wanted
                assert opened.errant == ()
                [signature] = opened.signatures
                assert signature.certificate is not None
                assert signature.certificate.addresses == ("alice@smime.example",)
            payload = smimekit.verify(data, trust, keys=[bob], at=AT).bytes()
            if encrypted:
                assert smimekit.decrypt(data, keys=[bob]).bytes() == payload
