"""Who writes to whom in the tests of messages, and CMS objects that no honest verb makes."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

from smimekit import Certificate, Credential, Trust
from smimekit.algorithms import AES256_CBC, ContentCipher, SignatureScheme
from smimekit.cms.content import DATA
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.signed_writing import signed_data
from smimekit.cms.signer_writing import sign_content
from smimekit.cms.wrapping import wrap_for
from smimekit.policy import Policy
from smimekit.testing import FakeCA

ALICE, BOB, MALLORY = "alice@example.org", "bob@example.org", "mallory@evil.example"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@cache
def root() -> FakeCA:
    return FakeCA("Root CA", now=NOW)


@cache
def ca() -> FakeCA:
    return root().intermediate("Mail CA")


@cache
def person(*addresses: str, key: str = "p256") -> Credential:
    return ca().person(*addresses, key=key)


def alice() -> Credential:
    return person(ALICE)


def bob() -> Credential:
    return person(BOB)


def mallory() -> Credential:
    """Trusted like everybody, and not to be believed to be anybody else."""
    return person(MALLORY)


@cache
def trust() -> Trust:
    return Trust(anchors=[root().certificate], clock=lambda: NOW)


def draft(sender: str = ALICE, text: str = "The plan is on.") -> bytes:
    return (
        f"From: {sender}\r\nTo: {BOB}\r\nSubject: The plan\r\n"
        f"Content-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n"
    ).encode()


def entity(text: str = "The plan is on.") -> bytes:
    """What `draft` says, without a field about a message."""
    return f"Content-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n".encode()


def signed_entity(text: str = "The plan is on.", sender: str = ALICE) -> bytes:
    """What `sign` makes of `draft`: the entity that is signed (RFC 9788, 5.2.1)."""
    return _protected(f"From: {sender}\r\nTo: {BOB}\r\nSubject: The plan\r\n", "clear", text)


def encrypted_entity(text: str = "The plan is on.", sender: str = ALICE) -> bytes:
    """What `encrypt` makes of `draft`: the subject is not outside, says the header inside."""
    head = f"From: {sender}\r\nTo: {BOB}\r\nSubject: The plan\r\nHP-Outer: From: {sender}\r\n"
    head += f"HP-Outer: To: {BOB}\r\nHP-Outer: Subject: [...]\r\n"
    return _protected(head, "cipher", text)


def _protected(head: str, hp: str, text: str) -> bytes:
    return (
        f"{head}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii;\r\n"
        f' hp="{hp}"\r\n\r\n{text}\r\n'
    ).encode()


# --- CMS as nobody should write it ---------------------------------------------------------


def signer_info(
    content: bytes,
    signer: Credential,
    *,
    scheme: SignatureScheme | None = None,
    extra: Iterable[bytes] = (),
    content_type: str = DATA,
) -> bytes:
    scheme = scheme or Policy.INTEROP.scheme_for(signer.certificate.public_key)
    return sign_content(
        signer.certificate,
        signer.key,
        scheme,
        lambda digest: hashlib.new(digest.name.replace("-", ""), content).digest(),
        tuple(extra),
        content_type=content_type,
    )


def bare_signed(
    content: bytes,
    *signers: Credential,
    detached: bool = False,
    bag: Iterable[Certificate] | None = None,
    infos: Iterable[bytes] | None = None,
) -> bytes:
    """A ContentInfo with SignedData, in DER."""
    if infos is None:
        infos = [signer_info(content, each) for each in signers]
    if bag is None:
        bag = [each.certificate for each in signers] + [ca().certificate]
    return signed_data(
        None if detached else content,
        {
            Policy.INTEROP.scheme_for(each.certificate.public_key).digest.identifier
            for each in signers
        },
        tuple(each.der for each in dict.fromkeys(bag)),
        tuple(infos),
    )


def bare_enveloped(content: bytes, *to: Credential, cipher: ContentCipher = AES256_CBC) -> bytes:
    key = new_content_key(cipher)
    padding = Policy.INTEROP.rsa_padding
    return enveloped_data(
        content, cipher, key, [wrap_for(each.certificate, key, padding) for each in to]
    )


def mime(cms: bytes, smime_type: str, sender: str | None = ALICE, *more: str) -> bytes:
    """A CMS object as a mail."""
    head = [f"From: {sender}"] if sender else []
    head += [
        *more,
        "MIME-Version: 1.0",
        f'Content-Type: application/pkcs7-mime; smime-type={smime_type}; name="smime.p7m"',
        "Content-Transfer-Encoding: base64",
    ]
    body = base64.encodebytes(cms).replace(b"\n", b"\r\n")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def clear_signed(
    signed: bytes, signature: bytes, sender: str | None = ALICE, *more: str, boundary: str = "bnd"
) -> bytes:
    """A multipart/signed mail around any two things."""
    head = [f"From: {sender}"] if sender else []
    head += [
        *more,
        "MIME-Version: 1.0",
        f'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="{boundary}"',
    ]
    return (
        "\r\n".join(head).encode()
        + f"\r\n\r\n--{boundary}\r\n".encode()
        + signed
        + f"\r\n--{boundary}\r\n".encode()
        + signature_part(signature)
        + f"\r\n--{boundary}--\r\n".encode()
    )


def signature_part(signature: bytes) -> bytes:
    return (
        b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(signature)
    )


def multipart(
    subtype: str, *parts: bytes, sender: str | None = ALICE, boundary: str = "mix"
) -> bytes:
    head = f"From: {sender}\r\n" if sender else ""
    delimiter = f"--{boundary}".encode()
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        (
            f"{head}MIME-Version: 1.0\r\n"
            f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'
        ).encode()
        + body
        + delimiter
        + b"--\r\n"
    )


def as_part(mail: bytes) -> bytes:
    """A mail as a part of another: its Content-* fields and its body."""
    head, _, body = mail.partition(b"\r\n\r\n")
    lines = head.replace(b"\r\n ", b" ").split(b"\r\n")
    kept = [line for line in lines if line.lower().startswith(b"content-")]
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def with_footer(mail: bytes, subtype: str = "mixed") -> bytes:
    """A mail as lists hand it on: a part, and another below it."""
    return multipart(subtype, as_part(mail), entity("footer"))


def certs_only(*certificates: Certificate) -> bytes:
    """A bag without a signer (RFC 8551, 3.8), in DER."""
    return bare_signed(b"", bag=certificates, detached=True)
