"""OAEP and key agreement with bob, put together by hand: as honest people do, or not.

The content is sealed as ever; how its key comes to bob is what is changed. Knows RFC 8017, 7.1,
RFC 4055, 4.1 and RFC 5753; nothing of it is random, and nothing of it is from our own writers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import new as new_hash
from random import Random
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smimekit import Certificate
from tests.interop.verdicts.changes import CONTENT, key_for
from tests.interop.verdicts.sealing import Sealed, integer, oid, sealed, tlv
from tests.interop.verdicts.steady import ec_key, mgf1, octets, person

__all__ = [
    "OF_AGREEMENT",
    "OF_OAEP",
    "SCHEMES",
    "WRAPS",
    "Agreement",
    "Oaep",
    "agreed_letter",
    "oaep_letter",
]

Change = Callable[[Sealed, Random], Sealed | bytes]
_NULL: Final = b"\5\0"
_DIGESTS: Final = {
    "sha1": "1.3.14.3.2.26",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
    "sha224": "2.16.840.1.101.3.4.2.4",
}


# --- OAEP ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Oaep:
    """How a key is padded; what is said of that is `parameters`, made by `said`."""

    digest: str = "sha256"
    mask: str = "sha256"
    label: bytes = b""
    first: int = 0
    """The first octet of the block, which has to be 0."""
    zeros: int = 0
    """What stands in place of some octets of zero."""
    separator: int = 1

    def said(self, *, defaults: bool = False, null: bytes = _NULL) -> bytes:
        """RSAES-OAEP-params; what is a default is left out in DER (RFC 4055, 4.1)."""
        parts = b""
        if self.digest != "sha1" or defaults:
            parts += tlv(0xA0, tlv(0x30, oid(_DIGESTS[self.digest]), null))
        if self.mask != "sha1" or defaults:
            inside = tlv(0x30, oid(_DIGESTS[self.mask]), null)
            parts += tlv(0xA1, tlv(0x30, oid("1.2.840.113549.1.1.8"), inside))
        if self.label or defaults:
            parts += tlv(0xA2, tlv(0x30, oid("1.2.840.113549.1.1.9"), tlv(4, self.label)))
        return tlv(0x30, parts)

    def encrypted(self, key: bytes, public: rsa.RSAPublicKey) -> bytes:
        """RFC 8017, 7.1.1."""
        numbers, size = public.public_numbers(), public.key_size // 8
        digest = new_hash(self.digest, self.label).digest()
        seed = octets(f"oaep {self}", len(digest))
        fill = bytearray(size - len(key) - 2 * len(digest) - 2)
        fill[:1] = bytes((self.zeros,))[: len(fill)]
        block = digest + bytes(fill) + bytes((self.separator,)) + key
        block = _xor(block, mgf1(seed, len(block), self.mask))
        seed = _xor(seed, mgf1(block, len(seed), self.mask))
        whole = int.from_bytes(bytes((self.first,)) + seed + block, "big")
        return pow(whole, numbers.e, numbers.n).to_bytes(size, "big")


def _xor(data: bytes, mask: bytes) -> bytes:
    return bytes(each ^ other for each, other in zip(data, mask, strict=True))


def _named(to: Certificate) -> bytes:
    return tlv(0x30, to.issuer, integer(to.serial))


def _transport(
    key: bytes, how: Oaep, said: bytes | None, name: str = "1.2.840.113549.1.1.7"
) -> bytes:
    bob = person("bob rsa").certificate
    public = bob.public_key
    assert isinstance(public, rsa.RSAPublicKey)
    algorithm = tlv(0x30, oid(name), how.said() if said is None else said)
    return tlv(0x30, integer(0), _named(bob), algorithm, tlv(4, how.encrypted(key, public)))


def oaep_letter(cipher: str) -> Sealed:
    key = key_for(cipher)
    return sealed(CONTENT, cipher, (_transport(key, Oaep(), None),), key)


def _with_oaep(message: Sealed, how: Oaep, said: bytes | None = None) -> Sealed:
    return replace(message, recipients=(_transport(message.key, how, said),))


def _any_oaep(random: Random) -> Oaep:
    digests = tuple(_DIGESTS)
    label = random.choice((b"", b"", b"label", bytes(70)))
    return Oaep(random.choice(digests), random.choice(digests), label)


def other_oaep(message: Sealed, random: Random) -> Sealed:
    """Other digests and labels, honestly."""
    how = _any_oaep(random)
    said = how.said(defaults=random.random() < 0.4, null=random.choice((_NULL, b"")))
    return _with_oaep(message, how, said)


def oaep_lies(message: Sealed, random: Random) -> Sealed:
    """One is used, another is named."""
    return _with_oaep(message, _any_oaep(random), _any_oaep(random).said())


def odd_oaep_parameters(message: Sealed, random: Random) -> Sealed:
    """Absent, NULL, empty (then it is SHA-1), more than there are, or in another order."""
    how = random.choice((Oaep(), Oaep("sha1", "sha1"), Oaep("sha256", "sha1"), Oaep(label=b"x")))
    good = how.said(defaults=True)
    parts = (good[2:4] and how.said()[2:], tlv(0xA3, b"\2\1\0"))
    said = random.choice((
        b"", _NULL, b"\x30\0", tlv(0x30, *parts), tlv(0x30, *parts[::-1]), tlv(0x31, how.said()[2:]),
        tlv(0x30, how.said()[2:] * 2), how.said() + _NULL, tlv(4, how.said()),
        good.replace(oid("1.2.840.113549.1.1.8"), oid("1.2.840.113549.1.1.9")),
        good.replace(oid("1.2.840.113549.1.1.9"), oid("1.2.840.113549.1.1.8")),
        good.replace(_NULL, b"\4\0"),
    ))  # fmt: skip
    return _with_oaep(message, how, said)


def two_in_one(message: Sealed, random: Random) -> Sealed:
    """X.690, 8.14: two values in an explicit tag; the first or the last is what is used."""
    how = Oaep(label=b"label")
    other = Oaep("sha384", "sha384", b"another")
    pairs = zip(_explicit(how), _explicit(other), strict=True)
    at, last = random.randrange(3), random.random() < 0.5
    parts = [
        tlv(0xA0 + number, *((bad, good) if last else (good, bad)) if number == at else (good,))
        for number, (good, bad) in enumerate(pairs)
    ]
    return _with_oaep(message, how, tlv(0x30, *parts))


def _explicit(how: Oaep) -> tuple[bytes, bytes, bytes]:
    """What is in the three tags."""
    digest, mask = (tlv(0x30, oid(_DIGESTS[name]), _NULL) for name in (how.digest, how.mask))
    return (
        digest,
        tlv(0x30, oid("1.2.840.113549.1.1.8"), mask),
        tlv(0x30, oid("1.2.840.113549.1.1.9"), tlv(4, how.label)),
    )


def bad_oaep_block(message: Sealed, random: Random) -> Sealed:
    """RFC 8017, 7.1.2, 3g: each fault is the same error."""
    how = Oaep(first=random.choice((0, 1)), zeros=random.choice((0, 1, 7)),
               separator=random.choice((1, 1, 0, 2)))  # fmt: skip
    return _with_oaep(message, how)


def oaep_of_another_key(message: Sealed, random: Random) -> Sealed:
    """Of another size, or another key."""
    key = octets("another key", random.choice((0, 1, 16, 24, 32, len(message.key))))
    return replace(message, recipients=(_transport(key, Oaep(), None),))


def oaep_named_otherwise(message: Sealed, random: Random) -> Sealed:
    """As PKCS #1 v1.5, as RSA-KEM, or as a signature."""
    name = random.choice(("1.2.840.113549.1.1.1", "1.2.840.113549.1.9.16.3.14", "1.2.840.113549.1.1.10",
                          "1.2.840.113549.1.1.8", "1.2.840.113549.1.1.11"))  # fmt: skip
    said = random.choice((None, b"", _NULL))
    return replace(message, recipients=(_transport(message.key, Oaep(), said, name),))


def oaep_twice(message: Sealed, random: Random) -> Sealed:
    """One that opens and one that does not, in any order."""
    found = [*message.recipients, _transport(message.key, Oaep(separator=2), None)]
    random.shuffle(found)
    return replace(message, recipients=tuple(found))


OF_OAEP: tuple[Change, ...] = (
    other_oaep, oaep_lies, two_in_one, odd_oaep_parameters, bad_oaep_block, oaep_of_another_key,
    oaep_named_otherwise, oaep_twice,
)  # fmt: skip


# --- key agreement -------------------------------------------------------------------------

SCHEMES: Final = {
    "1.3.133.16.840.63.0.2": hashes.SHA1(),  # noqa: S303 - as old senders write
    "1.3.132.1.11.0": hashes.SHA224(),
    "1.3.132.1.11.1": hashes.SHA256(),
    "1.3.132.1.11.2": hashes.SHA384(),
    "1.3.132.1.11.3": hashes.SHA512(),
    "1.3.132.1.14.1": hashes.SHA256(),  # with the cofactor, which is 1 on P-256
}
WRAPS: Final = {16: "2.16.840.1.101.3.4.1.5", 24: "2.16.840.1.101.3.4.1.25",
                 32: "2.16.840.1.101.3.4.1.45"}  # fmt: skip
_CURVES: Final = (oid("1.2.840.10045.3.1.7"), oid("1.3.132.0.34"), _NULL, b"", b"\x30\0")


@dataclass(frozen=True)
class Agreement:
    """What both sides derive a key from, and what is said of it."""

    scheme: str = "1.3.132.1.11.1"
    derived_by: str | None = None
    """The scheme that is used, where that is another one."""
    size: int = 32
    wrap_parameters: bytes = b""
    derived_from: bytes | None = None
    """The parameters in what the key is derived from, where they are others."""
    ukm: bytes | None = None
    derived_with: bytes | None = None
    """The ukm that is used, where that is another one, or none."""
    lies: bool = False
    """Is `derived_with` used?"""
    curve: bytes = b""
    point: bytes | None = None
    bits: int = 0
    version: int = 3

    @property
    def wrap(self) -> bytes:
        return tlv(0x30, oid(WRAPS[self.size]), self.wrap_parameters)

    def info(self) -> bytes:
        """ECC-CMS-SharedInfo (RFC 5753, 7.2)."""
        said = self.wrap_parameters if self.derived_from is None else self.derived_from
        ukm = self.derived_with if self.lies else self.ukm
        return tlv(
            0x30,
            tlv(0x30, oid(WRAPS[self.size]), said),
            b"" if ukm is None else tlv(0xA0, tlv(4, ukm)),
            tlv(0xA2, tlv(4, (self.size * 8).to_bytes(4, "big"))),
        )

    def wrapped(self, key: bytes, public: ec.EllipticCurvePublicKey) -> bytes:
        digest = SCHEMES[self.derived_by or self.scheme]
        secret = ec_key("ephemeral").exchange(ec.ECDH(), public)
        return aes_key_wrap(X963KDF(digest, self.size, self.info()).derive(secret), key)

    def encode(self, key: bytes, *more: bytes, before: tuple[bytes, ...] = ()) -> bytes:
        """KeyAgreeRecipientInfo; others may stand around bob's key."""
        bob = person("bob p256").certificate
        public = bob.public_key
        assert isinstance(public, ec.EllipticCurvePublicKey)
        mine = ec_key("ephemeral").public_key()
        whole = mine.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        point = whole if self.point is None else self.point
        kind = tlv(0x30, oid("1.2.840.10045.2.1"), self.curve)
        keys = [*before, tlv(0x30, _named(bob), tlv(4, self.wrapped(key, public))), *more]
        return tlv(
            0xA1,
            integer(self.version),
            tlv(0xA0, tlv(0xA1, kind, tlv(3, bytes((self.bits,)), point))),
            b"" if self.ukm is None else tlv(0xA1, tlv(4, self.ukm)),
            tlv(0x30, oid(self.scheme), self.wrap),
            tlv(0x30, *keys),
        )


def agreed_letter(cipher: str) -> Sealed:
    key = key_for(cipher)
    return sealed(CONTENT, cipher, (Agreement().encode(key),), key)


def _with_agreement(message: Sealed, how: Agreement) -> Sealed:
    return replace(message, recipients=(how.encode(message.key),))


def _any_agreement(random: Random) -> Agreement:
    return Agreement(
        random.choice(tuple(SCHEMES)),
        size=random.choice(tuple(WRAPS)),
        wrap_parameters=random.choice((b"", b"", _NULL)),
        ukm=random.choice((None, None, b"", b"ukm", bytes(100))),
        curve=random.choice(_CURVES[:1] + _CURVES[2:4]),
    )


def other_agreement(message: Sealed, random: Random) -> Sealed:
    """Honest, in one of the ways of RFC 5753."""
    return _with_agreement(message, _any_agreement(random))


def derived_otherwise(message: Sealed, random: Random) -> Sealed:
    """From another digest, other parameters or another ukm than is said."""
    how = _any_agreement(random)
    ukm = random.choice((None, b"", b"another"))
    return _with_agreement(message, random.choice((
        replace(how, derived_by=random.choice(tuple(SCHEMES))),
        replace(how, derived_from=random.choice((b"", _NULL))),
        replace(how, lies=True, derived_with=ukm),
    )))  # fmt: skip


def odd_curve(message: Sealed, random: Random) -> Sealed:
    """RFC 5753, 3.1.1: of the originator's key, absent, NULL, or the curve of bob's."""
    return _with_agreement(message, Agreement(curve=random.choice(_CURVES)))


def odd_point(message: Sealed, random: Random) -> Sealed:
    """Compressed, none, not on the curve, too long, of another curve."""
    mine = ec_key("ephemeral").public_key()
    whole = mine.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    short = mine.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    hybrid = bytes((6 + (whole[-1] & 1),)) + whole[1:]
    point = random.choice((
        short, hybrid, bytes((hybrid[0] ^ 1,)) + whole[1:], b"\0", b"", whole[:-1], whole + b"\0",
        whole[:-1] + bytes((whole[-1] ^ 1,)), b"\4" + bytes(64), b"\2" + bytes(32),
        bytes((short[0] ^ 1,)) + short[1:], b"\4" + octets("a point", 96),
    ))  # fmt: skip
    return _with_agreement(message, Agreement(point=point, bits=random.choice((0, 0, 0, 1, 7, 8))))


def odd_wrap(message: Sealed, random: Random) -> Sealed:
    """Parameters that AES key wrap does not have (RFC 3565, 2.3.2), and an unknown scheme."""
    odd = random.choice((_NULL, b"\x30\0", b"\4\0", b"\2\1\0"))
    return _with_agreement(
        message, Agreement(wrap_parameters=odd, version=random.choice((3, 3, 0, 4)))
    )


def several_keys(message: Sealed, random: Random) -> Sealed:
    """Others' keys in the same RecipientInfo, and a wrong one for bob."""
    bob, carol = (person(each).certificate for each in ("bob p256", "carol p256"))
    other = tlv(0x30, _named(carol), tlv(4, octets("a key", 40)))
    wrong = tlv(0x30, _named(bob), tlv(4, octets("a key", random.choice((0, 8, 16, 40)))))
    around = [other, wrong, other]
    random.shuffle(around)
    at = random.randrange(4)
    made = Agreement().encode(message.key, *around[at:], before=tuple(around[:at]))
    return replace(message, recipients=(made,))


def agreed_on_another_key(message: Sealed, random: Random) -> Sealed:
    key = octets("another key", random.choice((16, 24, 32, 40)))
    return replace(message, recipients=(Agreement().encode(key),))


OF_AGREEMENT: tuple[Change, ...] = (
    other_agreement, derived_otherwise, odd_curve, odd_point, odd_wrap, several_keys,
    agreed_on_another_key,
)  # fmt: skip
