"""PKCS #12 files: reading what others wrote, and writing (RFC 7292).

Knows bags and what is in them. May not know which certificate is whose: `credential` does.
Reads BER, any number of keys and certificates, with and without a MAC.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, final

from smimekit import der
from smimekit.algorithms import SHA1, SHA256, AlgorithmIdentifier
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, CmsError
from smimekit.keys.failures import malformed, unsupported, wrong_password
from smimekit.keys.passwords import Budget, Passphrase
from smimekit.keys.pbe import decrypt, encrypt, encrypt_triple_des, mac_matches, pkcs12_mac
from smimekit.keys.pem import is_pem, pem_blocks
from smimekit.keys.software import KeyCheck, load_pkcs8
from smimekit.limits import Limits
from smimekit.private_key import PrivateKey

__all__ = ["CertificateBag", "KeyBag", "Pfx", "Pkcs12Format", "read_pfx", "write_pfx"]

_JAVA_KEY_STORES: Final = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")  # JKS, JCEKS
_DATA: Final = "1.2.840.113549.1.7.1"
_ENCRYPTED_DATA: Final = "1.2.840.113549.1.7.6"
_BAG: Final = "1.2.840.113549.1.12.10.1."
_KEY, _SHROUDED_KEY, _CERTIFICATE, _SAFE_CONTENTS = (_BAG + str(kind) for kind in (1, 2, 3, 6))
_X509: Final = "1.2.840.113549.1.9.22.1"
_FRIENDLY_NAME: Final = "1.2.840.113549.1.9.20"
_LOCAL_KEY_ID: Final = "1.2.840.113549.1.9.21"

_LIMITS: Final = Limits()
_KEYS: Final = 100
"""Private keys of one file: checking an RSA key costs 44 ms and more. Files with the keys
of many years have a dozen."""
_DEPTH: Final = 8
"""SafeContents within SafeContents: nobody was seen to use more than one."""


@final
class Pkcs12Format(Enum):
    """The algorithms of a PKCS #12 file that is written, by the programs that are to read it.

    Which read which is in docs/how-to/keys.md.
    """

    MODERN = "modern"
    """AES-256-CBC under PBES2 with HMAC-SHA-256; MAC with SHA-256. What OpenSSL 3, NSS, Java
    and current systems write."""
    COMPATIBLE = "compatible"
    """Triple DES under the PKCS #12 derivation with SHA-1; MAC with SHA-1. For programs that
    report a wrong password for the modern form: gpgsm 2.2, older macOS and Windows, Java 8.
    Weaker: use a long random password, and destroy the file when it was imported."""


@final
@dataclass(frozen=True, slots=True)
class KeyBag:
    """A private key, and the localKeyId that it may share with its certificate."""

    key: PrivateKey
    local_id: bytes | None


@final
@dataclass(frozen=True, slots=True)
class CertificateBag:
    """A certificate, and the localKeyId that it may share with its key."""

    certificate: Certificate
    local_id: bytes | None


@final
@dataclass(frozen=True, slots=True)
class Pfx:
    """What a file holds, in its order."""

    keys: tuple[KeyBag, ...]
    certificates: tuple[CertificateBag, ...]


# --- reading -------------------------------------------------------------------------------


def read_pfx(
    data: bytes,
    password: str | bytes | None,
    limits: Limits = _LIMITS,
    key_check: KeyCheck = KeyCheck.FULL,
) -> Pfx:
    """Everything in a PKCS #12 file, in DER, BER or PEM.

    The MAC is checked wherever there is one, and RSA keys as `key_check` says. Raises
    KeyFileError: `key.password-needed`, `key.wrong-password`, `key.unsupported`,
    `key.malformed`; LimitExceeded where the password is hashed too often.
    """
    try:
        bags = _Bags(Passphrase.of(password), Budget(limits), key_check)
        return _read(_unarmoured(data), bags)
    except (CmsError, CertificateError) as error:
        raise malformed("the PKCS #12 structure is damaged") from error


def _unarmoured(data: bytes) -> bytes:
    if data.startswith(_JAVA_KEY_STORES):
        raise unsupported(
            "it is a Java key store of the old form, which `keytool -importkeystore "
            "-deststoretype PKCS12` turns into PKCS #12"
        )
    if not is_pem(data):
        return data
    for block in pem_blocks(data):
        if block.label in {"PKCS12", "PFX"}:
            return block.decode()
    raise malformed("it is PEM text, which Credential.from_pem reads, and no PKCS #12 file")


def _read(data: bytes, bags: "_Bags") -> Pfx:
    outer = der.Reader(data)
    pfx = outer.enter(der.SEQUENCE)
    outer.finish()
    if pfx.integer() != 3:  # RFC 7292, 4
        raise unsupported("its PKCS #12 version is not 3")
    content_type, content = _content_info(pfx)
    if content_type != _DATA or content is None:
        raise unsupported("it is protected by public keys, not by a password")
    safe = content.octets()
    if pfx.more:
        bags.check_mac(pfx.enter(der.SEQUENCE), safe)
    pfx.finish()
    bags.authenticated_safe(der.Reader(safe))
    return Pfx(tuple(bags.keys), tuple(bags.certificates))


def _content_info(reader: der.Reader) -> tuple[str, der.Reader | None]:
    """RFC 5652, 3: the type, and a cursor on the content."""
    info = reader.enter(der.SEQUENCE)
    content_type = info.oid()
    content = info.enter(0xA0) if info.more else None
    info.finish()
    return content_type, content


@final
class _Bags:
    """What was found so far, and the password that opens the rest."""

    def __init__(self, passphrase: Passphrase, budget: Budget, key_check: KeyCheck) -> None:
        self.keys: list[KeyBag] = []
        self.certificates: list[CertificateBag] = []
        self._passphrase = passphrase
        self._budget = budget
        self._key_check = key_check

    def check_mac(self, mac_data: der.Reader, content: bytes) -> None:
        """KeyFileError where the MAC is not that of the content under the password."""
        if not mac_matches(mac_data, content, self._passphrase, self._budget):
            raise wrong_password(given=self._passphrase.given)

    def authenticated_safe(self, reader: der.Reader) -> None:
        """RFC 7292, 4.1."""
        contents = reader.enter(der.SEQUENCE)
        reader.finish()
        while contents.more:
            content_type, content = _content_info(contents)
            if content_type == _DATA and content is not None:
                self._safe_contents(content.octets(), 1)
            elif content_type == _ENCRYPTED_DATA and content is not None:
                self._safe_contents(self._decrypted(content), 1)
            else:
                raise unsupported("a part of it is encrypted to a public key")

    def _decrypted(self, content: der.Reader) -> bytes:
        """RFC 5652, 8: the content of an EncryptedData."""
        encrypted = content.enter(der.SEQUENCE)
        encrypted.integer()
        info = encrypted.enter(der.SEQUENCE)
        info.oid()
        identifier = AlgorithmIdentifier.read(info)
        return self._open(identifier, info.octets(0x80))

    def _open(self, identifier: AlgorithmIdentifier, ciphertext: bytes) -> bytes:
        return decrypt(identifier, ciphertext, self._passphrase, self._budget)

    def _safe_contents(self, data: bytes, depth: int) -> None:
        """RFC 7292, 4.2."""
        if depth > _DEPTH:
            raise malformed("it is nested too deeply")
        outer = der.Reader(data)
        contents = outer.enter(der.SEQUENCE)
        outer.finish()
        while contents.more:
            bag = contents.enter(der.SEQUENCE)
            kind, value = bag.oid(), bag.enter(0xA0)
            local_id = _local_key_id(bag)
            if kind == _SAFE_CONTENTS:
                self._safe_contents(value.raw(), depth + 1)
            elif kind == _CERTIFICATE:
                self._certificate(value, local_id)
            elif kind in {_KEY, _SHROUDED_KEY}:
                self._key(value, local_id, shrouded=kind == _SHROUDED_KEY)

    def _certificate(self, value: der.Reader, local_id: bytes | None) -> None:
        """RFC 7292, 4.2.3; SDSI certificates are passed over."""
        bag = value.enter(der.SEQUENCE)
        if bag.oid() == _X509:
            certificate = Certificate(bag.enter(0xA0).octets())
            self.certificates.append(CertificateBag(certificate, local_id))

    def _key(self, value: der.Reader, local_id: bytes | None, *, shrouded: bool) -> None:
        """RFC 7292, 4.2.1 and 4.2.2."""
        if len(self.keys) == _KEYS:
            raise malformed(f"there are more than {_KEYS} keys in it")
        pkcs8 = value.raw(der.SEQUENCE)
        if shrouded:
            info = der.Reader(pkcs8).enter(der.SEQUENCE)
            identifier = AlgorithmIdentifier.read(info)
            pkcs8 = self._open(identifier, info.octets())
        self.keys.append(KeyBag(load_pkcs8(pkcs8, self._key_check), local_id))


def _local_key_id(bag: der.Reader) -> bytes | None:
    """The localKeyId among the attributes of a bag (RFC 7292, 4.2; RFC 2985, 5.5.2)."""
    found = None
    attributes = bag.enter(der.SET) if bag.more else bag
    while attributes.more:
        attribute = attributes.enter(der.SEQUENCE)
        oid, values = attribute.oid(), attribute.enter(der.SET)
        if oid == _LOCAL_KEY_ID and values.peek in {der.OCTET_STRING, der.OCTET_STRING | 0x20}:
            found = values.octets()
    bag.finish()
    return found


# --- writing -------------------------------------------------------------------------------

_Seal = Callable[[bytes, str], tuple[AlgorithmIdentifier, bytes]]
"""Encrypts data under a password, and says how."""


def write_pfx(
    pairs: Iterable[tuple[bytes, Certificate]],
    others: Iterable[Certificate],
    password: str,
    form: Pkcs12Format = Pkcs12Format.MODERN,
) -> bytes:
    """A PKCS #12 file in DER.

    `pairs` are private keys, as unencrypted PKCS #8, with their certificates; `others`
    the certificates without a key. Keys and certificates are encrypted alike; the MAC is
    derived in the old way, which every program checks.
    """
    pairs = list(pairs)
    old = form is Pkcs12Format.COMPATIBLE
    seal, digest = (encrypt_triple_des, SHA1) if old else (encrypt, SHA256)
    keys = der.sequence(*_key_bags(pairs, password, seal))
    certificates = der.sequence(*_certificate_bags([pair[1] for pair in pairs], others))
    identifier, ciphertext = seal(certificates, password)
    info = der.sequence(der.oid(_DATA), identifier.encode(), der.implicit(0, ciphertext))
    encrypted = der.sequence(der.integer(0), info)
    safe = der.sequence(
        der.sequence(der.oid(_ENCRYPTED_DATA), der.explicit(0, encrypted)), _data(keys)
    )
    return der.sequence(der.integer(3), _data(safe), pkcs12_mac(safe, password, digest))


def _data(content: bytes) -> bytes:
    return der.sequence(der.oid(_DATA), der.explicit(0, der.octet_string(content)))


def _key_bags(
    pairs: list[tuple[bytes, Certificate]], password: str, seal: _Seal
) -> Iterator[bytes]:
    # A key with several certificates is written once, and names the first of them.
    first: dict[bytes, Certificate] = {}
    for pkcs8, certificate in pairs:
        first.setdefault(pkcs8, certificate)
    for pkcs8, certificate in first.items():
        identifier, ciphertext = seal(pkcs8, password)
        shrouded = der.sequence(identifier.encode(), der.octet_string(ciphertext))
        yield _bag(_SHROUDED_KEY, shrouded, _attributes(certificate))


def _certificate_bags(own: list[Certificate], others: Iterable[Certificate]) -> Iterator[bytes]:
    for certificate in own:
        yield _bag(_CERTIFICATE, _x509(certificate), _attributes(certificate))
    for certificate in others:
        yield _bag(_CERTIFICATE, _x509(certificate), b"")


def _bag(kind: str, value: bytes, attributes: bytes) -> bytes:
    return der.sequence(der.oid(kind), der.explicit(0, value), attributes)


def _x509(certificate: Certificate) -> bytes:
    return der.sequence(der.oid(_X509), der.explicit(0, der.octet_string(certificate.der)))


def _attributes(certificate: Certificate) -> bytes:
    """The name that programs show for a pair, and what says that it is one."""
    name = (certificate.addresses or (certificate.subject_text,))[0]
    shown = der.tlv(der.BMP_STRING, name.encode("utf-16-be"))
    local_id = hashlib.sha1(certificate.der, usedforsecurity=False).digest()
    pairs = ((_FRIENDLY_NAME, shown), (_LOCAL_KEY_ID, der.octet_string(local_id)))
    return der.set_of(der.sequence(der.oid(oid), der.set_of([value])) for oid, value in pairs)
