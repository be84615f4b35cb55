"""Every bad input ends with its exit status and code, and writes nothing where output was promised."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smimekit import der
from smimekit.testing import FakeCA
from tests.cli.support import DRAFT, Run

VERIFY = ("verify", "--anchor", "ca.pem")
DECRYPT = ("decrypt", "--key", "bob.p12")
Make = Callable[[Path], bytes]


def of(name: str) -> Make:
    return lambda here: (here / name).read_bytes()


def truncated(name: str) -> Make:
    return lambda here: (mail := (here / name).read_bytes())[: len(mail) * 2 // 3]


def cut_cms(name: str) -> Make:
    """Base64 that ends well, of CMS that does not."""

    def make(here: Path) -> bytes:
        head, _, body = (here / name).read_bytes().partition(b"\r\n\r\n")
        lines = body.splitlines(keepends=True)
        return head + b"\r\n\r\n" + b"".join(lines[: len(lines) // 2])

    return make


def tampered(here: Path) -> bytes:
    return (here / "signed.eml").read_bytes().replace(b"Hello, Bob", b"Hello, Eve")


def tampered_attributes(here: Path) -> bytes:
    """The octets that name the day in signingTime, of a signature in DER."""
    mail = (here / "signed.eml").read_bytes()
    found = re.search(rb"\r\n\r\n(MI[A-Za-z0-9+/=\r\n]+)\r\n--", mail)
    assert found is not None
    cms = base64.b64decode(found[1])
    time = re.search(
        rb"\x17\x0d(\d{12})Z", cms[cms.index(bytes.fromhex("06092a864886f70d010905")) :]
    )
    assert time is not None
    changed = cms.replace(time[0], b"\x17\x0d" + b"200101000000" + b"Z")
    assert changed != cms
    return mail.replace(found[1], base64.encodebytes(changed).strip().replace(b"\n", b"\r\n"))


def two_boundaries(here: Path) -> bytes:
    return (
        (here / "signed.eml").read_bytes().replace(b"boundary=", b'boundary="other"; boundary=', 1)
    )


def no_certificate(here: Path) -> bytes:
    """A signature whose bag was emptied: [0] certificates are not signed."""
    mail = (here / "signed.eml").read_bytes()
    found = re.search(rb"\r\n\r\n(MI[A-Za-z0-9+/=\r\n]+)\r\n--", mail)
    assert found is not None
    outer = der.Reader(base64.b64decode(found[1])).enter(der.SEQUENCE)
    kind = outer.raw()
    inside = outer.enter(0xA0).enter(der.SEQUENCE)
    kept = []
    while inside.more:
        is_bag = inside.peek == 0xA0
        value = inside.raw()
        if not is_bag:
            kept.append(value)
    cms = der.sequence(kind, der.explicit(0, der.sequence(*kept)))
    return mail.replace(found[1], base64.encodebytes(cms).strip().replace(b"\n", b"\r\n"))


def not_signed(here: Path) -> bytes:
    return DRAFT


BAD: list[tuple[str, tuple[str, ...], Make, int, str]] = [
    ("truncated-mail", VERIFY, truncated("signed.eml"), 3, "mime"),
    ("truncated-opaque", VERIFY, truncated("opaque.eml"), 3, "cms|mime"),
    ("truncated-encrypted", DECRYPT, truncated("encrypted.eml"), 3, "cms|mime"),
    ("cut-opaque", VERIFY, cut_cms("opaque.eml"), 3, "cms|asn1"),
    ("cut-encrypted", DECRYPT, cut_cms("encrypted.eml"), 3, "cms|asn1"),
    ("garbage", VERIFY, lambda _: bytes(range(256)) * 40, 3, "mime"),
    (
        "garbage-der",
        VERIFY,
        lambda _: bytes.fromhex("308006092a864886f70d010702a080") + b"\xff" * 99,
        3,
        "asn1|cms",
    ),
    ("empty-verify", VERIFY, lambda _: b"", 3, "mime.no-header"),
    ("empty-decrypt", DECRYPT, lambda _: b"", 3, "mime.no-header"),
    ("wrong-type-verify", VERIFY, of("encrypted.eml"), 4, "no-matching-key"),
    ("wrong-type-decrypt", DECRYPT, of("signed.eml"), 1, "insufficient-protection.not-encrypted"),
    ("a-certificate", VERIFY, of("alice.pem"), 3, "mime"),
    ("not-signed", VERIFY, not_signed, 1, "not-signed"),
    ("not-encrypted", DECRYPT, not_signed, 1, "insufficient-protection.not-encrypted"),
    ("wrong-key", ("decrypt", "--key", "alice.p12"), of("encrypted.eml"), 4, "no-matching-key"),
    (
        "wrong-key-verify",
        (*VERIFY, "--key", "alice.p12"),
        of("encrypted.eml"),
        4,
        "no-matching-key",
    ),
    (
        "wrong-password",
        (*DECRYPT, "--password-file", "wrong"),
        of("encrypted.eml"),
        4,
        "key.wrong-password",
    ),
    ("expired-signer", VERIFY, of("by-expired.eml"), 1, "untrusted-signer"),
    ("unknown-ca", VERIFY, of("by-stranger.eml"), 1, "untrusted-signer"),
    ("self-signed", VERIFY, of("by-bob.eml"), 1, "untrusted-signer"),
    ("wrong-sender", VERIFY, of("by-mallory.eml"), 1, "wrong-sender"),
    ("tampered-body", VERIFY, tampered, 1, "content-changed"),
    ("tampered-attributes", VERIFY, tampered_attributes, 1, "content-changed"),
    ("two-boundaries", VERIFY, two_boundaries, 3, "mime"),
    ("no-certificate", VERIFY, no_certificate, 1, "untrusted-signer.no-certificate"),
]


@pytest.mark.parametrize(
    ("words", "make", "status", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_mail_is_refused_and_nothing_is_written(
    run: Run, here: Path, words: tuple[str, ...], make: Make, status: int, code: str
) -> None:
    (here / "bad.eml").write_bytes(make(here))
    before = sorted(here.iterdir())
    done = run(*words, "bad.eml", "-o", "out", "--json")
    assert done.status == status
    assert re.match(rf"(?:{code})(?:\.|$)", done.code), done.code
    assert done.json["error"]["message"]
    assert sorted(here.iterdir()) == before
    (here / "out").write_bytes(b"as it was")
    told = run(*words, "bad.eml", "-o", "out")
    assert (told.status, (here / "out").read_bytes()) == (status, b"as it was")
    assert f"[{done.code}]" in told.err
    assert b"Hello" not in run(*words, "bad.eml", "-o", "-").out


BAD_KEYS: list[tuple[str, bytes | str, int, str]] = [
    ("missing", "nowhere.p12", 2, "file"),
    ("folder", ".", 3, "key.malformed"),  # a source of keys, but for truncated.p12 in it
    ("garbage", b"\x00\x01garbage", 3, "key.malformed"),
    ("empty", b"", 3, "key.malformed"),
    ("a-mail", DRAFT, 3, "key.malformed"),
    ("truncated", "truncated.p12", 3, "key.malformed"),
    ("certificate-only", "alice.pem", 4, "key.none"),
]


@pytest.mark.parametrize(
    ("key", "status", "code"), [row[1:] for row in BAD_KEYS], ids=[row[0] for row in BAD_KEYS]
)
@pytest.mark.parametrize(
    "words", [("sign", "draft.eml"), ("decrypt", "encrypted.eml")], ids=["sign", "decrypt"]
)
def test_bad_keys(
    run: Run, here: Path, words: tuple[str, ...], key: bytes | str, status: int, code: str
) -> None:
    (here / "truncated.p12").write_bytes((here / "alice.p12").read_bytes()[:500])
    if isinstance(key, bytes):
        (here / "bad.p12").write_bytes(key)
        key = "bad.p12"
    done = run(*words, "--key", key, "-o", "out", "--json")
    assert (done.status, done.code) == (status, code)
    assert key in done.json["error"]["message"]
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 3),
        (b"garbage", 3),
        (DRAFT, 3),
        (b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n", 3),
        (None, 2),
    ],
    ids=["empty", "garbage", "mail", "broken", "missing"],
)
@pytest.mark.parametrize(
    "words",
    [("encrypt", "draft.eml", "--to"), ("verify", "signed.eml", "--anchor")],
    ids=["to", "anchor"],
)
def test_bad_certificates(
    run: Run, here: Path, words: tuple[str, ...], data: bytes | None, status: int
) -> None:
    if data is not None:
        (here / "bad.pem").write_bytes(data)
    done = run(*words, "bad.pem", "-o", "out", "--json")
    assert (done.status, (here / "out").exists()) == (status, False)


def test_the_algorithm_of_a_key_that_is_not_known_is_not_called_refused(
    run: Run, here: Path
) -> None:
    (here / "bad.eml").write_bytes(no_certificate(here))
    told = run("open", "bad.eml").text
    assert "ecdsa-sha256, sha256: not judged" in told
    assert "refused" not in told


def test_a_file_of_certificates_has_a_bound(run: Run, here: Path) -> None:
    with (here / "huge.pem").open("wb") as file:
        file.truncate((16 << 20) + 1)
    done = run("verify", "--anchor", "huge.pem", "signed.eml", "--json")
    assert (done.status, done.code) == (3, "limit.file")


def test_a_weak_key_is_refused(run: Run, here: Path) -> None:
    weak = FakeCA().weak_key("alice@example.org")
    (here / "weak.p12").write_bytes(weak.to_pkcs12("correct horse"))
    (here / "weak.pem").write_bytes(weak.certificate.pem())
    for words in (("sign", "--key", "weak.p12"), ("encrypt", "--to", "weak.pem")):
        done = run(*words, "draft.eml", "-o", "out", "--json")
        assert (done.status, done.code, (here / "out").exists()) == (1, "policy.weak", False)


def test_every_code_is_one_of_the_library_or_documented(run: Run, here: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for code in ("file", "usage", "interrupted", "bug"):
        assert f"`{code}`" in page


def test_errors_hold_no_plaintext(run: Run, here: Path) -> None:
    words = ("encrypt", "--to", "bob.pem", "--cipher", "aes-256-gcm")
    mail = bytearray(run(*words, stdin=b"From: alice@example.org\n\ncastor and pollux\n").out)
    mail[-60] = ord("A") if mail[-60] != ord("A") else ord("B")
    done = run("decrypt", "--key", "bob.p12", stdin=bytes(mail))
    assert (done.status, done.out) == (1, b"")
    assert done.err == "smimekit: The message could not be decrypted. [decryption]\n"
