"""The one file that talks to certvalidator (in its fork pyhanko-certvalidator).

Knows its objects, its exceptions and its bounds. May not know stores, decisions or status.

What this file takes care of:
* Nothing is fetched: a context has no fetchers, and a coroutine that would wait is an error.
* Trust roots are always given: without them certvalidator would take those of the system.
* It is imported when the first path is judged: it pulls in aiohttp, which takes long.
* On hostile certificates it and asn1crypto raise much besides their own errors; `refusals` lists
  what was seen or is possible. Each means "not valid", never "valid".
* Its signature check asserts key kinds, so ours stands in its place (`_Signatures`).
"""

import logging
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature

from smimekit.certificate import Certificate
from smimekit.errors import LimitExceeded
from smimekit.policy import Policy
from smimekit.trust.records import Purpose
from smimekit.trust.second_opinion import unreadable

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate as Asn1Certificate
    from pyhanko_certvalidator.context import ValidationContext
    from pyhanko_certvalidator.path import ValidationPath

__all__ = [
    "EVIDENCE_SKEW",
    "PathParameters",
    "Request",
    "Setting",
    "finish",
    "refusals",
    "setting_for",
]


def refusals() -> tuple[type[Exception], ...]:
    """Whatever certvalidator and asn1crypto may raise besides certvalidator's own errors."""
    return (
        ArithmeticError,  # dates out of range
        AssertionError,  # "cannot happen" in asn1crypto and certvalidator
        AttributeError,  # a value of another type than expected
        LimitExceeded,
        LookupError,  # unknown tags, choices and algorithm names
        NotImplementedError,  # minimum and maximum of name constraints; waiting (see `finish`)
        RecursionError,
        *unreadable(),  # and ValueError is most of asn1crypto; UnicodeError, NameConstraintError
    )


# It logs hostile names and tracebacks; who wants those adds a handler (as in any library).
logging.getLogger("pyhanko_certvalidator").addHandler(logging.NullHandler())

_MAX_NAME_CHECKS: Final = 50_000
"""Names times constraints of one path: each comparison takes some microseconds."""
EVIDENCE_SKEW: Final = timedelta(minutes=5)
"""How far the clock of who signs evidence may be from ours: an OCSP response that was made for
us is some seconds younger than the question."""
_NAME_CONSTRAINTS: Final = "2.5.29.30"
_ANY_POLICY: Final = "any_policy"
_LONG_AGO: Final = timedelta(days=365 * 50)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathParameters:
    """The inputs of RFC 5280, 6.1.1 (c) to (f). `policies`: OIDs; None stands for anyPolicy."""

    policies: frozenset[str] | None = None
    explicit_policy: bool = False
    inhibit_policy_mapping: bool = False
    inhibit_any_policy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a path is judged for, apart from its certificates."""

    at: datetime
    purpose: Purpose = Purpose.VERIFY
    policy: Policy = Policy.INTEROP
    parameters: PathParameters = PathParameters()
    helpers: tuple[Certificate, ...] = ()
    """Certificates that may have signed revocation evidence."""
    crls: tuple[Any, ...] = ()
    ocsps: tuple[Any, ...] = ()
    """Both as certvalidator's containers, their signatures verified (see `revocation`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """certvalidator's view of one path: its context, its path, its parameters."""

    context: "ValidationContext"
    path: "ValidationPath"
    parameters: Any


def finish(coroutine: Coroutine[Any, Any, object]) -> object:
    """Run a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise NotImplementedError("Path validation wanted to wait for something.")


def _name_checks(path: Sequence[Certificate], views: Sequence["Asn1Certificate"]) -> int:
    if not any(one.extension(_NAME_CONSTRAINTS) for one in path):
        return 0  # as nearly always; to look at a view takes long
    names = constraints = 0
    for view in views:
        alternative = view.subject_alt_name_value
        names += 1 + (len(alternative) if alternative is not None else 0)
        limits = view.name_constraints_value
        for part in ("permitted_subtrees", "excluded_subtrees") if limits is not None else ():
            subtrees = limits[part]
            constraints += len(subtrees) if subtrees.native is not None else 0
    return names * constraints


def _anchor_qualifiers(anchor: Certificate, view: "Asn1Certificate") -> Any:
    """What the anchor's certificate says about itself binds too (RFC 5937), as in OpenSSL."""
    from pyhanko_certvalidator.authority import TrustQualifiers  # noqa: PLC0415 - see above

    constrained = anchor.extension(_NAME_CONSTRAINTS) is not None  # else there is nothing to view
    length = anchor.path_length
    return TrustQualifiers(
        # Both lengths: with only the first, certvalidator computes with None.
        max_path_length=length,
        max_aa_path_length=length,
        standard_parameters=_anchor_parameters(view) if constrained else None,
        valid_from=anchor.not_before,
        valid_until=anchor.not_after,
    )


def _anchor_parameters(view: "Asn1Certificate") -> Any:
    from pyhanko_certvalidator.name_trees import process_general_subtrees  # noqa: PLC0415
    from pyhanko_certvalidator.policy_decl import PKIXValidationParams  # noqa: PLC0415

    limits = view.name_constraints_value
    permitted, excluded = limits["permitted_subtrees"], limits["excluded_subtrees"]
    return PKIXValidationParams(
        initial_permitted_subtrees=(
            process_general_subtrees(permitted) if permitted.native is not None else None
        ),
        initial_excluded_subtrees=(
            process_general_subtrees(excluded) if excluded.native is not None else None
        ),
    )


def _parameters(wanted: PathParameters) -> Any:
    from pyhanko_certvalidator.policy_decl import PKIXValidationParams  # noqa: PLC0415

    policies = frozenset({_ANY_POLICY}) if wanted.policies is None else wanted.policies
    return PKIXValidationParams(
        user_initial_policy_set=policies,
        initial_policy_mapping_inhibit=wanted.inhibit_policy_mapping,
        initial_explicit_policy=wanted.explicit_policy,
        initial_any_policy_inhibit=wanted.inhibit_any_policy,
    )


def _algorithms(policy: Policy) -> Any:
    from pyhanko_certvalidator.policy_decl import (  # noqa: PLC0415
        AcceptAllAlgorithms,
        DisallowWeakAlgorithmsPolicy,
    )

    if policy.accepts_weak:
        return AcceptAllAlgorithms()
    strict: Any = DisallowWeakAlgorithmsPolicy
    return strict(
        weak_signature_algos=frozenset({"dsa"}), rsa_key_size_threshold=policy.minimum_rsa
    )


@lru_cache(maxsize=2)  # to make a class takes as long as to look at a certificate
def _signatures(*, accepts_weak: bool) -> Any:
    from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator  # noqa: PLC0415

    weak = frozenset() if accepts_weak else frozenset({"md2", "md5", "sha1"})

    class Signatures(DefaultSignatureValidator):
        """certvalidator's, with every failure an InvalidSignature, and no weak digests.

        certvalidator asks its algorithm policy about certificates, not about CRLs and OCSP
        responses; a forged one of those would call a revoked certificate good.
        """

        def validate_signature(
            self,
            signature: bytes,
            signed_data: bytes,
            public_key_info: Any,
            signature_algorithm: Any,
            *rest: Any,
            **more: Any,
        ) -> None:
            try:
                if _digest_name(signature_algorithm) in weak:
                    raise InvalidSignature
                super().validate_signature(
                    signature, signed_data, public_key_info, signature_algorithm, *rest, **more
                )
            except refusals() as error:
                raise InvalidSignature from error

    return Signatures()


def _digest_name(algorithm: Any) -> str | None:
    try:
        name: str = algorithm.hash_algo
    except ValueError:  # Edwards curves and ML-DSA have their digest inside
        return None
    return name


def _revocation_policy(*, strict: bool) -> Any:
    from pyhanko_certvalidator.policy_decl import (  # noqa: PLC0415
        NO_REVOCATION,
        REQUIRE_REVINFO,
        CertRevTrustPolicy,
        FreshnessReqType,
    )

    if strict:
        return CertRevTrustPolicy(REQUIRE_REVINFO)
    return CertRevTrustPolicy(
        NO_REVOCATION,
        freshness=_LONG_AGO,
        freshness_req_type=FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION,
    )


def setting_for(path: Sequence[Certificate], request: Request, *, strict: bool) -> Setting:
    """Prepare certvalidator for one path, the anchor first.

    `strict` wants evidence that is fresh at the time of the request, and evidence about those
    who sign it; otherwise any date and any signer in the path's certificates will do. Raises
    what `refusals` lists where certificates are malformed.
    """
    from pyhanko_certvalidator.authority import CertTrustAnchor  # noqa: PLC0415
    from pyhanko_certvalidator.context import ValidationContext  # noqa: PLC0415

    views = [one.asn1 for one in path]  # once: to look at one takes most of the time here
    if _name_checks(path, views) > _MAX_NAME_CHECKS:
        raise LimitExceeded("The path has too many names and name constraints.", code="limit.names")
    anchor = CertTrustAnchor(views[0], quals=_anchor_qualifiers(path[0], views[0]))
    others = _others(path, views, request)
    registry = _crl_issuers_kind().build(others)
    registry.appoint([*views[1:], *others] if request.crls else ())
    context = ValidationContext(
        # Who signed evidence is asked for; the path has its anchor. To note one takes long.
        trust_roots=[anchor] if request.crls or request.ocsps else [],
        certificate_registry=registry,
        moment=request.at,
        allow_fetching=False,
        crls=list(request.crls),
        ocsps=list(request.ocsps),
        revinfo_policy=_revocation_policy(strict=strict),
        time_tolerance=EVIDENCE_SKEW if strict else timedelta(0),
        algorithm_usage_policy=_algorithms(request.policy),
        signature_validator=_signatures(accepts_weak=request.policy.accepts_weak),
    )
    wanted = _path_kind()(anchor, interm=views[1:-1], leaf=views[-1] if views[1:] else None)
    return Setting(context=context, path=wanted, parameters=_parameters(request.parameters))


@lru_cache(maxsize=1)
def _path_kind() -> Any:
    from pyhanko_certvalidator.path import ValidationPath  # noqa: PLC0415 - see above

    class PathFromAnyAnchor(ValidationPath):
        """certvalidator finds an anchor as signer of a CRL only where it is self-issued."""

        def truncate_to_issuer_and_append(self, cert: Any) -> ValidationPath:
            if cert.dump() == self.first.dump():
                return ValidationPath(self.trust_anchor, interm=[], leaf=None)
            found: ValidationPath = super().truncate_to_issuer_and_append(cert)
            return found

    return PathFromAnyAnchor


@lru_cache(maxsize=1)
def _crl_issuers_kind() -> Any:
    from pyhanko_certvalidator.registry import CertificateRegistry  # noqa: PLC0415 - see above

    class CrlIssuers(CertificateRegistry):
        """certvalidator takes a CRL by whoever the CA issued a certificate to for one by the CA,
        so that one CA below a root could speak for all others. RFC 5280, 6.3.3 (b) wants the name
        of the CA, or one that it writes into its certificates as cRLIssuer.
        """

        appointed: "frozenset[tuple[str, str]]" = frozenset()

        def appoint(self, certificates: Iterable["Asn1Certificate"]) -> None:
            """Note whom CAs name in the certificates that they issued."""
            self.appointed = frozenset(
                (one.issuer.hashable, name.chosen.hashable)
                for one in certificates
                for point in one.crl_distribution_points_value or ()
                for name in point["crl_issuer"] or ()
                if name.name == "directory_name"
            )

        def retrieve_by_name(self, name: Any, first_certificate: Any = None) -> Any:
            """Who may have signed a CRL of that name, about certificates of a CA if given."""
            if first_certificate is not None:
                authority = first_certificate.subject
                pair = (authority.hashable, name.hashable)
                if name != authority and pair not in self.appointed:
                    return []
            return super().retrieve_by_name(name, first_certificate)

    return CrlIssuers


def _others(
    path: Sequence[Certificate], views: Sequence["Asn1Certificate"], request: Request
) -> list["Asn1Certificate"]:
    """Who may have signed evidence; nobody where there is none, as they cost time to look at."""
    if not (request.crls or request.ocsps):
        return []
    found = dict(zip(path[1:], views[1:], strict=True))
    helpers = dict.fromkeys(request.helpers)
    return [*found.values(), *(one.asn1 for one in helpers if one not in found)]
