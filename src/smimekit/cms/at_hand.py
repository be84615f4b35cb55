"""SignedData that lies in memory, as most of it does: read at one go (RFC 5652, 5).

Knows one form: a detached signature in DER, with nothing around it. Whatever is not just that,
or is wrong in any way, it leaves to `cms.signed`, which reads all forms and says what is wrong.
May not know more of what is inside than where it begins.
"""

from functools import lru_cache
from typing import Final, TypeAlias

from smimekit import der
from smimekit.cms.content import SIGNED_DATA
from smimekit.cms.signed import (
    SignedData,
    read_algorithms,
    read_members,
    read_signers,
    signed_data_of,
)
from smimekit.errors import InputError
from smimekit.limits import Limits

__all__ = ["MOST", "read_at_hand", "read_parts_at_hand"]

_Parts: TypeAlias = tuple[SignedData, tuple[bytes, ...]]

MOST: Final = 1 << 16
"""Octets of what is read here: a signature has some thousand."""
_FRAMES: Final = 5
"""Values within values that `cms.signed` enters one after the other."""
_SIGNED_DATA: Final = der.oid(SIGNED_DATA)
_SETS: Final = ((0xA0, True), (0xA1, True), (der.SET, False))
"""Of certificates, of what says that they were revoked, and of signers; and which may lack."""
_SHORT: Final = 64


def read_at_hand(octets: bytes, *, limits: Limits) -> SignedData | None:
    """What `read_signed_data` would say of a ContentInfo; None where only that one knows."""
    parts = read_parts_at_hand(octets, limits=limits)
    return None if parts is None else parts[0]


def read_parts_at_hand(octets: bytes, *, limits: Limits) -> _Parts | None:
    """The same, and the octets of its SignerInfos."""
    if len(octets) > min(MOST, limits.metadata_bytes, limits.value_bytes):
        return None
    if limits.cms_depth < _FRAMES:
        return None
    try:
        return _read(octets, limits)
    except InputError:
        return None


def _read(octets: bytes, limits: Limits) -> _Parts | None:
    located, whole = der.located, len(octets)
    at, end = located(octets, 0, whole, der.SEQUENCE)
    if end != whole or not octets.startswith(_SIGNED_DATA, at):
        return None
    at, end = located(octets, at + len(_SIGNED_DATA), whole, 0xA0)
    at, inner = located(octets, at, end, der.SEQUENCE)
    start, version = located(octets, at, end, der.INTEGER)
    if not inner == end == whole or start == version:
        return None
    start, at = located(octets, version, end, der.SET)
    announced = read_algorithms(der.Reader(octets, start, at), limits)
    start = at
    _, at = located(octets, at, end, der.SEQUENCE)
    content_type = _content_type(octets[start:at]) if at - start <= _SHORT else None
    if content_type is None:
        return None
    sets: list[tuple[bytes, ...]] = []
    for tag, optional in _SETS:
        start = at
        if not optional or octets[at : at + 1] == bytes((tag,)):
            start, at = located(octets, at, end, tag)
        sets.append(read_members(der.Reader(octets, start, at), tag, limits))
    if at != end:
        return None
    certificates, revocation, infos = sets
    signers = read_signers(infos, limits)
    data = signed_data_of(announced, (content_type, True), certificates, revocation, signers)
    return data, infos


@lru_cache(maxsize=64)
def _content_type(encapsulated: bytes) -> str | None:
    """The type of content that is elsewhere; None where it is here, or there is more."""
    inside = der.Reader(encapsulated).enter(der.SEQUENCE)
    found = inside.oid()
    return None if inside.more else found
