"""The one door to the cryptographic primitives: rows of `algorithms` become computations.

Knows keys and bytes. May not know messages, certificates or policy: whether a computation
should be done at all was decided before.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Final, Protocol, Self, cast, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (
    dsa,
    ec,
    ed448,
    ed25519,
    mldsa,
    mlkem,
    padding,
    rsa,
    x448,
)
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers import CipherContext
from cryptography.hazmat.primitives.serialization import load_der_public_key

from smimekit import der
from smimekit.algorithms import (
    CURVES,
    RSA_ENCRYPTION,
    RSA_KEM_SPKI,
    RSAES_OAEP,
    RSASSA_PSS,
    AlgorithmIdentifier,
    Digest,
    RsaPadding,
    SignatureKind,
    SignatureScheme,
)
from smimekit.errors import UsageError
from smimekit.pss_shake import verify_pss_shake
from smimekit.span import CHUNK, regrouped

__all__ = [
    "DETERMINISTIC_ECDSA",
    "Digester",
    "PublicKey",
    "digest",
    "digester",
    "encrypted",
    "hash_algorithm",
    "key_name",
    "key_size",
    "load_public_key",
    "random_bytes",
    "rsa_cipher_padding",
    "sign",
    "verify",
    "verify_digest",
]

PublicKey = PublicKeyTypes
"""Any public key of the primitives library."""

random_bytes: Final[Callable[[int], bytes]] = os.urandom
"""The one source of randomness."""

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "md5": hashes.MD5(),  # noqa: S303 - read only, graded by policy
    "sha1": hashes.SHA1(),  # noqa: S303 - read only, graded by policy
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3-224": hashes.SHA3_224(),
    "sha3-256": hashes.SHA3_256(),
    "sha3-384": hashes.SHA3_384(),
    "sha3-512": hashes.SHA3_512(),
    "shake128": hashes.SHAKE128(32),
    "shake256": hashes.SHAKE256(64),
    "shake256-len": hashes.SHAKE256(64),
}


class Digester(Protocol):
    """A running digest."""

    def update(self, data: bytes, /) -> None:
        """More of what is digested."""

    def digest(self) -> bytes:
        """The digest of all of it so far."""
        ...

    def copy(self) -> Self:
        """Another one, which goes on from here."""
        ...


class _OfAnySize(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self, length: int, /) -> bytes: ...
    def copy(self) -> Self: ...


@final
class _Shake:
    """A digest that is as long as one wishes: as long as the tables say."""

    __slots__ = ("_running", "_size")

    def __init__(self, running: _OfAnySize, size: int) -> None:
        self._running = running
        self._size = size

    @classmethod
    def of(cls, new: Callable[[bytes], _OfAnySize], size: int, data: bytes = b"") -> Self:
        return cls(new(data), size)

    def update(self, data: bytes, /) -> None:
        self._running.update(data)

    def digest(self) -> bytes:
        return self._running.digest(self._size)

    def copy(self) -> Self:
        return type(self)(self._running.copy(), self._size)


# Of the two doors to one implementation, this one takes half as long to go through: on the way
# to a mail, that is as long as to digest it.
_DIGESTERS: Final[dict[str, Callable[..., Digester]]] = {
    "md5": partial(hashlib.md5, usedforsecurity=False),  # read only, graded by policy
    "sha1": partial(hashlib.sha1, usedforsecurity=False),  # read only, graded by policy
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "sha3-224": hashlib.sha3_224,
    "sha3-256": hashlib.sha3_256,
    "sha3-384": hashlib.sha3_384,
    "sha3-512": hashlib.sha3_512,
    "shake128": partial(_Shake.of, hashlib.shake_128, 32),
    "shake256": partial(_Shake.of, hashlib.shake_256, 64),
    "shake256-len": partial(_Shake.of, hashlib.shake_256, 64),
}

_PREHASHED: Final = {name: Prehashed(row) for name, row in _HASHES.items()}
_PKCS1_V15: Final = padding.PKCS1v15()


def _knows_rfc6979() -> bool:
    try:
        ec.ECDSA(_HASHES["sha256"], deterministic_signing=True)
    except UnsupportedAlgorithm:  # built with an OpenSSL before 3.2
        return False
    return True


DETERMINISTIC_ECDSA: Final = _knows_rfc6979()
"""RFC 8550, 4.3: the secret number of each signature comes out of the key and the data (RFC 6979),
so that no weak random generator gives the key away. False where the library cannot."""
_ECDSA: Final = {
    name: ec.ECDSA(row, deterministic_signing=DETERMINISTIC_ECDSA) for name, row in _HASHES.items()
}

_BLOCK: Final = 16
"""Octets of a cipher's longest block: so much more room than it needs a cipher asks for."""
_ALSO_RSA: Final = frozenset({RSAES_OAEP, RSA_KEM_SPKI, RSASSA_PSS})
"""Restrict an RSA key to one use (RFC 4055, 1.2; RFC 9690, 2.3); the key is an RSA key all
the same, which the primitives library does not know, or for a few parameters only. What it
may be used for, `algorithms.key_allows` says."""


def load_public_key(spki: bytes) -> PublicKey:
    """The key of a SubjectPublicKeyInfo.

    ValueError or UnsupportedAlgorithm, CmsError or LimitExceeded where it cannot be used.
    """
    inside = der.Reader(spki).enter(der.SEQUENCE)
    if AlgorithmIdentifier.read(inside).oid in _ALSO_RSA:
        plain = AlgorithmIdentifier(RSA_ENCRYPTION, der.NULL_VALUE)
        spki = der.sequence(plain.encode(), inside.raw(der.BIT_STRING))
    return load_der_public_key(spki)


def hash_algorithm(digest: Digest) -> hashes.HashAlgorithm:
    """A row of the digest table as the primitives library names it."""
    return _HASHES[digest.name]


def digester(row: Digest) -> Digester:
    """A running digest."""
    return _DIGESTERS[row.name]()


def digest(row: Digest, data: bytes) -> bytes:
    """The digest of data that are at hand."""
    return _DIGESTERS[row.name](data).digest()


def encrypted(cipher: CipherContext, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What a cipher makes of the chunks, in chunks of one size but the last."""
    out: memoryview | None = None
    for pieces in regrouped(chunks, CHUNK):
        if sum(map(len, pieces)) < CHUNK:
            yield b"".join(map(cipher.update, pieces))
            continue
        if out is None:  # one that is new each time would be cleared each time
            out = memoryview(bytearray(CHUNK + _BLOCK))
        end = 0
        for piece in pieces:
            end += cipher.update_into(piece, out[end:])
        yield bytes(out[:end])


_LATTICE: Final[dict[type[object], str]] = {
    mldsa.MLDSA44PublicKey: "ML-DSA-44",
    mldsa.MLDSA65PublicKey: "ML-DSA-65",
    mldsa.MLDSA87PublicKey: "ML-DSA-87",
    mlkem.MLKEM768PublicKey: "ML-KEM-768",
    mlkem.MLKEM1024PublicKey: "ML-KEM-1024",
}


def key_name(key: PublicKey) -> str:
    """Kind and size of a key for people."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = CURVES.get(key.curve.name)
        return f"EC {curve.name if curve else key.curve.name}"
    for kind, name in _LATTICE.items():
        if isinstance(key, kind):
            return name
    return type(key).__name__.lstrip("_").removesuffix("PublicKey")


def key_size(key: PublicKey) -> int:
    """The size of a key in bits; for Edwards and Montgomery curves that of the field."""
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey):
        return key.key_size
    if isinstance(key, ed448.Ed448PublicKey | x448.X448PublicKey):
        return 448
    return 256


def _pss(scheme: SignatureScheme) -> padding.PSS:
    mgf = scheme.mgf or scheme.digest
    salt = scheme.digest.size if scheme.salt is None else scheme.salt
    return padding.PSS(mgf=padding.MGF1(_HASHES[mgf.name]), salt_length=salt)


class _Verifier(Protocol):
    def verify(self, signature: bytes, data: bytes, /, *how: object) -> None: ...
    def public_numbers(self) -> rsa.RSAPublicNumbers: ...


class _Signer(Protocol):
    def sign(self, data: bytes, /, *how: object) -> bytes: ...


_KINDS: Final = (
    *(rsa.RSAPublicKey, ec.EllipticCurvePublicKey, dsa.DSAPublicKey),
    *(rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey),
    *(ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey),
    *(mldsa.MLDSA44PrivateKey, mldsa.MLDSA65PrivateKey, mldsa.MLDSA87PrivateKey),
)


@lru_cache(maxsize=64)
def _kind(key: type[object]) -> type[object] | None:
    """The kind of the keys that a class makes, which takes as long to ask as to digest a mail."""
    return next((kind for kind in _KINDS if issubclass(key, kind)), None)


def verify(key: PublicKey, scheme: SignatureScheme, signature: bytes, data: bytes) -> bool:
    """Is `signature` one of `data` under `key`? False too where key and scheme do not fit."""
    if not scheme.kind.pure:
        return verify_digest(key, scheme, signature, digest(scheme.digest, data))
    try:
        match scheme.kind, key:
            case SignatureKind.ED25519, ed25519.Ed25519PublicKey():
                key.verify(signature, data)
            case SignatureKind.ED448, ed448.Ed448PublicKey():
                key.verify(signature, data)
            case SignatureKind.ML_DSA_44, mldsa.MLDSA44PublicKey():
                key.verify(signature, data)
            case SignatureKind.ML_DSA_65, mldsa.MLDSA65PublicKey():
                key.verify(signature, data)
            case SignatureKind.ML_DSA_87, mldsa.MLDSA87PublicKey():
                key.verify(signature, data)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


_ECDSA_OF_DIGEST: Final = {name: ec.ECDSA(row) for name, row in _PREHASHED.items()}


def verify_digest(key: PublicKey, scheme: SignatureScheme, signature: bytes, value: bytes) -> bool:
    """The same for data of which only the digest is at hand; False for what signs data whole."""
    if len(value) != scheme.digest.size:
        return False
    name = scheme.digest.name
    hashed, known = _PREHASHED[name], cast("_Verifier", key)
    try:
        match scheme.kind, _kind(type(key)):
            case SignatureKind.RSA_PKCS1, rsa.RSAPublicKey:
                known.verify(signature, value, _PKCS1_V15, hashed)
            case SignatureKind.RSA_PSS, rsa.RSAPublicKey:
                known.verify(signature, value, _pss(scheme), hashed)
            case SignatureKind.RSA_PSS_SHAKE, rsa.RSAPublicKey:
                numbers = known.public_numbers()
                return verify_pss_shake(numbers.n, numbers.e, signature, value)
            case SignatureKind.ECDSA, ec.EllipticCurvePublicKey:
                known.verify(signature, value, _ECDSA_OF_DIGEST[name])
            case SignatureKind.DSA, dsa.DSAPublicKey:
                known.verify(signature, value, hashed)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        # ValueError: a salt or digest that does not fit into a small RSA key.
        return False
    return True


def sign(key: PrivateKeyTypes, scheme: SignatureScheme, data: bytes) -> bytes:
    """A signature of `data`; UsageError where the key is not one for this scheme."""
    hashed, known = _HASHES[scheme.digest.name], cast("_Signer", key)
    match scheme.kind, _kind(type(key)):
        case SignatureKind.RSA_PKCS1, rsa.RSAPrivateKey:
            return known.sign(data, _PKCS1_V15, hashed)
        case SignatureKind.RSA_PSS, rsa.RSAPrivateKey:
            return known.sign(data, _pss(scheme), hashed)
        case SignatureKind.ECDSA, ec.EllipticCurvePrivateKey:
            return known.sign(data, _ECDSA[scheme.digest.name])
        case SignatureKind.ED25519, ed25519.Ed25519PrivateKey:
            return known.sign(data)
        case SignatureKind.ED448, ed448.Ed448PrivateKey:
            return known.sign(data)
        case SignatureKind.ML_DSA_44, mldsa.MLDSA44PrivateKey:
            return known.sign(data)
        case SignatureKind.ML_DSA_65, mldsa.MLDSA65PrivateKey:
            return known.sign(data)
        case SignatureKind.ML_DSA_87, mldsa.MLDSA87PrivateKey:
            return known.sign(data)
        case _:
            name = key_name(key.public_key())
            raise UsageError(
                f"A key of kind {name} cannot sign with {scheme.name}.", code="usage.scheme"
            )


def rsa_cipher_padding(row: RsaPadding) -> padding.AsymmetricPadding:
    """A row of key transport as the primitives library names it."""
    if row.digest is None:
        return _PKCS1_V15
    mgf = padding.MGF1(_HASHES[(row.mgf or row.digest).name])
    return padding.OAEP(mgf=mgf, algorithm=_HASHES[row.digest.name], label=row.label or None)
