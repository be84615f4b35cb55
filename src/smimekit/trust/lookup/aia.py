"""Issuers' certificates, from where certificates say that they are (RFC 5280, 4.2.2.1).

Knows caIssuers. May not know HTTP: what is fetched, the fetcher fetches.

The URL is of whoever made the certificate. Asking there says that somebody looked at it, which
is why nothing here happens by itself.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.errors import FetchError, InputError
from smimekit.trust.lookup.asking import BundleReader, LookupLimits, answers
from smimekit.trust.names import normal_name
from smimekit.trust.network.fetch import Budget, Fetcher
from smimekit.trust.paths import signature_matches
from smimekit.trust.records import BySubject, Query
from smimekit.trust.revocation.pointers import issuer_urls
from smimekit.trust.usage import may_issue, structure_reason

__all__ = ["AiaSource"]

_MOST_STEPS: Final = 8
_CHECKED: Final = 20
"""Certificates of one answer that are looked at: a .p7c holds two or three."""


@final
class AiaSource:
    """The issuers of certificates at hand (`about`), for queries by subject.

    Only certificates whose key made the signature are given. Raises FetchError where there was
    a URL, and none of them gave an issuer.
    """

    kind: Final = "aia"

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        read: BundleReader,
        about: Iterable[Certificate] = (),
        limits: LookupLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._read = read
        self._about = tuple(about)
        self._limits = limits or LookupLimits()
        self._monotonic = monotonic

    @property
    def origin(self) -> str:
        return "caIssuers"

    def find(self, query: Query) -> Iterator[Certificate]:
        if not isinstance(query, BySubject):
            return
        budget, wanted = self._budget(), normal_name(query.subject)
        for one in self._about:
            if normal_name(one.issuer) == wanted:
                found = self._issuers(one, budget)
                yield from (issuer for issuer in found if answers(query, issuer))

    def climb(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """The issuer of a certificate, that one's issuer, and so on, as far as they can be had."""
        budget, found = self._budget(), [certificate]
        while len(found) <= _MOST_STEPS and not _is_root(found[-1]):
            issuers = [one for one in self._issuers(found[-1], budget) if one not in found]
            if not issuers:
                break
            found.append(issuers[0])
        return tuple(found[1:])

    def _budget(self) -> Budget:
        return Budget(
            seconds=self._limits.seconds,
            requests=_MOST_STEPS,
            most_bytes=self._limits.most_bytes,
            monotonic=self._monotonic,
        )

    def _issuers(self, certificate: Certificate, budget: Budget) -> list[Certificate]:
        """From the first URL that gives one."""
        failure: FetchError | None = None
        for url in issuer_urls(certificate):
            try:
                found = list(self._read(budget.fetch(self._fetcher, url)))[:_CHECKED]
            except FetchError as error:
                failure = failure or error
                continue
            except InputError:
                found = []
            issuers = [one for one in found if _issued(certificate, one)]
            if issuers:
                return issuers
            failure = failure or FetchError(
                "There is no certificate of the issuer.", code="fetch.issuer"
            )
        if failure is not None:
            raise failure
        return []


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    return (
        normal_name(issuer.subject) == normal_name(certificate.issuer)
        and structure_reason(issuer) is None
        and may_issue(issuer)
        and signature_matches(certificate, issuer)
    )


def _is_root(certificate: Certificate) -> bool:
    return normal_name(certificate.subject) == normal_name(certificate.issuer)
