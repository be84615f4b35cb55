"""What fetches for a command that was told to: HTTP, and LDAP where its extra is installed.

Knows which extras there are. May not know what is fetched.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from smimekit import UsageError
from smimekit.trust import ByScheme, EvidenceCache, Fetcher, OnlineEvidence

__all__ = ["fetcher_for", "opened_evidence"]

_CACHING: Final = ("sqlite:", "postgresql")


def fetcher_for(networks: Sequence[str]) -> Fetcher:
    """A fetcher for public addresses and the named networks."""
    from smimekit.trust.lookup import LdapFetcher  # noqa: PLC0415 - same
    from smimekit.trust.network.http import HttpFetcher  # noqa: PLC0415 - only where it is asked for

    http = HttpFetcher(networks=networks)
    fetchers: dict[str, Fetcher] = {"http": http, "https": http}
    try:
        ldap = LdapFetcher(networks=networks)
    except UsageError as error:
        if error.code != "usage.extra-ldap":
            raise
    else:
        fetchers |= {"ldap": ldap, "ldaps": ldap}
    return ByScheme(fetchers)


@contextmanager
def opened_evidence(store: str | None, fetcher: Fetcher | None) -> Iterator[OnlineEvidence]:
    """Evidence that is kept beside a trust store in a database; else as long as the command."""
    if store is None or not store.startswith(_CACHING):
        yield OnlineEvidence(fetcher)
        return
    from smimekit.trust.revocation.sql import SqlEvidenceCache  # noqa: PLC0415 - an extra, and slow

    with SqlEvidenceCache(store) as cache:
        kept: EvidenceCache = cache
        yield OnlineEvidence(fetcher, cache=kept)
