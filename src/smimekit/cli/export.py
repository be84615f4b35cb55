"""`trust export`: copy certificates out of a store, in the form that another program takes.

Knows stores, judgements and the columns of a table. May not know how a form is written.
"""

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, final

import click

from smimekit import Certificate, Purpose, Trust, UsageError
from smimekit.cli.files import write_out, writes_stdout
from smimekit.cli.options import ADDRESS, AT, JSON, OUTPUT, STATUS, STORE, as_record, opened_store
from smimekit.cli.output import Json, note, require_room_for_json, show_json
from smimekit.cli.records import all_records, find_records, record_facts
from smimekit.exports import Person, csv_table, has_entries, ldif, p7b, pem, people, vcards
from smimekit.exports.ldif import check_base
from smimekit.trust import MAIL_PURPOSES, ByAddress, ByFingerprint, Query, Record, TrustStore
from smimekit.trust.addresses import normal_address
from smimekit.trust.records import is_authority

__all__ = ["export"]

_COLUMNS: Final = (
    *("addresses", "subject", "issuer", "serial", "not_before", "not_after", "key", "authority"),
    *("verify", "encrypt", "decision", "fingerprint", "certificate"),
)


@final
@dataclass(frozen=True, slots=True)
class _Filter:
    """Which certificates: --address, --status, --for and --at."""

    address: str | None
    status: str | None
    purpose: str | None
    at: datetime | None


@final
@dataclass(slots=True)
class _Chosen:
    """What is exported of a store, read from it as it is needed."""

    store: TrustStore
    trust: Trust
    names: frozenset[str] | None
    """Fingerprints; None means all."""
    only: _Filter
    count: int = 0
    left_out: int = 0
    """Addresses that the form cannot hold."""
    without: int = 0
    """Certificates of nobody, though they are no authorities'."""
    facts: list[Json] | None = field(default=None)

    def records(self) -> Iterator[Record]:
        """All of them, in order of fingerprint, counted."""
        query = None if self.only.address is None else ByAddress(self.only.address)
        for each in self._candidates(query):
            if self._fits(each):
                self.count += 1
                if self.facts is not None:
                    self.facts.append(record_facts(each, self.trust, self.only.at))
                yield each

    def _candidates(self, query: Query | None) -> Iterable[Record]:
        if self.names is None:
            return all_records(self.store, query)
        found = (self.store.records(ByFingerprint(each)) for each in sorted(self.names))
        return (one for each in found for one in each if self._names(one.addresses))

    def _names(self, addresses: Iterable[str]) -> bool:
        """Is the address that was asked for among these?"""
        wanted = self.only.address
        return wanted is None or normal_address(wanted) in map(normal_address, addresses)

    def _fits(self, record: Record) -> bool:
        if self.names is not None and record.fingerprint not in self.names:
            return False
        purposes = MAIL_PURPOSES if self.only.purpose is None else (Purpose(self.only.purpose),)
        return self.only.status is None or any(
            self.trust.judge(record.certificate, purpose, at=self.only.at).status
            == self.only.status
            for purpose in purposes
        )

    def certificates(self) -> Iterator[Certificate]:
        """Those of the records."""
        return (each.certificate for each in self.records())

    def people(self, *, holds: Callable[[str], bool] = lambda _: True) -> Iterator[Person]:
        """Whom the certificates name; without addresses that a form does not hold."""
        for each in people(self._watched(), self._of_address):
            if not self._names((each.address,)):
                continue
            if holds(each.address):
                yield each
            else:
                self.left_out += 1

    def _watched(self) -> Iterator[Certificate]:
        for each in self.certificates():
            self.without += not (has_entries(each) or is_authority(each))
            yield each

    def _of_address(self, address: str) -> Iterator[Certificate]:
        found = all_records(self.store, ByAddress(address))
        return (each.certificate for each in found if self._fits(each))

    def chain(self, certificate: Certificate) -> Iterable[Certificate]:
        """What the store knows above a certificate, nearest first."""
        path = self.trust.judge(certificate, Purpose.ENCRYPT, at=self.only.at).path
        return reversed(path[:-1])

    def rows(self) -> Iterator[list[str]]:
        """The cells of a table."""
        for each in self.records():
            facts = record_facts(each, self.trust, self.only.at)
            decision = facts["decision"]
            cells = (
                facts
                | facts["status"]
                | {
                    "addresses": " ".join(facts["addresses"]),
                    "authority": "yes" if facts["authority"] else "no",
                    "decision": decision["verdict"] if decision else "",
                    "certificate": base64.b64encode(each.certificate.der).decode(),
                }
            )
            yield [str(cells[name] or "") for name in _COLUMNS]


_FOR = click.option(
    "--for",
    "purpose",
    type=click.Choice([str(each) for each in MAIL_PURPOSES]),
    help="With --status: what is so for this.",
)
_Form = Callable[[_Chosen, str], Iterator[bytes]]
_FORMS: Final[dict[str, _Form]] = {
    "pem": lambda chosen, _: pem(chosen.certificates()),
    "p7b": lambda chosen, _: p7b(chosen.certificates()),
    "ldif": lambda chosen, base: ldif(chosen.people(holds=str.isascii), base, chain=chosen.chain),
    "vcard": lambda chosen, _: vcards(chosen.people()),
    "csv": lambda chosen, _: csv_table(_COLUMNS, chosen.rows()),
}


@click.command()
@STORE
@click.argument("which", nargs=-1, metavar="[WHICH]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMS)),
    default="pem",
    show_default=True,
    help="p7b is CMS, ldif for LDAP directories, vcard (4.0) for address books, csv a table.",
)
@click.option("--base", metavar="DN", help="Below which entry of a directory, for ldif.")
@as_record("only", _Filter, ADDRESS, STATUS, _FOR, AT)
@OUTPUT
@JSON
def export(
    *,
    store: str,
    which: tuple[str, ...],
    form: str,
    base: str | None,
    only: _Filter,
    output: str | None,
    as_json: bool,
) -> None:
    """Write certificates: those that are named, or all. Decisions stay behind.

    ldif and vcard have an entry for each mail address, with all its certificates: say
    --status trusted --for encrypt where others are to encrypt to them. Authorities have no entry
    there, nor have certificates for more than 100 addresses.
    """
    require_room_for_json(as_json=as_json and writes_stdout(output))
    base = _base(form, base)
    with opened_store(store) as opened:
        names = [each.fingerprint for one in which for each in find_records(opened, one)]
        chosen = _Chosen(opened, Trust(opened), frozenset(names) if which else None, only)
        chosen.facts = [] if as_json else None
        write_out(output, _FORMS[form](chosen, base))
    if as_json:
        left = {"left_out": chosen.left_out, "without_entry": chosen.without}
        show_json({"output": output, "certificates": chosen.facts, **left})
        return
    if not writes_stdout(output):
        note(f"{output}: {chosen.count} certificate{'' if chosen.count == 1 else 's'}.")
    if chosen.left_out:
        note(f"Left out: {chosen.left_out} addresses that are not ASCII, as mail in LDAP is.")
    if chosen.without:
        note(f"Without entry: {chosen.without} certificates, malformed or for over 100 addresses.")


def _base(form: str, base: str | None) -> str:
    """UsageError for a base that is missing, of no use, or no name."""
    if (form == "ldif") != (base is not None):
        raise UsageError(
            "--format ldif, and no other, needs --base: below which entry of the directory the "
            "people stand, such as ou=people,dc=example,dc=org.",
            code="usage.ldap-base",
        )
    if base is None:
        return ""
    check_base(base)
    return base
