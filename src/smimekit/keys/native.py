"""Private keys in the operating system's own cryptography, through oscrypto.

That is CNG on Windows, Security.framework on macOS, and the system's OpenSSL elsewhere: for who has
to use those. This file alone knows oscrypto's keys; it is imported by who names it. May not know
certificates beyond the credentials that it makes.
"""

import sys
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from types import CodeType
from typing import Any, Final, final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from smimekit import primitives
from smimekit.algorithms import SHA1, RsaPadding, SignatureKind, SignatureScheme
from smimekit.errors import DecryptionError, KeyAccessError, UsageError
from smimekit.keys.credential import Credential, exported
from smimekit.keys.software import SoftwareKey
from smimekit.primitives import PublicKey

__all__ = ["NativeKey", "with_native_keys"]

_DIGESTS: Final = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})


@final
class NativeKey:
    """An RSA or EC key (P-256, P-384, P-521) that the operating system computes with.

    Signs with RSA (PKCS #1 v1.5; PSS where the system makes a salt as long as the digest, which
    oscrypto 1.3 with OpenSSL 3 does not) and ECDSA; decrypts with RSA (v1.5, and OAEP with
    SHA-1). UsageError for anything else; KeyAccessError where the system's library cannot be
    used or fails (`key-access.module`, `key-access.failed`).
    """

    __slots__ = ("_key", "_public")

    def __init__(self, key: SoftwareKey) -> None:
        self._public: Final = key.public_key
        if not _is_known(self._public):
            raise UsageError(
                f"The operating system takes RSA keys and NIST curves here, no key of kind "
                f"{primitives.key_name(self._public)}.",
                code="usage.key-kind",
            )
        try:
            self._key: Final = _asymmetric().load_private_key(exported(key))
        except (OSError, ValueError) as error:
            raise _failed() from error

    def __repr__(self) -> str:
        return f"<NativeKey {primitives.key_name(self._public)}>"

    @property
    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        native, name = _asymmetric(), scheme.digest.name
        match scheme.kind, self._public:
            case SignatureKind.RSA_PKCS1, rsa.RSAPublicKey() if name in _DIGESTS:
                sign = native.rsa_pkcs1v15_sign
            case SignatureKind.RSA_PSS, rsa.RSAPublicKey() if _is_plain_pss(scheme):
                sign = native.rsa_pss_sign
            case SignatureKind.ECDSA, ec.EllipticCurvePublicKey() if name in _DIGESTS:
                sign = native.ecdsa_sign
            case _:
                raise self._not_with(scheme)
        try:
            signature = bytes(sign(self._key, data, name))
        except (OSError, ValueError) as error:
            raise _failed() from error
        # With OpenSSL 3, oscrypto leaves the length of the salt to it, which takes the longest.
        if scheme.kind is SignatureKind.RSA_PSS and not primitives.verify(
            self._public, scheme, signature, data
        ):
            raise self._not_with(scheme)
        return signature

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        if not isinstance(self._public, rsa.RSAPublicKey):
            raise self._not_for("decrypt")
        native = _asymmetric()
        if padding.digest is None:
            with suppress(OSError, ValueError):
                return bytes(native.rsa_pkcs1v15_decrypt(self._key, ciphertext))
            # RFC 3218, 2.3.2: what does not fit looks like any other key.
            return primitives.random_bytes(32)
        if {padding.digest, padding.mgf or padding.digest} != {SHA1} or padding.label:
            raise self._not_for("decrypt OAEP with anything but SHA-1")
        with suppress(OSError, ValueError):
            return bytes(native.rsa_oaep_decrypt(self._key, ciphertext))
        raise DecryptionError

    def exchange(self, peer: PublicKey) -> bytes:  # noqa: ARG002 - the protocol's
        raise self._not_for("agree on a secret")

    def decapsulate(self, ciphertext: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        raise self._not_for("decapsulate")

    def _not_with(self, scheme: SignatureScheme) -> UsageError:
        return UsageError(f"{self!r} cannot sign with {scheme.name}.", code="usage.scheme")

    def _not_for(self, operation: str) -> UsageError:
        return UsageError(f"{self!r} cannot {operation}.", code="usage.key-operation")


def with_native_keys(credential: Credential) -> Credential:
    """The same credential, its key and those of its siblings in the operating system.

    Raises as `NativeKey` does.
    """
    siblings = tuple(map(with_native_keys, credential.siblings))
    if not isinstance(credential.key, SoftwareKey):
        raise UsageError("This private key cannot be exported.", code="usage.key-export")
    return replace(credential, key=NativeKey(credential.key), siblings=siblings)


def _is_known(key: PublicKey) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in _CURVES
    return isinstance(key, rsa.RSAPublicKey)


def _is_plain_pss(scheme: SignatureScheme) -> bool:
    """One digest for the data and the mask, and a salt of its size: all that oscrypto has."""
    own = scheme.mgf in {None, scheme.digest} and scheme.salt in {None, scheme.digest.size}
    return own and scheme.digest.name in _DIGESTS


def _failed() -> KeyAccessError:
    return KeyAccessError(
        "The operating system's cryptography failed with the private key.", code="key-access.failed"
    )


# --- oscrypto, and what is wrong with it ---------------------------------------------------

# oscrypto 1.3.0 looks for libcrypto's version with a pattern that knows one digit for the patch
# level: with OpenSSL 3.0.10 and later it fails to import ("Error detecting the version of
# libcrypto"). Fixed on its master; all below here goes with the next release.
_ONE_DIGIT: Final = rb"\\d\\.\\d\\.\\d[a-z]*"
_DIGITS: Final = rb"\\d+\\.\\d+\\.\\d+[a-z]*"


@final
class _Repaired(SourceFileLoader):
    """Loads a module of oscrypto with the pattern set right; nothing is written anywhere."""

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        source = self.get_data(path).replace(_ONE_DIGIT, _DIGITS)
        code: CodeType = self.source_to_code(source, path)
        return code


@cache
def _asymmetric() -> Any:
    """`oscrypto.asymmetric`; KeyAccessError where the system has no library for it."""
    try:
        return _imported()
    except (ImportError, OSError, ValueError) as error:
        raise KeyAccessError(
            "The operating system's cryptography cannot be used here.", code="key-access.module"
        ) from error


def _imported() -> Any:
    errors = import_module("oscrypto.errors")
    try:
        return import_module("oscrypto.asymmetric")
    except errors.LibraryNotFoundError:
        _repair(f"oscrypto._openssl._libcrypto_{import_module('oscrypto').ffi()}")
        return import_module("oscrypto.asymmetric")


def _repair(name: str) -> None:
    found = find_spec(name)
    if found is None or found.origin is None:
        raise ImportError(name=name)
    loader = _Repaired(name, found.origin)
    spec = spec_from_loader(name, loader)
    if spec is None:
        raise ImportError(name=name)
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
