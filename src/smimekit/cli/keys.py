"""`keys new` and `keys request`: a key, with a certificate to try things or with a request.

Knows files; not what a certificate is. What is done with keys that are there is in `key_store`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import click

from smimekit import Credential, MimeError, UsageError
from smimekit.cli.authority import LocalCA, Person, self_signed
from smimekit.cli.facts import certificate_facts
from smimekit.cli.files import write_new
from smimekit.cli.inputs import Passwords, new_password
from smimekit.cli.key_export import export
from smimekit.cli.key_store import add, list_, master, remove, rewrap
from smimekit.cli.options import JSON, as_record
from smimekit.cli.output import note, show_json
from smimekit.cli.private_ca import encrypted_pem, new_request
from smimekit.mime.address import parse_mailboxes
from smimekit.testing.profiles import new_key

__all__ = ["check_address", "keys"]

_KINDS: Final = ("p256", "p384", "p521", "rsa-2048", "rsa-3072", "rsa-4096", "ed25519")
_PLAIN: Final = re.compile(r"[^A-Za-z0-9@._+-]")


@click.group()
def keys() -> None:
    """Keys of your own: made, requested, listed, exported, and kept in a database."""


for _command in (add, export, list_, master, remove, rewrap):
    keys.add_command(_command)


@final
@dataclass(frozen=True, slots=True)
class _Certificate:
    """What the certificate says, and who says it."""

    name: str | None
    kind: str
    days: int
    ca: str | None
    self_signed: bool

    def issue(self, address: str) -> tuple[Credential, Path | None]:
        """The credential, and the file with the CA's root where there is one."""
        person = Person(address, self.name or address, self.kind, self.days)
        if self.ca is None:
            return self_signed(person), None
        authority = LocalCA.in_folder(self.ca)
        return authority.issue(person), authority.anchor_file


@final
@dataclass(frozen=True, slots=True)
class _Files:
    """Where the key goes, and under which password."""

    output: str | None
    password_file: tuple[str, ...]
    force: bool

    def names(self, address: str) -> tuple[Path, Path]:
        """Of the key and of the certificate. UsageError where one is there."""
        key = Path(self.output or f"{_PLAIN.sub('_', address)}.p12")
        certificate = key.with_suffix(".pem")
        if certificate == key:
            raise UsageError("A key file is PKCS #12: name it like alice.p12.", code="usage.output")
        self._check_free(key, certificate)
        return key, certificate

    def request_names(self, address: str) -> tuple[Path, Path]:
        """Of a key without a certificate, and of its request. UsageError where one is there."""
        key = Path(self.output or f"{_PLAIN.sub('_', address)}.key")
        request = key.with_suffix(".csr")
        if request == key:
            raise UsageError(
                "The .csr is the request; name the key otherwise.", code="usage.output"
            )
        self._check_free(key, request)
        return key, request

    def _check_free(self, *files: Path) -> None:
        for each in files:
            if each.exists() and not self.force:
                raise UsageError(
                    f"{each} exists already; nothing was written. To replace it, use --force.",
                    code="usage.file-exists",
                )

    def password(self) -> str:
        """UsageError and KeyFileError where there is none."""
        return new_password(Passwords(self.password_file))


@keys.command()
@click.argument("address")
@as_record(
    "certificate",
    _Certificate,
    click.option("--name", metavar="NAME", help="The person's name; without it, the address."),
    click.option(
        "--type",
        "kind",
        type=click.Choice(_KINDS),
        default="p256",
        show_default=True,
        help="The kind of key; ed25519 only signs.",
    ),
    click.option(
        "--days",
        type=click.IntRange(1, 3650),
        default=365,
        show_default=True,
        help="How long the certificate is valid.",
    ),
    click.option("--ca", metavar="DIR", help="Issued by a test CA in this folder, made if new."),
    click.option("--self-signed", is_flag=True, help="Issued by itself; so it is without --ca."),
)
@as_record(
    "files",
    _Files,
    click.option("-o", "--output", metavar="FILE.p12", help="Without it, ADDRESS.p12."),
    click.option(
        "--password-file",
        multiple=True,
        metavar="FILE",
        help="The password is its first line. Else SMIMEKIT_PASSWORD, else you are asked.",
    ),
    click.option("--force", is_flag=True, help="Replace files that are there."),
)
@JSON
def new(*, address: str, certificate: _Certificate, files: _Files, as_json: bool) -> None:
    """Make a private key and a certificate for an address, to try things.

    Writes the key with its certificate (PKCS #12) and, beside it, the certificate alone
    (PEM), which others encrypt to. A CA's root is ca.pem in its folder, to use as --anchor.
    """
    if certificate.ca is not None and certificate.self_signed:
        raise UsageError("--ca and --self-signed exclude each other.", code="usage.issuer")
    check_address(address)
    key_file, certificate_file = files.names(address)
    password = files.password()
    credential, root = certificate.issue(address)
    force = files.force
    write_new(str(key_file), credential.to_pkcs12(password), private=True, force=force)
    write_new(str(certificate_file), credential.certificate.pem(), private=False, force=force)
    if as_json:
        show_json(
            {
                "key": str(key_file),
                "certificate": str(certificate_file),
                "anchor": None if root is None else str(root),
                "issued": certificate_facts(credential.certificate),
            }
        )
        return
    note(f"{key_file}: the private key of {address}, under your password. Keep it.")
    note(f"{certificate_file}: the certificate, to give away.")
    if root is not None:
        note(f"{root}: the test CA's root, for --anchor.")


@keys.command()
@click.argument("address")
@click.option("--name", metavar="NAME", help="The person's name; without it, the address.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(_KINDS),
    default="p256",
    show_default=True,
    help="The kind of key; ed25519 only signs.",
)
@as_record(
    "files",
    _Files,
    click.option("-o", "--output", metavar="FILE.key", help="Without it, ADDRESS.key."),
    click.option(
        "--password-file",
        multiple=True,
        metavar="FILE",
        help="The password is its first line. Else SMIMEKIT_PASSWORD, else you are asked.",
    ),
    click.option("--force", is_flag=True, help="Replace files that are there."),
)
@JSON
def request(*, address: str, name: str | None, kind: str, files: _Files, as_json: bool) -> None:
    """Make a private key and a certificate request for an address, for a CA.

    Writes the key (PEM, under your password) and, beside it, the request (.csr), which goes to the
    CA. With the certificate that comes back: --key FILE.key --cert CERT.pem.
    """  # fmt: skip
    check_address(address)
    key_file, request_file = files.request_names(address)
    password, key = files.password(), new_key(kind)
    wanted = new_request(key, address, name or address)
    write_new(str(key_file), encrypted_pem(key, password), private=True, force=files.force)
    write_new(str(request_file), wanted, private=False, force=files.force)
    if as_json:
        show_json({"key": str(key_file), "request": str(request_file)})
        return
    note(f"{key_file}: the private key of {address}, under your password. Keep it.")
    note(f"{request_file}: the request, for your CA.")


def check_address(address: str) -> None:
    """UsageError where that is not exactly one mail address."""
    try:
        found = parse_mailboxes(address.encode())
    except (MimeError, UnicodeEncodeError):
        found = ()
    if [each.address for each in found] != [address]:
        raise UsageError(f"{address!r} is no mail address.", code="usage.address")
