"""`sign` and `encrypt`. Knows whom a message goes to; may not know how it is protected."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import click

import smimekit
from smimekit import (
    Certificate,
    Chain,
    Credential,
    HeaderProtection,
    Policy,
    PolicyError,
    Purpose,
    Signer,
    Trust,
    UsageError,
)
from smimekit.algorithms import ContentCipher, SignatureScheme
from smimekit.cli.facts import certificate_facts, judgement_facts
from smimekit.cli.files import write_out, writes_stdout
from smimekit.cli.inputs import load_certificates, reading
from smimekit.cli.options import (
    CIPHER,
    HEADERS,
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


# --- sign ----------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Form:
    """What the signature looks like."""

    opaque: bool
    include_root: bool
    leaf_only: bool
    scheme: SignatureScheme | None
    headers: HeaderProtection | None

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
    HEADERS,
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
    """Sign a mail, as multipart/signed; the chain goes along, without its root.

    Several keys sign side by side, each by itself.
    """
    require_room_for_json(as_json=as_json and writes_stdout(output))
    chain = form.chain
    if form.scheme is not None and len(keys.key) > 1:
        raise UsageError("--scheme goes with one --key.", code="usage.scheme")
    signers = keys.load_signers()
    by = [Signer(each, form.scheme, chain) for each in signers]
    with reading(message) as draft:
        signed = smimekit.sign(draft, by, opaque=form.opaque, headers=form.headers, policy=policy)
    write_out(output, (signed,))
    facts: Json = {
        "output": output,
        "size": len(signed),
        "signers": _facts_of(signers),
    }
    if as_json:
        show_json(facts)
    elif not writes_stdout(output):
        names = ", ".join(map(certificate_title, facts["signers"]))
        note(f"{output}: signed by {names}.")


def _facts_of(signers: Sequence[Credential]) -> list[Json]:
    return [certificate_facts(each.signing.certificate) for each in signers]


# --- encrypt -------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Recipients:
    """Whom a message is encrypted to, and which certificates of theirs are of no use."""

    usable: tuple[Certificate, ...]
    unusable: tuple[Json, ...]


@final
@dataclass(frozen=True, slots=True)
class _Envelope:
    """How a message is encrypted, and what of its header can be read outside."""

    cipher: ContentCipher | None
    headers: HeaderProtection | None
    legacy_display: bool

    @property
    def header_protection(self) -> HeaderProtection | None:
        """With legacy display elements, where they are wished."""
        if not self.legacy_display:
            return self.headers
        if self.headers is None:
            raise UsageError("--legacy-display repeats what is hidden; off hides nothing.")
        return replace(self.headers, legacy_display=True)


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
@as_record(
    "envelope",
    _Envelope,
    CIPHER,
    HEADERS,
    click.option(
        "--legacy-display",
        is_flag=True,
        help="Repeat the hidden fields at the top of the text, for old mail programs.",
    ),
)
@POLICY
@OUTPUT
@JSON
def encrypt(
    *,
    message: str,
    to: tuple[str, ...],
    keys: KeyOptions,
    trusting: TrustOptions,
    envelope: _Envelope,
    policy: Policy,
    output: str | None,
    as_json: bool,
) -> None:
    """Encrypt a mail; with --key, signed inside.

    The subject is hidden, unless --header-protection says otherwise.

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
    signers = keys.load_signers()
    with reading(message) as draft:
        encrypted = smimekit.encrypt(
            draft,
            usable,
            signer=signers or None,
            cipher=envelope.cipher,
            headers=envelope.header_protection,
            policy=policy,
        )
    write_out(output, (encrypted,))
    facts: Json = {
        "output": output,
        "size": len(encrypted),
        "cipher": (envelope.cipher or policy.cipher).name,
        "signers": _facts_of(signers),
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
