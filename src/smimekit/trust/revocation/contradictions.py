"""Which word counts where evidence contradicts itself: the one that says "revoked".

Knows what single pieces of evidence say, and their dates. May not know who signed them
(`evidence` does), nor what follows for a path (`answers` does).

certvalidator asks OCSP responses from the newest on, and takes the first that answers; of two
with the same thisUpdate that is the one which was handed in first. Whoever hands it in is not to
choose: of words that are equally fresh "revoked" comes first. (`listed` does the same for CRLs.)

"unknown" is no such word. A responder that does not know the certificate has nothing to say
about it, and leaves it to other sources (RFC 6960, 2.2), of which a response with "good" is one.
Only where one and the same response says both is neither believed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from smimekit.trust.certvalidator import refusals
from smimekit.trust.revocation.evidence import Evidence
from smimekit.trust.revocation.listed import REMOVED, reason_of

__all__ = ["takes_back", "words_that_count"]


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
        entry.serial_number
        for view, _ in evidence.crls
        for entry in view
        if reason_of(entry) != REMOVED
    }
    singles = (container.extract_single_response() for _, container in evidence.ocsps)
    answered = {
        single["cert_id"]["serial_number"].native
        for single in singles
        if _status(single) == "revoked"
    }
    return listed | answered
