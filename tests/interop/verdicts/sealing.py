"""EnvelopedData and AuthEnvelopedData, put together by hand: as honest people write it, or not.

Each is a record of its parts; whoever wants another message replaces parts, before the content
is sealed (then the tag is right) or behind it (then it is forged). Knows RFC 5652, 5083, 5084,
8103 and 5753; nothing of it is random, and nothing of it is from our own writers.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, GCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smimekit import Certificate, Credential
from tests.interop.verdicts.steady import ec_key, octets

__all__ = [
    "AEAD",
    "AUTH_ENVELOPED",
    "CBC_CIPHERS",
    "CONTENT_TYPE",
    "DATA",
    "ENVELOPED",
    "SIGNED",
    "Sealed",
    "agreed",
    "attribute",
    "integer",
    "oid",
    "other_recipient",
    "password_recipient",
    "recipient_of",
    "sealed",
    "shared_recipient",
    "tlv",
    "transported",
]


def tlv(tag: int, *content: bytes) -> bytes:
    inside = b"".join(content)
    if len(inside) < 0x80:
        return bytes((tag, len(inside))) + inside
    size = len(inside).to_bytes((len(inside).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + inside


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    found = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        found += bytes(reversed(groups))
    return tlv(6, found)


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


NULL: Final = b"\x05\x00"
DATA: Final = oid("1.2.840.113549.1.7.1")
SIGNED: Final = oid("1.2.840.113549.1.7.2")
ENVELOPED: Final = oid("1.2.840.113549.1.7.3")
AUTH_ENVELOPED: Final = oid("1.2.840.113549.1.9.16.1.23")
CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
AEAD: Final = {
    "aes-128-gcm": ("2.16.840.1.101.3.4.1.6", 16),
    "aes-256-gcm": ("2.16.840.1.101.3.4.1.46", 32),
    "chacha20-poly1305": ("1.2.840.113549.1.9.16.3.18", 32),
}
CBC_CIPHERS: Final = {
    "aes-128-cbc": ("2.16.840.1.101.3.4.1.2", 16),
    "aes-256-cbc": ("2.16.840.1.101.3.4.1.42", 32),
}
_AES256_WRAP: Final = tlv(0x30, oid("2.16.840.1.101.3.4.1.45"))


def attribute(kind: str, *values: bytes) -> bytes:
    return tlv(0x30, oid(kind), tlv(0x31, *values))


# --- recipients ----------------------------------------------------------------------------


def _issuer_and_serial(certificate: Certificate) -> bytes:
    return tlv(0x30, certificate.issuer, integer(certificate.serial))


def transported(to: Certificate, key: bytes, *, version: int = 0, block: bytes = b"") -> bytes:
    """KeyTransRecipientInfo with PKCS #1 v1.5 (RFC 3370, 4.2.1); `block` stands for a padding."""
    public = to.public_key
    assert isinstance(public, rsa.RSAPublicKey)
    numbers, size = public.public_numbers(), public.key_size // 8
    filler = bytes(each or 1 for each in octets("padding", size - 3 - len(key)))
    padded = int.from_bytes(block or b"\0\2" + filler + b"\0" + key, "big")
    encrypted = pow(padded, numbers.e, numbers.n).to_bytes(size, "big")
    algorithm = tlv(0x30, oid("1.2.840.113549.1.1.1"), NULL)
    return tlv(0x30, integer(version), _issuer_and_serial(to), algorithm, tlv(4, encrypted))


def agreed(to: Certificate, key: bytes, *, version: int = 3) -> bytes:
    """KeyAgreeRecipientInfo with the standard ECDH and SHA-256 (RFC 5753, 3.1)."""
    mine, public = ec_key("ephemeral"), to.public_key
    assert isinstance(public, ec.EllipticCurvePublicKey)
    info = tlv(0x30, _AES256_WRAP, tlv(0xA2, tlv(4, (256).to_bytes(4, "big"))))
    secret = mine.exchange(ec.ECDH(), public)
    wrapped = aes_key_wrap(X963KDF(hashes.SHA256(), 32, info).derive(secret), key)
    point = mine.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    originator = tlv(0xA1, tlv(0x30, oid("1.2.840.10045.2.1")), tlv(3, b"\0", point))
    return tlv(
        0xA1,
        integer(version),
        tlv(0xA0, originator),
        tlv(0x30, oid("1.3.132.1.11.1"), _AES256_WRAP),
        tlv(0x30, tlv(0x30, _issuer_and_serial(to), tlv(4, wrapped))),
    )


def shared_recipient() -> bytes:
    """KEKRecipientInfo for nobody here."""
    return tlv(
        0xA2, integer(4), tlv(0x30, tlv(4, b"nobody")), _AES256_WRAP, tlv(4, octets("kek", 40))
    )


def password_recipient() -> bytes:
    """PasswordRecipientInfo for nobody here."""
    inside = tlv(0x30, oid("2.16.840.1.101.3.4.1.42"), tlv(4, octets("pwri iv", 16)))
    algorithm = tlv(0x30, oid("1.2.840.113549.1.9.16.3.9"), inside)
    return tlv(0xA3, integer(0), algorithm, tlv(4, octets("pwri", 48)))


def other_recipient() -> bytes:
    """OtherRecipientInfo of a kind that nobody knows."""
    return tlv(0xA4, oid("1.3.6.1.4.1.99999.1"), tlv(4, b"unknown"))


# --- the whole -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sealed:
    """The parts, as they are written."""

    outer: bytes
    recipients: tuple[bytes, ...]
    cipher: str
    parameters: bytes
    """Of the content cipher."""
    ciphertext: bytes
    tag: bytes | None = None
    version: int = 0
    inner: bytes = DATA
    attributes: tuple[bytes, ...] = ()
    """authAttrs, which the tag covers; in EnvelopedData unprotectedAttrs."""
    unprotected: tuple[bytes, ...] = ()
    key: bytes = b""
    """For whoever wants to seal it again."""

    def encode(self) -> bytes:
        algorithm = tlv(0x30, oid(self.cipher), self.parameters)
        parts = [
            integer(self.version),
            tlv(0x31, *self.recipients),
            tlv(0x30, self.inner, algorithm, tlv(0x80, self.ciphertext)),
        ]
        if self.attributes:
            parts.append(tlv(0xA1, *self.attributes))
        if self.tag is not None:
            parts.append(tlv(4, self.tag))
        if self.unprotected:
            parts.append(tlv(0xA2, *self.unprotected))
        return tlv(0x30, self.outer, tlv(0xA0, tlv(0x30, *parts)))


def sealed(
    content: bytes,
    cipher: str,
    recipients: tuple[bytes, ...],
    key: bytes,
    *,
    nonce: bytes | None = None,
    tag_size: int = 16,
    says: int | None = 16,
    attributes: tuple[bytes, ...] = (),
    aad: bytes | None = None,
    inner: bytes = DATA,
) -> Sealed:
    """Content under a key that the recipients have; `says` is the aes-ICVlen, None for none.

    `aad` is what the tag covers besides, where that is not the DER of the attributes.
    """
    dotted, size = (AEAD | CBC_CIPHERS)[cipher]
    assert len(key) == size
    if cipher in CBC_CIPHERS:
        iv = octets("iv", 16) if nonce is None else nonce
        padding = 16 - len(content) % 16
        running = Cipher(AES(key), CBC(iv)).encryptor()
        encrypted = running.update(content + bytes((padding,)) * padding)
        return Sealed(ENVELOPED, recipients, dotted, tlv(4, iv), encrypted, key=key)
    nonce = octets("nonce", 12) if nonce is None else nonce
    if aad is None:
        aad = tlv(0x31, *sorted(attributes)) if attributes else b""
    if cipher == "chacha20-poly1305":
        both = ChaCha20Poly1305(key).encrypt(nonce, content, aad)
        encrypted, tag, parameters = both[:-16], both[-16:], tlv(4, nonce)
    else:
        sealing = Cipher(AES(key), GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(aad)
        encrypted = sealing.update(content) + sealing.finalize()
        tag = sealing.tag
        parameters = tlv(0x30, tlv(4, nonce), b"" if says is None else integer(says))
    return Sealed(
        AUTH_ENVELOPED, recipients, dotted, parameters, encrypted, tag[:tag_size],
        inner=inner, attributes=attributes, key=key,
    )  # fmt: skip


def recipient_of(who: Credential, key: bytes) -> bytes:
    """As the kind of key wants it."""
    certificate = who.certificate
    rsa_key = isinstance(certificate.public_key, rsa.RSAPublicKey)
    return (transported if rsa_key else agreed)(certificate, key)
