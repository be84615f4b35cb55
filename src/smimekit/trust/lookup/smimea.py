"""Certificates in the DNS: SMIMEA records (RFC 8162). Needs the extra `dns`.

Knows names, records and what a validating resolver says. May not know trust: that the DNS
shows a certificate is a fact, and the record's certificate usage is not a decision of ours.

An answer counts only if it is "Secure" (RFC 8162, 6). We do not validate DNSSEC: the caller
names a resolver that does, and over a way that nobody can change its answers on (this machine,
or TLS), and we require its AD bit (RFC 6840, 5.8).
"""

import hashlib
import re
import ssl
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, FetchError, UsageError
from smimekit.trust.addresses import normal_domain
from smimekit.trust.lookup.asking import LookupLimits, answers
from smimekit.trust.records import ByAddress, Query

if TYPE_CHECKING:
    import dns.message

__all__ = ["Association", "Resolver", "SmimeaSource"]

_OCTETS: Final = 28
"""Of the hash of the local part (RFC 8162, 3)."""
_FULL, _SPKI = 0, 1
_EXACT, _SHA256, _SHA512 = 0, 1, 2
_CA_USAGES: Final = frozenset({0, 2})
_EE_USAGES: Final = frozenset({1, 3})


@final
@dataclass(frozen=True, slots=True)
class Association:
    """One SMIMEA record: fields as in RFC 6698, 2.1."""

    usage: int
    selector: int
    matching_type: int
    data: bytes

    def matches(self, certificate: Certificate) -> bool:
        """Whether the record is about this certificate, or its key; False for unknown fields."""
        selected = {_FULL: certificate.der, _SPKI: certificate.spki}.get(self.selector)
        if selected is None or self.usage not in _CA_USAGES | _EE_USAGES:
            return False
        match self.matching_type:
            case 0:
                return self.data == selected
            case 1:
                return self.data == hashlib.sha256(selected).digest()
            case 2:
                return self.data == hashlib.sha512(selected).digest()
        return False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """A resolver that validates DNSSEC, and whose word its caller takes for it.

    `address`: an IP address. Answers of a resolver elsewhere than on this machine can be changed
    on their way: then `tls_name`, the name in its certificate, asks it over TLS (RFC 7858).
    """

    address: str
    port: int | None = None
    """53, and 853 with TLS, where none is given."""
    tls_name: str | None = None
    tls_context: ssl.SSLContext | None = None


@final
class SmimeaSource:
    """SMIMEA records of addresses. Raises FetchError where the resolver gives no answer, or
    records that are not validated.
    """

    kind: Final = "smimea"

    def __init__(self, resolver: Resolver, *, limits: LookupLimits | None = None) -> None:
        self._resolver = resolver
        self._limits = limits or LookupLimits()

    @property
    def origin(self) -> str:
        return self._resolver.address

    def find(self, query: Query) -> Iterator[Certificate]:
        """The certificates that the records hold in full; of hashes, see `associations`.

        For usages 1 and 3 they have to hold the address, for 0 and 2 to be of a CA.
        """
        if not isinstance(query, ByAddress):
            return
        for one in self.associations(query.address):
            if (one.selector, one.matching_type) != (_FULL, _EXACT):
                continue
            try:
                certificate = Certificate(one.data)
                wanted = certificate.is_ca if one.usage in _CA_USAGES else False
            except CertificateError:
                continue
            if wanted or (one.usage in _EE_USAGES and answers(query, certificate)):
                yield certificate

    def associations(self, address: str) -> tuple[Association, ...]:
        """The records of an address; FetchError for some that are not validated.

        That there are none is an answer, validated or not: nothing follows from it but to look
        elsewhere, and most domains have no DNSSEC. Where it has, a resolver that validates gives
        no answer that hides records (RFC 4035, 5.4).
        """
        found = self._records(owner_name(address))
        made = [
            Association(int(one.usage), int(one.selector), int(one.mtype), bytes(one.cert))
            for one in found
        ]
        return tuple(made[: self._limits.results])

    def _records(self, name: str) -> list[Any]:
        dns = _dns()
        try:
            query = dns.message.make_query(name, "SMIMEA", want_dnssec=True)
            query.flags |= dns.flags.AD
            answer = self._ask(dns, query)
            secure = bool(answer.flags & dns.flags.AD)
            code = answer.rcode()
            records = list(answer.resolve_chaining().answer or ()) if not code else []
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            raise FetchError("The resolver gives no usable answer.", code="fetch.dns") from error
        if code not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            # Of a forged or spoilt answer a validating resolver says SERVFAIL (RFC 4035, 5.5).
            raise FetchError(
                f"The resolver gives no answer ({dns.rcode.to_text(code)}).", code="fetch.dns"
            )
        if records and not secure:
            raise FetchError(
                "The answer of the DNS is not validated by DNSSEC, so it does not count.",
                code="fetch.not-validated",
            )
        return records

    def _ask(self, dns: Any, query: "dns.message.Message") -> Any:
        asked, seconds = self._resolver, self._limits.seconds
        if asked.tls_name is None:
            return dns.query.tcp(query, asked.address, timeout=seconds, port=asked.port or 53)
        return dns.query.tls(
            query,
            asked.address,
            timeout=seconds,
            port=asked.port or 853,
            server_hostname=asked.tls_name,
            ssl_context=asked.tls_context,
        )


def owner_name(address: str) -> str:
    """The name under which the records of an address stand (RFC 8162, 3).

    The local part is hashed as it is written, but for quotes and Unicode's other spellings:
    who does not run the domain must not guess at variants (RFC 8162, 4).
    """
    local, at, written = address.rpartition("@")
    domain = normal_domain(written)
    if not at or not local or not domain:
        raise UsageError(f"{address[:100]!r} is no mail address.", code="usage.address")
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    octets = unicodedata.normalize("NFC", local).encode("utf-8", "surrogatepass")
    label = hashlib.sha256(octets).hexdigest()[: 2 * _OCTETS]
    return f"{label}._smimecert.{domain}."


def _dns() -> Any:
    try:
        import dns.flags  # noqa: PLC0415 - an extra
        import dns.message  # noqa: PLC0415 - same
        import dns.query  # noqa: PLC0415 - same
        import dns.rcode  # noqa: PLC0415 - same
    except ImportError as error:
        raise UsageError(
            "Looking up certificates in the DNS needs dnspython: pip install 'smimekit[dns]'.",
            code="usage.extra-dns",
        ) from error
    return dns
