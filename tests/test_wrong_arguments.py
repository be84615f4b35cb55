"""Who hands over the wrong thing is told what the right one is, and by whom it is made."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import smimekit
from smimekit import (
    Certificate,
    Credential,
    KeyFileError,
    Limits,
    MemoryTrustStore,
    Policy,
    Trust,
    UntrustedSigner,
    UsageError,
    load_certificates,
)
from smimekit.algorithms import AES256_GCM
from smimekit.testing import FakeCA
from smimekit.trust import Decision, Source, Verdict

CA = FakeCA()
ALICE = CA.person("alice@example.org")
DRAFT = b"From: alice@example.org\n\nHello\n"
SIGNED = smimekit.sign(DRAFT, ALICE)
ROOT = CA.certificate
WRONG: Any = {"text": "bob@example.org", "PEM": ROOT.pem(), "one": ROOT, "none": None}
WRONG |= {"several": (ROOT,), "pyca": ALICE.certificate.x509}
PASSWORD = "a long password"  # noqa: S105 - of a key that lasts for a test

Call = Callable[[], Any]


@pytest.mark.parametrize(
    ("call", "code", "says"),
    [
        (lambda: smimekit.encrypt(DRAFT, [WRONG["text"]]), "usage", "Trust.usable"),
        (lambda: smimekit.encrypt(DRAFT, [WRONG["PEM"]]), "usage", "load_certificates"),
        (lambda: smimekit.encrypt(DRAFT, [WRONG["pyca"]]), "usage", "of smimekit"),
        (
            lambda: smimekit.encrypt(DRAFT, [ALICE], cipher=WRONG["text"]),
            "usage.cipher",
            "AES256_GCM",
        ),
        (lambda: smimekit.verify(SIGNED, WRONG["several"]), "usage.trust", "anchors="),
        (lambda: smimekit.open(SIGNED, trust=WRONG["none"]), "usage.trust", "Trust"),
        (lambda: Trust(WRONG["several"]), "usage.store", "anchors="),
        (lambda: Trust(WRONG["text"]), "usage.store", "trust store"),
        (lambda: Trust(anchors=WRONG["one"]), "usage.anchors", "list"),
        (lambda: Trust(anchors=[WRONG["text"]]), "usage.anchors", "load_certificates"),
        (lambda: Trust(timestamp_anchors=[WRONG["PEM"]]), "usage.anchors", "load_certificates"),
    ],
)
def test_the_sentence_says_what_to_do(call: Call, code: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == code
    assert says in str(caught.value)


def test_the_right_things_pass() -> None:
    trust = Trust(MemoryTrustStore(), anchors=(one for one in [ROOT, ROOT]))
    assert trust.anchors == (ROOT,)
    assert smimekit.encrypt(DRAFT, [ALICE], cipher=AES256_GCM)
    assert len(smimekit.verify(SIGNED, trust)) > 0


# --- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Path, str, Path.read_bytes], ids=["Path", "str", "bytes"])
def test_certificates_come_from_a_path_or_from_bytes(
    tmp_path: Path, kind: Callable[[Path], Path | str | bytes]
) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT.pem())
    assert load_certificates(kind(path)) == (ROOT,)
    path.write_bytes(ROOT.der)
    assert load_certificates(kind(path)) == (Certificate(ROOT.der),)


def test_a_path_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_certificates(tmp_path / "none.pem")


def test_one_kind_of_key_file_for_the_other() -> None:
    pkcs12 = ALICE.to_pkcs12(PASSWORD)
    with pytest.raises(KeyFileError, match="from_pkcs12"):
        Credential.from_pem(pkcs12, password=PASSWORD)
    with pytest.raises(KeyFileError, match="from_pem"):
        Credential.from_pkcs12(ROOT.pem())


# --- who is rejected, and who is not known ---------------------------------------------------


def refusal(trust: Trust) -> UntrustedSigner:
    with pytest.raises(UntrustedSigner) as caught:
        smimekit.verify(SIGNED, trust)
    return caught.value


def test_rejected_and_unknown_have_codes_of_their_own() -> None:
    store = MemoryTrustStore()
    record = store.put(ALICE.certificate, Source("upload", "me"), at=CA.now)
    decision = Decision(verdict=Verdict.REJECT, by="me", why="stolen", at=CA.now)
    store.decide(record.fingerprint, decision, expected=record.revision)
    rejected = refusal(Trust(store, anchors=[ROOT]))
    assert rejected.code == "untrusted-signer.rejected"
    assert str(rejected) == "The signer is rejected: Somebody decided to reject this certificate."
    unknown = refusal(Trust())
    assert unknown.code == "untrusted-signer"
    assert "not known. There is" in str(unknown)  # sentences, one after the other


# --- what help() shows ------------------------------------------------------------------------


def test_a_policy_is_shown_as_it_may_be_written() -> None:
    assert repr(Policy.LEGACY_READ) == "Policy.LEGACY_READ"
    strict = replace(Policy.MODERN, minimum_rsa=3072, limits=Limits(layers=3))
    assert repr(strict) == "replace(Policy.MODERN, minimum_rsa=3072, limits=Limits(layers=3))"
    assert repr(replace(Policy.MODERN, name="ours")) == "<Policy 'ours'>"
    assert repr(Limits()) == "Limits()"
