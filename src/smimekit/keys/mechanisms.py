"""Rows of `algorithms` as PKCS #11 names them, and what its errors mean. Needs the extra `pkcs11`.

Knows mechanisms and their parameters. May not know sessions or keys.
"""

from typing import Final

import pkcs11
from pkcs11 import MGF, Mechanism

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier, Digest, RsaPadding, SignatureScheme
from smimekit.errors import UsageError

__all__ = ["LOST", "UNSUPPORTED", "WRONG_PIN", "digest_info", "oaep", "pss"]

_DIGESTS: Final[dict[str, tuple[Mechanism, MGF]]] = {
    "sha1": (Mechanism.SHA_1, MGF.SHA1),
    "sha224": (Mechanism.SHA224, MGF.SHA224),
    "sha256": (Mechanism.SHA256, MGF.SHA256),
    "sha384": (Mechanism.SHA384, MGF.SHA384),
    "sha512": (Mechanism.SHA512, MGF.SHA512),
}
LOST: Final = (
    pkcs11.exceptions.DeviceError,
    pkcs11.exceptions.DeviceRemoved,
    pkcs11.exceptions.KeyHandleInvalid,
    pkcs11.exceptions.NoSuchKey,
    pkcs11.exceptions.NoSuchToken,
    pkcs11.exceptions.ObjectHandleInvalid,
    pkcs11.exceptions.SessionClosed,
    pkcs11.exceptions.SessionHandleInvalid,
    pkcs11.exceptions.TokenNotPresent,
    pkcs11.exceptions.TokenNotRecognised,
    pkcs11.exceptions.UserNotLoggedIn,
)
"""The session, the token or the key is gone."""
WRONG_PIN: Final = (
    pkcs11.exceptions.PinExpired,
    pkcs11.exceptions.PinIncorrect,
    pkcs11.exceptions.PinInvalid,
    pkcs11.exceptions.PinLenRange,
)
"""The PIN is not the one, or no longer."""
UNSUPPORTED: Final = (
    pkcs11.exceptions.ArgumentsBad,
    pkcs11.exceptions.FunctionNotSupported,
    pkcs11.exceptions.KeyTypeInconsistent,
    pkcs11.exceptions.MechanismInvalid,
    pkcs11.exceptions.MechanismParamInvalid,
)
"""The key or the token cannot do what was asked."""


def digest_info(digest: Digest, hashed: bytes) -> bytes:
    """RFC 8017, 9.2: what PKCS #1 v1.5 signs."""
    identifier = AlgorithmIdentifier(digest.oid, der.NULL_VALUE).encode()
    return der.sequence(identifier, der.octet_string(hashed))


def pss(scheme: SignatureScheme) -> tuple[Mechanism, MGF, int]:
    """The parameters of PSS; UsageError for a digest without a mechanism."""
    salt = scheme.digest.size if scheme.salt is None else scheme.salt
    return _row(scheme.digest)[0], _row(scheme.mgf or scheme.digest)[1], salt


def oaep(padding: RsaPadding) -> tuple[Mechanism, MGF]:
    """The digest and the mask of OAEP; UsageError for a digest without a mechanism."""
    digest = padding.digest
    if digest is None:
        raise AssertionError  # the caller looked
    return _row(digest)[0], _row(padding.mgf or digest)[1]


def _row(digest: Digest) -> tuple[Mechanism, MGF]:
    found = _DIGESTS.get(digest.name)
    if found is None:
        raise UsageError(
            f"PKCS #11 has no mechanism here for {digest.name}.", code="usage.key-operation"
        )
    return found
