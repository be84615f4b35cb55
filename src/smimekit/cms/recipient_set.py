"""The RecipientInfos of a message, read as they are asked for (RFC 5652, 6.1).

Knows that most of them are other people's: a hundred of them take longer to read than the one
of our own takes to be opened. May not know private keys.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final, final, overload

from smimekit import der
from smimekit.algorithms import KEMS
from smimekit.certificate import Certificate
from smimekit.cms.recipient_reading import read_recipients
from smimekit.cms.recipients import RecipientInfo
from smimekit.cms.transport import usual_transport
from smimekit.errors import LimitExceeded
from smimekit.limits import Limits

__all__ = ["Transported", "read_recipient_set"]

_KEM_MARKS: Final = frozenset(der.oid(oid)[1:-1] for oid in KEMS)
"""One of them stands wherever a KEM is named, in whatever form of BER: the last octet of a length
is there in each. Each costs a search, so relatives share theirs."""
_PIECE: Final = 28_000
_OVERLAP: Final = 16
"""Octets, more than a mark has."""
_LONG: Final = Struct(">HH").unpack_from
"""The identifier octet and the length, where that takes three octets, and what it says."""
_LONG_SEQUENCE: Final = der.SEQUENCE << 8 | 0x82


@final
class Transported(Sequence[RecipientInfo]):
    """RecipientInfos that all have the form of key transport, each read once, when it has to be.

    `raw` holds them side by side; `places` says where each begins, and where the last one ends.
    """

    __slots__ = ("_found", "_limits", "_places", "_raw")

    def __init__(self, raw: bytes, places: Sequence[int], limits: Limits) -> None:
        self._raw: Final = raw
        self._places: Final = places
        self._limits: Final = limits
        self._found: Final[dict[int, RecipientInfo]] = {}

    def __len__(self) -> int:
        return len(self._places) - 1

    @overload
    def __getitem__(self, at: int) -> RecipientInfo: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[RecipientInfo]: ...

    def __getitem__(self, at: int | slice) -> RecipientInfo | Sequence[RecipientInfo]:
        if isinstance(at, slice):
            return tuple(self)[at]
        at = range(len(self))[at]
        found = self._found.get(at)
        if found is None:
            member = der.Reader(self._raw, self._places[at], self._places[at + 1])
            (found,) = read_recipients(member, limits=self._limits)
            self._found[at] = found
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def likely_first(self, certificate: Certificate) -> Iterator[RecipientInfo]:
        """All of them; before the others those that hold the certificate's serial number."""
        likely: set[int] = set()
        for at in self._holding(certificate.serial_bytes):
            likely.add(at)
            yield self._usual(at, certificate) or self[at]
        yield from (self[at] for at in range(len(self)) if at not in likely)

    def _holding(self, octets: bytes) -> Iterator[int]:
        """In which of them these octets begin, anywhere."""
        raw, places = self._raw, self._places
        found = raw.find(octets)
        while 0 <= found < places[-1]:
            at = bisect_right(places, found) - 1
            yield at
            found = raw.find(octets, places[at + 1])

    def _usual(self, at: int, certificate: Certificate) -> RecipientInfo | None:
        """One that is, octet by octet, the certificate's own in the form that nearly all write."""
        form, begin = usual_transport(certificate), self._places[at]
        if form is None or not self._raw.startswith(form.before, begin):
            return None
        # Its header is the form's, so it is as long, and what is left is the encrypted key.
        key = self._raw[begin + len(form.before) : self._places[at + 1]]
        return self._found.setdefault(at, form.holding(key))


def read_recipient_set(raw: bytes, *, limits: Limits) -> Sequence[RecipientInfo]:
    """The members of a SET OF RecipientInfo; CmsError or LimitExceeded.

    At once where there are other forms than key transport among them.
    """
    inside = der.Reader(raw).read(der.SET)
    places = _places(inside, limits.recipients)
    # A KEMRecipientInfo that stands where key transport does has to be found, whoever it is for.
    if places[-1] < len(inside) or _names_a_kem(inside):
        return read_recipients(der.Reader(inside), limits=limits)
    return Transported(inside, places, limits)


def _names_a_kem(octets: bytes) -> bool:
    """Perhaps, that is: what no mark stands in names none."""
    for at in range(0, len(octets), _PIECE):  # in 30 000 and more Python searches half as fast
        for mark in _KEM_MARKS:
            if octets.find(mark, at, at + _PIECE + _OVERLAP) >= 0:
                return True
    return False


def _places(raw: bytes, most: int) -> list[int]:
    """Where the leading SEQUENCEs begin, and where the last of them ends."""
    at, end, places = 0, len(raw), [0]
    while True:
        while at + 4 <= end and len(places) <= most:  # what RSA makes is as long as that
            tag, length = _LONG(raw, at)
            if tag != _LONG_SEQUENCE or at + 4 + length > end:
                break
            at += 4 + length
            places.append(at)
        if at == end or raw[at] != der.SEQUENCE:
            return places
        if len(places) > most:
            raise LimitExceeded("A message has too many recipients.", code="limit.recipients")
        at += len(der.Reader(raw, at).raw())
        places.append(at)
