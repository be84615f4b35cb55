"""A private key with its certificate, and the files that hold both.

Knows which certificate is whose and what it may be used for. May not know messages, nor
whether anybody trusts the certificate.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol, Self, final

from cryptography.hazmat.primitives.asymmetric import (
    dsa,
    ec,
    ed448,
    ed25519,
    mldsa,
    mlkem,
    rsa,
    x448,
    x25519,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smimekit.algorithms import RSA_ENCRYPTION, RSASSA_PSS
from smimekit.certificate import Certificate, read_certificates
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.cms.wrapping import unwrap
from smimekit.errors import CertificateError, NoMatchingKey, UsageError
from smimekit.keys.failures import malformed, no_key
from smimekit.keys.pem import is_pem, pem_blocks
from smimekit.keys.pkcs12 import CertificateBag, KeyBag, Pkcs12Format, read_pfx, write_pfx
from smimekit.keys.software import KeyCheck, SoftwareKey, load_key_block, load_private_key
from smimekit.limits import Limits
from smimekit.primitives import PublicKey
from smimekit.private_key import PrivateKey

__all__ = ["Credential", "KeyToken", "exported", "may_encrypt", "may_sign"]

_LIMITS: Final = Limits()
_SIGNS: Final = frozenset({"digitalSignature", "nonRepudiation"})
_SIGNING_RSA: Final = frozenset({RSA_ENCRYPTION, RSASSA_PSS})
"""What an RSA key is said to be for that may sign: not OAEP, nor RSA-KEM (RFC 4055, 1.2)."""
# PFX ::= SEQUENCE { version INTEGER {v3(3)}, ... (RFC 7292, 4), in DER or BER. What follows is
# a SEQUENCE, and nothing of the kind in a key.
_PFX: Final = re.compile(
    rb"\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03\x30", re.DOTALL
)
_CERTIFICATE_LABELS: Final = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"})


class KeyToken(Protocol):
    """What holds keys that do not leave it, and certificates; by their identifiers there."""

    def private_keys(self) -> Iterable[tuple[bytes, PrivateKey]]:
        """The private keys."""
        ...

    def certificates(self) -> Iterable[tuple[bytes, Certificate]]:
        """The certificates, of whomever."""
        ...


@final
@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A private key, its certificate, and the CA certificates above it, nearest first.

    People with one key pair for signing and another for encryption have one credential
    whose `siblings` are the other pairs; siblings have no siblings themselves. Raises
    UsageError where key and certificate do not belong together.
    """

    key: PrivateKey
    certificate: Certificate
    chain: tuple[Certificate, ...] = ()
    siblings: tuple["Credential", ...] = field(default=())
    memo: dict[object, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What all of its signatures have in common, kept by who makes them: a few entries."""

    def __post_init__(self) -> None:
        if _spki(self.key.public_key) != _spki(self.certificate.public_key):
            raise UsageError(
                f"The private key does not belong to the certificate of "
                f"{self.certificate.subject_text}.",
                code="usage.key-mismatch",
            )
        if any(sibling.siblings for sibling in self.siblings):
            raise UsageError("A sibling of a credential has siblings.", code="usage.siblings")

    def __repr__(self) -> str:
        more = f" and {len(self.siblings)} more" if self.siblings else ""
        return f"<Credential {self.certificate!r}{more}>"

    # --- what it is for -------------------------------------------------------------------

    @property
    def all(self) -> tuple["Credential", ...]:
        """Itself and its siblings."""
        return (self, *self.siblings)

    @property
    def signing(self) -> "Credential":
        """The one to sign with; UsageError where none may sign."""
        for credential in self.all:
            if may_sign(credential.certificate):
                return credential
        raise UsageError(
            f"The certificate of {self.certificate.subject_text} is not for signing.",
            code="usage.not-for-signing",
        )

    @property
    def encryption_certificate(self) -> Certificate | None:
        """The certificate that others should encrypt to, or None (RFC 8551, 2.5.3)."""
        for credential in self.all:
            if may_encrypt(credential.certificate):
                return credential.certificate
        return None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The mail addresses of all the certificates, as written, each once: those of the
        subjectAltName, or of the subject where it has none (RFC 8550, 3).
        """
        certificates = [each.certificate for each in self.all]
        named = [each.addresses or each.subject_addresses for each in certificates]
        return tuple(dict.fromkeys(address for some in named for address in some))

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        """The content-encryption key for itself or a sibling (Decryptor)."""
        for each in self.all:
            try:
                return unwrap(recipients, each.certificate, each.key, size=size, attempts=attempts)
            except NoMatchingKey:
                continue
        raise NoMatchingKey("The message is not encrypted for this key.")

    # --- files ----------------------------------------------------------------------------

    @classmethod
    def from_pkcs12(
        cls,
        data: bytes | str | os.PathLike[str],
        password: str | bytes | None = None,
        *,
        limits: Limits = _LIMITS,
        key_check: KeyCheck = KeyCheck.FULL,
    ) -> Self:
        """From a PKCS #12 file: its bytes, or a path (`str` is one).

        Where it holds several pairs, one that may sign comes first and the others are its
        siblings; among equals the newest comes first. `KeyCheck.SKIP` saves the 44 ms and
        more that checking an RSA key takes. Raises KeyFileError
        (`key.wrong-password`, `key.password-needed`, `key.none`, `key.no-certificate`,
        `key.unsupported`, `key.malformed`), LimitExceeded, and OSError for a path that
        cannot be read.
        """
        pfx = read_pfx(_content(data), password, limits, key_check)
        try:
            return cls._of(pfx.keys, pfx.certificates)
        except CertificateError as error:
            raise malformed("a certificate in it is damaged") from error

    @classmethod
    def from_pem(
        cls,
        *files: bytes | str | os.PathLike[str],
        password: str | bytes | None = None,
        limits: Limits = _LIMITS,
        key_check: KeyCheck = KeyCheck.FULL,
    ) -> Self:
        """From PEM text (or DER) with keys and certificates: bytes, or paths (`str` is one).

        The keys may be encrypted, all with the one password. The certificates that belong
        to a key make the pairs, in the order that `from_pkcs12` has; the others go into
        the chain if they are above one. `key_check` as for `from_pkcs12`. Raises KeyFileError,
        CertificateError, LimitExceeded and OSError.
        """
        keys: list[KeyBag] = []
        certificates: list[CertificateBag] = []
        for file in files:
            data = _content(file)
            found = _keys(data, password, limits, key_check)
            keys += (KeyBag(key, None) for key in found)
            certificates += (CertificateBag(each, None) for each in _certificates(data))
        return cls._of(keys, certificates)

    @classmethod
    def from_pkcs11(cls, token: KeyToken, certificates: Iterable[Certificate] = ()) -> Self:
        """From the keys and certificates of a token (`smimekit.keys.pkcs11`).

        `certificates` are those that the token does not hold. Pairs and chains are made as by
        `from_pkcs12`; the keys stay on the token. Raises KeyAccessError, and KeyFileError
        (`key.none`, `key.no-certificate`).
        """
        keys = [KeyBag(key, key_id) for key_id, key in token.private_keys()]
        found = [CertificateBag(each, key_id) for key_id, each in token.certificates()]
        return cls._of(keys, [*found, *(CertificateBag(each, None) for each in certificates)])

    @classmethod
    def _of(cls, keys: Iterable[KeyBag], certificates: Iterable[CertificateBag]) -> Self:
        keys, certificates = tuple(keys), tuple(certificates)
        pairs = _pairs(keys, certificates)
        if not keys:
            raise no_key()
        if not pairs:
            raise malformed("no certificate in it belongs to the key", code="key.no-certificate")
        pool = tuple(dict.fromkeys(each.certificate for each in certificates))
        first, *others = [cls(key, leaf, _chain(leaf, pool)) for key, leaf in pairs]
        return replace(first, siblings=tuple(others))

    def to_pkcs12(self, password: str, *, form: Pkcs12Format = Pkcs12Format.MODERN) -> bytes:
        """A PKCS #12 file with this credential, its siblings and their chains.

        Encrypted with AES-256 under PBES2 with SHA-256, as OpenSSL 3, NSS and Java do, unless
        `form` names the old algorithms. UsageError where a key does not leave its place, or
        the password is empty.
        """
        if not password:
            raise UsageError("A private key is not written without a password.")
        pairs = [(exported(each.key), each.certificate) for each in self.all]
        own = {certificate for _, certificate in pairs}
        others = dict.fromkeys(above for each in self.all for above in each.chain)
        return write_pfx(pairs, [each for each in others if each not in own], password, form)


def exported(key: PrivateKey) -> bytes:
    """The key itself, as unencrypted PKCS #8; UsageError where it does not leave its place."""
    if isinstance(key, SoftwareKey):
        return key.pkcs8()
    raise UsageError("This private key cannot be exported.", code="usage.key-export")


def may_sign(certificate: Certificate) -> bool:
    """Does its keyUsage, and its kind of key, allow signatures (RFC 8550, 4.4.2)?"""
    kinds = (
        rsa.RSAPublicKey | ec.EllipticCurvePublicKey | dsa.DSAPublicKey
        | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
        | mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
    )  # fmt: skip
    usage, key = certificate.key_usage, certificate.public_key
    if isinstance(key, rsa.RSAPublicKey) and certificate.key_algorithm not in _SIGNING_RSA:
        return False
    return isinstance(key, kinds) and (usage is None or bool(usage & _SIGNS))


def may_encrypt(certificate: Certificate) -> bool:
    """May somebody encrypt to it: keyEncipherment for RSA and ML-KEM, keyAgreement for (EC)DH?"""
    match certificate.public_key:
        case rsa.RSAPublicKey() if certificate.key_algorithm == RSASSA_PSS:
            return False  # RFC 4055, 1.2: for signatures only
        case rsa.RSAPublicKey() | mlkem.MLKEM768PublicKey() | mlkem.MLKEM1024PublicKey():
            needed = "keyEncipherment"
        case ec.EllipticCurvePublicKey() | x25519.X25519PublicKey() | x448.X448PublicKey():
            needed = "keyAgreement"
        case _:
            return False
    return certificate.key_usage is None or needed in certificate.key_usage


# --- reading files -------------------------------------------------------------------------


def _content(data: bytes | str | os.PathLike[str]) -> bytes:
    return data if isinstance(data, bytes) else Path(data).read_bytes()


def _keys(
    data: bytes, password: str | bytes | None, limits: Limits, key_check: KeyCheck
) -> list[SoftwareKey]:
    if is_pem(data):
        blocks = [block for block in pem_blocks(data) if block.label.endswith("PRIVATE KEY")]
        return [load_key_block(block, password, limits, key_check) for block in blocks]
    if _PFX.match(data):
        raise malformed("it is a PKCS #12 file, which Credential.from_pkcs12 reads")
    try:
        Certificate(data)
    except CertificateError:
        return [load_private_key(data, password, limits=limits, key_check=key_check)]
    return []


def _certificates(data: bytes) -> tuple[Certificate, ...]:
    if not is_pem(data):
        try:
            return (Certificate(data),)
        except CertificateError:
            return ()  # a key then
    if any(block.label in _CERTIFICATE_LABELS for block in pem_blocks(data)):
        return read_certificates(data)
    return ()


# --- who belongs to whom -------------------------------------------------------------------


def _spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _spki_or_none(certificate: Certificate) -> bytes | None:
    try:
        return _spki(certificate.public_key)
    except CertificateError:
        return None  # of a kind we do not know: then it is of none of our keys


def _pairs(
    keys: tuple[KeyBag, ...], certificates: tuple[CertificateBag, ...]
) -> list[tuple[PrivateKey, Certificate]]:
    """Each certificate with its key, the one to sign with first.

    The public key decides. A localKeyId that matches too only goes before one that does
    not: a key may have several certificates, and one of them is the one in use.
    """
    by_spki: dict[bytes, PrivateKey] = {}
    named: set[tuple[bytes, bytes | None]] = set()
    for key in keys:
        spki = _spki(key.key.public_key)
        by_spki.setdefault(spki, key.key)
        named.add((spki, key.local_id))
    found: dict[Certificate, tuple[tuple[bool, bool, float, str], PrivateKey]] = {}
    for bag in certificates:
        leaf, own = bag.certificate, _spki_or_none(bag.certificate)
        if own is None or own not in by_spki or leaf in found:
            continue
        local = bag.local_id is not None and (own, bag.local_id) in named
        newest = -leaf.not_before.timestamp()
        rank = (not may_sign(leaf), not local, newest, leaf.fingerprint)
        found[leaf] = (rank, by_spki[own])
    ordered = sorted(found.items(), key=lambda item: item[1][0])
    return [(key, leaf) for leaf, (_, key) in ordered]


def _chain(leaf: Certificate, pool: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """What stands above `leaf` in `pool`, nearest first, cross-certificates included.

    Signatures are checked, so that a stranger with the right name stays out; their number
    is bounded, as a file may hold any number of certificates with one name.
    """
    by_subject: dict[bytes, list[Certificate]] = {}
    for certificate in pool:
        by_subject.setdefault(certificate.subject, []).append(certificate)
    budget = _LIMITS.path_signatures
    path = [leaf]
    for below in path:  # grows while it is read: breadth first
        for above in by_subject.get(below.issuer, ()):
            if above in path or not _names(below, above):
                continue
            budget -= 1
            if budget < 0:
                return tuple(path[1:])
            if below.signed_by(above):
                path.append(above)
    return tuple(path[1:])


def _names(below: Certificate, above: Certificate) -> bool:
    """Does the authorityKeyIdentifier fit, where both sides have one (RFC 5280, 4.2.1.1)?"""
    wanted, found = below.authority_key_id, above.key_id
    return wanted is None or found is None or wanted == found
