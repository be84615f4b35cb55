"""What a signature comes with and rests on: certificates, and the strength of its algorithms."""

from collections.abc import Iterable

from smimekit.certificate import Certificate
from smimekit.cms.signer import Check
from smimekit.errors import CertificateError
from smimekit.policy import Assessment, Grade, Policy

__all__ = ["assess", "load_bag"]


def load_bag(raw: Iterable[bytes]) -> tuple[Certificate, ...]:
    """The certificates of a bag; those that are malformed are left out."""
    found: dict[bytes, Certificate] = {}
    for each in raw:
        try:
            found.setdefault(each, Certificate(each))
        except CertificateError:
            continue
    return tuple(found.values())


def assess(check: Check, certificate: Certificate | None, policy: Policy) -> Assessment:
    """How good the algorithms of a signature are under a policy."""
    if check.scheme is None or certificate is None:
        return Assessment(Grade.REFUSED, "the algorithm or the key is not known")
    try:
        return policy.signature(check.scheme, certificate.public_key)
    except CertificateError as error:
        return Assessment(Grade.REFUSED, str(error))
