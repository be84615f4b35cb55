"""Revocation lists and databases that are true now, as foreign servers want them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.trust.certs import Made, crl

__all__ = ["NOW", "TIMES", "index_line", "key_pem", "revocation_list"]

NOW = datetime.now(UTC).replace(microsecond=0)
_DAY = timedelta(days=1)
TIMES: dict[str, Any] = {"start": NOW - _DAY, "end": NOW + 30 * _DAY}
"""The validity of certificates that a foreign clock looks at, too."""


def key_pem(of: Made) -> bytes:
    """The private key, unencrypted."""
    data: bytes = of.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return data


def revocation_list(issuer: Made, *revoked: Made) -> bytes:
    """A CRL made an hour ago, for a day."""
    made = NOW - timedelta(hours=1)
    gone = [one.certificate for one in revoked]
    return crl(issuer, *gone, this=made, following=NOW + _DAY, when=made)


def index_line(who: Made, *, revoked: bool) -> str:
    """A line of the database of `openssl ca`."""
    end, gone = (f"{one:%y%m%d%H%M%S}Z" for one in (TIMES["end"], NOW - timedelta(hours=2)))
    serial = f"{who.certificate.serial:X}"
    padded = serial if len(serial) % 2 == 0 else f"0{serial}"
    state = ("R", end, f"{gone},keyCompromise") if revoked else ("V", end, "")
    return "\t".join([*state, padded, "unknown", "/CN=somebody"]) + "\n"
