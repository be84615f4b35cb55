"""Where certificates can be looked up: directories, the DNS, issuers' pages, folders."""

from smimekit.trust.lookup.aia import AiaSource
from smimekit.trust.lookup.asking import (
    Chained,
    Failure,
    Finding,
    LookedUp,
    LookupLimits,
    LookupSource,
    answers,
    learn,
    look_up,
)
from smimekit.trust.lookup.folder import FolderSource
from smimekit.trust.lookup.ldap import LdapFetcher, LdapServer, LdapSource
from smimekit.trust.lookup.smimea import Association, Resolver, SmimeaSource

__all__ = [
    "AiaSource",
    "Association",
    "Chained",
    "Failure",
    "Finding",
    "FolderSource",
    "LdapFetcher",
    "LdapServer",
    "LdapSource",
    "LookedUp",
    "LookupLimits",
    "LookupSource",
    "Resolver",
    "SmimeaSource",
    "answers",
    "learn",
    "look_up",
]
