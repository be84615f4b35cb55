"""One recipient: who it is, what is known of it, and how the key gets there.

Knows certificates and what their holders announce. May not know the other recipients (`plan`
does), nor the content.

Where the knowledge comes from, the best first: what a signer of this very message announces in
it; SMIMECapabilities from a good signature, as harvested (RFC 8551, 2.7.1); those in the
certificate, which an authority wrote once, for years (RFC 4262, 3: not where there is something
better); the policy's assumption. A list that does not say anything about a question, or that
cannot be read, leaves it to the next: lists are partial (RFC 8551, 2.5.2).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol, TypeAlias, final, runtime_checkable

from smimekit.algorithms import (
    AES128_CBC,
    AES128_GCM,
    AES256_GCM,
    SHA1,
    ContentCipher,
    Curve,
    EcdhScheme,
    KdfKind,
    Mode,
    RsaPadding,
)
from smimekit.certificate import Certificate
from smimekit.cms.agreement import Agreement, curve_of
from smimekit.cms.derivation import fitting_wrap
from smimekit.cms.wrapping import can_encrypt_to, transport_to
from smimekit.errors import CertificateError, PolicyError, SmimeError, UsageError
from smimekit.keys import (
    CertificateRecipient,
    Credential,
    PasswordRecipient,
    Recipient,
    SharedKeyRecipient,
)
from smimekit.keys.credential import may_encrypt
from smimekit.message.capabilities import Announced, read_capabilities
from smimekit.policy import Grade, Policy
from smimekit.trust.records import Capabilities, Record

__all__ = ["Addressee", "Knowledge", "Peer", "Person", "person"]


class Knowledge(StrEnum):
    """Why a recipient is believed to read a cipher."""

    CHOSEN = "chosen"
    """The caller named the cipher, and has to know."""
    ANNOUNCED = "announced"
    """They said so in signed mail (RFC 8551, 2.5.2), perhaps in this one."""
    CERTIFICATE = "certificate"
    """Their certificate says so (RFC 4262)."""
    ASSUMED = "assumed"
    """They said nothing of it. The policy believes so (RFC 8551, 2.7.1.2), or what they did
    say implies it."""


@runtime_checkable
class Peer(Protocol):
    """A certificate, and what its holder announced: a trust store's `Record` is one.

    Capabilities choose the cipher, so they have to come from a good signature, as those that
    are harvested do: never from one that was not verified (RFC 8551, 2.7.1).
    """

    @property
    def certificate(self) -> Certificate:
        """The certificate to encrypt to."""
        ...

    @property
    def capabilities(self) -> Capabilities | bytes | None:
        """SMIMECapabilities, or their DER; None where nothing was announced."""
        ...


Addressee: TypeAlias = Certificate | Credential | Peer | Recipient
"""Whom a message can be encrypted to; for a Credential, by its certificate for encryption."""


@final
@dataclass(frozen=True, slots=True)
class Person:
    """A recipient, and what is known of it; or why nothing can be encrypted to it."""

    addressee: Addressee
    name: str
    way: Certificate | Recipient
    """A certificate, or how the key gets there where the caller chose that."""
    certificate: Certificate | None = None
    heard: tuple[tuple[Knowledge, Announced], ...] = ()
    """What was announced, the best source first."""
    refusal: SmimeError | None = None

    def reads(self, policy: Policy) -> tuple[Knowledge, tuple[ContentCipher, ...]]:
        """The content ciphers that it reads, weak ones too, and why that is believed."""
        for knowledge, announced in self.heard:
            if announced.about_content:
                return knowledge, announced.ciphers
        return Knowledge.ASSUMED, policy.believed

    def might_read(self, policy: Policy) -> tuple[ContentCipher, ...]:
        """Those, and what programs that read them have to read as well.

        RFC 8551, 2.7.1.2 presumes both sizes of AES-GCM in whoever has one, and 2.7 (as RFC
        5751, 2.7 before it) AES-128 in CBC mode in everybody. That is better than to refuse
        somebody, or to send several messages; who announces weak ciphers only is older.
        """
        _, rows = self.reads(policy)
        more: tuple[ContentCipher, ...] = ()
        if any(row.mode is Mode.GCM for row in rows):
            more = (AES256_GCM, AES128_GCM)
        if any(not row.weak for row in rows):
            more = (*more, AES128_CBC)
        return tuple(dict.fromkeys((*rows, *more)))

    @property
    def said(self) -> tuple[str, ...]:
        """The names of the content ciphers that it announces."""
        for _, announced in self.heard:
            if announced.about_content:
                return announced.content_names
        return ()

    @property
    def derives(self) -> bool:
        """Does it announce CEK-HKDF (RFC 9709, 4), where it announces anything of the kind?"""
        for _, announced in self.heard:
            if announced.about_content or announced.derives:
                return announced.derives
        return False

    @property
    def notes(self) -> tuple[str, ...]:
        """What was announced in vain."""
        return tuple(
            f"{_WHOSE[knowledge]} were passed over: {announced.problem}."
            for knowledge, announced in self.heard
            if announced.problem is not None
        )

    def recipient(self, cipher: ContentCipher, policy: Policy) -> Recipient:
        """How the key for a cipher gets there. Raises what refuses it."""
        if self.refusal is not None:
            raise self.refusal
        if not isinstance(self.way, Certificate):
            return self.way
        known = None if self.heard else self.way.memo.get("recipient")
        if isinstance(known, tuple) and known[0] is policy and known[1] is cipher:
            found: Recipient = known[2]
            return found
        padding, agreement = self._padding(policy), self._agreement(self.way, cipher)
        transport = transport_to(self.way, padding)
        made = transport or CertificateRecipient(self.way, padding, agreement)
        if not self.heard:
            self.way.memo["recipient"] = (policy, cipher, made)
        return made

    def _padding(self, policy: Policy) -> RsaPadding:
        """The best padding that is announced (RFC 3560, 5); else the policy's.

        Who announces ciphers without a tag only is a program before S/MIME 4.0, of which RFC
        5751, 2.3 wants PKCS #1 v1.5, and some have no OAEP. A certificate for OAEP or RSA-KEM
        only decides itself (`wrap_for`). Where some recipients get OAEP and others v1.5, the
        message is as strong as the second: RFC 3565, 6 advises against it, and no choice made
        here could mend it.
        """
        for _, announced in self.heard:
            for row in policy.rsa_paddings:
                if row in announced.paddings:
                    return row
        plain = RsaPadding()
        return plain if self._is_old and plain in policy.rsa_paddings else policy.rsa_padding

    @property
    def _is_old(self) -> bool:
        for _, announced in self.heard:
            if announced.about_content:
                return not any(row.authenticated for row in announced.ciphers)
        return False

    def _agreement(self, certificate: Certificate, cipher: ContentCipher) -> Agreement | None:
        """What is announced of key agreement, where that is not what goes well with the curve.

        The wrap has to be as strong as the key that it wraps (RFC 3565, 6). Nobody is refused
        for what is announced: ECDH with either wrap MUST be read (RFC 8551, 2.3).
        """
        curve = curve_of(certificate.public_key)
        if curve is None:
            return None
        wrap = fitting_wrap(curve.wrap, bytes(cipher.key_size))
        for _, announced in self.heard:
            usable = [
                (scheme, found)
                for scheme, found in announced.agreements
                if found.key_size >= wrap.key_size
                and _suits(scheme, named=isinstance(curve, Curve))
            ]
            if usable:
                if (curve.agreement, wrap) in usable:
                    return None
                return Agreement(scheme=usable[0][0], wrap=usable[0][1])
        return None


_WHOSE: Final = {
    Knowledge.ANNOUNCED: "The capabilities that were announced",
    Knowledge.CERTIFICATE: "The capabilities in the certificate",
}


def _suits(scheme: EcdhScheme, *, named: bool) -> bool:
    """May it be written for a named curve (RFC 5753, 7.1.4), or for X25519 (RFC 8418, 7)?"""
    if scheme.digest is SHA1:
        return False
    return scheme.kdf is KdfKind.X963 if named else "cofactor" not in scheme.name


# --- who is it -----------------------------------------------------------------------------


def person(addressee: Addressee, own: Mapping[Certificate, bytes], policy: Policy) -> Person:
    """What is known of an addressee; `own`: what signers of this message announce in it.

    UsageError for what is no addressee at all.
    """
    match addressee:
        case Certificate():
            return _known_holder(addressee, own.get(addressee) if own else None, policy)
        case Credential():
            certificate = addressee.encryption_certificate
            if certificate is not None:
                return _holder(addressee, certificate, own.get(certificate), policy)
            own_one = addressee.certificate
            refusal = _not_for_encryption(own_one)
            return Person(addressee, _name(own_one), own_one, own_one, refusal=refusal)
        case CertificateRecipient(certificate=certificate):
            said = own.get(certificate)
            return _holder(addressee, certificate, said, policy, way=addressee)
        # A Peer by its class: to ask whether something has all that a protocol wants takes longer
        # than all the rest.
        case Record(certificate=certificate, capabilities=announced):
            said = own.get(certificate) or _encoded(announced)
            return replace(_known_holder(certificate, said, policy), addressee=addressee)
        case Recipient():
            return Person(addressee, _kind(addressee), addressee)
        case Peer(certificate=Certificate() as certificate):
            said = own.get(certificate) or _encoded(addressee.capabilities)
            return _holder(addressee, certificate, said, policy)
    raise UsageError(
        "A recipient is a Certificate of smimekit, a Credential, or what Trust.usable finds for "
        f"an address, not {type(addressee).__name__}; load_certificates reads certificates from "
        "files."
    )


def _known_holder(certificate: Certificate, said: bytes | None, policy: Policy) -> Person:
    """The same as for the message before, unless the policy is another or they say something."""
    known = certificate.memo.get("holder")
    if said is None and isinstance(known, tuple) and known[0] is policy:
        found: Person = known[1]
        return found
    made = _holder(certificate, certificate, said, policy)
    if said is None:
        certificate.memo["holder"] = (policy, made)
    return made


def _encoded(capabilities: object) -> bytes | None:
    found = getattr(capabilities, "der", capabilities)
    if found is None or isinstance(found, bytes):
        return found
    raise UsageError(f"Capabilities are their DER, not {type(found).__name__}.")


def _holder(
    addressee: Addressee,
    certificate: Certificate,
    said: bytes | None,
    policy: Policy,
    *,
    way: Recipient | None = None,
) -> Person:
    name, carrier = _name(certificate), certificate if way is None else way
    try:
        _check(certificate, policy)
        heard = tuple(_heard(said, certificate.capabilities, policy))
    except SmimeError as refusal:
        return Person(addressee, name, carrier, certificate, refusal=refusal)
    return Person(addressee, name, carrier, certificate, heard)


def _heard(
    said: bytes | None, certified: bytes | None, policy: Policy
) -> Iterator[tuple[Knowledge, Announced]]:
    if said is not None:
        yield Knowledge.ANNOUNCED, read_capabilities(said, limits=policy.limits)
    if certified is not None:
        yield Knowledge.CERTIFICATE, read_capabilities(certified, limits=policy.limits)


def _check(certificate: Certificate, policy: Policy) -> None:
    """PolicyError for a key that is too weak, UsageError for one that is not for this."""
    assessment = policy.key(certificate.public_key)
    if assessment.grade is not Grade.GOOD:
        raise PolicyError(
            f"Refused to encrypt to {certificate.subject_text}: {assessment.reason}.",
            code="policy.weak",
        )
    # What is no key for this at all is refused where it is to carry one (`wrap_for`).
    if can_encrypt_to(certificate) and not may_encrypt(certificate):
        raise _not_for_encryption(certificate)


def _not_for_encryption(certificate: Certificate) -> UsageError:
    return UsageError(
        f"The certificate of {certificate.subject_text} is not for encryption.",
        code="usage.not-for-encryption",
    )


def _name(certificate: Certificate) -> str:
    try:
        return next(iter(certificate.addresses), certificate.subject_text)
    except CertificateError:
        return certificate.subject_text


def _kind(recipient: Recipient) -> str:
    match recipient:
        case PasswordRecipient():
            return "whoever has the password"
        case SharedKeyRecipient():
            return "whoever has the shared key"
    return type(recipient).__name__
