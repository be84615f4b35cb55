"""Who signs, with what, and what each signer says about itself (RFC 8551, 2.5).

Knows credentials and the attributes of a signature. May not know MIME, nor encryption.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from time import time
from typing import Final, TypeAlias, final

from smimekit import der
from smimekit.algorithms import (
    AES128_CBC,
    AES128_GCM,
    AES256_CBC,
    AES256_GCM,
    CEK_HKDF_SHA256,
    CHACHA20_POLY1305,
    SignatureScheme,
    key_allows,
    key_scheme,
)
from smimekit.certificate import Certificate
from smimekit.cms import attributes as attrs
from smimekit.cms.signed import Digests
from smimekit.cms.signer_writing import SignerForm
from smimekit.cms.signing import (
    ContentSigner,
    DetachedForm,
    digests_for,
    digests_of,
    sign_opaque,
    sign_opaque_stream,
)
from smimekit.cms.timestamp import timestamp_attribute
from smimekit.errors import CmsError, LimitExceeded, PolicyError, UsageError
from smimekit.keys import Credential
from smimekit.keys.checked import checked
from smimekit.policy import Grade, Policy

__all__ = ["Chain", "Signer", "Signers", "Signing", "announced_by"]


class Chain(StrEnum):
    """Which certificates go out with a signature."""

    LEAF = "leaf"
    """The signer's only."""
    WITHOUT_ROOT = "without-root"
    """And those above it, but for the root, which receivers must have anyway."""
    WITH_ROOT = "with-root"


@final
@dataclass(frozen=True, slots=True)
class Signer:
    """A credential, and how it signs where that is not the usual way.

    `scheme` instead of the one that the key or the policy names; `chain`: which certificates
    go along. `signed` and `unsigned` are attributes of one's own: OID and the DER of the value.
    Raises UsageError for those that are made here, or that must not stand where they are
    (RFC 5652, 11), and for what is not DER.
    """

    credential: Credential
    scheme: SignatureScheme | None = None
    chain: Chain = Chain.WITHOUT_ROOT
    signed: tuple[tuple[str, bytes], ...] = ()
    unsigned: tuple[tuple[str, bytes], ...] = ()
    timestamp: Callable[[bytes], bytes] | None = None
    """Asks a time-stamping authority: the signature value in, its token out (RFC 3161)."""

    def __post_init__(self) -> None:
        if not isinstance(self.credential, Credential):
            raise UsageError(f"A signer has a Credential, not {type(self.credential).__name__}.")
        _check_attributes(self.signed, _NOT_SIGNED)
        _check_attributes(self.unsigned, _NOT_UNSIGNED)


Signers: TypeAlias = Credential | Signer | Sequence[Credential | Signer]
"""Who signs: one, or several side by side, each under its own signature."""

_NOT_SIGNED: Final = frozenset(
    {
        *(attrs.CONTENT_TYPE, attrs.MESSAGE_DIGEST, attrs.SIGNING_TIME),
        *(attrs.SIGNING_CERTIFICATE_V2, attrs.ALGORITHM_PROTECTION, attrs.SMIME_CAPABILITIES),
        *(attrs.ENCRYPTION_KEY_PREFERENCE, attrs.COUNTERSIGNATURE, attrs.SIGNATURE_TIMESTAMP),
    }
)
_NOT_UNSIGNED: Final = frozenset(
    {
        *(attrs.CONTENT_TYPE, attrs.MESSAGE_DIGEST, attrs.SIGNING_TIME),
        *(attrs.SIGNING_CERTIFICATE, attrs.SIGNING_CERTIFICATE_V2, attrs.ALGORITHM_PROTECTION),
    }
)


def _check_attributes(found: Iterable[tuple[str, bytes]], refused: frozenset[str]) -> None:
    seen: set[str] = set()
    for oid, value in found:
        if oid in refused or oid in seen:
            raise UsageError(
                f"The attribute {oid} cannot be added here: it is made by smimekit, belongs "
                "elsewhere, or is given twice.",
                code="usage.attribute",
            )
        seen.add(oid)
        if not _is_attribute(oid, value):
            raise UsageError(
                f"The attribute {oid} is an object identifier and one value in DER.",
                code="usage.attribute",
            )


def _is_attribute(oid: str, value: bytes) -> bool:
    try:
        return der.Reader(der.oid(oid)).oid() == oid and der.to_der(value) == value
    except (CmsError, LimitExceeded, ValueError):
        return False


@final
@dataclass(frozen=True, slots=True)
class Signing:
    """All who sign one message, ready to sign, and the certificates that go out."""

    signers: tuple[ContentSigner, ...]
    certificates: tuple[bytes, ...]
    form: DetachedForm

    @classmethod
    def of(
        cls,
        signers: Signers,
        policy: Policy,
        at: datetime | None,
    ) -> "Signing":
        """Raises UsageError for who may not sign, PolicyError for what is too weak."""
        said = _signing_time(at)
        found = _signers(signers)
        if len(found) == 1:
            return _alone(found[0], policy, said)
        pairs = [(each, _habit(each, policy)) for each in found]
        ready = tuple([_ready(each, habit, said) for each, habit in pairs])
        bag = tuple(dict.fromkeys([data for _, habit in pairs for data in habit.bag]))
        return cls(ready, bag, DetachedForm.of([each.scheme for each in ready], bag))

    @property
    def micalg(self) -> str:
        """The digests for the micalg parameter, each once (RFC 8551, 3.5.3.2)."""
        if len(self.signers) == 1:
            return self.signers[0].scheme.digest.micalg
        return ",".join(dict.fromkeys([each.scheme.digest.micalg for each in self.signers]))

    def digests(self) -> Digests:
        """What all of the content passes through before `detached` is called."""
        return digests_for(self.signers)

    def detached(self, content: bytes | Digests) -> bytes:
        """A detached SignedData over content that is at hand, or has passed."""
        if isinstance(content, bytes):
            content = digests_of(content, self.signers)
        return self.form.sign(content, self.signers)

    def opaque(self, content: bytes) -> bytes:
        """A SignedData that holds the content."""
        return sign_opaque(content, self.signers, self.certificates)

    def opaque_stream(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same in BER, for content of any length."""
        return sign_opaque_stream(chunks, self.signers, self.certificates)


def announced_by(signers: Signers) -> dict[Certificate, bytes]:
    """The capabilities that signers announce with every signature, by the certificate that
    others should encrypt to.
    """
    found = (each.credential.encryption_certificate for each in _signers(signers))
    return {each: _CAPABILITIES for each in found if each is not None}


def _signing_time(at: datetime | None) -> bytes:
    """The attribute; UsageError for a time that could be any of several."""
    if at is None:
        return _now(int(time()))
    if at.tzinfo is None:
        raise UsageError("A signing time needs a time zone.")
    return attrs.attribute(attrs.SIGNING_TIME, der.time(at))


@lru_cache(maxsize=4)
def _now(second: int) -> bytes:
    """Who signs thousands in a second says the same of each."""
    return attrs.attribute(attrs.SIGNING_TIME, der.time(datetime.fromtimestamp(second, UTC)))


def _signers(signers: Signers) -> tuple[Signer, ...]:
    if isinstance(signers, (Credential, Signer)):
        return (_signer(signers),)
    if isinstance(signers, str | bytes) or not isinstance(signers, Sequence):
        raise UsageError("A signer is a Credential, or several come as a list: [alice, bob].")
    if not signers:
        raise UsageError("A message is signed by at least one signer.")
    return tuple([_signer(each) for each in signers])


def _signer(found: object) -> Signer:
    if isinstance(found, Signer):
        return found
    if not isinstance(found, Credential):
        raise UsageError(f"A signer is a Credential, not {type(found).__name__}.")
    known = found.memo.get(Signer)
    if not isinstance(known, Signer):
        known = found.memo[Signer] = Signer(found)
    return known


@final
@dataclass(frozen=True, slots=True)
class _Habit:
    """What a signer does in every message, under one policy."""

    policy: Policy
    asked: SignatureScheme | None
    credential: Credential
    """The one that signs."""
    form: SignerForm
    attributes: tuple[bytes, ...]
    """What it says about itself, but for the time."""
    bag: tuple[bytes, ...]
    """The certificates that go out, each once."""
    detached: DetachedForm


def _habit(signer: Signer, policy: Policy) -> _Habit:
    """Worked out once, and kept with the credential: one for each kind of chain."""
    memo = signer.credential.memo
    found = memo.get(signer.chain)
    if isinstance(found, _Habit) and found.policy is policy and found.asked is signer.scheme:
        return found
    credential = signer.credential.signing
    scheme, bag = _scheme(credential, signer.scheme, policy), tuple(dict.fromkeys(_bag(signer)))
    attributes = tuple(_about_itself(signer.credential))
    made = _Habit(
        policy=policy,
        asked=signer.scheme,
        credential=credential,
        form=SignerForm.of(credential.certificate, scheme, attributes),
        attributes=attributes,
        bag=bag,
        detached=DetachedForm.of((scheme,), bag),
    )
    memo[signer.chain] = made
    return made


def _alone(signer: Signer, policy: Policy, said: bytes) -> Signing:
    """One who signs alone, as nearly all do: kept for whoever signs more than once in a second."""
    memo = signer.credential.memo
    known = memo.get(Signing)
    if isinstance(known, tuple) and known[0] is signer and known[1] is policy and known[2] == said:
        found: Signing = known[3]
        return found
    habit = _habit(signer, policy)
    made = Signing((_ready(signer, habit, said),), habit.bag, habit.detached)
    memo[Signing] = (signer, policy, said, made)
    return made


def _ready(signer: Signer, habit: _Habit, said: bytes) -> ContentSigner:
    own = [attrs.attribute(oid, value) for oid, value in signer.signed]
    adds = signer.unsigned or signer.timestamp is not None
    return ContentSigner(
        habit.credential.certificate,
        checked(habit.credential.key),
        habit.form.scheme,
        (*habit.attributes, said, *own),
        (lambda signature: _unsigned(signer, signature)) if adds else None,
        habit.form.saying(said, *own),
    )


def _unsigned(signer: Signer, signature: bytes) -> Iterator[bytes]:
    for oid, value in signer.unsigned:
        yield attrs.attribute(oid, value)
    if signer.timestamp is not None:
        yield timestamp_attribute(signer.timestamp(signature))


def _scheme(
    credential: Credential, scheme: SignatureScheme | None, policy: Policy
) -> SignatureScheme:
    """The scheme that the caller, the key or the policy names; PolicyError for a weak one."""
    key = credential.certificate.public_key
    restriction = credential.certificate.key_identifier
    default = policy.scheme_for(key)
    chosen = scheme or key_scheme(restriction) or default
    assessment = policy.signature(chosen, key)
    if assessment.grade is not Grade.GOOD:
        raise PolicyError(f"Refused to sign: {assessment.reason}.", code="policy.weak")
    if not key_allows(restriction, chosen):
        raise UsageError(
            f"The certificate of {credential.certificate.subject_text} restricts its key to "
            "another signature scheme (RFC 4055).",
            code="usage.scheme",
        )
    return chosen


def _bag(signer: Signer) -> Iterator[bytes]:
    """The certificates that go out: the signer's, the one to encrypt to, and the chain."""
    credential = signer.credential
    yield credential.signing.certificate.der
    if credential.encryption_certificate is not None:
        yield credential.encryption_certificate.der
    if signer.chain is Chain.LEAF:
        return
    for each in credential.all:
        for above in each.chain:
            if signer.chain is Chain.WITH_ROOT or not above.is_self_signed:
                yield above.der


def _about_itself(signer: Credential) -> Iterator[bytes]:
    """What the signer says about itself, at any time (RFC 8551, 2.5)."""
    yield attrs.attribute(attrs.SMIME_CAPABILITIES, _CAPABILITIES)
    preferred = signer.encryption_certificate
    if preferred is not None:
        yield attrs.encryption_key_preference(preferred.issuer, preferred.serial_bytes)


# RFC 8551, 2.5.2: what we read, the preferred first; parameters absent.
_CAPABILITIES: Final = der.sequence(
    *(
        der.sequence(der.oid(oid))
        for oid in (
            *(AES256_GCM.oid, AES128_GCM.oid, CHACHA20_POLY1305.oid),
            *(AES256_CBC.oid, AES128_CBC.oid, CEK_HKDF_SHA256),
        )
    )
)
