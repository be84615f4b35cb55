"""Certificates that came up lately, parsed: a gateway sees the same ones all day.

Knows octets and how many of them. What a certificate says depends on nothing but its octets, so
whoever sent it, it is the same one; whether it is believed is no business of this file.
"""

import threading
from collections import OrderedDict
from typing import Final, final

from smimekit.certificate import Certificate

__all__ = ["ParsedCertificates"]

_GROWTH: Final = 24
"""How many times as large as its encoding a certificate is with all its views, about."""
_OVERHEAD: Final = 4_000


@final
class ParsedCertificates:
    """Certificates by their octets, for several threads. The oldest go when `size` is used up."""

    def __init__(self, size: int) -> None:
        self._size: Final = size
        self._lock: Final = threading.Lock()
        self._found: Final[OrderedDict[bytes, Certificate]] = OrderedDict()
        self._used = 0

    def __len__(self) -> int:
        return len(self._found)

    def certificate(self, data: bytes) -> Certificate:
        """The certificate of this encoding; CertificateError where it is none."""
        with self._lock:
            found = self._found.get(data)
            if found is not None:
                self._found.move_to_end(data)
                return found
        made = Certificate(data)
        weight = _weight(data)
        if weight > self._size:
            return made
        with self._lock:
            if data not in self._found:
                self._found[data] = made
                self._used += weight
            while self._used > self._size:
                self._used -= _weight(self._found.popitem(last=False)[0])
        return made


def _weight(data: bytes) -> int:
    return _GROWTH * len(data) + _OVERHEAD
