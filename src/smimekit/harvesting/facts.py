"""What a good signature teaches: certificates, addresses, capabilities (DESIGN, section 6).

Knows which facts may be believed before anybody trusts the signer. Writes nothing: the
store is the caller's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NoReturn, final

from smimekit.certificate import Certificate
from smimekit.errors import CmsError, LimitExceeded
from smimekit.message.identity import Identity
from smimekit.message.layers import Encrypted, SignatureForm, SignatureResult, Signed
from smimekit.message.opened import Opened
from smimekit.mime.address import address_key
from smimekit.trust import (
    ByIssuerSerial,
    ByKeyId,
    Capabilities,
    Preference,
    Sighting,
    Source,
    TrustStore,
)
from smimekit.trust.records import addresses_of, is_authority, is_authority_only
from smimekit.trust.stores.merging import newer_said

__all__ = ["Harvest", "Harvested", "harvest"]

_ADDRESSES: Final = 2_000
"""Mail addresses of all certificates that one message teaches. A store keeps an entry for each, at
some twenty times its octets: of a mail with a million of them it would be busy for a minute."""
_CLOCK_SKEW: Final = timedelta(days=1)
"""RFC 8551, 2.7.1: signing times MUST NOT lie far in the future, or nothing newer would count."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Harvested:
    """One certificate that a signer has shown."""

    certificate: Certificate
    capabilities: Capabilities | None = None
    """Of the signer's own certificates: what their program can read."""
    preference: Preference | None = None
    """Of the certificate that signed: which one its owner wants mail encrypted to."""

    @property
    def is_authority(self) -> bool:
        """Is it a CA's, and nobody's own?"""
        return is_authority_only(self.certificate)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What may be learned from one message, or why nothing may."""

    sender: str | None
    """The From address or, where there is none, the first of the signer's certificate."""
    found: tuple[Harvested, ...]
    """The signer's certificates first, then those of authorities."""
    reasons: tuple[str, ...]
    """Why signatures taught nothing."""

    def __bool__(self) -> NoReturn:
        raise TypeError("A harvest has no truth value: ask for what was found.")

    def put_into(self, store: TrustStore, *, at: datetime, reference: str = "") -> None:
        """Write the facts into a store, as seen at `at` (aware). No decision changes.

        All of them or, where that fails, none; nothing is written where nothing is new.
        `reference` says where, as a rule by Message-ID. Raises StoreError.
        """
        store.put_all(self.sightings(at=at, reference=reference), at=at)

    def sightings(self, *, at: datetime, reference: str = "") -> tuple[Sighting, ...]:
        """What `put_into` writes."""
        source = Source(kind="mail", origin=self.sender or "", at=at, reference=reference)
        # Everybody's mail shows the CAs: whose it was is not told of them, or each mail of
        # each newcomer would be news about those that all have in common.
        anonymous = replace(source, origin="")
        return tuple(
            Sighting(
                certificate=each.certificate,
                source=anonymous if each.is_authority else source,
                capabilities=each.capabilities,
                preference=each.preference,
            )
            for each in self.found
        )


def harvest(opened: Opened) -> Harvest:
    """The facts of an opened message.

    A signature teaches if it is intact, by algorithms that the policy accepts, and the
    From address (or the one that was expected) is in the subjectAltName of its certificate;
    trust is not needed, since facts are not trust. Then every certificate of the signer's
    address in the message counts, as the one for encryption may be another, and those of
    authorities. Nothing is learned from errant parts.
    """
    found: dict[Certificate, Harvested] = {}
    reasons: list[str] = []
    sender: str | None = None
    for layer in opened.envelope:
        if not isinstance(layer, Signed):
            continue
        for signature in layer.signatures:
            refusal = _refusal(signature)
            if refusal is not None or signature.certificate is None:
                reasons.append(refusal or "the signer's certificate is missing")
                continue
            sender = sender or (signature.senders or signature.certificate.addresses)[0]
            for each in _from_signature(signature, layer):
                known = found.setdefault(each.certificate, each)
                found[each.certificate] = _joined(known, each)
    reasons += _left_out(opened)
    ordered = sorted(found.values(), key=lambda each: each.is_authority)
    kept = tuple(_within(ordered))
    if len(kept) < len(ordered):
        reasons.append(f"certificates beyond {_ADDRESSES} mail addresses are not learned")
    return Harvest(sender=sender, found=kept, reasons=tuple(reasons))


def _within(found: Iterable[Harvested]) -> Iterator[Harvested]:
    """Those that a store can keep at little cost, the signer's first."""
    left = _ADDRESSES
    for each in found:
        count = len(addresses_of(each.certificate))
        if count <= left:
            left -= count
            yield each


def _left_out(opened: Opened) -> Iterator[str]:
    """Why there was no signature to look at."""
    closed = [each.failure for each in opened.envelope if isinstance(each, Encrypted)]
    yield from (str(failure) for failure in closed if failure is not None)
    if opened.signatures or any(closed):
        return  # of what is closed, nobody knows whether it is signed
    if any(isinstance(each, Signed) and _is_bag(each) for each in opened.envelope):
        yield (
            "the message holds certificates and no signature (RFC 8551, 3.8), so that nobody "
            "vouches for them; import them as a file if you know whose they are"
        )
    else:
        yield "the message is not signed"


def _is_bag(layer: Signed) -> bool:
    return layer.form is SignatureForm.CERTS_ONLY


def _joined(known: Harvested, other: Harvested) -> Harvested:
    """What two signatures taught about one certificate: the newest word counts."""
    return replace(
        known,
        capabilities=newer_said(known.capabilities, other.capabilities),
        preference=newer_said(known.preference, other.preference),
    )


def _refusal(signature: SignatureResult) -> str | None:
    """Why a signature teaches nothing, or None."""
    if not signature.intact:
        reasons = (each.removesuffix(".") for each in signature.reasons)
        return "; ".join(reasons) or str(signature.integrity)
    if not signature.of_message:
        return "what was signed is no message"
    if signature.certificate is None or not addresses_of(signature.certificate):
        return "the signer's certificate names no mail address in its subjectAltName"
    if signature.identity is not Identity.MATCH and signature.identity is not Identity.UNCLAIMED:
        return "the signer is not the sender"
    return None


def _from_signature(signature: SignatureResult, layer: Signed) -> list[Harvested]:
    signer = signature.certificate
    if signer is None:
        return []
    capabilities = _capabilities(signature)
    found = [
        Harvested(certificate=signer, capabilities=capabilities, preference=_preference(signature))
    ]
    mine = _address_keys(signer)
    # Anybody can issue a certificate for any address and put somebody else's beside it: only
    # a trusted signer speaks for more than the certificate that signed.
    for_others = capabilities if signature.trusted else None
    for certificate in layer.certificates:
        if mine & _address_keys(certificate):
            found.append(Harvested(certificate=certificate, capabilities=for_others))
        elif is_authority(certificate):
            found.append(Harvested(certificate=certificate))
    return found


def _capabilities(signature: SignatureResult) -> Capabilities | None:
    """Only from signed attributes, dated by them: the newest wins in the store."""
    signed_at = _signed_at(signature)
    if signature.attributes is None or signed_at is None:
        return None
    try:
        encoded = signature.attributes.capabilities
    except (CmsError, LimitExceeded):
        return None
    return None if encoded is None else Capabilities(encoded, signed_at)


def _signed_at(signature: SignatureResult) -> datetime | None:
    """The signing time, unless it lies far in the future, as the judgement has it."""
    claimed, judgement = signature.signing_time, signature.judgement
    if claimed is None or judgement is None or claimed > judgement.at + _CLOCK_SKEW:
        return None
    return claimed


def _preference(signature: SignatureResult) -> Preference | None:
    """Only from signed attributes, dated by them (RFC 8551, 2.5.3): the newest wins."""
    signed_at = _signed_at(signature)
    if signature.attributes is None or signed_at is None:
        return None
    try:
        named = signature.attributes.encryption_key_preference
    except (CmsError, LimitExceeded):
        return None
    if named is None:
        return None
    if isinstance(named, bytes):
        return Preference(ByKeyId(named), signed_at)
    return Preference(ByIssuerSerial(named.issuer, named.serial), signed_at)


def _address_keys(certificate: Certificate) -> set[tuple[str, str]]:
    keys = map(address_key, addresses_of(certificate))
    return {key for key in keys if key is not None}
