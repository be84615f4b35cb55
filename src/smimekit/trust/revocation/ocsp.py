"""Questions to OCSP responders, and whether an answer is one to the question (RFC 6960).

Knows requests and nonces. Whether an answer is signed by whoever may sign it is `evidence`'s to
say, and what follows from it `revocation`'s.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, final

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import CmsError, FetchError
from smimekit.primitives import random_bytes
from smimekit.trust.certvalidator import refusals
from smimekit.trust.network.fetch import Post

__all__ = ["OcspQuestion", "ask_about"]

_NONCE_BYTES: Final = 32
"""RFC 9654, 2.1: as many as that."""


@final
@dataclass(frozen=True, slots=True)
class OcspQuestion:
    """A request about one certificate."""

    certificate: Certificate
    issuer: Certificate
    post: Post
    nonce: bytes | None

    def check(self, view: Any) -> tuple[datetime, datetime | None]:
        """When an answer was made and ends; FetchError for one to another question."""
        if self.nonce is not None and _nonce_of(view) != self.nonce:
            # RFC 6960, 4.4.1: it was made for somebody else, or before we asked.
            raise FetchError("The OCSP response does not repeat the nonce.", code="fetch.nonce")
        return _dates_of(view, self.certificate, self.issuer)


def ask_about(certificate: Certificate, issuer: Certificate, *, nonce: bool) -> OcspQuestion:
    """The request; FetchError where the certificate cannot be asked about."""
    from cryptography import x509  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - same
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - same
    from cryptography.x509 import ocsp  # noqa: PLC0415 - same

    value = random_bytes(_NONCE_BYTES) if nonce else None
    try:
        # SHA-1 only names the issuer here, and is what every responder knows (RFC 5019, 2.1.1).
        named = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            hashlib.sha1(certificate.issuer, usedforsecurity=False).digest(),
            hashlib.sha1(_key_bits(issuer), usedforsecurity=False).digest(),
            certificate.serial,
            hashes.SHA1(),  # noqa: S303 - see above
        )
        if value is not None:
            named = named.add_extension(x509.OCSPNonce(value), critical=False)
        body = named.build().public_bytes(Encoding.DER)
    except CmsError as error:
        raise _no_request() from error
    except refusals() as error:
        raise _no_request() from error
    return OcspQuestion(certificate, issuer, Post(body, "application/ocsp-request"), value)


def _no_request() -> FetchError:
    return FetchError("No OCSP request can be made about this certificate.", code="fetch.evidence")


def _key_bits(certificate: Certificate) -> bytes:
    """The subjectPublicKey, without its tag, length and unused bits (RFC 6960, 4.1.1)."""
    inside = der.Reader(certificate.spki).enter(der.SEQUENCE)
    inside.raw(der.SEQUENCE)
    bits, _ = inside.bits()
    return bits


def _nonce_of(view: Any) -> bytes | None:
    from cryptography import x509  # noqa: PLC0415 - slow to import

    try:
        found = view.extensions.get_extension_for_class(x509.OCSPNonce)
    except x509.ExtensionNotFound:
        return None
    except refusals():
        return None
    nonce: bytes = found.value.nonce
    return nonce


def _dates_of(
    view: Any, certificate: Certificate, issuer: Certificate
) -> tuple[datetime, datetime | None]:
    """When what a response says about a certificate was made and ends; else FetchError."""
    for one in view.responses:
        if one.serial_number == certificate.serial and _is_named(one, certificate, issuer):
            return one.this_update_utc, one.next_update_utc
    raise FetchError("The OCSP response is about another certificate.", code="fetch.evidence")


def _is_named(answer: Any, certificate: Certificate, issuer: Certificate) -> bool:
    """Whether it names the issuer (RFC 6960, 4.1.1): numbers are unique below one CA only."""
    try:
        kind, bits = answer.hash_algorithm.name, _key_bits(issuer)
    except CmsError:
        return False
    except refusals():  # a digest that is not known
        return False
    named = (answer.issuer_name_hash, answer.issuer_key_hash)
    return named == tuple(
        hashlib.new(kind, each, usedforsecurity=False).digest()
        for each in (certificate.issuer, bits)
    )
