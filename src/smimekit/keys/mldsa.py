"""ML-DSA private keys in the forms of RFC 9881, 6: the seed is what counts.

Knows the private key's syntax. May not know certificates or files.
"""

import hashlib
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives.asymmetric import mldsa

from smimekit.errors import CmsError, LimitExceeded
from smimekit.keys.failures import malformed
from smimekit.keys.seeded import private_key_info, seed_and_expanded

__all__ = ["MlDsaPrivateKey", "load_ml_dsa"]

MlDsaPrivateKey = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey

_KINDS: Final[dict[str, tuple[type[MlDsaPrivateKey], bytes]]] = {
    "2.16.840.1.101.3.4.3.17": (mldsa.MLDSA44PrivateKey, b"\x04\x04"),
    "2.16.840.1.101.3.4.3.18": (mldsa.MLDSA65PrivateKey, b"\x06\x05"),
    "2.16.840.1.101.3.4.3.19": (mldsa.MLDSA87PrivateKey, b"\x08\x07"),
}
"""The kind of key, and its dimensions (k, l) as octets (FIPS 204, table 1)."""


def load_ml_dsa(data: bytes) -> MlDsaPrivateKey | None:
    """The ML-DSA key in unencrypted PKCS #8, or None where it is none.

    Raises KeyFileError: `key.malformed` also where seed and expanded key do not belong
    together (RFC 9881, 8.2), `key.unsupported` for an expanded key without its seed.
    """
    found = private_key_info(data)
    if found is None:
        return None
    algorithm, private = found
    if algorithm.oid not in _KINDS:
        return None
    if algorithm.parameters is not None:
        raise malformed("an ML-DSA key has parameters (RFC 9881, 2)")
    try:
        return _load(*_KINDS[algorithm.oid], private)
    except (CmsError, LimitExceeded, ValueError):
        raise malformed("the ML-DSA key in it is damaged") from None


def _load(kind: type[MlDsaPrivateKey], dimensions: bytes, private: bytes) -> MlDsaPrivateKey:
    seed, expanded = seed_and_expanded(private, "ML-DSA")
    key = kind.from_seed_bytes(seed)
    if expanded is not None and not _belongs(expanded, seed, dimensions, key):
        raise malformed("its seed and its expanded key do not belong together")
    return key


def _belongs(expanded: bytes, seed: bytes, dimensions: bytes, key: MlDsaPrivateKey) -> bool:
    """Do rho, K and tr of the expanded key follow from the seed (FIPS 204, algorithm 6)?

    Only the seed is used from here on, so that its short vectors need no look: what they
    are, the seed says.
    """
    generated = hashlib.shake_256(seed + dimensions).digest(128)
    public = key.public_key().public_bytes_raw()
    wanted = generated[:32] + generated[96:] + hashlib.shake_256(public).digest(64)
    return compare_digest(expanded[:128], wanted)
