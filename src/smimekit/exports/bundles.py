"""Certificates one behind the other: PEM text (RFC 7468), and a certs-only message, .p7b or .p7c.

Knows certificates only.
"""

from collections.abc import Iterable, Iterator

from smimekit.certificate import Certificate
from smimekit.cms.signed_writing import certs_only_stream

__all__ = ["p7b", "pem"]


def pem(certificates: Iterable[Certificate]) -> Iterator[bytes]:
    """One PEM block for each certificate."""
    return (each.pem() for each in certificates)


def p7b(certificates: Iterable[Certificate]) -> Iterator[bytes]:
    """A SignedData without content and signers (RFC 8551, 3.8), in BER, as they come."""
    return certs_only_stream(each.der for each in certificates)
