"""Which certificates of an address to use, newest first, and why not the others.

Knows judgements, records and their owners' wishes (RFC 8551, 2.5.3). May not know how a
certificate is judged.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from smimekit.trust.judgement import Judgement, Selection
from smimekit.trust.records import Purpose, Record
from smimekit.trust.status import Reason, Status
from smimekit.trust.stores.index import index_keys, query_key

__all__ = ["select"]

_PREFERENCE: Final = Reason(
    "selection.preference", "Its owner wants mail encrypted to another certificate, which is used."
)


def select(judged: Iterable[tuple[Record, Judgement]], purpose: Purpose) -> Selection:
    """Those that are trusted, and for encryption not passed over by their owners' own wish."""
    ordered = sorted(
        judged,
        key=lambda one: (one[0].certificate.not_before, one[0].fingerprint),
        reverse=True,
    )
    trusted = [record for record, verdict in ordered if verdict.status is Status.TRUSTED]
    passed_over = _passed_over(trusted) if purpose is Purpose.ENCRYPT else frozenset()
    unusable = tuple(
        (
            record.certificate,
            replace(verdict, reasons=(*verdict.reasons, _PREFERENCE))
            if record.fingerprint in passed_over
            else verdict,
        )
        for record, verdict in ordered
        if verdict.status is not Status.TRUSTED or record.fingerprint in passed_over
    )
    usable = tuple(one for one in trusted if one.fingerprint not in passed_over)
    return Selection(tuple(one.certificate for one in usable), unusable, usable)


def _passed_over(trusted: Iterable[Record]) -> frozenset[str]:
    """Certificates whose owners prefer another one that can be used.

    A wish counts for the certificate that signed it and for no other. Two that name each other
    both stay: their owner said one thing and then the other, and of two, one may be lost.
    """
    if all(one.preference is None for one in trusted):
        return frozenset()
    by_key = {key: one for one in trusted for key in index_keys(one.certificate)}
    wishes: dict[str, str] = {}
    for one in trusted:
        if one.preference is not None:
            other = by_key.get(query_key(one.preference.certificate))
            if other is not None and other.fingerprint != one.fingerprint:
                wishes[one.fingerprint] = other.fingerprint
    return frozenset(name for name, other in wishes.items() if other not in wishes)
