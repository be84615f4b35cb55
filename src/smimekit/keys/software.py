"""Private keys in memory, and the files they come in (RFC 5958, RFC 8018, RFC 7468).

Knows keys and key files. May not know certificates or messages, and never shows a key.
"""

from contextlib import suppress
from enum import Enum
from typing import Final, final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from smimekit import der, primitives
from smimekit.algorithms import AlgorithmIdentifier, RsaPadding, SignatureScheme
from smimekit.errors import CmsError, DecryptionError, UsageError
from smimekit.keys.failures import malformed, no_key, unsupported, wrong_password
from smimekit.keys.mldsa import load_ml_dsa
from smimekit.keys.mlkem import load_ml_kem
from smimekit.keys.onekey import check_public_key, without_public_key
from smimekit.keys.passwords import Budget, Passphrase
from smimekit.keys.pbe import decrypt
from smimekit.keys.pem import PemBlock, is_pem, pem_blocks
from smimekit.limits import Limits
from smimekit.primitives import PublicKey
from smimekit.rsa_kem import rsa_decapsulate

__all__ = ["KeyCheck", "SoftwareKey", "load_key_block", "load_pkcs8", "load_private_key"]

_LIMITS: Final = Limits()
_KEY_BYTES: Final = 16 << 10
"""One private key, decrypted. RSA with 16 384 bits has 9.3 KB; checking a larger one would
cost minutes."""
_OLD_CIPHERS: Final = frozenset({"AES-128-CBC", "AES-256-CBC", "DES-EDE3-CBC"})
"""What `cryptography` reads under the old headers; for any other it blames the password."""
_AGREEING: Final = (ec.EllipticCurvePrivateKey, x25519.X25519PrivateKey, x448.X448PrivateKey)


@final
class KeyCheck(Enum):
    """Whether the numbers of an RSA key are checked when it is loaded."""

    FULL = "full"
    """Its primes are primes, and everything fits: 44 ms (2048 bits) to 111 ms (3072 bits)."""
    SKIP = "skip"
    """Only for keys that the application itself checked and stored, where nobody else writes:
    a signature with a key whose numbers were changed can give away the key."""


@final
class SoftwareKey:
    """A private key of the `cryptography` package as a `PrivateKey`.

    Signs with RSA, ECDSA, EdDSA and ML-DSA; decrypts with RSA; agrees with EC, X25519 and X448
    keys; decapsulates with ML-KEM and RSA keys. Safe to use from several threads; cannot be
    pickled.
    """

    __slots__ = ("_key", "_public")

    def __init__(self, key: PrivateKeyTypes) -> None:
        self._key: Final = key
        self._public: Final = key.public_key()

    def __repr__(self) -> str:
        return f"<SoftwareKey {primitives.key_name(self._public)}>"

    @property
    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        try:
            return primitives.sign(self._key, scheme, data)
        except UsageError:
            raise
        except (UnsupportedAlgorithm, ValueError) as error:
            raise UsageError(
                f"{self!r} cannot sign with {scheme.name}: the key is too small for it, or the "
                "digest is not available.",
                code="usage.scheme",
            ) from error

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        if not isinstance(self._key, rsa.RSAPrivateKey):
            raise self._not_for("decrypt")
        # DecryptionError is raised outside of any `except`: it carries no context.
        with suppress(UnsupportedAlgorithm, ValueError):
            return self._key.decrypt(ciphertext, primitives.rsa_cipher_padding(padding))
        if padding.digest is None:
            # The library rejects bad padding implicitly; what comes here is a ciphertext of
            # an impossible size or value. It goes the same way: RFC 3218, 2.3.2.
            return primitives.random_bytes(32)
        raise DecryptionError

    def exchange(self, peer: PublicKey) -> bytes:
        key, secret = self._key, b""
        if not isinstance(key, _AGREEING):
            raise self._not_for("agree on a secret")
        try:
            match key, peer:
                case ec.EllipticCurvePrivateKey(), ec.EllipticCurvePublicKey():
                    secret = key.exchange(ec.ECDH(), peer)
                case x25519.X25519PrivateKey(), x25519.X25519PublicKey():
                    secret = key.exchange(peer)
                case x448.X448PrivateKey(), x448.X448PublicKey():
                    secret = key.exchange(peer)
        except ValueError:
            secret = b""  # another curve, or an all-zero secret (RFC 8418, 6)
        if not secret:  # the sender chose the peer: not a mistake of our caller
            raise DecryptionError
        return secret

    def decapsulate(self, ciphertext: bytes) -> bytes:
        match self._key:
            case mlkem.MLKEM768PrivateKey() | mlkem.MLKEM1024PrivateKey() as key:
                with suppress(ValueError):  # a ciphertext of another length
                    return key.decapsulate(ciphertext)
                raise DecryptionError
            case rsa.RSAPrivateKey() as key:
                return rsa_decapsulate(key, ciphertext)
        raise self._not_for("decapsulate")

    def _not_for(self, operation: str) -> UsageError:
        name = primitives.key_name(self._public)
        return UsageError(f"A key of kind {name} cannot {operation}.", code="usage.key-operation")

    def pkcs8(self) -> bytes:
        """The key itself, as unencrypted PKCS #8 (RFC 5958, DER): whoever reads it has it."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def load_private_key(
    data: bytes,
    password: str | bytes | None = None,
    *,
    limits: Limits = _LIMITS,
    key_check: KeyCheck = KeyCheck.FULL,
) -> SoftwareKey:
    """The one private key in PEM or DER: PKCS #8, encrypted PKCS #8, or traditional.

    An RSA key is checked for consistency, which takes 44 ms (2048 bits) to 111 ms (3072
    bits): once, here, so load a key once and keep it; `key_check` leaves it out. A
    password that turns out not to be needed is ignored.

    Raises KeyFileError: `key.password-needed`, `key.wrong-password`, `key.none`,
    `key.several`, `key.unsupported`, `key.malformed`; LimitExceeded where the password is
    hashed too often.
    """
    if not is_pem(data):
        return _load_der(data, password, limits, key_check)
    found = [block for block in pem_blocks(data) if block.label.endswith("PRIVATE KEY")]
    if len(found) != 1:
        if found:
            raise malformed("there are several keys in it", code="key.several")
        raise no_key()
    return load_key_block(found[0], password, limits, key_check)


def load_key_block(
    block: PemBlock,
    password: str | bytes | None,
    limits: Limits = _LIMITS,
    key_check: KeyCheck = KeyCheck.FULL,
) -> SoftwareKey:
    """The private key in one PEM block; raises like `load_private_key`."""
    if block.label == "OPENSSH PRIVATE KEY":
        raise unsupported("it is an OpenSSH key, for which there are no certificates")
    if len(block.body) > 2 * _KEY_BYTES:
        raise malformed("the key in it is too large")
    if not block.encrypted:
        return _load_der(block.decode(), password, limits, key_check)
    if block.cipher is not None and block.cipher not in _OLD_CIPHERS:
        raise unsupported("its kind or its cipher is not known")
    for secret in Passphrase.of(password).pkcs5:
        try:
            key = load_pem_private_key(
                block.raw, secret, unsafe_skip_rsa_key_validation=key_check is KeyCheck.SKIP
            )
            return SoftwareKey(key)
        except UnsupportedAlgorithm:
            raise unsupported("its kind or its cipher is not known") from None
        except (TypeError, ValueError):
            continue  # the password does not fit, in this encoding
    raise wrong_password(given=bool(password))


def _load_der(
    data: bytes, password: str | bytes | None, limits: Limits, key_check: KeyCheck
) -> SoftwareKey:
    try:
        outer = der.Reader(data)
        inside = outer.enter(der.SEQUENCE)
        outer.finish()
        if inside.peek == der.SEQUENCE:  # EncryptedPrivateKeyInfo (RFC 5958, 3)
            identifier = AlgorithmIdentifier.read(inside)
            ciphertext = inside.octets()
            data = decrypt(identifier, ciphertext, Passphrase.of(password), Budget(limits))
    except CmsError:
        raise malformed("there is no private key in it") from None
    return load_pkcs8(data, key_check)


def load_pkcs8(data: bytes, key_check: KeyCheck = KeyCheck.FULL) -> SoftwareKey:
    """A key from unencrypted DER: PKCS #8, PKCS #1 or SEC 1; raises KeyFileError."""
    if len(data) > _KEY_BYTES:
        raise malformed("the key in it is too large")
    data, public = without_public_key(data)
    found = _load_any(data, key_check)
    check_public_key(found.public_key, public)
    return found


def _load_any(data: bytes, key_check: KeyCheck) -> SoftwareKey:
    lattice = load_ml_dsa(data) or load_ml_kem(data)
    if lattice is not None:
        return SoftwareKey(lattice)
    try:
        skip = key_check is KeyCheck.SKIP
        return SoftwareKey(load_der_private_key(data, None, unsafe_skip_rsa_key_validation=skip))
    except UnsupportedAlgorithm:
        raise unsupported("its kind of key is not known") from None
    except (TypeError, ValueError):
        raise malformed("the key in it is damaged, or of an unknown kind") from None
