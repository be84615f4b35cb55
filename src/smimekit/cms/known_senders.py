"""Signatures of senders who are known: what one says as the one before did is not read again.

Of one sender's signatures each differs from the next in three values: the digest of the content,
the time, and the signature. Knows where these stand. May not know what any of them means.

A value's content decides nothing about where the next value begins. So octets that are those of
another SignedData but for the content of such values say the same but for these; and only what
`cms.at_hand` read, and our own writer would write, is such another one.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias, final

from smimekit import der
from smimekit.cms.at_hand import read_parts_at_hand
from smimekit.cms.attributes import MESSAGE_DIGEST, SIGNING_TIME, Attributes
from smimekit.cms.signed import SignedData, SignerInfo
from smimekit.cms.signed_writing import signer_info
from smimekit.errors import InputError
from smimekit.frozen import maker
from smimekit.limits import Limits

__all__ = ["KnownSenders"]

_VARYING: Final = frozenset({MESSAGE_DIGEST, SIGNING_TIME})
_OVERHEAD: Final = 8_000
"""Octets of what is kept beside the octets themselves, about."""
_MOST: Final = 16 << 10
"""Octets of what is kept: two certificates and some algorithms are 4 KiB."""
_VALUES: Final = 40
"""Values of attributes of what is kept: each is an object."""
_attributes: Final = maker(Attributes)
_signed_data: Final = maker(SignedData)
_signer_info: Final = maker(SignerInfo)
_Key: TypeAlias = tuple[int, bytes]


@final
@dataclass(frozen=True, slots=True)
class _Hole:
    """Where the value of an attribute stands that is another one each time."""

    entry: int
    """The attribute's number."""
    start: int
    end: int


@final
@dataclass(frozen=True, slots=True)
class _Form:
    """One SignedData, with holes."""

    data: SignedData
    limits: Limits
    begin: bytes
    """The octets that the begin of the text says, under which it is kept."""
    size: int
    """How many octets there are."""
    same: tuple[tuple[int, bytes], ...]
    """The octets that are the same each time, and where."""
    holes: tuple[_Hole, ...]
    attributes: int
    """Where the signed attributes begin."""
    algorithm: int
    """Where they end."""
    signature: int
    common: object = field(default_factory=object)

    @classmethod
    def of(
        cls, octets: bytes, begin: bytes, data: SignedData, info: bytes, limits: Limits
    ) -> Self | None:
        """None for what is not as our own writer would write it, or is too much to keep."""
        signer = data.signers[0]
        attributes, size = signer.signed_attributes, len(signer.signature)
        if attributes is None or not size or info != _written(signer, attributes):
            return None
        if len(octets) > _MOST or sum(len(values) for _, values in attributes.entries) > _VALUES:
            return None
        # RFC 5652, 5.3: behind the attributes stand the algorithm and the signature, to the end.
        behind = signer.signature_algorithm.encode() + der.octet_string(signer.signature)
        end = len(octets) - len(behind)
        first = end - len(attributes.encoded)
        if first < len(begin):
            return None  # what differs is in the key: no other would be found by it
        holes = _holes(attributes, first)
        same, at = list[tuple[int, bytes]](), 0
        for hole in holes:
            same.append((at, octets[at : hole.start + 2]))
            at = hole.end
        same.append((at, octets[at:-size]))
        return cls(
            data, limits, begin, len(octets), tuple(same), holes, first, end, len(octets) - size
        )

    def fits(self, octets: bytes, limits: Limits) -> bool:
        """Do the octets say the same?"""
        if len(octets) != self.size:
            return False
        for at, piece in self.same:
            if not octets.startswith(piece, at):
                return False
        return self.limits is limits

    def filled(self, octets: bytes) -> SignedData:
        """What octets say that fit."""
        data = self.data
        signer = data.signers[0]
        before = signer.signed_attributes
        entries = list(before.entries if before else ())
        for hole in self.holes:
            entries[hole.entry] = entries[hole.entry][0], (octets[hole.start : hole.end],)
        attributes = _attributes(octets[self.attributes : self.algorithm], tuple(entries))
        made = _signer_info(
            signer.version,
            signer.sid,
            signer.digest_algorithm,
            attributes,
            signer.signature_algorithm,
            octets[self.signature :],
            None,
            self.common,
        )
        return _signed_data(
            data.content_type,
            data.detached,
            data.digest_algorithms,
            data.certificates,
            data.crls,
            data.other_revocation,
            (made,),
        )


def _written(signer: SignerInfo, attributes: Attributes) -> bytes:
    return signer_info(
        signer.sid,
        signer.digest_algorithm,
        attributes.signed_octets(),
        signer.signature_algorithm,
        signer.signature,
    )


def _holes(attributes: Attributes, begin: int) -> tuple[_Hole, ...]:
    found: list[_Hole] = []
    encoded = attributes.encoded
    for entry, (oid, values) in enumerate(attributes.entries):
        if oid not in _VARYING or len(values) != 1:
            continue
        value = values[0]
        plain = not value[0] & 0x20 and len(value) == 2 + value[1]
        at = encoded.find(value)
        if plain and at == encoded.rfind(value):  # it stands nowhere else, so it stands there
            found.append(_Hole(entry, begin + at, begin + at + len(value)))
    return tuple(found)


@final
class KnownSenders:
    """What signatures have in common that came lately, for several threads.

    The oldest go when `size` octets are full.
    """

    def __init__(self, size: int) -> None:
        self._size: Final = size
        self._lock: Final = threading.Lock()
        self._found: Final[OrderedDict[_Key, _Form]] = OrderedDict()
        self._used = 0

    def __len__(self) -> int:
        return len(self._found)

    def read(
        self, text: bytes, decode: Callable[[bytes], bytes] = bytes, *, limits: Limits
    ) -> SignedData | None:
        """What `read_at_hand` says of the octets that `decode` makes of the text.

        It makes the same of the text in two pieces, where it makes anything of both. Raises
        what it raises.
        """
        # The certificates, which are most of it, stand in the first half; so half of what it
        # takes to decode it is saved, too.
        at = text.rfind(b"\n", 0, len(text) // 2) + 1 or len(text) // 8 * 4
        key = len(text), text[:at]
        known = self._found.get(key)
        if known is None:
            octets = decode(text)
        else:
            octets = known.begin + decode(text[at:])
            if known.fits(octets, limits):
                return known.filled(octets)
        parts = read_parts_at_hand(octets, limits=limits)
        if parts is None:
            return None
        data, infos = parts
        if len(data.signers) == 1 == len(infos):
            begin = _begin(text[:at], decode)
            made = _Form.of(octets, begin, data, infos[0], limits) if begin else None
            self._keep(key, made)
        return data

    def _keep(self, key: _Key, made: _Form | None) -> None:
        if made is None:
            return
        with self._lock:
            if self._found.pop(key, None) is None:
                self._used += _weight(key)
            self._found[key] = made
            while self._used > self._size:
                self._used -= _weight(self._found.popitem(last=False)[0])


def _begin(text: bytes, decode: Callable[[bytes], bytes]) -> bytes:
    """What the begin of a text says; nothing where it does not end as it should for that."""
    try:
        return decode(text)
    except InputError:
        return b""


def _weight(key: _Key) -> int:
    return 3 * key[0] + _OVERHEAD
