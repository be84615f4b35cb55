"""People whose keys, certificates and signatures are the same in every run.

A message that somebody disagreed about can be had again by its seed: so everything here follows
from a text. Certificates never expire (RFC 5280, 4.1.2.5), as NSS has no clock but the machine's.
Knows arithmetic and X.509; may not know messages. Nobody should ever use such keys.
"""

from datetime import UTC, datetime
from functools import cache
from hashlib import new as new_hash
from hashlib import sha256, shake_256
from itertools import count
from math import gcd, prod
from typing import Final, final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smimekit import Certificate, Credential, Trust
from smimekit.algorithms import RsaPadding, SignatureKind, SignatureScheme
from smimekit.keys.software import SoftwareKey
from smimekit.primitives import PublicKey, hash_algorithm

__all__ = [
    "ALICE",
    "BOB",
    "NOW",
    "SteadyKey",
    "authority",
    "mgf1",
    "octets",
    "person",
    "rsa_key",
    "trust",
]

ALICE, BOB = "alice@example.org", "bob@example.org"
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
_BEGIN: Final = datetime(2020, 1, 1, tzinfo=UTC)
_END: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_SMALL: Final = prod(n for n in range(3, 2000, 2) if all(n % d for d in range(3, n, 2)))

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def octets(label: str, size: int) -> bytes:
    """As many octets as are wanted, that look like random ones."""
    return shake_256(label.encode()).digest(size)


_WHERE: Final = {"alice rsa p": 425, "alice rsa q": 475, "bob rsa p": 368, "bob rsa q": 245}
"""Where the search for a prime ends: so that no run spends seconds on it."""


def _prime(label: str, bits: int) -> int:
    for number in count(_WHERE.get(label, 0)):
        found = int.from_bytes(octets(f"{label} {number}", bits // 8), "big")
        found |= 3 << (bits - 2) | 1
        if gcd(found, _SMALL) == 1 and gcd(found - 1, 65537) == 1 and pow(2, found - 1, found) == 1:
            return found
    raise AssertionError


@cache
def rsa_key(label: str) -> rsa.RSAPrivateKey:
    """Its primes are checked again when it is loaded."""
    p, q = (_prime(f"{label} {which}", 1024) for which in "pq")
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    return rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public
    ).private_key()


def ec_key(label: str) -> ec.EllipticCurvePrivateKey:
    """A key on P-256."""
    return ec.derive_private_key(int.from_bytes(octets(label, 31), "big"), ec.SECP256R1())


@final
class SteadyKey:
    """A key whose ECDSA signatures are those of RFC 6979; only what the tests need."""

    def __init__(self, key: Key) -> None:
        self._key, self._soft = key, SoftwareKey(key)

    @property
    def public_key(self) -> PublicKey:
        return self._soft.public_key

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            if scheme.kind is SignatureKind.RSA_PSS:
                return _pss(self._key, data)
            return self._soft.sign(data, scheme)
        how = ec.ECDSA(hash_algorithm(scheme.digest), deterministic_signing=True)
        return self._key.sign(data, how)

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        return self._soft.decrypt(ciphertext, padding)

    def exchange(self, peer: PublicKey) -> bytes:
        return self._soft.exchange(peer)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return self._soft.decapsulate(ciphertext)


def _pss(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """RSASSA-PSS with SHA-256, and the same salt for the same octets (RFC 8017, 9.1.1)."""
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    salt, size = octets(f"salt {data.hex()}", 32), (modulus.bit_length() + 7) // 8
    digest = sha256(bytes(8) + sha256(data).digest() + salt).digest()
    block = bytes(size - len(salt) - 34) + b"\1" + salt
    masked = bytearray(
        each ^ other for each, other in zip(block, mgf1(digest, len(block)), strict=True)
    )
    masked[0] &= 0x7F  # one bit less than the modulus, which has all of its octets' bits
    encoded = int.from_bytes(bytes(masked) + digest + b"\xbc", "big")
    return pow(encoded, numbers.d, modulus).to_bytes(size, "big")


def mgf1(seed: bytes, size: int, digest: str = "sha256") -> bytes:
    """RFC 8017, B.2.1."""
    found = b""
    for number in count():
        if len(found) >= size:
            break
        found += new_hash(digest, seed + number.to_bytes(4, "big")).digest()
    return found[:size]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


_ROOT: Final = "Steady CA"


@cache
def _root_key() -> ec.EllipticCurvePrivateKey:
    return ec_key(_ROOT)


def _certificate(
    name: str, key: Key, usages: tuple[str, ...], address: str | None = None
) -> Certificate:
    named = x509.KeyUsage(**{
        each: each in usages
        for each in (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        )
    })  # fmt: skip
    serial = int.from_bytes(octets(f"serial of {name}", 8), "big") | 1
    builder = x509.CertificateBuilder(
        _name(_ROOT), _name(name), key.public_key(), serial, _BEGIN, _END
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=address is None, path_length=None), True),
        (named, True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(_root_key().public_key()), False),
    ]
    if address is not None:
        extensions += [
            (x509.SubjectAlternativeName([x509.RFC822Name(address)]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
        ]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    signed = builder.sign(_root_key(), hashes.SHA256(), ecdsa_deterministic=True)
    return Certificate(signed.public_bytes(Encoding.DER))


@cache
def authority() -> Certificate:
    """Whom everybody trusts, us and the peers."""
    return _certificate(_ROOT, _root_key(), ("key_cert_sign", "crl_sign"))


@cache
def trust() -> Trust:
    return Trust(anchors=[authority()], clock=lambda: NOW)


@cache
def person(description: str) -> Credential:
    """`person("alice rsa")`, `person("bob p256")`: the key as the peers can have it."""
    name, _, kind = description.partition(" ")
    key: Key = rsa_key(description) if kind == "rsa" else ec_key(description)
    usages = ("digital_signature", "key_encipherment" if kind == "rsa" else "key_agreement")
    certificate = _certificate(description, key, usages, f"{name}@example.org")
    return Credential(SoftwareKey(key), certificate, (authority(),))


@cache
def signer(description: str) -> Credential:
    """The same person, who signs the same octets alike each time."""
    who = person(description)
    assert isinstance(who.key, SoftwareKey)
    key = who.key._key
    assert isinstance(key, Key)
    return Credential(SteadyKey(key), who.certificate, who.chain)
