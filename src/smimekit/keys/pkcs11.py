"""Private keys on a token: smart cards and hardware modules, through PKCS #11 v2.40.

Knows sessions, mechanisms and their errors. May not know whose a certificate is (`credential`
does). This module needs the extra `pkcs11`; it is imported by who names it. A key never leaves
its token: what goes there are digests, ciphertexts and peers' public keys.
"""

import os
from collections.abc import Callable, Iterator
from threading import RLock
from types import TracebackType
from typing import Any, Final, Self, TypeVar, final

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import KDF, Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.types import DecryptMixin, DeriveMixin, SignMixin
from pkcs11.util.ec import encode_ec_public_key, encode_ecdsa_signature
from pkcs11.util.rsa import encode_rsa_public_key

from smimekit import der, primitives
from smimekit.algorithms import (
    RSA_ENCRYPTION,
    AlgorithmIdentifier,
    RsaPadding,
    SignatureKind,
    SignatureScheme,
)
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, DecryptionError, KeyAccessError, UsageError
from smimekit.keys.credential import Credential
from smimekit.keys.mechanisms import (
    LOST,
    UNSUPPORTED,
    WRONG_PIN,
    digest_info,
    oaep,
    pss,
)
from smimekit.primitives import PublicKey

__all__ = ["Pkcs11Key", "Pkcs11Token"]

_T = TypeVar("_T")


@final
class Pkcs11Token:
    """A token by its label or serial number, opened with its PIN when it is first used.

    Of its private keys those with the label `key_label` and the CKA_ID `key_id`, all without.
    `module` is the vendor's library. `pin` is the PIN or a function that asks for it; never
    take it from a command line. A wrong PIN is tried once and not again: three of them lock most
    tokens. Use it as a context manager, or `close` it. Safe to use from several threads, which
    wait for each other. A session that was lost is an error once; the next use opens another.

    Raises KeyAccessError: `key-access.module`, `key-access.token`, `key-access.pin`,
    `key-access.pin-locked`, `key-access.lost`, `key-access.failed`.
    """

    def __init__(
        self,
        module: str | os.PathLike[str],
        *,
        token: str | None = None,
        serial: str | None = None,
        pin: str | Callable[[], str],
        key_label: str | None = None,
        key_id: bytes | None = None,
    ) -> None:
        if token is None and serial is None:
            raise UsageError("A token is named by its label or its serial number.")
        self._module: Final = os.fspath(module)
        self._label: Final = token or serial
        self._named: Final = _given(
            token_label=token, token_serial=None if serial is None else serial.encode()
        )
        self._wanted: Final = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            **({} if key_label is None else {Attribute.LABEL: key_label}),
            **({} if key_id is None else {Attribute.ID: key_id}),
        }
        self._pin = pin
        self._session: Any = None
        self._handles: dict[tuple[KeyType, bytes], Any] = {}
        self._refused: KeyAccessError | None = None
        self._lock: Final = RLock()

    def __repr__(self) -> str:
        return f"<Pkcs11Token {self._label!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; the next use would open another."""
        with self._lock:
            session, self._session = self._session, None
            self._handles.clear()  # they live as long as the session
            if session is not None:
                try:
                    session.close()
                except pkcs11.exceptions.PKCS11Error:
                    return  # it was gone already

    # --- what is on it --------------------------------------------------------------------

    def certificates(self) -> tuple[tuple[bytes, Certificate], ...]:
        """The X.509 certificates, each with its CKA_ID; malformed ones are passed over."""
        return self.use(lambda session: tuple(_certificates(session)))

    def private_keys(self) -> tuple[tuple[bytes, "Pkcs11Key"], ...]:
        """The private keys whose public half is known, each with its CKA_ID.

        It is known from the public key, or from the certificate, of the same CKA_ID.
        """
        return self.use(lambda session: tuple(self._keys(session)))

    def _keys(self, session: Any) -> Iterator[tuple[bytes, "Pkcs11Key"]]:
        known = dict(_certificates(session))
        # A list: a session searches for one thing at a time.
        for found in list(session.get_objects(self._wanted)):
            key_id = bytes(found[Attribute.ID])
            public = _public_key(session, key_id)
            if public is None and key_id in known:
                public = known[key_id].public_key
            if public is not None:
                yield key_id, Pkcs11Key(self, key_id, public)

    def credentials(self) -> tuple[Credential, ...]:
        """All pairs, as a `KeySource` for a `KeyRing`; KeyFileError where there is none."""
        return (Credential.from_pkcs11(self),)

    # --- the session ----------------------------------------------------------------------

    def use(self, action: Callable[[Any], _T]) -> _T:
        """Do something with the session; errors of PKCS #11 become ours."""
        with self._lock:
            session = self._opened()
            try:
                return action(session)
            except LOST as error:
                self.close()
                raise KeyAccessError(
                    f"The session with the token {self._label!r} was lost, or the key is gone "
                    f"({type(error).__name__}); the next use opens another session.",
                    code="key-access.lost",
                ) from error
            except UNSUPPORTED as error:
                raise UsageError(
                    f"The token {self._label!r} cannot do this with its key "
                    f"({type(error).__name__}).",
                    code="usage.key-operation",
                ) from error
            except pkcs11.exceptions.PKCS11Error as error:
                raise KeyAccessError(
                    f"The token {self._label!r} failed ({type(error).__name__}).",
                    code="key-access.failed",
                ) from error

    def handle(self, kind: KeyType, key_id: bytes) -> Any:
        """A private key in the session; for who is in `use`."""
        if (kind, key_id) not in self._handles:
            self._handles[kind, key_id] = self._session.get_key(
                object_class=ObjectClass.PRIVATE_KEY, key_type=kind, id=key_id
            )
        return self._handles[kind, key_id]

    def _opened(self) -> Any:
        if self._refused is not None:
            raise self._refused
        if self._session is None:
            self._session = self._open(self._found())
        return self._session

    def _found(self) -> Any:
        try:
            library = pkcs11.lib(self._module)
        except (pkcs11.exceptions.PKCS11Error, OSError, RuntimeError) as error:
            raise KeyAccessError(
                f"The PKCS #11 module {self._module} cannot be loaded.", code="key-access.module"
            ) from error
        try:
            return library.get_token(**self._named)
        except pkcs11.exceptions.PKCS11Error as error:
            raise KeyAccessError(
                f"There is no token, or more than one, with the name {self._label!r}.",
                code="key-access.token",
            ) from error

    def _open(self, token: Any) -> Any:
        pin = self._pin if isinstance(self._pin, str) else self._pin()
        try:
            return token.open(user_pin=pin)
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            return token.open()  # by another session: a login is the whole program's
        except pkcs11.exceptions.PinLocked as error:
            self._refused = KeyAccessError(
                f"The PIN of the token {self._label!r} is locked; its administrator unlocks it.",
                code="key-access.pin-locked",
            )
            raise self._refused from error
        except WRONG_PIN as error:
            self._refused = KeyAccessError(
                f"The PIN of the token {self._label!r} is wrong; it is not tried again, as that "
                "would lock the token.",
                code="key-access.pin",
            )
            raise self._refused from error
        except pkcs11.exceptions.PKCS11Error as error:
            raise KeyAccessError(
                f"The token {self._label!r} cannot be opened ({type(error).__name__}).",
                code="key-access.token",
            ) from error


def _given(**words: object) -> dict[str, Any]:
    return {name: value for name, value in words.items() if value is not None}


def _certificates(session: Any) -> Iterator[tuple[bytes, Certificate]]:
    for found in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
        try:
            certificate = Certificate(bytes(found[Attribute.VALUE]))
        except CertificateError:
            continue
        yield bytes(found[Attribute.ID]), certificate


def _public_key(session: Any, key_id: bytes) -> PublicKey | None:
    wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: key_id}
    for found in list(session.get_objects(wanted)):
        if found.key_type is KeyType.RSA:
            public = AlgorithmIdentifier(RSA_ENCRYPTION, der.NULL_VALUE).encode()
            spki = der.sequence(public, der.bit_string(encode_rsa_public_key(found)))
            return primitives.load_public_key(spki)
        if found.key_type is KeyType.EC:
            return primitives.load_public_key(encode_ec_public_key(found))
    return None


# --- a key ---------------------------------------------------------------------------------


@final
class Pkcs11Key:
    """A private key on a token, as a `PrivateKey`: RSA, and ECDSA and ECDH on NIST curves.

    UsageError `usage.key-operation` for what the key or the token cannot do (SoftHSM: OAEP with
    anything but SHA-1); KeyAccessError where the token does not answer.
    """

    __slots__ = ("_id", "_public", "_token")

    def __init__(self, token: Pkcs11Token, key_id: bytes, public: PublicKey) -> None:
        self._token: Final = token
        self._id: Final = key_id
        self._public: Final = public

    def __repr__(self) -> str:
        return f"<Pkcs11Key {primitives.key_name(self._public)} on {self._token!r}>"

    @property
    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        hashed = primitives.digest(scheme.digest, data) if not scheme.kind.pure else b""
        match scheme.kind, self._public:
            case SignatureKind.RSA_PKCS1, rsa.RSAPublicKey():
                info = digest_info(scheme.digest, hashed)
                return self._ask(
                    SignMixin, lambda key: bytes(key.sign(info, mechanism=Mechanism.RSA_PKCS))
                )
            case SignatureKind.RSA_PSS, rsa.RSAPublicKey():
                parameters = pss(scheme)
                kind = Mechanism.RSA_PKCS_PSS
                return self._ask(
                    SignMixin,
                    lambda key: bytes(key.sign(hashed, mechanism=kind, mechanism_param=parameters)),
                )
            case SignatureKind.ECDSA, ec.EllipticCurvePublicKey() as public:
                # FIPS 186-5, 6.4.1: the leftmost bits; all curves here have whole octets but P-521.
                short = hashed[: (public.key_size + 7) // 8]
                raw = self._ask(SignMixin, lambda key: key.sign(short, mechanism=Mechanism.ECDSA))
                return bytes(encode_ecdsa_signature(raw))
        raise UsageError(f"{self!r} cannot sign with {scheme.name}.", code="usage.scheme")

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        if not isinstance(self._public, rsa.RSAPublicKey):
            raise self._not_for("decrypt")
        if padding.digest is None:
            plain = self._decrypted(ciphertext, Mechanism.RSA_PKCS, None)
            # RFC 3218, 2.3.2: what does not fit looks like any other key.
            return primitives.random_bytes(32) if plain is None else plain
        digest, mask = oaep(padding)
        parameters = (digest, mask, padding.label or None)
        plain = self._decrypted(ciphertext, Mechanism.RSA_PKCS_OAEP, parameters)
        if plain is None:
            raise DecryptionError
        return plain

    def exchange(self, peer: PublicKey) -> bytes:
        own = self._public
        if not isinstance(own, ec.EllipticCurvePublicKey):
            raise self._not_for("agree on a secret")
        if not isinstance(peer, ec.EllipticCurvePublicKey) or peer.curve.name != own.curve.name:
            raise DecryptionError
        point = peer.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        size = (own.key_size + 7) // 8
        template = {
            Attribute.EXTRACTABLE: True,  # the secret, for the key derivation here; never the key
            Attribute.SENSITIVE: False,
            Attribute.TOKEN: False,
        }

        def derive(key: Any) -> bytes:
            secret = key.derive_key(
                KeyType.GENERIC_SECRET,
                8 * size,
                mechanism_param=(KDF.NULL, None, point),
                template=template,
            )
            value = bytes(secret[Attribute.VALUE])
            secret.destroy()
            return value

        return self._ask(DeriveMixin, derive)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        if not isinstance(self._public, rsa.RSAPublicKey):
            raise self._not_for("decapsulate")
        # RFC 9690, A.2: RSA without padding, for ciphertexts below the modulus.
        numbers = self._public.public_numbers()
        if not 0 < int.from_bytes(ciphertext, "big") < numbers.n:
            raise DecryptionError
        plain = self._decrypted(ciphertext, Mechanism.RSA_X_509, None)
        if plain is None:
            raise DecryptionError
        return plain.rjust((self._public.key_size + 7) // 8, b"\0")

    def _decrypted(self, ciphertext: bytes, mechanism: Mechanism, parameters: Any) -> bytes | None:
        """The plaintext; None where the token says that the ciphertext is bad, in any words."""

        def decrypt(key: Any) -> bytes | None:
            try:
                return bytes(
                    key.decrypt(ciphertext, mechanism=mechanism, mechanism_param=parameters)
                )
            except (*LOST, *UNSUPPORTED):
                raise
            except pkcs11.exceptions.PKCS11Error:
                return None

        return self._ask(DecryptMixin, decrypt)

    def _ask(self, can: type, action: Callable[[Any], _T]) -> _T:
        """Do something with the key, if the token says that it `can`."""
        kind = KeyType.RSA if isinstance(self._public, rsa.RSAPublicKey) else KeyType.EC

        def ask(_session: Any) -> _T:
            key = self._token.handle(kind, self._id)
            if not isinstance(key, can):
                raise self._not_for(can.__name__.removesuffix("Mixin").lower())
            return action(key)

        return self._token.use(ask)

    def _not_for(self, operation: str) -> UsageError:
        return UsageError(f"{self!r} cannot {operation}.", code="usage.key-operation")
