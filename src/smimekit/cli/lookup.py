"""`trust lookup` and `trust refresh`: the commands that ask the network, since that is their job.

Knows sources and how they are named on a command line. What they find is a fact; decisions are
made by the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import final
from urllib.parse import urlsplit

import click

from smimekit import Certificate, FetchError, Trust, UsageError
from smimekit.cli.exits import Exit, Refused
from smimekit.cli.facts import error_facts
from smimekit.cli.inputs import load_certificates
from smimekit.cli.online import fetcher_for, opened_evidence
from smimekit.cli.options import AT, JSON, NETWORK, STORE, as_record, opened_store
from smimekit.cli.output import Json, note, say, show_json, show_list
from smimekit.cli.records import record_facts
from smimekit.cli.reports import certificate_title, status_cell
from smimekit.message.bundle import read_bundle
from smimekit.trust import ByAddress, ByFingerprint, Source, TrustStore
from smimekit.trust.lookup import (
    AiaSource,
    FolderSource,
    LdapServer,
    LdapSource,
    LookedUp,
    LookupSource,
    Resolver,
    SmimeaSource,
    learn,
)
from smimekit.trust.revocation.refreshing import refresh as refresh_store

__all__ = ["lookup", "refresh"]


@final
@dataclass(frozen=True, slots=True)
class _Places:
    """--ldap, --ldap-base, --start-tls, --dns, --folder, --aia and --network."""

    ldap: tuple[str, ...]
    ldap_base: str
    start_tls: bool
    dns: str | None
    folder: tuple[str, ...]
    aia: bool
    network: tuple[str, ...]

    def sources(self) -> list[LookupSource]:
        """What was named, folders first: they cost nothing."""
        return [*self._folders(), *self._directories(), *self._resolvers()]

    def _folders(self) -> Iterator[LookupSource]:
        return (FolderSource(name, read=read_bundle) for name in self.folder)

    def _directories(self) -> Iterator[LookupSource]:
        for url in self.ldap:
            server = LdapServer(url=url, base=self.ldap_base, start_tls=self.start_tls)
            yield LdapSource(server, read=read_bundle)

    def _resolvers(self) -> Iterator[LookupSource]:
        if self.dns is not None:
            yield SmimeaSource(_resolver(self.dns))

    def issuers(self) -> AiaSource | None:
        """Where issuers are looked for, if they are."""
        return AiaSource(fetcher_for(self.network), read=read_bundle) if self.aia else None


def _resolver(text: str) -> Resolver:
    """ADDRESS, ADDRESS:PORT (with brackets, of IPv6), and either with #NAME for TLS."""
    place, _, name = text.partition("#")
    try:
        try:
            address, port = str(ip_address(place)), None
        except ValueError:
            parts = urlsplit(f"//{place}")
            address, port = str(ip_address(parts.hostname or "")), parts.port
    except ValueError:
        raise UsageError(
            "A resolver is an IP address, such as 127.0.0.1 or 127.0.0.1:5353; with TLS "
            "9.9.9.9#dns.quad9.net.",
            code="usage.resolver",
        ) from None
    return Resolver(address=address, port=port, tls_name=name or None)


_PLACES = as_record(
    "places",
    _Places,
    click.option("--ldap", multiple=True, metavar="URL", help="A directory: ldap(s)://host."),
    click.option("--ldap-base", default="", metavar="DN", help="Where its people are."),
    click.option("--start-tls", is_flag=True, help="Ask ldap:// over TLS."),
    click.option(
        "--dns",
        metavar="RESOLVER",
        help="Ask for SMIMEA records; only if you take this resolver's word for DNSSEC.",
    ),
    click.option("--folder", multiple=True, metavar="DIR", help="A folder of certificate files."),
    click.option("--aia", is_flag=True, help="Fetch issuers from where the certificates say."),
    NETWORK,
)


@click.command()
@STORE
@click.argument("address")
@_PLACES
@AT
@JSON
def lookup(
    *, store: str, address: str, places: _Places, at: datetime | None, as_json: bool
) -> None:
    """Look up the certificates of an address, and remember them. Nobody is trusted by this."""
    sources = places.sources()
    if not sources and not places.aia:
        raise UsageError(
            "Say where to look: --ldap, --dns, --folder or --aia.", code="usage.no-source"
        )
    with opened_store(store, create=True) as opened:
        looked = learn(opened, ByAddress(address), sources, at=datetime.now(UTC))
        failures: list[Json] = [
            {"kind": one.kind, "origin": one.origin, "error": error_facts(one.error)}
            for one in looked.failures
        ]
        if sources and not looked.found and len(looked.failures) == len(sources):
            raise Refused(looked.failures[0].error, {"certificates": [], "failures": failures})
        failures += _climb(opened, address, places.issuers())
        facts = _facts(opened, address, looked, at)
    if as_json:
        show_json({"certificates": facts, "failures": failures})
        return
    _show(facts)
    for one in failures:
        note(f"{one['kind']} {one['origin']}: {one['error']['message']}")


def _climb(store: TrustStore, address: str, issuers: AiaSource | None) -> list[Json]:
    """Learn the issuers of an address's certificates."""
    failures: list[Json] = []
    for record in store.records(ByAddress(address)) if issuers is not None else ():
        now = datetime.now(UTC)
        try:
            found = issuers.climb(record.certificate) if issuers is not None else ()
        except FetchError as error:
            where = record.certificate.fingerprint[:16]
            failures.append({"kind": "aia", "origin": where, "error": error_facts(error)})
            continue
        for issuer in found:
            store.put(issuer, Source("aia", "caIssuers", now), at=now)
    return failures


def _facts(store: TrustStore, address: str, looked: LookedUp, at: datetime | None) -> list[Json]:
    """Of everything that is now known of the address, and of what else was found."""
    known = {one.certificate: one for one in store.records(ByAddress(address))}
    others: list[Certificate] = [one.certificate for one in looked.found]
    for one in others:
        if one not in known:
            known |= {
                each.certificate: each for each in store.records(ByFingerprint(one.fingerprint))
            }
    trust = Trust(store)
    return [record_facts(each, trust, at) for each in known.values()]


def _show(facts: list[Json]) -> None:
    rows = [
        (
            status_cell(each["status"]["verify"]),
            status_cell(each["status"]["encrypt"]),
            (certificate_title(each), ""),
            (each["not_after"][:10], ""),
            (", ".join(dict.fromkeys(one["kind"] for one in each["sources"])), ""),
            (each["fingerprint"][:16], ""),
        )
        for each in facts
    ]
    show_list(("VERIFY", "ENCRYPT", "WHO", "UNTIL", "SEEN", "FINGERPRINT"), rows)


@click.command()
@STORE
@click.option("--anchor", multiple=True, metavar="FILE", help="CA certificates whose word counts.")
@click.option(
    "--ahead",
    type=click.FloatRange(min=0, max=24 * 365),
    default=6.0,
    show_default=True,
    metavar="HOURS",
    help="Renew what ends within so many hours.",
)
@NETWORK
@JSON
def refresh(
    *, store: str, anchor: tuple[str, ...], ahead: float, network: tuple[str, ...], as_json: bool
) -> int:
    """Fetch CRLs and OCSP responses ahead, for everybody in a store below an anchor.

    They are kept beside the store, for commands with --online. The exit status is 1 where some
    could not be had.
    """
    if not store.startswith(("sqlite:", "postgresql")):
        raise UsageError(
            "Evidence is kept beside a store in a database, such as sqlite:///trust.db.",
            code="usage.evidence-url",
        )
    anchors = load_certificates(anchor)
    with (
        opened_store(store) as opened,
        opened_evidence(store, fetcher_for(network)) as evidence,
    ):
        done = refresh_store(opened, evidence, anchors=anchors, ahead=timedelta(hours=ahead))
        evidence.cache.forget(datetime.now(UTC) - timedelta(days=365))
    reasons = [{"code": one.code, "text": one.text} for one in done.reasons]
    if as_json:
        show_json({"certificates": done.certificates, "fetched": done.fetched, "reasons": reasons})
    else:
        say(f"{done.certificates} certificates, {done.fetched} pieces of evidence fetched.")
        for one in reasons:
            note(f"{one['text']} [{one['code']}]")
    return Exit.NOT_AS_REQUIRED if reasons else Exit.DONE
