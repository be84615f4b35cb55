"""The RecipientInfos of a message, read as they are asked for (RFC 5652, 6.1).

Knows that most of them are other people's: a hundred of them take longer to read than the one
of our own takes to be opened. May not know keys.
"""

from collections.abc import Iterator, Sequence
from typing import Final, final, overload

from smimekit import der
from smimekit.algorithms import KEMS
from smimekit.certificate import Certificate
from smimekit.cms.recipients import RecipientInfo, read_recipients
from smimekit.errors import LimitExceeded
from smimekit.limits import Limits

__all__ = ["Transported", "read_recipient_set"]

_MANY: Final = 3
_KEM_OIDS: Final = tuple(der.encode_oid(oid) for oid in KEMS)


@final
class Transported(Sequence[RecipientInfo]):
    """RecipientInfos that all have the form of key transport, each read once, when it has to be."""

    __slots__ = ("_found", "_limits", "_raw")

    def __init__(self, raw: Sequence[bytes], limits: Limits) -> None:
        self._raw: Final = tuple(raw)
        self._limits: Final = limits
        self._found: Final[dict[int, RecipientInfo]] = {}

    def __len__(self) -> int:
        return len(self._raw)

    @overload
    def __getitem__(self, at: int) -> RecipientInfo: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[RecipientInfo]: ...

    def __getitem__(self, at: int | slice) -> RecipientInfo | Sequence[RecipientInfo]:
        if isinstance(at, slice):
            return tuple(self)[at]
        at = range(len(self._raw))[at]
        if at not in self._found:
            (self._found[at],) = read_recipients(der.Reader(self._raw[at]), limits=self._limits)
        return self._found[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def likely_first(self, certificate: Certificate) -> Iterator[RecipientInfo]:
        """All of them; before the others those that hold the certificate's serial number."""
        serial = der.integer(certificate.serial)[2:]
        likely = [at for at, raw in enumerate(self._raw) if serial in raw]
        yield from map(self.__getitem__, likely)
        yield from (self[at] for at in sorted(set(range(len(self._raw))) - set(likely)))


def read_recipient_set(raw: bytes, *, limits: Limits) -> Sequence[RecipientInfo]:
    """The members of a SET OF RecipientInfo; CmsError or LimitExceeded.

    At once where there are few, or other forms than key transport among them.
    """
    inside = der.Reader(raw).enter(der.SET)
    members: list[bytes] = []
    while inside.more and inside.peek == der.SEQUENCE:
        if len(members) == limits.recipients:
            raise LimitExceeded("A message has too many recipients.", code="limit.recipients")
        members.append(inside.raw())
    # A KEMRecipientInfo that stands where key transport does has to be found, whoever it is for.
    if inside.more or len(members) < _MANY or any(oid in raw for oid in _KEM_OIDS):
        return read_recipients(der.Reader(raw).enter(der.SET), limits=limits)
    return Transported(members, limits)
