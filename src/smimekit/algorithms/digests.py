"""Message digests as a table, and the AlgorithmIdentifier that names them and all others.

Knows identifiers, parameters and sizes. May not know what a digest is used for, nor
compute one (`primitives` does).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, final

from smimekit import der
from smimekit.errors import CmsError

__all__ = [
    "DIGESTS",
    "DIGEST_BY_OID",
    "MD5",
    "MGF1",
    "SHA1",
    "SHA3_224",
    "SHA3_256",
    "SHA3_384",
    "SHA3_512",
    "SHA224",
    "SHA256",
    "SHA384",
    "SHA512",
    "SHAKE128",
    "SHAKE256",
    "SHAKE256_LEN",
    "AlgorithmIdentifier",
    "Digest",
    "digest_row",
    "hash_parameter",
    "mgf1_parameter",
    "read_hash",
    "read_mgf1",
]


_SHORT: Final = 128
"""Octets of an identifier that is remembered: there are some dozens, in every message."""


@final
@dataclass(frozen=True, slots=True)
class AlgorithmIdentifier:
    """An AlgorithmIdentifier (RFC 5280, 4.1.1.2): an OID and its parameters.

    `parameters` is the DER of the parameters, or None where they are absent: a NULL is
    not an absence, and some receivers insist (RFC 5754, 2).
    """

    oid: str
    parameters: bytes | None = None

    def encode(self) -> bytes:
        """The DER."""
        return der.sequence(der.oid(self.oid), self.parameters or b"")

    @classmethod
    def read(cls, reader: der.Reader, tag: int = der.SEQUENCE) -> "AlgorithmIdentifier":
        """The next value of `reader`; CmsError if it is none."""
        encoded = reader.raw(tag)
        return _known(encoded) if len(encoded) <= _SHORT else _read(encoded)

    @property
    def plain(self) -> bool:
        """No parameters, or the NULL that means the same to every algorithm without any."""
        return self.parameters is None or self.parameters == der.NULL_VALUE


def _read(encoded: bytes) -> AlgorithmIdentifier:
    inside = der.Reader(encoded).enter(encoded[0])
    oid = inside.oid()
    parameters = _in_der(inside.raw()) if inside.more else None
    inside.finish()
    return AlgorithmIdentifier(oid, parameters)


_known: Final = lru_cache(maxsize=512)(_read)


def _in_der(parameters: bytes) -> bytes:
    """Parameters are compared, hashed and looked up as DER; senders of BER write them as the
    rest. What is malformed stays as it is: whoever needs it finds out.
    """
    if parameters[0] in _SIMPLE and parameters[1] < 0x80:
        return parameters  # one value of a simple type, with a short length, is DER
    try:
        return der.to_der(parameters)
    except CmsError:
        return parameters


_SIMPLE: Final = (der.NULL, der.OCTET_STRING)


@final
@dataclass(frozen=True, slots=True)
class Digest:
    """A message digest (RFC 3370, RFC 5754, RFC 8702, RFC 9688)."""

    name: str
    oid: str
    micalg: str
    """Its name in the micalg parameter (RFC 8551, 3.5.3.2)."""
    size: int
    """Output, in bytes."""
    strength: int
    """Bits of collision resistance, as known today: below 112 is weak."""
    says_size: bool = False
    """Do the parameters hold the output's length in bits (RFC 8419, 2.3)?"""

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def identifier(self) -> AlgorithmIdentifier:
        """As emitted: the parameters absent (RFC 5754, 2), or the length of the output."""
        return AlgorithmIdentifier(self.oid, der.integer(8 * self.size) if self.says_size else None)


MD5: Final = Digest("md5", "1.2.840.113549.2.5", "md5", 16, 18)
SHA1: Final = Digest("sha1", "1.3.14.3.2.26", "sha-1", 20, 61)
SHA224: Final = Digest("sha224", "2.16.840.1.101.3.4.2.4", "sha-224", 28, 112)
SHA256: Final = Digest("sha256", "2.16.840.1.101.3.4.2.1", "sha-256", 32, 128)
SHA384: Final = Digest("sha384", "2.16.840.1.101.3.4.2.2", "sha-384", 48, 192)
SHA512: Final = Digest("sha512", "2.16.840.1.101.3.4.2.3", "sha-512", 64, 256)
SHA3_224: Final = Digest("sha3-224", "2.16.840.1.101.3.4.2.7", "sha3-224", 28, 112)
SHA3_256: Final = Digest("sha3-256", "2.16.840.1.101.3.4.2.8", "sha3-256", 32, 128)
SHA3_384: Final = Digest("sha3-384", "2.16.840.1.101.3.4.2.9", "sha3-384", 48, 192)
SHA3_512: Final = Digest("sha3-512", "2.16.840.1.101.3.4.2.10", "sha3-512", 64, 256)
# RFC 8702, 3.1: the output has 32 or 64 bytes; twice that long it would be no stronger.
SHAKE128: Final = Digest("shake128", "2.16.840.1.101.3.4.2.11", "shake128", 32, 128)
SHAKE256: Final = Digest("shake256", "2.16.840.1.101.3.4.2.12", "shake256", 64, 256)
# RFC 8419, 2.3: the same function under the name that Ed448 has to use for it.
SHAKE256_LEN: Final = Digest(
    "shake256-len", "2.16.840.1.101.3.4.2.18", "shake256", 64, 256, says_size=True
)

DIGESTS: Final = (
    MD5, SHA1, SHA224, SHA256, SHA384, SHA512,
    SHA3_224, SHA3_256, SHA3_384, SHA3_512,
    SHAKE128, SHAKE256, SHAKE256_LEN,
)  # fmt: skip
DIGEST_BY_OID: Final[Mapping[str, Digest]] = MappingProxyType({row.oid: row for row in DIGESTS})


def digest_row(identifier: AlgorithmIdentifier) -> Digest | None:
    """The digest that a digestAlgorithm names; None where it is not known, its length included.

    CmsError where the length of the output belongs into the parameters and is not there.
    Other parameters mean nothing to a digest, and are passed over.
    """
    row = DIGEST_BY_OID.get(identifier.oid)
    if row is None or not row.says_size:
        return row
    if identifier.parameters is None:
        raise CmsError(
            f"The digest {row.name} does not say how long it is (RFC 8419, 2.3).",
            code="cms.digest-length",
        )
    reader = der.Reader(identifier.parameters)
    bits = reader.integer()
    reader.finish()
    return row if bits == 8 * row.size else None


# --- inside RSASSA-PSS and RSAES-OAEP: RFC 4055 --------------------------------------------

MGF1: Final = "1.2.840.113549.1.1.8"


def hash_parameter(digest: Digest) -> bytes:
    """A HashAlgorithm: with NULL (RFC 4055, 2.1), the form that every reader knows."""
    return der.sequence(der.oid(digest.oid), der.NULL_VALUE)


def mgf1_parameter(digest: Digest) -> bytes:
    """MGF1 with this digest, as a MaskGenAlgorithm."""
    return der.sequence(der.oid(MGF1), hash_parameter(digest))


def read_hash(reader: der.Reader) -> Digest | None:
    """A HashAlgorithm, and nothing behind it; None where it is not known, or one without a
    fixed length, or one with parameters: they are NULL or absent (RFC 4055, 2.1), and nobody can
    say what any others would mean.

    RFC 8702 gives PSS with SHAKE identifiers of its own, and has no MGF1 with it.
    """
    identifier = AlgorithmIdentifier.read(reader)
    reader.finish()  # X.690, 8.14: one value; whoever takes the last of two reads another
    found = DIGEST_BY_OID.get(identifier.oid) if identifier.plain else None
    return None if found in {SHAKE128, SHAKE256, SHAKE256_LEN} else found


def read_mgf1(reader: der.Reader) -> Digest | None:
    """The digest of MGF1; None where the mask generation or its digest is not known."""
    identifier = AlgorithmIdentifier.read(reader)
    reader.finish()
    if identifier.oid != MGF1 or identifier.parameters is None:
        return None
    return read_hash(der.Reader(identifier.parameters))
