"""`sign` and `encrypt`. Knows whom a message goes to; may not know how it is protected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

import click

import smimekit
from smimekit import (
    Certificate,
    Chain,
    Credential,
    EncryptionPlan,
    Policy,
    PolicyError,
    Purpose,
    Signer,
    Trust,
    UsageError,
    plan_encryption,
)
from smimekit.algorithms import ContentCipher, SignatureScheme
from smimekit.cli.exits import Exit
from smimekit.cli.facts import certificate_facts, judgement_facts
from smimekit.cli.files import write_out, writes_stdout
from smimekit.cli.inputs import load_certificates, reading
from smimekit.cli.options import (
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
from smimekit.cli.plan import plan_facts, show_plan
from smimekit.cli.reports import certificate_title
from smimekit.keys.credential import may_encrypt
from smimekit.trust import Record

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
        signed = smimekit.sign(draft, by, opaque=form.opaque, policy=policy)
    write_out(output, (signed,))
    facts: Json = {
        "output": output,
        "size": len(signed),
        "signer": certificate_facts(signer.signing.certificate),
    }
    if as_json:
        show_json(facts)
    elif not writes_stdout(output):
        note(f"{output}: signed by {certificate_title(facts['signer'])}.")


# --- encrypt -------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Recipients:
    """Whom a message is encrypted to, and which certificates of theirs are of no use."""

    usable: tuple[Certificate | Record, ...]
    unusable: tuple[Json, ...] = ()
    missing: tuple[Json, ...] = ()
    """Addresses that nothing can be encrypted to."""


@final
@dataclass(frozen=True, slots=True)
class _Choice:
    """How it is encrypted, or whether that is only to be told."""

    cipher: ContentCipher | None
    policy: Policy
    plan: bool

    def planned(
        self, to: Sequence[Certificate | Record], signer: Credential | None
    ) -> EncryptionPlan:
        """What would be done."""
        if self.plan and not to:  # nobody has a certificate: no mistake in a plan
            return EncryptionPlan(cipher=None, derived=False, served=(), refused=())
        return plan_encryption(to, cipher=self.cipher, signer=signer, policy=self.policy)

    def encrypted(
        self, draft: BinaryIO, to: Sequence[Certificate | Record], signer: Credential | None
    ) -> bytes:
        """What is done."""
        return smimekit.encrypt(draft, to, signer=signer, cipher=self.cipher, policy=self.policy)


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
    "choice",
    _Choice,
    CIPHER,
    POLICY,
    click.option(
        "--plan", is_flag=True, help="Say who gets what, and why; read no message and write none."
    ),
)
@OUTPUT
@JSON
def encrypt(
    *,
    message: str,
    to: tuple[str, ...],
    keys: KeyOptions,
    trusting: TrustOptions,
    choice: _Choice,
    output: str | None,
    as_json: bool,
) -> int:
    """Encrypt a mail; with --key, signed inside.

    A --to that is an address stands for all its trusted certificates in the --store; those
    that cannot be used are reported, each with its reasons. Without a --cipher, it is the best
    that all recipients are known to read, by signed mail in the store or their certificates.
    """
    require_room_for_json(as_json=as_json and not choice.plan and writes_stdout(output))
    with trusting.open(choice.policy) as trust:
        found = _together([_recipients(each, trust, trusting) for each in to])
    if not as_json or (found.missing and not choice.plan):
        _warn(found.unusable)
    if choice.plan:
        return _explain(found, choice.planned(found.usable, keys.load_one()), as_json=as_json)
    for each in found.missing:
        raise PolicyError(each["reason"], code="policy.no-trusted-certificate")
    signer = keys.load_one()
    with reading(message) as draft:
        encrypted = choice.encrypted(draft, found.usable, signer)
    write_out(output, (encrypted,))
    plan = choice.planned(found.usable, signer)
    facts: Json = {
        "output": output,
        "size": len(encrypted),
        "cipher": None if plan.cipher is None else plan.cipher.name,
        "signer": certificate_facts(signer.signing.certificate) if signer else None,
        "recipients": [each["certificate"] for each in plan_facts(plan)["served"]],
        "unusable": list(found.unusable),
    }
    if as_json:
        show_json(facts)
    elif not writes_stdout(output):
        names = "; ".join(map(certificate_title, facts["recipients"]))
        note(f"{output}: encrypted with {facts['cipher']} to {names}.")
    return Exit.DONE


def _explain(found: _Recipients, plan: EncryptionPlan, *, as_json: bool) -> int:
    facts = plan_facts(plan, missing=found.missing, unusable=found.unusable)
    if as_json:
        show_json(facts)
    else:
        show_plan(facts)
    return Exit.NOT_AS_REQUIRED if facts["refused"] else Exit.DONE


def _warn(unusable: Sequence[Json]) -> None:
    for each in unusable:
        why = " ".join(reason["text"] for reason in each["trust"]["reasons"])
        certificate = each["certificate"]
        title = f"{certificate_title(certificate)} ({certificate['fingerprint'][:16]})"
        note(f"Not used: the certificate of {title}. {why}")


def _together(found: Iterable[_Recipients]) -> _Recipients:
    """All of them, each certificate once."""
    usable: dict[Certificate, Certificate | Record] = {}
    unusable: list[Json] = []
    missing: list[Json] = []
    for each in found:
        for one in each.usable:
            if isinstance(one, Record):  # it knows more than the certificate alone
                usable[one.certificate] = one
            else:
                usable.setdefault(one, one)
        unusable += each.unusable
        missing += each.missing
    return _Recipients(tuple(usable.values()), tuple(unusable), tuple(missing))


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
    return _Recipients(usable)


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
    if selection.records:
        return _Recipients(selection.records, unusable)
    reason = f"The store holds no trusted certificate to encrypt to {address} with."
    nobody = {
        "name": address,
        "code": "policy.no-trusted-certificate",
        "reason": reason,
        "certificate": None,
    }
    return _Recipients((), unusable, (nobody,))
