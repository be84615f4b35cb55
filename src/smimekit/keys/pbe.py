"""Encryption and MACs under a password: PKCS #12's own way and PKCS #5's (RFC 7292, 8018, 9579).

Knows ciphers, MACs and what a file says about them. May not know what is encrypted: a
result is right if its padding is and if it is one ASN.1 SEQUENCE, as everything in a key
file is.
"""

import hmac
from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import (
    BlockCipherAlgorithm,
    Cipher,
    algorithms,
    modes,
)

from smimekit import der
from smimekit.algorithms import (
    AES128_CBC,
    AES192_CBC,
    AES256_CBC,
    DES_EDE3_CBC,
    DIGEST_BY_OID,
    HMAC_SHA256,
    HMACS,
    KEY_FILE_CIPHERS,
    PASSWORD_CIPHERS,
    PBE_SHA1_DES_EDE3,
    PBES2,
    PBKDF2,
    PBMAC1,
    RC2_CBC,
    SHA1,
    SHA256,
    AlgorithmIdentifier,
    ContentCipher,
    Digest,
)
from smimekit.errors import CmsError, LimitExceeded
from smimekit.keys.failures import malformed, unsupported, wrong_password
from smimekit.keys.passwords import Budget, Passphrase, Pbkdf2, Pkcs12Kdf, password_hash
from smimekit.limits import Limits
from smimekit.primitives import random_bytes
from smimekit.rc2 import rc2_cbc_decrypt, rc2_parameters

__all__ = ["decrypt", "encrypt", "encrypt_triple_des", "mac_matches", "pkcs12_mac"]

ITERATIONS: Final = 100_000
"""What we write: about 0.1 s for the MAC, which is hashed in Python. An attacker takes the
cheaper of MAC and cipher, so both cost the same."""
_AES: Final = (AES128_CBC, AES192_CBC, AES256_CBC)


# --- ciphers -------------------------------------------------------------------------------


def _cbc(cipher: ContentCipher, key: bytes, iv: bytes, data: bytes, bits: int) -> bytes:
    if cipher is RC2_CBC:
        return rc2_cbc_decrypt(key, bits, iv, data)
    running = Cipher(_block_cipher(cipher, key), modes.CBC(iv)).decryptor()
    return running.update(data) + running.finalize()


def _block_cipher(cipher: ContentCipher, key: bytes) -> BlockCipherAlgorithm:
    if cipher is DES_EDE3_CBC:
        return TripleDES((key + key[:8])[:24])
    if cipher in _AES:
        return algorithms.AES(key)
    from cryptography.hazmat.decrepit.ciphers.algorithms import Camellia  # noqa: PLC0415 - it may go

    return Camellia(key)


def _unpad(padded: bytes, block: int) -> bytes | None:
    """RFC 5652, 6.3 backwards; None where that is no padding."""
    count = padded[-1]
    if not 1 <= count <= block or padded[-count:] != bytes((count,)) * count:
        return None
    return padded[:-count]


def _is_sequence(plain: bytes | None) -> bool:
    reader = der.Reader(plain or b"")
    try:
        reader.raw(der.SEQUENCE)
        reader.finish()
    except (CmsError, LimitExceeded):
        return False
    return True


def _open(
    cipher: ContentCipher, keys: Iterator[tuple[bytes, bytes]], data: bytes, bits: int
) -> bytes | None:
    """The plaintext under the first of the pairs of key and IV that fits."""
    if not data or len(data) % cipher.block:
        raise malformed("encrypted data is not made of whole blocks")
    for key, iv in keys:
        plain = _unpad(_cbc(cipher, key, iv, data, bits), cipher.block)
        if plain is not None and _is_sequence(plain):
            return plain
    return None


def decrypt(
    identifier: AlgorithmIdentifier, data: bytes, passphrase: Passphrase, budget: Budget
) -> bytes:
    """What was encrypted under the password; always one ASN.1 SEQUENCE.

    KeyFileError where the password is wrong or the algorithm is not known; LimitExceeded
    where it costs too much; CmsError where the parameters are malformed.
    """
    opener = _pbes2 if identifier.oid == PBES2 else _pkcs12
    plain = opener(identifier, data, passphrase, budget)
    if plain is None:
        raise wrong_password(given=passphrase.given)
    return plain


def _pkcs12(
    identifier: AlgorithmIdentifier, data: bytes, passphrase: Passphrase, budget: Budget
) -> bytes | None:
    row = PASSWORD_CIPHERS.get(identifier.oid)
    if row is None:
        raise unsupported("it is encrypted in a way that is not known")
    inside = der.Reader(identifier.parameters or b"").enter(der.SEQUENCE)
    kdf = Pkcs12Kdf(SHA1, inside.octets(), inside.integer())
    inside.finish()
    keys = (
        (
            kdf.derive(secret, 1, row.key_size, budget),
            kdf.derive(secret, 2, row.cipher.block, budget),
        )
        for secret in passphrase.pkcs12
    )
    return _open(row.cipher, keys, data, 8 * row.key_size)


def _pbes2(
    identifier: AlgorithmIdentifier, data: bytes, passphrase: Passphrase, budget: Budget
) -> bytes | None:
    inside = der.Reader(identifier.parameters or b"").enter(der.SEQUENCE)
    kdf = password_hash(AlgorithmIdentifier.read(inside))
    scheme = AlgorithmIdentifier.read(inside)
    inside.finish()
    cipher = KEY_FILE_CIPHERS.get(scheme.oid)
    if cipher is None:
        raise unsupported("it is encrypted with a cipher that is not known")
    size, iv, bits = _cipher_parameters(cipher, scheme.parameters, kdf.key_size)
    keys = ((kdf.derive(secret, size, budget), iv) for secret in passphrase.pkcs5)
    return _open(cipher, keys, data, bits)


def _cipher_parameters(
    cipher: ContentCipher, parameters: bytes | None, key_size: int | None
) -> tuple[int, bytes, int]:
    """Size of the key, IV, and the effective bits of RC2."""
    if cipher is RC2_CBC:
        bits, iv = rc2_parameters(parameters)
        size = key_size or (bits + 7) // 8
        if not 1 <= size <= 128:
            raise malformed("its key size is impossible")
        return size, iv, bits
    iv = der.Reader(parameters or b"").octets()
    size = key_size or cipher.key_size
    # Old NSS wrote "AES-128" and encrypted with the 32 octets that it named as the key's length.
    if len(iv) != cipher.block or not (size == cipher.key_size or (cipher in _AES and size == 32)):
        raise malformed("the parameters of its cipher do not fit")
    return size, iv, 0


def encrypt(data: bytes, password: str) -> tuple[AlgorithmIdentifier, bytes]:
    """`data` under PBES2 with PBKDF2, HMAC-SHA-256 and AES-256-CBC, and what says so."""
    salt, iv = random_bytes(16), random_bytes(AES256_CBC.block)
    kdf = Pbkdf2(SHA256, salt, ITERATIONS, AES256_CBC.key_size)
    key = kdf.derive(password.encode("utf-8"), AES256_CBC.key_size, Budget(Limits()))
    padding = AES256_CBC.block - len(data) % AES256_CBC.block
    running = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    ciphertext = running.update(data + bytes((padding,)) * padding) + running.finalize()
    prf = AlgorithmIdentifier(HMAC_SHA256, der.NULL_VALUE).encode()
    hashing = der.sequence(der.octet_string(salt), der.integer(ITERATIONS), prf)
    parameters = der.sequence(
        AlgorithmIdentifier(PBKDF2, hashing).encode(), AES256_CBC.identifier(iv).encode()
    )
    return AlgorithmIdentifier(PBES2, parameters), ciphertext


def encrypt_triple_des(data: bytes, password: str) -> tuple[AlgorithmIdentifier, bytes]:
    """`data` under pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292, App. C), and what says so."""
    row, salt, budget = PBE_SHA1_DES_EDE3, random_bytes(16), Budget(Limits())
    kdf, secret = Pkcs12Kdf(SHA1, salt, ITERATIONS), Passphrase.of(password).pkcs12[0]
    key = kdf.derive(secret, 1, row.key_size, budget)
    iv = kdf.derive(secret, 2, row.cipher.block, budget)
    padding = row.cipher.block - len(data) % row.cipher.block
    running = Cipher(TripleDES(key), modes.CBC(iv)).encryptor()
    ciphertext = running.update(data + bytes((padding,)) * padding) + running.finalize()
    parameters = der.sequence(der.octet_string(salt), der.integer(ITERATIONS))
    return AlgorithmIdentifier(row.oid, parameters), ciphertext


# --- MACs ----------------------------------------------------------------------------------


def mac_matches(
    mac_data: der.Reader, content: bytes, passphrase: Passphrase, budget: Budget
) -> bool:
    """Does a MacData (RFC 7292, 4; RFC 9579, 4) match `content` under the password?"""
    info = mac_data.enter(der.SEQUENCE)
    algorithm = AlgorithmIdentifier.read(info)
    expected = info.octets()
    info.finish()
    salt = mac_data.octets()
    iterations = mac_data.integer() if mac_data.more else 1  # RFC 7292, 4: DEFAULT 1
    mac_data.finish()
    if algorithm.oid == PBMAC1:
        digest, keys = _pbmac1(algorithm, passphrase, budget)
    else:
        found = DIGEST_BY_OID.get(algorithm.oid)
        if found is None:
            raise unsupported("the digest of its MAC is not known")
        digest, kdf = found, Pkcs12Kdf(found, salt, iterations)
        keys = (kdf.derive(secret, 3, found.size, budget) for secret in passphrase.pkcs12)
    return any(
        hmac.compare_digest(hmac.digest(key, content, digest.name), expected) for key in keys
    )


def _pbmac1(
    algorithm: AlgorithmIdentifier, passphrase: Passphrase, budget: Budget
) -> tuple[Digest, Iterator[bytes]]:
    inside = der.Reader(algorithm.parameters or b"").enter(der.SEQUENCE)
    kdf = password_hash(AlgorithmIdentifier.read(inside))
    digest = HMACS.get(AlgorithmIdentifier.read(inside).oid)
    inside.finish()
    if digest is None:
        raise unsupported("the scheme of its MAC is not known")
    size = kdf.key_size
    # RFC 9579, 5: it must be there; 9: at least 20 octets. No HMAC profits from over 128.
    if size is None or not 20 <= size <= 128:
        raise malformed("the size of its MAC key is missing or impossible")
    return digest, (kdf.derive(secret, size, budget) for secret in passphrase.pkcs5)


def pkcs12_mac(content: bytes, password: str, digest: Digest = SHA256) -> bytes:
    """The MacData of `content`: an HMAC under the key derivation of PKCS #12."""
    salt = random_bytes(16)
    kdf = Pkcs12Kdf(digest, salt, ITERATIONS)
    key = kdf.derive(Passphrase.of(password).pkcs12[0], 3, digest.size, Budget(Limits()))
    info = der.sequence(
        AlgorithmIdentifier(digest.oid, der.NULL_VALUE).encode(),
        der.octet_string(hmac.digest(key, content, digest.name)),
    )
    return der.sequence(info, der.octet_string(salt), der.integer(ITERATIONS))
