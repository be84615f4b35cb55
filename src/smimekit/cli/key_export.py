"""`keys export`: one of your keys as a PKCS #12 file, for mail programs and for the gateway.

Knows which key is meant, and under which password it goes out. May not know the format.
"""

import click

from smimekit import Credential, KeyRing, UsageError
from smimekit.cli.facts import certificate_facts
from smimekit.cli.files import write_new
from smimekit.cli.inputs import Passwords, new_password
from smimekit.cli.options import JSON, KeyOptions, key_options
from smimekit.cli.output import note, show_json
from smimekit.cli.reports import certificate_title
from smimekit.keys import Pkcs12Format

__all__ = ["export"]

_SHORTEST = 8


@click.command()
@key_options(required=True)
@click.option(
    "--which",
    metavar="FINGERPRINT",
    help="Of many keys the one that is meant: 8 digits of its fingerprint, or more.",
)
@click.option("-o", "--output", required=True, metavar="FILE.p12", help="The PKCS #12 file.")
@click.option(
    "--new-password-file",
    metavar="FILE",
    help="The first line protects FILE.p12; else what opened the key does.",
)
@click.option(
    "--compatible",
    is_flag=True,
    help="By old, weak algorithms, for programs that report a wrong password otherwise.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@JSON
def export(
    *,
    keys: KeyOptions,
    which: str | None,
    output: str,
    new_password_file: str | None,
    compatible: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write one key, its certificate and the chain as PKCS #12, for another program.

    Mail programs import it, and the gateway's folder of keys takes it as it is. A key on a
    token stays there.
    """
    credential = _one([one for each in keys.load() for one in _held(each)], which)
    files = keys.password_file if new_password_file is None else (new_password_file,)
    password = new_password(Passwords(files))
    form = Pkcs12Format.COMPATIBLE if compatible else Pkcs12Format.MODERN
    write_new(output, credential.to_pkcs12(password, form=form), private=True, force=force)
    issued = certificate_facts(credential.certificate)
    if as_json:
        show_json({"key": output, "issued": issued})
        return
    note(f"{output}: the private key of {certificate_title(issued)}, under your password.")


def _held(source: Credential | KeyRing) -> tuple[Credential, ...]:
    return (source,) if isinstance(source, Credential) else tuple(source)


def _one(found: list[Credential], which: str | None) -> Credential:
    """The key that is meant; UsageError where that is not one."""
    digits = (which or "").replace(":", "").lower()
    if which is not None and len(digits) < _SHORTEST:
        raise UsageError(
            f"A fingerprint is named by {_SHORTEST} digits or more.", code="usage.which"
        )
    fitting = [
        each
        for each in found
        if any(own.certificate.fingerprint.startswith(digits) for own in each.all)
    ]
    if len(fitting) != 1:
        raise UsageError(
            f"{len(fitting)} keys are meant, and one file holds one: name it by --which; "
            "smimekit keys list shows them.",
            code="usage.which",
        )
    return fitting[0]
