"""Passwords, and the keys that are derived from them (RFC 7292, App. B; RFC 8018, 5.2; RFC 7914).

Knows passwords and what a derivation costs. May not know ciphers, MACs or files.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, final

from cryptography.hazmat.primitives.kdf import scrypt
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from smimekit import der
from smimekit.algorithms import HMACS, PBKDF2, SCRYPT, SHA1, AlgorithmIdentifier, Digest
from smimekit.errors import LimitExceeded
from smimekit.keys.failures import malformed, unsupported
from smimekit.limits import Limits
from smimekit.primitives import hash_algorithm

__all__ = ["Budget", "Passphrase", "Pbkdf2", "Pkcs12Kdf", "Scrypt", "password_hash"]


# --- passwords -----------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Passphrase:
    """A password and the octets that programs make of it.

    RFC 7292, B.1 wants UTF-16 with a terminator; RFC 8018, 3 says UTF-8, and so do real
    files where PKCS #5 stands inside PKCS #12, whatever RFC 9579, 6 has to say; NSS did
    otherwise. OpenSSL before 1.1 widened each octet. An absent password is either no
    octets or the terminator alone.
    """

    given: bool
    pkcs12: tuple[bytes, ...] = field(repr=False)
    """For the key derivation of PKCS #12, the likeliest first."""
    pkcs5: tuple[bytes, ...] = field(repr=False)
    """For PBKDF2 and scrypt, the likeliest first."""

    @classmethod
    def of(cls, password: str | bytes | None) -> "Passphrase":
        """From what the caller gave; octets are UTF-8, or Latin-1 if they cannot be."""
        text = _text(password or "")
        octets = text.encode("utf-8", "surrogatepass")
        proper = text.encode("utf-16-be", "surrogatepass") + b"\0\0"
        if not text:
            return cls(password is not None, (proper, b""), (b"", proper))
        widened = octets.decode("latin-1").encode("utf-16-be") + b"\0\0"
        return cls(
            given=True,
            pkcs12=tuple(dict.fromkeys((proper, widened))),
            pkcs5=tuple(dict.fromkeys((octets, proper, *_latin(text)))),
        )


def _text(password: str | bytes) -> str:
    if isinstance(password, str):
        return password
    try:
        return password.decode("utf-8")
    except UnicodeDecodeError:
        return password.decode("latin-1")


def _latin(text: str) -> Iterator[bytes]:
    if all(ord(char) < 0x100 for char in text):
        yield text.encode("latin-1")


_DERIVATIONS: Final = 20
"""A file may cost this many times what one password hash may: NSS hashes 600 000 times for
each key and each certificate, five times that in its old formats, and files with the keys
of ten years are real. An upper bound of ten seconds or so with PBKDF2, thirty with the
derivation of PKCS #12, which is computed in Python."""


@final
class Budget:
    """The iterations of password hashing that reading one file may cost, and the memory."""

    __slots__ = ("_left", "_most_bytes", "_once")

    def __init__(self, limits: Limits) -> None:
        self._most_bytes = limits.scrypt_bytes
        self._once = limits.pbkdf2_iterations
        self._left = _DERIVATIONS * limits.pbkdf2_iterations

    def spend(self, iterations: int, blocks: int) -> None:
        """Take the price of one derivation; LimitExceeded where it cannot be paid."""
        if iterations < 1:
            raise malformed("it names an impossible number of iterations")
        self._left -= iterations * blocks
        if iterations > self._once or self._left < 0:
            raise LimitExceeded(
                "The key file asks for more password hashing than is allowed.",
                code="limit.pbkdf2-iterations",
            )

    def fill(self, octets: int) -> None:
        """LimitExceeded where one derivation needs more memory than it may."""
        if octets > self._most_bytes:
            raise LimitExceeded(
                "The key file asks for more memory to hash a password than is allowed; raise "
                "Limits.scrypt_bytes if it comes from somebody you know.",
                code="limit.scrypt-bytes",
            )


# --- key derivation ------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Pkcs12Kdf:
    """The key derivation of PKCS #12 (RFC 7292, B.2)."""

    digest: Digest
    salt: bytes
    iterations: int

    def derive(self, secret: bytes, purpose: int, size: int, budget: Budget) -> bytes:
        """`purpose` is 1 for keys, 2 for IVs and 3 for MACs (B.3)."""
        width = hash_algorithm(self.digest).block_size
        if width is None:  # SHA-3: the derivation is made for digests with a block size
            raise unsupported(f"it derives keys with {self.digest.name}")
        digest = getattr(hashlib, self.digest.name)  # `hashlib.new` costs three times that
        blocks = -(-size // self.digest.size)
        budget.spend(self.iterations, blocks)
        state = bytearray(_fill(self.salt, width) + _fill(secret, width))
        out = b""
        for _ in range(blocks):
            block = bytes((purpose,)) * width + state
            for _ in range(self.iterations):
                block = digest(block).digest()
            out += block
            _advance(state, _fill(block, width)[:width], width)
        return out[:size]


def _fill(octets: bytes, width: int) -> bytes:
    """Octets repeated up to a whole number of blocks (RFC 7292, B.2, steps 2 and 3)."""
    size = width * -(-len(octets) // width)
    return (octets * -(-size // len(octets)))[:size] if octets else b""


def _advance(state: bytearray, block: bytes, width: int) -> None:
    """Each block of I becomes itself plus B plus 1 (RFC 7292, B.2, step 6C)."""
    addend = int.from_bytes(block, "big") + 1
    for at in range(0, len(state), width):
        value = int.from_bytes(state[at : at + width], "big") + addend
        state[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "big")


@final
@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """PBKDF2 (RFC 8018, 5.2)."""

    digest: Digest
    salt: bytes
    iterations: int
    key_size: int | None

    @classmethod
    def read(cls, identifier: AlgorithmIdentifier) -> "Pbkdf2":
        """From the PBKDF2-params (RFC 8018, A.2)."""
        inside = der.Reader(identifier.parameters or b"").enter(der.SEQUENCE)
        salt = inside.octets()
        iterations = inside.integer()
        size = inside.integer() if inside.peek == der.INTEGER else None
        digest = SHA1
        if inside.more:
            found = HMACS.get(AlgorithmIdentifier.read(inside).oid)
            if found is None:
                raise unsupported("its pseudorandom function is not known")
            digest = found
        inside.finish()
        return cls(digest, salt, iterations, size)

    def derive(self, secret: bytes, size: int, budget: Budget) -> bytes:
        """`size` octets of key."""
        budget.spend(self.iterations, -(-size // self.digest.size))
        kdf = PBKDF2HMAC(hash_algorithm(self.digest), size, self.salt, self.iterations)
        return kdf.derive(secret)


_UNIT: Final = 3
"""Iterations of PBKDF2 that one of N * r * p costs as much as: four Salsa20/8 cores."""
_BEGIN: Final = 4
"""What filling the blocks costs before and after they are mixed N times."""


@final
@dataclass(frozen=True, slots=True)
class Scrypt:
    """scrypt (RFC 7914), with its N, r and p."""

    salt: bytes
    cost: int
    block: int
    lanes: int
    key_size: int | None

    @classmethod
    def read(cls, identifier: AlgorithmIdentifier) -> "Scrypt":
        """From the scrypt-params (RFC 7914, 7.1); KeyFileError where they cannot be (section 2)."""
        inside = der.Reader(identifier.parameters or b"").enter(der.SEQUENCE)
        salt = inside.octets()
        cost, block, lanes = (inside.integer() for _ in range(3))
        size = inside.integer() if inside.more else None
        inside.finish()
        possible = cost > 1 and not cost & (cost - 1) and cost.bit_length() <= 16 * block
        if not possible or not 1 <= block * lanes < 1 << 30:
            raise malformed("it names impossible parameters of scrypt")
        return cls(salt, cost, block, lanes, size)

    def derive(self, secret: bytes, size: int, budget: Budget) -> bytes:
        """`size` octets of key."""
        budget.fill(128 * self.block * (self.cost + self.lanes))
        budget.spend((self.cost + _BEGIN) * self.block * self.lanes, _UNIT)
        kdf = scrypt.Scrypt(self.salt, size, self.cost, self.block, self.lanes)
        return kdf.derive(secret)


def password_hash(identifier: AlgorithmIdentifier) -> Pbkdf2 | Scrypt:
    """How a key is derived from a password; KeyFileError for another way (RFC 8018, A.4)."""
    if identifier.oid == SCRYPT:
        return Scrypt.read(identifier)
    if identifier.oid != PBKDF2:
        raise unsupported("its password hash is neither PBKDF2 nor scrypt")
    return Pbkdf2.read(identifier)
