"""`encrypt`. Knows whom a message goes to; may not know how it is protected."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import click

from smimekit import (
    Certificate,
    Credential,
    EncryptionPlan,
    HeaderProtection,
    Policy,
    PolicyError,
    Purpose,
    Trust,
    UsageError,
    files,
    plan_encryption,
    stream,
)
from smimekit.algorithms import ContentCipher
from smimekit.cli.exits import Exit
from smimekit.cli.facts import certificate_facts, judgement_facts
from smimekit.cli.files import writes_stdout
from smimekit.cli.inputs import load_certificates
from smimekit.cli.options import (
    BARE,
    BINARY,
    CIPHER,
    HEADERS,
    JSON,
    MESSAGE,
    OUTPUT,
    POLICY,
    SigningOptions,
    TrustOptions,
    as_record,
    signing_options,
    trust_options,
)
from smimekit.cli.output import Json, note, require_room_for_json, show_json
from smimekit.cli.plan import plan_facts, show_plan
from smimekit.cli.reports import certificate_title
from smimekit.cli.sending import (
    load_signers,
    reading_draft,
    signer_facts,
    transfer_of,
    write_counted,
)
from smimekit.keys.credential import may_encrypt
from smimekit.message.drafts import Draft
from smimekit.trust import Record
from smimekit.trust.records import is_authority_only

__all__ = ["encrypt"]


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
class _Envelope:
    """How a message is encrypted, and what of its header can be read outside."""

    cipher: ContentCipher | None
    policy: Policy
    headers: HeaderProtection | None
    legacy_display: bool
    binary: bool
    bare: bool

    @property
    def header_protection(self) -> HeaderProtection | None:
        """With legacy display elements, where they are wished."""
        if not self.legacy_display:
            return self.headers
        if self.headers is None:
            raise UsageError("--legacy-display repeats what is hidden; off hides nothing.")
        return replace(self.headers, legacy_display=True)

    def planned(
        self, to: Sequence[Certificate | Record], signers: Sequence[Credential]
    ) -> EncryptionPlan:
        """What would be done."""
        return plan_encryption(to, cipher=self.cipher, signer=signers or None, policy=self.policy)

    def encrypted(
        self, draft: Draft, to: Sequence[Certificate | Record], signers: Sequence[Credential]
    ) -> Iterator[bytes]:
        """What is done."""
        if self.bare:
            by, cipher = signers or None, self.cipher
            return files.encrypt(draft, to, signer=by, cipher=cipher, policy=self.policy)
        return stream.encrypt(
            draft,
            to,
            signer=signers or None,
            cipher=self.cipher,
            headers=self.header_protection,
            transfer=transfer_of(self.binary),
            policy=self.policy,
        )


@click.command()
@MESSAGE
@click.option(
    "--to",
    multiple=True,
    required=True,
    metavar="CERT",
    help="A file with certificates; or, with --store, a mail address.",
)
@signing_options()
@trust_options
@as_record(
    "envelope",
    _Envelope,
    CIPHER,
    POLICY,
    HEADERS,
    click.option(
        "--legacy-display",
        is_flag=True,
        help="Repeat the hidden fields at the top of the text, for old mail programs.",
    ),
    BINARY,
    BARE,
)
@click.option(
    "--plan", is_flag=True, help="Say who gets what, and why; read no message and write none."
)
@OUTPUT
@JSON
def encrypt(
    *,
    message: str,
    to: tuple[str, ...],
    keys: SigningOptions,
    trusting: TrustOptions,
    envelope: _Envelope,
    plan: bool,
    output: str | None,
    as_json: bool,
) -> int:
    """Encrypt a mail; with --key, signed inside.

    The subject is hidden, unless --header-protection says otherwise.

    A --to that is an address stands for all its trusted certificates in the --store; those
    that cannot be used are reported, each with its reasons. Without a --cipher, it is the best
    that all recipients are known to read, by signed mail in the store or their certificates.
    """
    require_room_for_json(as_json=as_json and not plan and writes_stdout(output))
    with trusting.open(envelope.policy) as trust:
        found = _together([_recipients(each, trust, trusting) for each in to])
    if not as_json or (found.missing and not plan):
        _warn(found.unusable)
    if plan:
        return _explain(found, envelope, load_signers(keys), as_json=as_json)
    for each in found.missing:
        raise PolicyError(each["reason"], code="policy.no-trusted-certificate")
    reading = reading_draft(message, keys, envelope.policy, bare=envelope.bare)
    with reading as (draft, signers, steady):
        planned = envelope.planned(found.usable, signers)
        chunks = envelope.encrypted(draft, found.usable, signers)
        size = write_counted(output, steady(chunks))
    facts: Json = {
        "output": output,
        "size": size,
        "cipher": None if planned.cipher is None else planned.cipher.name,
        "signers": signer_facts(signers),
        "recipients": [each["certificate"] for each in plan_facts(planned)["served"]],
        "unusable": list(found.unusable),
    }
    if as_json:
        show_json(facts)
    elif not writes_stdout(output):
        names = "; ".join(map(certificate_title, facts["recipients"]))
        note(f"{output}: encrypted with {facts['cipher']} to {names}.")
    return Exit.DONE


def _explain(
    found: _Recipients, envelope: _Envelope, signers: Sequence[Credential], *, as_json: bool
) -> int:
    if found.usable:
        planned = envelope.planned(found.usable, signers)
    else:  # nobody has a certificate: no mistake in a plan
        planned = EncryptionPlan(cipher=None, derived=False, served=(), refused=())
    facts = plan_facts(planned, missing=found.missing, unusable=found.unusable)
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
    found = load_certificates((name,))
    # Who issued it to themselves may have called it a CA's; never beside somebody below it.
    own = [each for each in found if not each.is_ca] or [
        each for each in found if not is_authority_only(each)
    ]
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
