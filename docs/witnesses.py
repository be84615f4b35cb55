"""Who else reads or writes each algorithm: the last column of the tables of algorithms.

Knows tests by name, and what each shows; `tests/test_witnesses.py` holds it against the tests
themselves. May not know rows as values, nor import the package.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["PARTS", "UNWITNESSED", "WITNESSES", "Witness", "cell", "row_key"]


Way = Literal["writes", "reads", "both", "example"]


@dataclass(frozen=True, slots=True)
class Witness:
    """A test with a foreign program, or with somebody else's example, and the rows it is about."""

    peer: str
    way: Way
    """What the peer does."""
    test: str
    """Below `tests/`: file and function."""
    rows: tuple[str, ...]
    """Names of rows, or their OIDs where two rows have one name."""


_PKCS1: Final = "rsa-pkcs1-sha256 rsa-pkcs1-sha384 rsa-pkcs1-sha512"
_PSS: Final = "rsa-pss-sha256 rsa-pss-sha384 rsa-pss-sha512"
_RSA: Final = f"{_PKCS1} {_PSS}"
_ECDSA: Final = "ecdsa-sha256 ecdsa-sha384 ecdsa-sha512"
_ED: Final = "ed25519 ed448"
_ML_DSA: Final = "ml-dsa-44 ml-dsa-65 ml-dsa-87"
_OLD_SCHEMES: Final = (
    "rsa-pkcs1-md5 1.2.840.113549.1.1.5 rsa-pkcs1-sha224 rsa-pkcs1-sha3-224 rsa-pkcs1-sha3-256 "
    "rsa-pkcs1-sha3-384 rsa-pkcs1-sha3-512 rsa-pss-shake128 rsa-pss-shake256 ecdsa-sha1 "
    "ecdsa-sha224 ecdsa-sha3-224 ecdsa-sha3-256 ecdsa-sha3-384 ecdsa-sha3-512 ecdsa-shake128 "
    "ecdsa-shake256 dsa-sha1 dsa-sha224 dsa-sha256 dsa-sha384 dsa-sha512"
)
_SHA2: Final = "sha256 sha384 sha512"
_DIGESTS: Final = (
    f"md5 sha1 sha224 {_SHA2} sha3-224 sha3-256 sha3-384 sha3-512 shake128 shake256 shake256-len"
)
_CBC: Final = "aes-128-cbc aes-192-cbc aes-256-cbc"
_GCM: Final = "aes-128-gcm aes-192-gcm aes-256-gcm"
_READ_CIPHERS: Final = "aes-128-ccm aes-192-ccm aes-256-ccm des-ede3-cbc rc2-cbc"
_ECDH: Final = (
    "ecdh-std-sha256 ecdh-std-sha384 ecdh-std-sha512 ecdh-std-sha224 ecdh-cofactor-sha224 "
    "ecdh-cofactor-sha256 ecdh-cofactor-sha384 ecdh-cofactor-sha512"
)
_HKDF: Final = "ecdh-hkdf-sha256 ecdh-hkdf-sha384 ecdh-hkdf-sha512"
_WRAPS: Final = "aes-128-wrap aes-192-wrap aes-256-wrap"
_NIST: Final = "P-256 P-384 P-521"
_BRAINPOOL: Final = "brainpoolP256r1 brainpoolP384r1 brainpoolP512r1"
_HMACS: Final = (
    "1.2.840.113549.2.7 1.3.6.1.5.5.8.1.2 hmac-sha224 hmac-sha256 hmac-sha384 hmac-sha512"
)
_ML_KEM: Final = "ml-kem-768 ml-kem-1024"


def _of(peer: str, file: str, *shows: tuple[Way, str, str]) -> Iterator[Witness]:
    """The witnesses of one file, each with what its peer does, its function and its rows."""
    for way, function, rows in shows:
        yield Witness(peer, way, f"{file}::test_{function}", tuple(rows.split()))


OPENSSL, NSS, GPGSM, BOUNCY_CASTLE = "OpenSSL", "NSS", "gpgsm", "Bouncy Castle"
GNUTLS: Final = "GnuTLS"
PARTS: Final = "Bouncy Castle's parts"
"""Its primitives and its syntax, which the program of the test puts together as the RFC says."""

WITNESSES: Final = (
    *_of(
        OPENSSL,
        "interop/test_openssl_signed.py",
        (
            "writes",
            "openssl_signs_with",
            f"{_RSA} rsa-pkcs1-sha224 {_ECDSA} {_NIST} sha224 {_SHA2}",
        ),
        ("reads", "openssl_verifies", f"{_RSA} {_ECDSA} {_NIST}"),
        ("writes", "weak_digest", "md5 sha1"),
    ),
    *_of(
        OPENSSL,
        "interop/test_openssl_encrypted.py",
        ("writes", "openssl_encrypts", f"{_CBC} {_GCM} {_NIST}"),
        ("reads", "openssl_decrypts", f"{_CBC} {_GCM} {_NIST}"),
        ("writes", "openssl_pads", "rsa-pkcs1 rsa-oaep"),
        ("reads", "openssl_unpads", "rsa-pkcs1 rsa-oaep"),
        ("writes", "triple_des", "des-ede3-cbc"),
        ("writes", "rc2", "rc2-cbc"),
    ),
    *_of(
        OPENSSL,
        "interop/test_openssl_recipients.py",
        ("both", "brainpool", _BRAINPOOL),
        ("reads", "schemes_and_ukm", _ECDH),
        ("both", "passwords", "password"),
    ),
    *_of(
        NSS,
        "interop/test_nss.py",
        ("reads", "nss_verifies_rsa", f"rsa-pkcs1-sha384 rsa-pkcs1-sha512 {_PSS}"),
        ("reads", "nss_verifies", _NIST),
        ("writes", "nss_signs", f"{_SHA2} P-256"),
        ("reads", "nss_decrypts", f"{_CBC} rsa-pkcs1"),
    ),
    *_of(
        GPGSM,
        "interop/test_gpgsm.py",
        ("reads", "gpgsm_verifies", f"{_RSA} ecdsa-sha256 ecdsa-sha384 P-256 P-384"),
        ("writes", "gpgsm_signs", _SHA2),
        ("reads", "gpgsm_decrypts", f"{_CBC} rsa-pkcs1"),
        ("writes", "gpgsm_encrypts", _CBC),
        ("writes", "gpgsm_encrypts_with_triple_des", "des-ede3-cbc"),
    ),
    *_of(
        GNUTLS,
        "interop/test_gnutls.py",
        ("reads", "gnutls_verifies", "rsa-pkcs1-sha256 ecdsa-sha256 ecdsa-sha384 ed25519"),
        ("writes", "gnutls_signs", f"{_PKCS1} rsa-pkcs1-sha3-256 {_ECDSA} ecdsa-sha3-256 ed25519"),
    ),
    *_of(
        BOUNCY_CASTLE,
        "interop/test_bouncycastle_signed.py",
        ("writes", "bouncycastle_signs", f"{_RSA} {_ECDSA} {_ED} {_OLD_SCHEMES}"),
        ("reads", "bouncycastle_verifies", f"{_RSA} {_ECDSA} {_ED}"),
        ("reads", "an_old_name_of_sha1_with_rsa", "1.3.14.3.2.29"),
    ),
    *_of(
        BOUNCY_CASTLE,
        "interop/test_bouncycastle_encrypted.py",
        ("writes", "bouncycastle_encrypts", f"{_CBC} {_GCM} {_READ_CIPHERS}"),
        ("reads", "bouncycastle_decrypts", f"{_CBC} {_GCM} chacha20-poly1305"),
        ("both", "key_transport", "rsa-pkcs1"),
        ("both", "oaep", "rsa-oaep"),
        ("both", "key_agreement", f"{_ECDH} {_WRAPS}"),
        ("writes", "key_agreement", "ecdh-std-sha1 ecdh-cofactor-sha1"),
        ("both", "curves", f"{_NIST} {_BRAINPOOL}"),
    ),
    *_of(
        BOUNCY_CASTLE,
        "interop/test_bouncycastle_recipients.py",
        ("both", "shared_keys", _WRAPS),
        ("writes", "passwords_of_theirs", "password"),
        ("reads", "passwords_of_ours", "password"),
    ),
    *_of(
        PARTS,
        "interop/test_bouncycastle_encrypted.py",
        ("writes", "bouncycastle_encrypts", "chacha20-poly1305"),
        ("both", "key_agreement", _HKDF),
        ("both", "curves", "X25519 X448"),
    ),
    *_of(
        PARTS,
        "interop/test_bouncycastle_young.py",
        ("writes", "rsa_kem_of_theirs", "rsa-kem"),
        ("reads", "rsa_kem_of_ours", "rsa-kem"),
        ("writes", "derived_keys_of_theirs", "cek-hkdf-sha256"),
        ("reads", "derived_keys_of_ours", "cek-hkdf-sha256"),
    ),
    *_of(
        BOUNCY_CASTLE,
        "interop/test_bouncycastle_content.py",
        ("both", "digested", _DIGESTS),
        ("writes", "authenticated_of_theirs", _HMACS),
        ("reads", "authenticated_of_ours", "hmac-sha256"),
    ),
    *_of("RFC 4134, 4", "vectors/test_rfc4134.py", ("example", "signed", "dsa-sha1")),
    *_of(
        "RFC 9882, App. B",
        "cms/test_signature_kinds.py",
        ("example", "rfc9882_examples", _ML_DSA),
    ),
    *_of("RFC 9690, App. D", "cms/test_kem.py", ("example", "rfc9690", "rsa-kem")),
    *_of(
        "RFC 9936, App. C (but for the secret)",
        "cms/test_kem.py",
        ("example", "rfc9936", f"ml-kem-512 {_ML_KEM}"),
    ),
    *_of(
        "NIST's known answers (the secret)",
        "vectors/test_ml_kem_kat.py",
        ("example", "the_recipient", _ML_KEM),
    ),
    *_of(
        "RFC 9709, App. B",
        "cms/test_content_ciphers.py",
        ("example", "rfc9709", "cek-hkdf-sha256"),
    ),
)

UNWITNESSED: Final[Mapping[str, str]] = MappingProxyType({})
"""Rows that nobody else reads or writes here, each with the reason."""


def row_key(name: str) -> str:
    """What a row is called here: its name in a table, without what explains it."""
    return re.split(r"[:(]", name)[0].strip()


def cell(name: str, oid: str) -> str:
    """The witnesses of a row; KeyError where it has neither one nor a reason for having none."""
    ways: dict[str, set[str]] = {}
    for each in WITNESSES:
        if {row_key(name), oid} & set(each.rows):
            ways.setdefault(each.peer, set()).add(each.way)
    if not ways:
        return f"none: {UNWITNESSED[row_key(name)]}"
    return "; ".join(peer + _shown(found) for peer, found in ways.items())


def _shown(ways: set[str]) -> str:
    """One way only is said; both ways, or an example, go without saying."""
    return f" ({ways.pop()})" if ways in ({"writes"}, {"reads"}) else ""
