"""PKCS #12 files of both forms, in OpenSSL, NSS, Java and gpgsm; and one that gpgsm wrote.

What the others write, and we read, is in `tests/keys/test_pkcs12.py`. gpgsm 2.2 does not read
the modern form: "error parsing or decrypting the PKCS#12 file"; that is what the other one is for.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smimekit import Certificate, Credential
from smimekit.errors import KeyFileError
from smimekit.keys import Pkcs12Format
from smimekit.testing import FakeCA
from tests.interop.peers import PASSWORD, Refused, folder, run

FORMS = pytest.mark.parametrize("form", Pkcs12Format, ids=lambda form: form.value)


@pytest.fixture(scope="module")
def alice() -> Credential:
    return FakeCA("Key CA").intermediate("Key Sub CA").person("alice@example.org", key="rsa-2048")


@pytest.fixture
def gpgsm_home(require_program: Callable[[str], str]) -> Iterator[list[str]]:
    """The command line of a gpgsm that knows nobody."""
    gpgconf = require_program("gpgconf")
    require_program("gpg-agent")
    with folder() as home:
        (home / "gpg-agent.conf").write_text("allow-loopback-pinentry\ns2k-count 65536\n")
        yield [
            *(require_program("gpgsm"), "--homedir", str(home), "--batch", "--no-tty"),
            *("--disable-crl-checks", "--disable-dirmngr"),
            *("--pinentry-mode", "loopback", "--passphrase-fd", "0"),
        ]
        run([gpgconf, "--homedir", str(home), "--kill", "all"])


@FORMS
def test_openssl_reads(
    require_program: Callable[[str], str], tmp_path: Path, alice: Credential, form: Pkcs12Format
) -> None:
    file = tmp_path / "alice.p12"
    file.write_bytes(alice.to_pkcs12(PASSWORD, form=form))
    words = [require_program("openssl"), "pkcs12", "-in", str(file), "-nodes", "-info"]
    shown = run([*words, "-passin", f"pass:{PASSWORD}"])
    assert shown.count(b"BEGIN PRIVATE KEY") == 1
    assert shown.count(b"BEGIN CERTIFICATE") == 1 + len(alice.chain)
    with pytest.raises(Refused):
        run([*words, "-passin", "pass:another"])


@FORMS
def test_the_algorithms_are_those_of_the_form(
    require_program: Callable[[str], str], tmp_path: Path, alice: Credential, form: Pkcs12Format
) -> None:
    file = tmp_path / "alice.p12"
    file.write_bytes(alice.to_pkcs12(PASSWORD, form=form))
    shown = run([require_program("openssl"), "asn1parse", "-inform", "DER", "-in", str(file)])
    inner = re.findall(rb"^ *(\d+):.*OCTET STRING", shown, re.MULTILINE)[0].decode()
    shown += run(
        [require_program("openssl"), "asn1parse", "-inform", "DER", "-in", str(file), "-strparse", inner]
    )  # fmt: skip
    old = form is Pkcs12Format.COMPATIBLE
    assert (b":pbeWithSHA1And3-KeyTripleDES-CBC" in shown) == old
    assert (b":PBES2" in shown) != old
    assert (b":aes-256-cbc" in shown) != old
    assert re.findall(rb":(sha1|sha256)\b", shown) == [b"sha1" if old else b"sha256"]


@FORMS
def test_nss_reads(
    require_program: Callable[[str], str], tmp_path: Path, alice: Credential, form: Pkcs12Format
) -> None:
    file, home = tmp_path / "alice.p12", f"sql:{tmp_path}"
    file.write_bytes(alice.to_pkcs12(PASSWORD, form=form))
    run([require_program("certutil"), "-N", "-d", home, "--empty-password"])
    run([require_program("pk12util"), "-i", str(file), "-d", home, "-W", PASSWORD, "-K", ""])
    assert b"rsa" in run([require_program("certutil"), "-K", "-d", home])


@FORMS
def test_java_reads(
    require_program: Callable[[str], str], tmp_path: Path, alice: Credential, form: Pkcs12Format
) -> None:
    file = tmp_path / "alice.p12"
    file.write_bytes(alice.to_pkcs12(PASSWORD, form=form))
    words = [require_program("keytool"), "-list", "-v", "-keystore", str(file), "-storepass"]
    shown = run([*words, PASSWORD])
    assert b"PrivateKeyEntry" in shown
    assert b"Certificate chain length: 3" in shown


@FORMS
def test_java_imports(
    require_program: Callable[[str], str], tmp_path: Path, alice: Credential, form: Pkcs12Format
) -> None:
    """Into a keystore of its own, from which it writes a PKCS #12 file that we read again."""
    keytool = require_program("keytool")
    ours, own, theirs = (tmp_path / name for name in ("ours.p12", "own.jks", "theirs.p12"))
    ours.write_bytes(alice.to_pkcs12(PASSWORD, form=form))
    steps = ((ours, "PKCS12", own, "JKS"), (own, "JKS", theirs, "PKCS12"))
    for source, kind, target, new_kind in steps:
        run([
            keytool, "-importkeystore", "-noprompt",
            *("-srckeystore", str(source), "-srcstoretype", kind, "-srcstorepass", PASSWORD),
            *("-destkeystore", str(target), "-deststoretype", new_kind, "-deststorepass", PASSWORD),
        ])  # fmt: skip
    found = Credential.from_pkcs12(theirs, PASSWORD)
    assert (found.certificate, found.chain) == (alice.certificate, alice.chain)


def _imported(gpgsm: list[str], alice: Credential, form: Pkcs12Format, file: Path) -> None:
    """One good file in two hundred gpgsm does not read, depending on the salt: so again."""
    for last in (False, False, True):
        file.write_bytes(alice.to_pkcs12(PASSWORD, form=form))
        try:
            run([*gpgsm, "--import", str(file)], stdin=PASSWORD.encode() + b"\n")
        except Refused as refused:
            if last or "trying charset" not in refused.says:
                raise
        else:
            return


def test_gpgsm_reads_the_compatible_form_and_we_read_what_it_writes(
    gpgsm_home: list[str], tmp_path: Path, alice: Credential
) -> None:
    _imported(gpgsm_home, alice, Pkcs12Format.COMPATIBLE, tmp_path / "alice.p12")
    theirs = tmp_path / "theirs.p12"
    export = ["--output", str(theirs), "--export-secret-key-p12", "alice@example.org"]
    run([*gpgsm_home, *export], stdin=PASSWORD.encode() + b"\n")
    found = Credential.from_pkcs12(theirs, PASSWORD)
    assert found.certificate == alice.certificate
    with pytest.raises(KeyFileError) as error:
        Credential.from_pkcs12(theirs, "another")
    assert error.value.code == "key.wrong-password"


def test_gpgsm_does_not_read_the_modern_form(
    gpgsm_home: list[str], tmp_path: Path, alice: Credential
) -> None:
    """Should it learn to, the documentation changes: docs/how-to/keys.md says who reads what."""
    with pytest.raises(Refused, match="PKCS#12"):
        _imported(gpgsm_home, alice, Pkcs12Format.MODERN, tmp_path / "alice.p12")


@FORMS
def test_we_read_what_we_write(alice: Credential, form: Pkcs12Format) -> None:
    found = Credential.from_pkcs12(alice.to_pkcs12("pässwörd €", form=form), "pässwörd €")
    assert (found.certificate, found.chain) == (alice.certificate, alice.chain)
    assert isinstance(found.certificate, Certificate)
    with pytest.raises(KeyFileError) as error:
        Credential.from_pkcs12(alice.to_pkcs12("x", form=form), "y")
    assert error.value.code == "key.wrong-password"
