"""ML-KEM private keys in the forms of RFC 9935, 6: the seed is what counts.

Knows the private key's syntax. May not know certificates or files.
"""

import hashlib
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives.asymmetric import mlkem

from smimekit.algorithms import KEMS, ML_KEM_768, ML_KEM_1024, RSA_KEM
from smimekit.errors import CmsError, LimitExceeded
from smimekit.keys.failures import malformed, unsupported
from smimekit.keys.seeded import private_key_info, seed_and_expanded

__all__ = ["MlKemPrivateKey", "load_ml_kem"]

MlKemPrivateKey = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey

_KINDS: Final[dict[str, tuple[type[MlKemPrivateKey], int]]] = {
    ML_KEM_768.oid: (mlkem.MLKEM768PrivateKey, 3),
    ML_KEM_1024.oid: (mlkem.MLKEM1024PrivateKey, 4),
}
"""The kind of key, and its dimension k (FIPS 203, table 2)."""


def load_ml_kem(data: bytes) -> MlKemPrivateKey | None:
    """The ML-KEM key in unencrypted PKCS #8, or None where it is none.

    Raises KeyFileError: `key.malformed` also where seed and expanded key do not belong
    together (RFC 9935, 8), `key.unsupported` for an expanded key without its seed and for
    ML-KEM-512.
    """
    found = private_key_info(data)
    if found is None:
        return None
    algorithm, private = found
    kem = KEMS.get(algorithm.oid)
    if kem is None or kem is RSA_KEM:
        return None
    if not kem.supported:
        raise unsupported(f"{kem.name.upper()} is not supported; ML-KEM-768 and ML-KEM-1024 are")
    if algorithm.parameters is not None:
        raise malformed("an ML-KEM key has parameters (RFC 9935, 3)")
    try:
        return _load(*_KINDS[algorithm.oid], private)
    except (CmsError, LimitExceeded, ValueError):
        raise malformed("the ML-KEM key in it is damaged") from None


def _load(kind: type[MlKemPrivateKey], k: int, private: bytes) -> MlKemPrivateKey:
    seed, expanded = seed_and_expanded(private, "ML-KEM")
    key = kind.from_seed_bytes(seed)
    if expanded is not None and not _belongs(expanded, seed, k, key):
        raise malformed("its seed and its expanded key do not belong together")
    return key


def _belongs(expanded: bytes, seed: bytes, k: int, key: MlKemPrivateKey) -> bool:
    """Is it what the seed expands to (FIPS 203, algorithm 16)?

    The secret vector, the public key, its hash and z, one after the other.
    """
    public = key.public_key().public_bytes_raw()
    tail = public + hashlib.sha3_256(public).digest() + seed[32:]
    return compare_digest(expanded, _secret_vector(seed[:32], k) + tail)


# --- the secret vector (FIPS 203, algorithm 13): the library keeps it to itself --------------

_Q: Final = 3329
_ZETAS: Final = tuple(pow(17, int(f"{at:07b}"[::-1], 2), _Q) for at in range(128))


def _secret_vector(d: bytes, k: int) -> bytes:
    sigma = hashlib.sha3_512(d + bytes((k,))).digest()[32:]
    noise = (hashlib.shake_256(sigma + bytes((at,))).digest(128) for at in range(k))
    return b"".join(_encode(_ntt(_sample(octets))) for octets in noise)


def _sample(octets: bytes) -> list[int]:
    """The centred binomial distribution with eta 2 (algorithm 8): half an octet each."""
    halves = [half for octet in octets for half in (octet & 0xF, octet >> 4)]
    return [(half & 3).bit_count() - (half >> 2).bit_count() for half in halves]


def _ntt(values: list[int]) -> list[int]:
    """The number-theoretic transform (algorithm 9)."""
    step, zetas = 128, iter(_ZETAS[1:])
    while step >= 2:
        for start in range(0, 256, 2 * step):
            zeta = next(zetas)
            for at in range(start, start + step):
                turned = zeta * values[at + step] % _Q
                values[at + step] = (values[at] - turned) % _Q
                values[at] = (values[at] + turned) % _Q
        step //= 2
    return values


def _encode(values: list[int]) -> bytes:
    """12 bits each, the least significant first (algorithm 5)."""
    return sum(value << 12 * at for at, value in enumerate(values)).to_bytes(384, "little")
