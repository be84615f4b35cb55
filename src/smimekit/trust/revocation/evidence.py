"""CRLs and OCSP responses that anybody may have handed in: read, and their signatures verified.

Knows their syntax and who may sign them. May not know what they say: that is `revocation`'s.

Why the signatures are verified here although certvalidator does so: it remembers the signer of
a CRL by the CRL's signature octets, a validated certificate by its signature octets, and the
issuer as OCSP responder by serial number and signature octets. Copy those octets onto other
content or another key, and the forgery passes. What passes here was really signed by a CA of
the path, or by somebody whom such a CA appointed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeAlias

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, CmsError, LimitExceeded
from smimekit.limits import Limits
from smimekit.trust.certvalidator import refusals
from smimekit.trust.names import normal_name
from smimekit.trust.paths import Path, signature_matches
from smimekit.trust.revocation.listed import entries_about
from smimekit.trust.usage import structure_reason

__all__ = [
    "Evidence",
    "evidence_for",
    "evidence_moments",
    "load_evidence",
    "may_response_say_good",
    "may_say_good",
]

_MAX_SIGNERS: Final = 8
_MAX_RESPONSE_BYTES: Final = 256 << 10
_OCSP_SIGNING: Final = "1.3.6.1.5.5.7.3.9"
_WITHOUT_NEXT_UPDATE: Final = timedelta(minutes=30)
"""How long certvalidator believes evidence that does not say when the next comes."""
_CRITICAL: Final = b"\x01\x01\xff"
_ENTRY_EXTENSIONS: Final = frozenset({"2.5.29.21", "2.5.29.23", "2.5.29.24", "2.5.29.29"})
"""reasonCode, holdInstructionCode, invalidityDate and certificateIssuer (RFC 5280, 5.3)."""
_RESPONSE_EXTENSIONS: Final = frozenset(
    {
        "1.3.6.1.5.5.7.48.1.2",  # nonce
        "1.3.6.1.5.5.7.48.1.6",  # archive cutoff
        "1.3.6.1.5.5.7.48.1.9",  # extended revoked definition
        *_ENTRY_EXTENSIONS,
    }
)
"""RFC 6960, 4.4."""
_Loaded: TypeAlias = tuple[Any, Any]
"""cryptography's view and certvalidator's container of one piece of evidence."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What could be read; `malformed` counts what could not. Nothing is verified yet."""

    crls: tuple[_Loaded, ...] = ()
    ocsps: tuple[_Loaded, ...] = ()
    malformed: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.crls or self.ocsps)

    def __add__(self, other: "Evidence") -> "Evidence":
        """Both together; this one's first."""
        return Evidence(
            self.crls + other.crls, self.ocsps + other.ocsps, self.malformed + other.malformed
        )


@dataclass(frozen=True, slots=True)
class Verified:
    """What the CAs of one path, or those they appointed, really signed."""

    crls: tuple[Any, ...]
    ocsps: tuple[Any, ...]
    signers: tuple[Certificate, ...]


def _load_crl(data: bytes) -> list[_Loaded]:
    from cryptography import x509  # noqa: PLC0415 - slow to import
    from pyhanko_certvalidator.revinfo.archival import CRLContainer  # noqa: PLC0415 - same

    from smimekit.asn1_views import CertificateList  # noqa: PLC0415 - same

    view = x509.load_der_x509_crl(data)
    tuple(view.extensions)
    found = CertificateList.load(data, strict=True)
    found.issuer.hashable  # noqa: B018 - it raises where the name is malformed
    return [(view, CRLContainer(found))]


def _load_ocsp(data: bytes) -> list[_Loaded]:
    from cryptography.x509 import ocsp  # noqa: PLC0415 - slow to import
    from pyhanko_certvalidator.revinfo.archival import OCSPContainer  # noqa: PLC0415 - same

    from smimekit.asn1_views import OCSPResponse  # noqa: PLC0415 - same

    view = ocsp.load_der_ocsp_response(data)
    successful = view.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    if not successful or len(view.certificates) > _MAX_SIGNERS:
        raise ValueError("no usable response")
    found = OCSPResponse.load(data, strict=True)
    return [(view, container) for container in OCSPContainer.load_multi(found)]


def _load_all(
    pieces: Iterable[bytes], load: Callable[[bytes], list[_Loaded]], largest: int
) -> tuple[tuple[_Loaded, ...], int]:
    good: list[_Loaded] = []
    malformed = 0
    for data in dict.fromkeys(map(bytes, pieces)):
        try:
            if len(data) > largest:
                raise ValueError("too large")
            good.extend(load(data))
        except refusals():
            malformed += 1
    return tuple(good), malformed


def load_evidence(
    crls: Iterable[bytes], ocsps: Iterable[bytes] = (), *, limits: Limits
) -> Evidence:
    """Read what was handed in (DER); what is malformed or over a limit is left out."""
    good_crls, bad_crls = _load_all(islice(crls, limits.crls), _load_crl, limits.value_bytes)
    good_ocsps, bad_ocsps = _load_all(islice(ocsps, limits.crls), _load_ocsp, _MAX_RESPONSE_BYTES)
    return Evidence(good_crls, good_ocsps, bad_crls + bad_ocsps)


def _may_sign_evidence(certificate: Certificate) -> bool:
    try:
        usage, extended = certificate.key_usage, certificate.extended_key_usage
    except CertificateError:
        return False
    return (usage is not None and "cRLSign" in usage) or _OCSP_SIGNING in (extended or ())


def _appointed(path: Path, extra: Iterable[Certificate], budget: int) -> Iterator[Certificate]:
    """Certificates for signing evidence that CAs of the path really made."""
    issuers: dict[bytes, list[Certificate]] = {}
    for one in path:
        issuers.setdefault(normal_name(one.subject), []).append(one)
    for one in extra:
        if one in path or not _may_sign_evidence(one) or structure_reason(one) is not None:
            continue
        for issuer in issuers.get(normal_name(one.issuer), ()):
            budget -= 1
            if budget < 0:
                return
            if signature_matches(one, issuer):
                yield one
                break


def _crl_signed_by(loaded: _Loaded, signer: Certificate) -> bool:
    usage = signer.key_usage
    if usage is not None and "cRLSign" not in usage:  # RFC 5280, 6.3.3 (f)
        return False
    view, container = loaded
    algorithm = container.crl_data["signature_algorithm"].dump()
    return signer.verifies(algorithm, view.signature, view.tbs_certlist_bytes)


def _ocsp_signed_by(loaded: _Loaded, signer: Certificate) -> bool:
    view, container = loaded
    response = container.ocsp_response_data.basic_ocsp_response
    algorithm = response["signature_algorithm"].dump()
    return signer.verifies(algorithm, view.signature, view.tbs_response_bytes)


def _response_certificates(evidence: Evidence) -> Iterator[Certificate]:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - rare

    for view, _ in evidence.ocsps:
        for one in view.certificates:
            try:
                yield Certificate(one.public_bytes(Encoding.DER))
            except CertificateError:
                continue


def evidence_for(
    path: Path, evidence: Evidence, extra: Iterable[Certificate], *, limits: Limits
) -> Verified:
    """What of the evidence the CAs of a path (the anchor first), or their appointees, signed."""
    candidates = dict.fromkeys((*_response_certificates(evidence), *extra))
    appointed = _appointed(path, candidates, limits.path_signatures)
    signers = tuple(islice(appointed, _MAX_SIGNERS))
    by_name: dict[bytes, list[Certificate]] = {}
    for one in (*path, *signers):
        by_name.setdefault(normal_name(one.subject), []).append(one)
    crls = tuple(
        one[1]
        for one in evidence.crls
        if any(
            _crl_signed_by(one, signer)
            for signer in by_name.get(normal_name(one[0].issuer.public_bytes()), ())
        )
    )
    ocsps = tuple(
        one[1]
        for one in evidence.ocsps
        if any(_ocsp_signed_by(one, signer) for signer in (*path, *signers))
    )
    return Verified(crls, ocsps, signers)


def may_say_good(crl: bytes) -> bool:
    """Whether a CRL (DER) may be used for a good word: all that is critical in it is processed.

    RFC 5280, 5.3: not with a critical entry extension that is not known, in whatever entry.
    What such a CRL says of who is revoked is believed all the same.
    """
    try:
        revoked = _revoked_certificates(crl)
        if _CRITICAL not in revoked:  # as nearly always
            return True
        return all(oid in _ENTRY_EXTENSIONS for oid in _critical_in_entries(revoked))
    except (CmsError, LimitExceeded):
        return False


def may_response_say_good(container: Any) -> bool:
    """The same of an OCSP response, as certvalidator holds it (RFC 6960, 4.4)."""
    basic = container.extract_basic_ocsp_response()["tbs_response_data"]
    single = container.extract_single_response()
    return not any(
        one["critical"].native and one["extn_id"].dotted not in _RESPONSE_EXTENSIONS
        for extensions in (basic["response_extensions"], single["single_extensions"])
        if extensions.native is not None
        for one in extensions
    )


def _revoked_certificates(crl: bytes) -> bytes:
    tbs = der.Reader(crl).enter(der.SEQUENCE).enter(der.SEQUENCE)
    if tbs.peek == der.INTEGER:
        tbs.raw()
    tbs.raw(der.SEQUENCE)  # the algorithm
    tbs.raw(der.SEQUENCE)  # the issuer
    while tbs.peek in {der.UTC_TIME, der.GENERALIZED_TIME}:
        tbs.raw()
    return tbs.raw() if tbs.peek == der.SEQUENCE else b""


def _critical_in_entries(revoked: bytes) -> Iterator[str]:
    entries = der.Reader(revoked).enter(der.SEQUENCE)
    while entries.more:
        entry = entries.enter(der.SEQUENCE)
        entry.raw(der.INTEGER)
        entry.raw()  # the date
        extensions = entry.enter(der.SEQUENCE) if entry.more else entry
        while extensions.more:
            extension = extensions.enter(der.SEQUENCE)
            oid = extension.oid()
            if extension.peek == der.BOOLEAN and extension.boolean():
                yield oid


# --- when evidence says something else -----------------------------------------------------


def _crl_moments(view: Any, path: Path) -> Iterator[datetime | None]:
    yield view.last_update_utc
    if view.next_update_utc is None:
        yield view.last_update_utc + _WITHOUT_NEXT_UPDATE
    yield view.next_update_utc
    for one in path:
        for entry in entries_about(view, one.serial):
            yield entry.revocation_date_utc


def _ocsp_moments(view: Any) -> Iterator[datetime | None]:
    for one in view.responses:
        yield one.this_update_utc
        if one.next_update_utc is None:
            yield one.this_update_utc + _WITHOUT_NEXT_UPDATE
        yield one.next_update_utc
        yield one.revocation_time_utc


def evidence_moments(evidence: Evidence, path: Path) -> tuple[datetime, ...] | None:
    """When the evidence begins or ends to say something about the path; None: not to be told."""
    try:
        found = [
            *(moment for view, _ in evidence.crls for moment in _crl_moments(view, path)),
            *(moment for view, _ in evidence.ocsps for moment in _ocsp_moments(view)),
        ]
        signers = list(_response_certificates(evidence))
    except refusals():
        return None
    times = (moment for one in signers for moment in (one.not_before, one.not_after))
    return (*(moment for moment in found if moment is not None), *times)
