"""Each bound has a test of its name: what is at the bound passes, what is over it does not.

Those of CMS and ASN.1 stand with the readers that they bound; these are the others. What each is
worth, in time and memory, is measured in `tests/misuse/test_limit_bombs.py`.
"""

import dataclasses
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

import smimekit
from smimekit import LimitExceeded, PasswordRecipient, Policy, Trust, der
from smimekit.algorithms import AES256_CBC, ED25519, PBES2, SCRYPT, AlgorithmIdentifier
from smimekit.cms import attributes as attrs
from smimekit.cms.attributes import attribute
from smimekit.cms.recipients import ContentKey
from smimekit.cms.signed_writing import add_unsigned
from smimekit.cms.signer_writing import sign_bare
from smimekit.cms.timestamp import timestamp_attribute
from smimekit.keys import SoftwareKey, load_private_key
from smimekit.limits import Limits
from smimekit.message.capabilities import read_capabilities
from smimekit.message.layers import Encrypted
from smimekit.message.sealed_file import SealedFile
from smimekit.message.spool import Spool
from smimekit.mime.address import parse_mailboxes
from smimekit.mime.confidentiality import hcp_shy
from smimekit.mime.fields import read_header
from smimekit.mime.prepare import prepare
from smimekit.mime.scanner import split
from smimekit.span import Span
from smimekit.trust import Purpose, Revocation, Status
from tests.cms.stamping import with_crls
from tests.message.people import (
    ALICE,
    NOW,
    alice,
    bare_signed,
    clear_signed,
    draft,
    entity,
    person,
    root,
    signed_entity,
    signer_info,
    trust,
)
from tests.trust import certs

TESTS = Path(__file__).resolve().parent
NAMES = [field.name for field in dataclasses.fields(Limits)]


@pytest.mark.parametrize("name", NAMES)
def test_every_bound_has_a_test_of_its_name(name: str) -> None:
    assert f"test_limit_{name}" in functions()


@cache
def functions() -> frozenset[str]:
    texts = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return frozenset(
        name for text in texts for name in re.findall(r"^def (\w+)\(", text, re.MULTILINE)
    )


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(LimitExceeded) as caught:
        call()
    return caught.value.code


def policy(**limits: Any) -> Policy:
    return replace(Policy.INTEROP, limits=Limits(**limits))


def opened(source: bytes, **limits: Any) -> Any:
    with smimekit.open(source, trust=trust(), policy=policy(**limits)) as found:
        return found


# --- MIME ----------------------------------------------------------------------------------


def test_limit_header_bytes() -> None:
    head = b"A: " + b"x" * 9_000 + b"\r\n\r\n"
    read_header(Span.of(head), limits=Limits(header_bytes=len(head)))
    assert (
        code_of(lambda: read_header(Span.of(head), limits=Limits(header_bytes=len(head) - 1)))
        == "limit.header-bytes"
    )


def test_limit_header_fields() -> None:
    head = b"A: 1\r\n" * 10 + b"\r\n"
    assert len(read_header(Span.of(head), limits=Limits(header_fields=10)).fields) == 10
    assert (
        code_of(lambda: read_header(Span.of(head), limits=Limits(header_fields=9)))
        == "limit.header-fields"
    )


@pytest.mark.parametrize("field", [b"From", b"Sender"])
@pytest.mark.parametrize("form", [b"%s", b"group: %s;"])
def test_limit_mailboxes(field: bytes, form: bytes) -> None:
    value = form % b",".join(b"x%d@example.com" % at for at in range(10))
    mail = field + b": " + value + b"\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    opened(mail, mailboxes=10)
    assert code_of(lambda: opened(mail, mailboxes=9)) == "limit.mailboxes"


def test_authors_inside_are_counted_too() -> None:
    """Else whoever names enough of them would be asked for none."""
    many = b",".join(b"x%d@example.com" % at for at in range(10))
    inside = draft().replace(ALICE.encode(), many, 1)
    mail = smimekit.sign(inside, alice()).replace(many, ALICE.encode(), 1)
    opened(mail, mailboxes=10)
    assert code_of(lambda: opened(mail, mailboxes=9)) == "limit.mailboxes"


def test_a_draft_may_have_many_mailboxes() -> None:
    """The bound is on strangers: a list of our own may be as long as its recipients are many."""
    many = [f"x{at}@example.com" for at in range(Limits().mailboxes + 1)]
    assert hcp_shy("To", ", ".join(f"X <{one}>" for one in many)) == ", ".join(many)
    assert code_of(lambda: parse_mailboxes(", ".join(many).encode())) == "limit.mailboxes"


def test_limit_mime_parts() -> None:
    body = b"--b\r\n\r\nx\r\n" * 10 + b"--b--\r\n"
    assert len(split(Span.of(body), b"b", limits=Limits(mime_parts=10)).parts) == 10
    assert (
        code_of(lambda: split(Span.of(body), b"b", limits=Limits(mime_parts=9)))
        == "limit.mime-parts"
    )


def test_limit_mime_depth() -> None:
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(12)
    )
    deep += b"\nx\n" + b"".join(b"--b%d--\n" % at for at in reversed(range(12)))
    prepare(Span.of(deep), limits=Limits(mime_depth=12))
    assert (
        code_of(lambda: prepare(Span.of(deep), limits=Limits(mime_depth=11))) == "limit.mime-depth"
    )


def test_limit_layers() -> None:
    mail = draft()
    for _ in range(4):
        mail = smimekit.sign(mail, alice(), opaque=True)
    assert len(opened(mail, layers=4).envelope) == 4
    assert code_of(lambda: opened(mail, layers=3)) == "limit.layers"


# --- signatures ----------------------------------------------------------------------------


def with_unsigned(*attributes: bytes) -> bytes:
    info = add_unsigned(signer_info(entity(), alice()), *attributes)
    return bare_signed(entity(), alice(), infos=[info])


def test_limit_countersignatures() -> None:
    many = [attribute(attrs.COUNTERSIGNATURE, der.integer(at)) for at in range(3)]
    (found,) = opened(with_unsigned(*many), countersignatures=3).signatures
    assert len(found.countersignatures) == 3
    code = code_of(lambda: opened(with_unsigned(*many), countersignatures=2))
    assert code == "limit.countersignatures"


def test_limit_timestamps() -> None:
    many = [timestamp_attribute(der.sequence(der.integer(at))) for at in range(3)]
    (found,) = opened(with_unsigned(*many), timestamps=3).signatures
    assert len(found.timestamps) == 3
    assert code_of(lambda: opened(with_unsigned(*many), timestamps=2)) == "limit.timestamps"


def test_limit_evidence_bytes() -> None:
    """More evidence is not looked at: less is known then, and nothing is refused for it."""
    crl = alice_is_revoked()
    source = with_crls(bare_signed(entity(), alice()), [crl])
    for limit, status, revocation in (
        (len(crl), Status.REJECTED, Revocation.REVOKED),
        (len(crl) - 1, Status.TRUSTED, Revocation.UNKNOWN),
    ):
        (found,) = opened(source, evidence_bytes=limit).signatures
        assert (found.judgement.status, found.judgement.revocation) == (status, revocation)


def alice_is_revoked() -> bytes:
    from tests.message.people import ca  # noqa: PLC0415 - the CA that issued to her

    return ca().crl([alice()])


# --- keys ----------------------------------------------------------------------------------


def test_limit_pbkdf2_iterations() -> None:
    """All hashing for one message together, on reading; and never more is written."""
    bob = PasswordRecipient("a long password", iterations=1_000)
    mail = smimekit.encrypt(draft(), [bob])
    for limit, readable in ((1_000, True), (999, False)):
        reader = PasswordRecipient("a long password", 1, Limits(pbkdf2_iterations=limit))
        with smimekit.open(mail, keys=[reader], trust=Trust()) as found:
            (layer,) = found.envelope
        assert isinstance(layer, Encrypted)
        code = None if layer.failure is None else layer.failure.code
        assert code == (None if readable else "limit.pbkdf2-iterations")
    with pytest.raises(smimekit.UsageError):
        PasswordRecipient("a long password", 1_001, Limits(pbkdf2_iterations=1_000))
    info = bob.wrap(ContentKey(bytes(AES256_CBC.key_size)))
    reader = PasswordRecipient("a long password", 1, Limits(pbkdf2_iterations=1_999))
    assert reader.unwrap([info], size=32, attempts=9).octets == bytes(32)


def test_limit_scrypt_bytes() -> None:
    """128 * r * (N + p) octets, for each key: here r = 1, N = 16 and p = 4."""
    numbers = map(der.integer, (16, 1, 4))
    hashing = der.sequence(der.octet_string(b"salt"), *numbers)
    cipher = AES256_CBC.identifier(bytes(16)).encode()
    way = der.sequence(AlgorithmIdentifier(SCRYPT, hashing).encode(), cipher)
    how = AlgorithmIdentifier(PBES2, way).encode()
    key = hashlib.scrypt(b"x", salt=b"salt", n=16, r=1, p=4, dklen=32)
    who = alice().key
    assert isinstance(who, SoftwareKey)
    plain = who.pkcs8()
    padding = 16 - len(plain) % 16
    running = Cipher(AES(key), CBC(bytes(16))).encryptor()
    sealed = running.update(plain + bytes([padding]) * padding) + running.finalize()
    data = der.sequence(how, der.octet_string(sealed))
    assert load_private_key(data, "x", limits=Limits(scrypt_bytes=128 * 20)).pkcs8() == plain
    with pytest.raises(LimitExceeded) as error:
        load_private_key(data, "x", limits=Limits(scrypt_bytes=128 * 20 - 1))
    assert error.value.code == "limit.scrypt-bytes"


def test_limit_eddsa_bytes() -> None:
    """For content without signed attributes, which has to be in memory; others have no bound."""
    who, content = person(ALICE, key="ed25519"), entity("x" * 900)
    bare = sign_bare(who.certificate, who.key, ED25519, content)
    usual = signer_info(content, who)
    for info, limit, expected in (
        (bare, len(content), "good"),
        (bare, len(content) - 1, "malformed"),
        (usual, len(content) - 1, "good"),
    ):
        mail = clear_signed(content, bare_signed(content, who, detached=True, infos=[info]))
        limited = policy(eddsa_bytes=limit)
        with smimekit.open(mail, trust=trust(), policy=limited) as found:
            assert [each.integrity for each in found.signatures] == [expected]


def test_limit_capabilities() -> None:
    """A list that is too long says nothing, as if there were none."""
    entry = der.sequence(der.oid(AES256_CBC.oid))
    listed = der.sequence(*[entry] * 3)
    assert read_capabilities(listed, limits=Limits(capabilities=3)).ciphers == (AES256_CBC,)
    found = read_capabilities(listed, limits=Limits(capabilities=2))
    assert (found.ciphers, found.problem) == ((), "there are too many of them")


def test_limit_spool_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """More goes to a file; nothing is refused for it."""
    files: list[object] = []
    real = tempfile.TemporaryFile

    def counted(*arguments: Any, **options: Any) -> Any:
        files.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(tempfile, "TemporaryFile", counted)
    content = hashlib.shake_128(b"").digest(1_000)
    for limit, used in ((1_000, 0), (999, 1)):
        files.clear()
        with Spool(limit) as spool:
            for at in range(0, 1_000, 100):
                spool.write(content[at : at + 100])
            assert b"".join(spool.chunks()) == content
        assert len(files) == used
    mail = smimekit.sign(draft(text="x" * 900), alice(), opaque=True)
    inside = len(signed_entity("x" * 900))
    for limit, used in ((inside, 0), (inside - 1, 1)):
        files.clear()
        opened(mail, spool_memory=limit)
        assert len(files) == used


def test_limit_spool_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the disk is another thing than what was opened; in memory nothing is."""
    written: list[bytes] = []
    close = SealedFile.close

    def closing(self: SealedFile) -> None:
        if not self.closed:
            self.seek(0, 2)  # which sends what is buffered
            written.append(os.pread(self.fileno(), 1 << 20, 0))
        close(self)

    monkeypatch.setattr(SealedFile, "close", closing)
    mail = smimekit.sign(draft(text="MARKER " * 9_000), alice(), opaque=True)
    opened(mail, spool_memory=100, spool_encrypted=False)
    opened(mail, spool_memory=1 << 20, spool_encrypted=True)
    assert not written
    opened(mail, spool_memory=100, spool_encrypted=True)
    [found] = written
    assert len(found) > 9_000 * 7
    assert b"MARKER" not in found


# --- paths ---------------------------------------------------------------------------------


def judged(**limits: int) -> Any:
    """A person below two authorities below the anchor: four certificates, three signatures."""
    top = certs.ca("Top")
    middle = certs.ca("Middle", top)
    low = certs.ca("Low", middle)
    leaf = certs.person("alice@example.com", low)
    given = Trust(anchors=[top.certificate], policy=policy(**limits), clock=lambda: certs.NOW)
    bag = [middle.certificate, low.certificate]
    return given.judge(leaf.certificate, smimekit.Purpose.VERIFY, extra_certificates=bag)


def end_at(name: str, most: int) -> None:
    assert judged(**{name: most}).status is Status.TRUSTED
    found = judged(**{name: most - 1})
    assert found.status is Status.UNTRUSTED
    assert "path.budget" in {reason.code for reason in found.reasons}


def test_limit_judgement_bytes() -> None:
    """No error: it is judged again."""
    who = certs.person("alice@example.com").certificate

    def kept(most: int) -> tuple[bool, int]:
        given = Trust(policy=policy(judgement_bytes=most), clock=lambda: NOW)
        _, second, third = (given.judge(who, Purpose.VERIFY) for _ in range(3))
        return second.path is third.path, given._cache._used

    known, used = kept(1 << 20)
    assert known
    assert kept(used) == (True, used)
    assert kept(used - 1) == (False, 0)


def test_limit_path_certificates() -> None:
    end_at("path_certificates", 4)


def test_limit_path_signatures() -> None:
    end_at("path_signatures", 3)


def test_limit_valid_paths() -> None:
    """Of three ways up only the last has an issuer that is not revoked."""
    tops = [certs.ca(f"Crossing {number}") for number in range(3)]
    private = certs.key("crossed")
    made = {certs.ca("Crossed", top, private=private).certificate: top for top in tops}
    low = certs.Made(next(iter(made)), private, certs.name("Crossed"))
    leaf = certs.person("alice@example.com", low)
    *first, _ = sorted(made, key=lambda one: one.der)

    def crossed(most: int) -> Any:
        given = Trust(anchors=[top.certificate for top in tops], policy=policy(valid_paths=most))
        return given.judge(
            leaf.certificate,
            smimekit.Purpose.VERIFY,
            at=certs.NOW,
            extra_certificates=made,
            crls=[certs.crl(made[one], one) for one in first],
        )

    assert crossed(3).status is Status.TRUSTED
    found = crossed(2)
    assert found.status is Status.REJECTED
    assert "path.budget" in {reason.code for reason in found.reasons}


def test_the_people_here_are_trusted() -> None:
    """Or else the tests above would show nothing."""
    found = Trust(anchors=[root().certificate], clock=lambda: NOW)
    assert smimekit.verify(smimekit.sign(draft(), alice()), found).bytes() == signed_entity()
