"""Which word counts where evidence contradicts itself: the one that says "revoked".

Knows what single pieces of evidence say, and their dates. May not know who signed them
(`evidence` does), nor what follows for a path (`answers` does).

certvalidator asks OCSP responses, and delta CRLs, from the newest on, and takes the first that
answers; of two with the same thisUpdate that is the one which was handed in first. Whoever
hands it in is not to choose: of words that are equally fresh "revoked" comes first. (Of complete
CRLs it reads all, and one that lists a certificate is enough.)

"unknown" is no such word. A responder that does not know the certificate has nothing to say
about it, and leaves it to other sources (RFC 6960, 2.2), of which a response with "good" is one.
Only where one and the same response says both is neither believed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from smimekit.certificate import Certificate
from smimekit.trust.certvalidator import refusals
from smimekit.trust.paths import Path
from smimekit.trust.revocation.evidence import Evidence

__all__ = ["deltas_that_revoke_first", "not_outdated", "takes_back", "words_that_count"]

_DAWN: Final = datetime.min.replace(tzinfo=UTC)


# --- OCSP ----------------------------------------------------------------------------------


def words_that_count(ocsps: Iterable[Any]) -> tuple[Any, ...]:
    """The containers of OCSP responses that hold no good word which is taken back.

    Those that say "revoked" come first: certvalidator's sorting by date keeps that order.
    """
    singles = [(one, one.extract_single_response()) for one in ocsps]
    said: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for container, single in singles:
        said[_about(container, single)].append(single)
    counting = [
        (container, _status(single))
        for container, single in singles
        if not _is_taken_back(single, said[_about(container, single)])
    ]
    counting.sort(key=lambda one: one[1] != "revoked")
    return tuple(container for container, _ in counting)


def _status(single: Any) -> str:
    status: str = single["cert_status"].name
    return status


def _about(container: Any, single: Any) -> tuple[int, int]:
    """The response that a word stands in, and the serial number that it is about."""
    return id(container.ocsp_response_data), single["cert_id"]["serial_number"].native


def _is_taken_back(single: Any, said: Sequence[Any]) -> bool:
    """Whether a good word stands beside another word about the same certificate."""
    if len(said) == 1 or _status(single) != "good":
        return False
    return any(
        _status(other) != "good" and _may_be_same(single["cert_id"], other)
        for other in said
        if other is not single
    )


def _may_be_same(named: Any, other: Any) -> bool:
    """Whether a word with the same serial number may be about the same issuer's certificate.

    By another digest an issuer has other names. A responder may not know that digest, and then
    its "unknown" says no more than that; its "revoked" is a word about some certificate.
    """
    name = other["cert_id"]
    if named["hash_algorithm"]["algorithm"].native != name["hash_algorithm"]["algorithm"].native:
        return _status(other) == "revoked"
    key: bool = named["issuer_key_hash"].native == name["issuer_key_hash"].native
    return key and bool(named["issuer_name_hash"].native == name["issuer_name_hash"].native)


# --- CRLs ----------------------------------------------------------------------------------


def deltas_that_revoke_first(crls: Iterable[Any], path: Path) -> tuple[Any, ...]:
    """The containers of CRLs; of equally fresh delta CRLs those first that revoke.

    Where each of two revokes another certificate of the path it does not matter which is first.
    """
    crls = tuple(crls)
    deltas = [one for one in crls if one.crl_data.delta_crl_indicator_value is not None]
    dates = Counter(one.issuance_date for one in deltas)
    rivals = {id(one) for one in deltas if dates[one.issuance_date] > 1}
    return tuple(sorted(crls, key=lambda one: id(one) in rivals and not _revokes(one, path)))


def not_outdated(crls: Iterable[Any]) -> tuple[Any, ...]:
    """The complete CRLs that no delta CRL of their issuer is newer than; none without deltas.

    A delta CRL may end a hold that an older complete CRL lists, and not what a newer one says
    (RFC 5280, 5.2.4 (c)); certvalidator compares neither numbers nor dates.
    """
    newest: dict[Any, Any] = {}
    complete = []
    for one in crls:
        if one.crl_data.delta_crl_indicator_value is None:
            complete.append(one)
        else:
            issuer, date = one.crl_data.issuer.hashable, one.issuance_date
            newest[issuer] = max(newest.get(issuer, date), date)
    return tuple(
        one
        for one in complete
        if newest and one.issuance_date >= newest.get(one.crl_data.issuer.hashable, _DAWN)
    )


def _revokes(crl: Any, path: Iterable[Certificate]) -> bool:
    from cryptography import x509  # noqa: PLC0415 - slow to import

    view = x509.load_der_x509_crl(crl.crl_data.dump())
    entries = (view.get_revoked_certificate_by_serial_number(one.serial) for one in path)
    return any(entry is not None and _is_revocation(entry) for entry in entries)


def _is_revocation(entry: Any) -> bool:
    """Not the end of a hold (RFC 5280, 5.3.1)."""
    from cryptography import x509  # noqa: PLC0415 - slow to import

    try:
        found = entry.extensions.get_extension_for_class(x509.CRLReason)
    except x509.ExtensionNotFound:
        return True
    except ValueError:  # whatever it says, it is not known to be the end of a hold
        return True
    return bool(found.value.reason is not x509.ReasonFlags.remove_from_crl)


# --- what is kept --------------------------------------------------------------------------


def takes_back(before: Evidence, after: Evidence) -> bool:
    """Whether a revocation that is in one piece of evidence is missing in another.

    It is believed to be where one of them cannot be read. Never raises.
    """
    try:
        return not _revoked(before) <= _revoked(after)
    except refusals():
        return True


def _revoked(evidence: Evidence) -> set[int]:
    """The serial numbers that are revoked: those of one CA, as the key of what is kept says."""
    listed = {
        entry.serial_number for view, _ in evidence.crls for entry in view if _is_revocation(entry)
    }
    singles = (container.extract_single_response() for _, container in evidence.ocsps)
    answered = {
        single["cert_id"]["serial_number"].native
        for single in singles
        if _status(single) == "revoked"
    }
    return listed | answered
