"""Many credentials for many addresses: who opens a message, and who signs for an address.

Knows credentials and the times at which they are valid. May not know messages, files, databases
or tokens: those are sources. Nothing is ever thrown away: old keys are for old mail.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol, final, runtime_checkable

from smimekit.certificate import Certificate
from smimekit.cms.identifiers import CertificateId, IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.cms.wrapping import Holder, unwrap_with_any
from smimekit.errors import CertificateError, CmsError, LimitExceeded, UsageError
from smimekit.keys.credential import Credential, may_encrypt, may_sign
from smimekit.private_key import PrivateKey
from smimekit.trust.addresses import normal_address

__all__ = ["KeyRing", "KeySource"]

_FOR_MAIL: Final = frozenset({"1.3.6.1.5.5.7.3.4", "2.5.29.37.0"})
"""emailProtection and anyExtendedKeyUsage (RFC 8550, 4.4.4)."""


@runtime_checkable
class KeySource(Protocol):
    """Where credentials are kept: a folder, a database, a token."""

    def credentials(self) -> Iterable[Credential]:
        """All of them. Raises a SmimeError where one cannot be read; none is left out."""
        ...


@final
class KeyRing:
    """Credentials, and all that their sources hold when the ring is made.

    It is a `Decryptor`: what `keys=[...]` takes. It does not change; where keys are added, make
    a new one. Safe to use from several threads. Raises what a source raises.
    """

    __slots__ = ("_by_address", "_by_key_id", "_by_serial", "_pairs")

    def __init__(self, *sources: Credential | KeySource) -> None:
        self._pairs: Final = _each_once(_pairs(sources))
        self._by_serial: Final[dict[int, list[Holder]]] = defaultdict(list)
        self._by_key_id: Final[dict[bytes, list[Holder]]] = defaultdict(list)
        self._by_address: Final[dict[str, list[Credential]]] = defaultdict(list)
        for each in self._pairs:
            holder = (each.certificate, each.key)
            self._by_serial[each.certificate.serial].append(holder)
            with suppress(CertificateError, CmsError, LimitExceeded):
                for named in SubjectKeyIdentifier.all_of(each.certificate):
                    self._by_key_id[named.value].append(holder)
            for address in {normal_address(one) for one in each.addresses}:
                self._by_address[address].append(each)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self)} for {len(self._by_address)} addresses>"

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Credential]:
        """Each pair of key and certificate, as a credential of its own."""
        return iter(self._pairs)

    # --- old mail and new -----------------------------------------------------------------

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        """The content-encryption key for any of the credentials (Decryptor).

        Validity does not count: a message that came in time is opened for ever.
        """
        return unwrap_with_any(recipients, self._holders, size=size, attempts=attempts)

    def _holders(self, rid: CertificateId) -> Iterator[Holder]:
        # Looked up, not compared with each: a message has any number of recipients, a ring of keys.
        match rid:
            case IssuerAndSerialNumber():
                found = self._by_serial.get(rid.serial, ())
            case SubjectKeyIdentifier():
                found = self._by_key_id.get(rid.value, ())
        return (each for each in found if rid.matches(each[0]))

    def of(self, address: str) -> tuple[Credential, ...]:
        """Every credential of an address, old ones too: what its owner can open."""
        return tuple(self._by_address.get(normal_address(address), ()))

    def signing(self, address: str, *, at: datetime) -> Credential:
        """The credential to sign with for an address at a time: the newest that is valid.

        Its certificate names the address, is for signatures, and for mail where it says what
        for (RFC 8550, 4.4.2 and 4.4.4). Where it is not for encryption, the newest valid one
        that is comes along as its sibling, so that others learn it. UsageError
        `usage.no-signing-key` where there is none; `at` is aware.
        """
        known = self._by_address.get(normal_address(address), [])
        chosen = _newest(known, may_sign, at)
        if chosen is None:
            raise UsageError(_why_none(address, known, at), code="usage.no-signing-key")
        if may_encrypt(chosen.certificate):
            return chosen
        partner = _newest(known, may_encrypt, at)
        return chosen if partner is None else replace(chosen, siblings=(partner,))

    def encryption_certificate(self, address: str, *, at: datetime) -> Certificate | None:
        """The newest valid certificate of an address that others should encrypt to, or None."""
        known = self._by_address.get(normal_address(address), [])
        found = _newest(known, may_encrypt, at)
        return None if found is None else found.certificate


def _pairs(sources: Iterable[Credential | KeySource]) -> Iterator[Credential]:
    for source in sources:
        held = (source,) if isinstance(source, Credential) else source.credentials()
        for credential in held:
            for each in credential.all:
                yield replace(each, siblings=()) if each.siblings else each


def _each_once(pairs: Iterable[Credential]) -> tuple[Credential, ...]:
    """Of one certificate the first of each kind of key: a file may stand in for a lost token."""
    found: dict[tuple[Certificate, type[PrivateKey]], Credential] = {}
    for each in pairs:
        found.setdefault((each.certificate, type(each.key)), each)
    return tuple(found.values())


def _newest(
    known: Iterable[Credential], purpose: Callable[[Certificate], bool], at: datetime
) -> Credential | None:
    fitting = [each for each in known if _serves(each.certificate, purpose, at)]
    return max(fitting, key=_age, default=None)


def _age(credential: Credential) -> tuple[datetime, datetime, str]:
    """What newest means: the later beginning, then the later end; and never a matter of order."""
    certificate = credential.certificate
    return certificate.not_before, certificate.not_after, certificate.fingerprint


def _is_valid(certificate: Certificate, at: datetime) -> bool:
    return certificate.not_before <= at <= certificate.not_after


def _has_purpose(certificate: Certificate, purpose: Callable[[Certificate], bool]) -> bool:
    try:
        usages = certificate.extended_key_usage
        return purpose(certificate) and (usages is None or bool(usages & _FOR_MAIL))
    except CertificateError:
        return False  # malformed: it still opens mail, but we show it to nobody


def _serves(certificate: Certificate, purpose: Callable[[Certificate], bool], at: datetime) -> bool:
    return _is_valid(certificate, at) and _has_purpose(certificate, purpose)


def _why_none(address: str, known: Sequence[Credential], at: datetime) -> str:
    if not known:
        return f"There is no key for {address}."
    signing = [each for each in known if _has_purpose(each.certificate, may_sign)]
    if not signing:
        return f"None of the {len(known)} keys for {address} is for signing mail."
    return (
        f"None of the {len(signing)} keys for signing as {address} is valid on {at:%Y-%m-%d}; "
        "ask for a new certificate."
    )
