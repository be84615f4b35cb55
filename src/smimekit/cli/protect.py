"""`sign` and `encrypt`. Knows whom a message goes to; may not know how it is protected."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import click

from smimekit import (
    Certificate,
    Chain,
    Policy,
    PolicyError,
    Purpose,
    Signer,
    Transfer,
    Trust,
    UsageError,
    stream,
)
from smimekit.algorithms import ContentCipher, SignatureScheme
from smimekit.cli.facts import certificate_facts, judgement_facts
from smimekit.cli.files import write_out, writes_stdout
from smimekit.cli.inputs import load_certificates, reading
from smimekit.cli.options import (
    BINARY,
    CIPHER,
    JSON,
    MESSAGE,
    OUTPUT,
    POLICY,
    SCHEME,
    KeyOptions,
    TrustOptions,
    as_record,
    key_options,
    trust_options,
)
from smimekit.cli.output import Json, note, require_room_for_json, show_json
from smimekit.cli.reports import certificate_title
from smimekit.keys.credential import may_encrypt

__all__ = ["encrypt", "sign"]


def _transfer(binary: bool) -> Transfer:
    return Transfer.BINARY if binary else Transfer.MAIL


def _write(output: str | None, chunks: Iterator[bytes]) -> int:
    """Write a message as it comes; its size."""
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            size += len(chunk)
            yield chunk

    write_out(output, counted())
    return size


# --- sign ----------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Form:
    """What the signature looks like."""

    opaque: bool
    include_root: bool
    leaf_only: bool
    scheme: SignatureScheme | None
    binary: bool

    @property
    def chain(self) -> Chain:
        """Which certificates go along."""
        if self.include_root and self.leaf_only:
            raise UsageError("--include-root and --leaf-only exclude each other.")
        if self.leaf_only:
            return Chain.LEAF
        return Chain.WITH_ROOT if self.include_root else Chain.WITHOUT_ROOT


@click.command()
@MESSAGE
@key_options(required=True)
@as_record(
    "form",
    _Form,
    click.option("--opaque", is_flag=True, help="One application/pkcs7-mime part."),
    click.option("--include-root", is_flag=True, help="Attach the chain with its root."),
    click.option("--leaf-only", is_flag=True, help="Attach your own certificate only."),
    SCHEME,
    BINARY,
)
@POLICY
@OUTPUT
@JSON
def sign(
    *,
    message: str,
    keys: KeyOptions,
    form: _Form,
    policy: Policy,
    output: str | None,
    as_json: bool,
) -> None:
    """Sign a mail, as multipart/signed; the chain goes along, without its root."""
    require_room_for_json(as_json=as_json and writes_stdout(output))
    signer = keys.load_one()
    if signer is None:
        raise UsageError("Signing needs a --key.")
    by = Signer(signer, form.scheme, form.chain)
    with reading(message) as draft:
        signed = stream.sign(
            draft, by, opaque=form.opaque, transfer=_transfer(form.binary), policy=policy
        )
        size = _write(output, signed)
    facts: Json = {
        "output": output,
        "size": size,
        "signer": certificate_facts(signer.signing.certificate),
    }
    if as_json:
        show_json(facts)
    elif not writes_stdout(output):
        note(f"{output}: signed by {certificate_title(facts['signer'])}.")


# --- encrypt -------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Sealed:
    """What the encryption looks like."""

    cipher: ContentCipher | None
    binary: bool


@final
@dataclass(frozen=True, slots=True)
class _Recipients:
    """Whom a message is encrypted to, and which certificates of theirs are of no use."""

    usable: tuple[Certificate, ...]
    unusable: tuple[Json, ...]


@click.command()
@MESSAGE
@click.option(
    "--to",
    multiple=True,
    required=True,
    metavar="CERT",
    help="A file with certificates; or, with --store, a mail address.",
)
@key_options()
@trust_options
@as_record("form", _Sealed, CIPHER, BINARY)
@POLICY
@OUTPUT
@JSON
def encrypt(
    *,
    message: str,
    to: tuple[str, ...],
    keys: KeyOptions,
    trusting: TrustOptions,
    form: _Sealed,
    policy: Policy,
    output: str | None,
    as_json: bool,
) -> None:
    """Encrypt a mail; with --key, signed inside.

    A --to that is an address stands for all its trusted certificates in the --store; those
    that cannot be used are reported, each with its reasons.
    """
    require_room_for_json(as_json=as_json and writes_stdout(output))
    with trusting.open(policy) as trust:
        found = [_recipients(each, trust, trusting) for each in to]
    usable = tuple(dict.fromkeys(one for each in found for one in each.usable))
    unusable = [one for each in found for one in each.unusable]
    if not as_json:
        _warn(unusable)
    signer = keys.load_one()
    cipher = form.cipher or policy.cipher
    with reading(message) as draft:
        encrypted = stream.encrypt(
            draft,
            usable,
            signer=signer,
            cipher=cipher,
            transfer=_transfer(form.binary),
            policy=policy,
        )
        size = _write(output, encrypted)
    facts: Json = {
        "output": output,
        "size": size,
        "cipher": cipher.name,
        "signer": certificate_facts(signer.signing.certificate) if signer else None,
        "recipients": [certificate_facts(each) for each in usable],
        "unusable": unusable,
    }
    if as_json:
        show_json(facts)
    elif not writes_stdout(output):
        names = "; ".join(map(certificate_title, facts["recipients"]))
        note(f"{output}: encrypted with {facts['cipher']} to {names}.")


def _warn(unusable: Sequence[Json]) -> None:
    for each in unusable:
        why = " ".join(reason["text"] for reason in each["trust"]["reasons"])
        certificate = each["certificate"]
        title = f"{certificate_title(certificate)} ({certificate['fingerprint'][:16]})"
        note(f"Not used: the certificate of {title}. {why}")


def _recipients(name: str, trust: Trust, trusting: TrustOptions) -> _Recipients:
    """The certificates that a --to means."""
    if "@" in name and not Path(name).exists():
        return _of_address(name, trust, trusting)
    own = [each for each in load_certificates((name,)) if not each.is_ca]
    if not own:
        raise UsageError(f"{name} holds certificates of authorities only.", code="usage.recipient")
    # Of a pair, one for signing and one for encryption, the second is meant; of one that is
    # for signing only, the library says what is wrong.
    usable = tuple(each for each in own if may_encrypt(each)) or tuple(own)
    return _Recipients(usable, ())


def _of_address(address: str, trust: Trust, trusting: TrustOptions) -> _Recipients:
    if trust.store is None:
        raise UsageError(
            f"There is no file {address}; to look an address up, give a --store.",
            code="usage.recipient",
        )
    selection = trust.usable(address, Purpose.ENCRYPT, trusting.at)
    unusable = tuple(
        {"certificate": certificate_facts(one), "trust": judgement_facts(judgement)}
        for one, judgement in selection.unusable
    )
    if not selection.usable:
        _warn(unusable)
        raise PolicyError(
            f"The store holds no trusted certificate to encrypt to {address} with.",
            code="policy.no-trusted-certificate",
        )
    return _Recipients(selection.usable, unusable)
