"""Signatures, bundles of certificates and key files with GnuTLS, by its `certtool`, both ways.

It knows CMS, and neither MIME nor encryption; and it signs without attributes, or with the time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

import smimekit
from smimekit import Certificate, ContentChanged, Credential, Policy, PolicyError, Trust, files
from smimekit.exports import p7b
from smimekit.testing import FakeCA
from tests.interop.peers import PASSWORD, People, Refused, folder, pem, run

CONTENT = b"One line,\r\nand another.\n" + bytes(range(256))
KEYS = ["rsa-2048", "p256", "p384", "ed25519"]
WRITES = [
    *((key, digest) for key in ("rsa-2048", "p256", "p384") for digest in ("SHA256", "SHA384")),
    *((key, digest) for key in ("rsa-2048", "p256") for digest in ("SHA512", "SHA3-256")),
    ("ed25519", "SHA512"),
]


@dataclass(frozen=True)
class GnuTls:
    """The program, and a folder of files with a new name each."""

    program: str
    home: Path
    number: "count[int]"

    def keep(self, data: bytes) -> str:
        path = self.home / str(next(self.number))
        path.write_bytes(data)
        return str(path)

    def ask(self, *words: str, infile: bytes) -> bytes:
        out = self.home / f"out{next(self.number)}"
        run([self.program, *words, "--infile", self.keep(infile), "--outfile", str(out)])
        return out.read_bytes()

    def sign(self, content: bytes, who: Credential, *words: str) -> bytes:
        both = self.keep(pem(who))
        own = ("--load-certificate", both, "--load-privkey", both, "--p7-include-cert")
        return self.ask(*words, *own, "--outder", infile=content)

    def verify(self, cms: bytes, anchor: Certificate, content: bytes | None) -> bytes:
        known = ("--load-ca-certificate", self.keep(anchor.pem()))
        beside = () if content is None else ("--load-data", self.keep(content))
        return self.ask("--p7-verify", "--inder", *known, *beside, infile=cms)


@pytest.fixture
def gnutls(require_program: Callable[[str], str]) -> Iterator[GnuTls]:
    with folder() as home:
        yield GnuTls(require_program("certtool"), home, count())


@pytest.mark.parametrize("detached", [False, True], ids=["opaque", "detached"])
@pytest.mark.parametrize("key", KEYS)
def test_gnutls_verifies(
    gnutls: GnuTls, people: People, ca: FakeCA, key: str, detached: bool
) -> None:
    """rsa-pkcs1-sha256, ecdsa-sha256, ecdsa-sha384 and ed25519, by the kind of the key."""
    cms = b"".join(files.sign(CONTENT, people(f"alice {key}"), detached=detached))
    beside = CONTENT if detached else None
    gnutls.verify(cms, ca.certificate, beside)
    with pytest.raises(Refused):
        gnutls.verify(cms, FakeCA("Somebody else").certificate, beside)
    changed = CONTENT.replace(b"line", b"lime")
    bad, other = (cms, changed) if detached else (cms.replace(CONTENT, changed), None)
    with pytest.raises(Refused):
        gnutls.verify(bad, ca.certificate, other)


@pytest.mark.parametrize("words", [(), ("--p7-time",)], ids=["bare", "attributes"])
@pytest.mark.parametrize(("key", "digest"), WRITES)
def test_gnutls_signs(
    gnutls: GnuTls, people: People, trust: Trust, key: str, digest: str, words: tuple[str, ...]
) -> None:
    """rsa-pkcs1-sha256, rsa-pkcs1-sha384, rsa-pkcs1-sha512, rsa-pkcs1-sha3-256; ecdsa-sha256,
    ecdsa-sha384, ecdsa-sha512, ecdsa-sha3-256; ed25519.
    """
    alice = people(f"alice {key}")
    opaque = gnutls.sign(CONTENT, alice, "--p7-sign", "--hash", digest, *words)
    beside = gnutls.sign(CONTENT, alice, "--p7-detached-sign", "--hash", digest, *words)
    changed = CONTENT.replace(b"line", b"lime")
    for cms, bad, content, other in (
        (opaque, opaque.replace(CONTENT, changed), None, None),
        (beside, beside, CONTENT, changed),
    ):
        found = files.verify(cms, trust, expect="alice@example.org", content=content)
        assert found.bytes() == CONTENT
        with pytest.raises(ContentChanged):
            files.verify(bad, trust, expect="alice@example.org", content=other)


def test_gnutls_signs_by_sha1(gnutls: GnuTls, people: People, trust: Trust) -> None:
    """Good to GnuTLS; refused here unless whoever reads it asks for old mail."""
    cms = gnutls.sign(CONTENT, people("alice rsa-2048"), "--p7-sign", "--hash", "SHA1")
    with pytest.raises(PolicyError):
        files.verify(cms, trust, expect="alice@example.org")
    old = files.verify(cms, trust, expect="alice@example.org", policy=Policy.LEGACY_READ)
    assert old.bytes() == CONTENT


def test_bundles_of_certificates(gnutls: GnuTls, people: People, ca: FakeCA) -> None:
    wanted = [people("alice rsa-2048").certificate, ca.certificate]
    made = gnutls.ask(
        *("--p7-generate", "--outder"),
        *("--load-certificate", gnutls.keep(b"".join(each.pem() for each in wanted))),
        infile=b"",
    )
    assert set(smimekit.load_certificates(made)) == set(wanted)
    shown = gnutls.ask("--p7-info", "--inder", infile=b"".join(p7b(wanted)))
    assert set(smimekit.load_certificates(shown)) == set(wanted)


@pytest.mark.parametrize("key", KEYS)
def test_key_files(gnutls: GnuTls, people: People, key: str) -> None:
    alice = people(f"alice {key}")
    words = ("--inder", "--password", PASSWORD)
    assert alice.certificate.pem() in gnutls.ask(
        "--p12-info", *words, infile=alice.to_pkcs12(PASSWORD)
    )
    both = gnutls.keep(pem(alice))
    made = gnutls.ask(
        *("--to-p12", "--outder", "--p12-name", "alice", "--password", PASSWORD),
        *("--load-certificate", both, "--load-privkey", both),
        infile=b"",
    )
    assert Credential.from_pkcs12(made, PASSWORD).certificate == alice.certificate
