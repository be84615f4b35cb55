"""asn1crypto's types for certificates, CRLs and OCSP, made safe for threads.

Knows asn1crypto, and nothing else. asn1crypto completes the description of a type when the first
value of it is made, and takes no lock: two threads that do so at the same time leave it wrong
for good, and no path is valid then. So all of them are completed here, while Python's own lock
on imports keeps everybody else out. To be imported where it is needed: it is slow.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from asn1crypto import core, crl, ocsp, x509

__all__ = ["Certificate", "CertificateList", "OCSPResponse", "types_below"]

Certificate: Any = x509.Certificate
CertificateList: Any = crl.CertificateList
OCSPResponse: Any = ocsp.OCSPResponse


def types_below(kind: Any) -> Iterator[Any]:
    """A type's subtypes, and theirs."""
    for each in kind.__subclasses__():
        yield each
        yield from types_below(each)


def _complete() -> None:
    for each in types_below(core.Asn1Value):
        with suppress(TypeError):  # of the one abstract type, which describes nothing
            each()


_complete()
