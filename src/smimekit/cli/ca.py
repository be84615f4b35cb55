"""`ca init|issue|list|revoke|crl`: a small CA of one's own. Knows files and options only."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, final
from urllib.parse import urlsplit

import click

from smimekit import UsageError, load_certificates
from smimekit.cli.facts import certificate_facts
from smimekit.cli.files import write_new, write_out
from smimekit.cli.inputs import Passwords, new_password, read_file
from smimekit.cli.keys import check_address
from smimekit.cli.options import JSON, as_record
from smimekit.cli.output import Json, note, show_json, show_list
from smimekit.cli.private_ca import BOTH, REASONS, USAGES, PrivateCA
from smimekit.cli.registry import Issued, Registry

__all__ = ["ca"]

_KINDS: Final = ("p256", "p384", "p521", "rsa-3072", "rsa-4096")
_DAYS: Final = 824
"""S/MIME BR, 6.3.2: at most 825 days for certificates of the strict profile."""
_CRL_DAYS: Final = 10
"""S/MIME BR, 4.9.7: at most ten days for CRLs of people's certificates."""
_SERIAL: Final = re.compile(r"[0-9A-Fa-f]{1,40}")
_FOLDER = click.argument("folder", metavar="DIR")
_PASSWORD = click.option(
    "--password-file",
    multiple=True,
    metavar="FILE",
    help="The CA's password is its first line. Else SMIMEKIT_PASSWORD, else you are asked.",
)


@click.group()
def ca() -> None:
    """A small CA of your own, for a team that has none.

    It lives in a folder: ca.db holds its key, under your password, and what it issued; back it
    up. ca.pem is its root, to give to everybody.
    """


@final
@dataclass(frozen=True, slots=True)
class _Root:
    """What the CA is."""

    name: str
    kind: str
    days: int
    crl_url: str | None
    ca_url: str | None


def _web(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    # RFC 5280, 4.2.1.13: where certificates point to CRLs, it is by HTTP, not HTTPS: who
    # checks a certificate cannot need another one first.
    if value is not None and (urlsplit(value).scheme != "http" or not urlsplit(value).hostname):
        raise click.BadParameter("write a URL such as http://ca.example.org/ca.crl.")
    return value


@ca.command()
@_FOLDER
@as_record(
    "root",
    _Root,
    click.option("--name", default="Private S/MIME CA", show_default=True, help="Its name."),
    click.option("--type", "kind", type=click.Choice(_KINDS), default="p256", show_default=True),
    click.option("--days", type=click.IntRange(30, 9132), default=3650, show_default=True),
    click.option("--crl-url", callback=_web, metavar="URL", help="Where its CRLs will be."),
    click.option("--ca-url", callback=_web, metavar="URL", help="Where its root will be (DER)."),
)
@_PASSWORD
@JSON
def init(*, folder: str, root: _Root, password_file: tuple[str, ...], as_json: bool) -> None:
    """Make a CA in a folder: a key, and a root certificate."""
    place = Path(folder)
    if (place / "ca.db").exists() and (place / "ca.db").stat().st_size:
        raise UsageError(
            f"{place} has a CA already; nothing was changed.", code="usage.file-exists"
        )
    made = PrivateCA.create(
        place, new_password(Passwords(password_file)), name=root.name, kind=root.kind,
        days=root.days, crl_url=root.crl_url, issuer_url=root.ca_url,
    )  # fmt: skip
    certificate = made.settings.certificate
    write_out(str(place / "ca.pem"), (certificate.pem(),))
    if as_json:
        show_json({"anchor": str(place / "ca.pem"), "issued": certificate_facts(certificate)})
        return
    note(f"{place / 'ca.db'}: the CA, its key under your password. Keep it, and back it up.")
    note(f"{place / 'ca.pem'}: its root, for --anchor and for everybody's trust store.")


def _opened(folder: str, password_file: tuple[str, ...]) -> PrivateCA:
    Registry(Path(folder)).settings()  # is there one? before anybody is asked for a password
    passwords = Passwords(password_file)
    password = passwords.given[0] if passwords.given else passwords.asked("The CA's password")
    authority, root = PrivateCA.open(Path(folder), password), Path(folder) / "ca.pem"
    if not root.exists():  # `init` was interrupted, or somebody moved it
        write_out(str(root), (authority.settings.certificate.pem(),))
    return authority


@final
@dataclass(frozen=True, slots=True)
class _Person:
    """What the certificate says."""

    name: str | None
    days: int
    usage: str


@final
@dataclass(frozen=True, slots=True)
class _Target:
    """Where the certificate goes, and what opens the CA."""

    output: str
    password_file: tuple[str, ...]
    force: bool


@ca.command()
@_FOLDER
@click.argument("address")
@click.argument("request", metavar="REQUEST")
@as_record(
    "person",
    _Person,
    click.option("--name", metavar="NAME", help="The person's name; without it, the address."),
    click.option("--days", type=click.IntRange(1, _DAYS), default=365, show_default=True),
    click.option(
        "--usage",
        type=click.Choice(USAGES),
        default=BOTH,
        show_default=True,
        help="What the key is for: a key for each is better than one for both.",
    ),
)
@as_record(
    "target",
    _Target,
    click.option("-o", "--output", required=True, metavar="FILE.pem", help="The certificate."),
    _PASSWORD,
    click.option("--force", is_flag=True, help="Replace a file that is there."),
)
@JSON
def issue(
    *, folder: str, address: str, request: str, person: _Person, target: _Target, as_json: bool
) -> None:
    """Issue a certificate for an address, to the key of a request.

    You vouch for it: make sure that the request is from whoever reads mail at the address.
    """
    check_address(address)
    asked, output = read_file(request), target.output
    if Path(output).exists() and not target.force:
        raise UsageError(
            f"{output} exists already; nothing was issued. To replace it, use --force.",
            code="usage.file-exists",
        )
    authority = _opened(folder, target.password_file)
    made = authority.issue(
        asked, address, name=person.name or address, days=person.days, usage=person.usage
    )
    content = made.pem() + authority.settings.certificate.pem()
    write_new(output, content, private=False, force=target.force)
    if as_json:
        show_json({"certificate": output, "issued": certificate_facts(made)})
        return
    note(f"{output}: the certificate of {address} with the CA's, serial number {made.serial:x}.")


@ca.command("list")
@_FOLDER
@JSON
def list_(*, folder: str, as_json: bool) -> None:
    """List what was issued, with the serial numbers that `revoke` takes."""
    found = Registry(Path(folder)).issued()
    if as_json:
        show_json({"issued": [_issued_facts(each) for each in found]})
        return
    rows = [
        (
            (each.address, ""),
            (f"{each.certificate.not_after:%Y-%m-%d}", ""),
            (f"{each.revoked:%Y-%m-%d} {each.reason}" if each.revoked else "-", ""),
            (f"{each.certificate.serial:x}", ""),
        )
        for each in found
    ]
    show_list(("WHO", "UNTIL", "REVOKED", "SERIAL NUMBER"), rows)


def _issued_facts(issued: Issued) -> Json:
    return {
        **certificate_facts(issued.certificate),
        "address": issued.address,
        "revoked": None if issued.revoked is None else issued.revoked.isoformat(),
        "reason": issued.reason,
    }


@ca.command()
@_FOLDER
@click.argument("which", metavar="WHICH")
@click.option("--reason", type=click.Choice(list(REASONS)), default="unspecified")
@JSON
def revoke(*, folder: str, which: str, reason: str, as_json: bool) -> None:
    """Revoke a certificate: a file with it, or its serial number (hexadecimal).

    It counts from the next CRL on: publish one.
    """
    serial = _serial(folder, which)
    now = datetime.now(UTC).replace(microsecond=0)
    address = Registry(Path(folder)).revoke(serial, reason, now)
    if as_json:
        show_json({"serial": f"{serial:x}", "address": address, "reason": reason})
        return
    note(f"{serial:x} of {address}: revoked. Publish a new CRL: smimekit ca crl.")


def _serial(folder: str, which: str) -> int:
    if not Path(which).exists() and _SERIAL.fullmatch(which):
        return int(which, 16)
    root = Registry(Path(folder)).settings().certificate
    for each in load_certificates(read_file(which)):
        if each.issuer == root.subject and not each.is_self_issued and each.signed_by(root):
            return each.serial
    raise UsageError(f"There is no certificate of this CA in {which}.", code="usage.not-issued")


@ca.command()
@_FOLDER
@click.option("-o", "--output", required=True, metavar="FILE.crl", help="The CRL, in DER.")
@click.option("--days", type=click.IntRange(1, _CRL_DAYS), default=7, show_default=True)
@_PASSWORD
@JSON
def crl(
    *, folder: str, output: str, days: int, password_file: tuple[str, ...], as_json: bool
) -> None:
    """Write the next CRL; it replaces the one that is there. Publish it before it expires."""
    content = _opened(folder, password_file).crl(days)
    write_out(output, (content,))
    if as_json:
        show_json({"output": output, "size": len(content)})
        return
    note(f"{output}: the CRL, for {days} days.")
