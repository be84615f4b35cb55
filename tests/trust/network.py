"""A network that tests make up: URLs, what stands there, and who was asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from smimekit.errors import FetchError
from smimekit.trust import Post
from tests.trust.certs import DAY, NOW, Made

Answer = bytes | Exception | Callable[[Post | None], bytes]


@dataclass
class FakeNet:
    """A `Fetcher`: what is not there cannot be fetched."""

    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def fetch(
        self, url: str, *, seconds: float, most_bytes: int, post: Post | None = None
    ) -> bytes:
        self.asked.append(url)
        self.seconds.append(seconds)
        page = self.pages.get(url, FetchError("The server answered 404.", code="fetch.status"))
        if isinstance(page, Exception):
            raise page
        data = page if isinstance(page, bytes) else page(post)
        if len(data) > most_bytes:
            raise FetchError("Too large.", code="fetch.too-large")
        return data


@dataclass
class Clock:
    """A clock that the test moves, as both kinds of clock."""

    now: Any = NOW

    def __call__(self) -> Any:
        return self.now

    def monotonic(self) -> float:
        return float((self.now - NOW).total_seconds())

    def pass_by(self, time: timedelta) -> None:
        self.now += time


def crl_at(*urls: str) -> tuple[x509.ExtensionType, bool]:
    """cRLDistributionPoints: one point with these alternatives."""
    return x509.CRLDistributionPoints([_point(*urls)]), False


def delta_at(*urls: str) -> tuple[x509.ExtensionType, bool]:
    return x509.FreshestCRL([_point(*urls)]), False


def _point(*urls: str) -> x509.DistributionPoint:
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    return x509.DistributionPoint(names, None, None, None)


def access(
    *, ocsp_at: tuple[str, ...] = (), issuers_at: tuple[str, ...] = ()
) -> tuple[x509.ExtensionType, bool]:
    """authorityInfoAccess."""
    oids = AuthorityInformationAccessOID
    wanted = [(oids.OCSP, url) for url in ocsp_at] + [(oids.CA_ISSUERS, url) for url in issuers_at]
    made = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, url in wanted
    ]
    return x509.AuthorityInformationAccess(made), False


def ocsp_answer(
    leaf: Made,
    issuer: Made,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    signer: Made | None = None,
    this: Any = NOW - DAY,
    following: Any = NOW + DAY,
    nonce: bytes | None = None,
) -> bytes:
    """An OCSP response."""
    by = signer or issuer
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=leaf.certificate.x509,
            issuer=issuer.certificate.x509,
            algorithm=hashes.SHA1(),  # noqa: S303 - it names the issuer, no more
            cert_status=status,
            this_update=this,
            next_update=following,
            revocation_time=this - DAY if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, by.certificate.x509)
    )
    if signer is not None:
        builder = builder.certificates([signer.certificate.x509])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def ocsp_failure(status: ocsp.OCSPResponseStatus) -> bytes:
    """A response that holds none: tryLater and the like."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
