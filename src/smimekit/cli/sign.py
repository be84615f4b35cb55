"""`sign`. Knows what a signature may look like; may not know how it is made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import click

from smimekit import Chain, HeaderProtection, Policy, Signer, UsageError, files, stream
from smimekit.algorithms import SignatureScheme
from smimekit.cli.files import writes_stdout
from smimekit.cli.options import (
    BARE,
    BINARY,
    HEADERS,
    JSON,
    MESSAGE,
    OUTPUT,
    POLICY,
    SCHEME,
    SigningOptions,
    as_record,
    signing_options,
)
from smimekit.cli.output import Json, note, require_room_for_json, show_json
from smimekit.cli.reports import certificate_title
from smimekit.cli.sending import reading_draft, signer_facts, transfer_of, write_counted
from smimekit.message.drafts import Draft

__all__ = ["sign"]


@final
@dataclass(frozen=True, slots=True)
class _Form:
    """What the signature looks like."""

    opaque: bool
    include_root: bool
    leaf_only: bool
    scheme: SignatureScheme | None
    headers: HeaderProtection | None
    binary: bool
    bare: bool
    detached: bool

    @property
    def chain(self) -> Chain:
        """Which certificates go along."""
        if self.include_root and self.leaf_only:
            raise UsageError("--include-root and --leaf-only exclude each other.")
        if self.leaf_only:
            return Chain.LEAF
        return Chain.WITH_ROOT if self.include_root else Chain.WITHOUT_ROOT

    @property
    def of_file(self) -> bool:
        """Is it a file's, and no mail's? Raises UsageError where nobody can tell."""
        if self.detached and self.opaque:
            raise UsageError("--detached and --opaque exclude each other.")
        return self.bare or self.detached

    def signed(self, draft: Draft, signers: Sequence[Signer], policy: Policy) -> Iterator[bytes]:
        """What is done."""
        if self.of_file:
            return files.sign(draft, signers, detached=self.detached, policy=policy)
        return stream.sign(
            draft,
            signers,
            opaque=self.opaque,
            headers=self.headers,
            transfer=transfer_of(self.binary),
            policy=policy,
        )


@click.command()
@MESSAGE
@signing_options(required=True)
@as_record(
    "form",
    _Form,
    click.option("--opaque", is_flag=True, help="One application/pkcs7-mime part."),
    click.option("--include-root", is_flag=True, help="Attach the chain with its root."),
    click.option("--leaf-only", is_flag=True, help="Attach your own certificate only."),
    SCHEME,
    HEADERS,
    BINARY,
    BARE,
    click.option(
        "--detached", is_flag=True, help="As --bare, but without the file: what goes beside it."
    ),
)
@POLICY
@OUTPUT
@JSON
def sign(
    *,
    message: str,
    keys: SigningOptions,
    form: _Form,
    policy: Policy,
    output: str | None,
    as_json: bool,
) -> None:
    """Sign a mail, as multipart/signed; the chain goes along, without its root.

    Several keys sign side by side, each by itself. With --bare or --detached it is any file
    that is signed: `verify` takes it with --bare, or with --content FILE.
    """
    require_room_for_json(as_json=as_json and writes_stdout(output))
    chain = form.chain
    if form.scheme is not None and len(keys.key) > 1:
        raise UsageError("--scheme goes with one --key.", code="usage.scheme")
    with reading_draft(message, keys, policy, bare=form.of_file) as (draft, signers, steady):
        by = [Signer(each, form.scheme, chain) for each in signers]
        size = write_counted(output, steady(form.signed(draft, by, policy)))
    facts: Json = {
        "output": output,
        "size": size,
        "signers": signer_facts(signers),
    }
    if as_json:
        show_json(facts)
    elif not writes_stdout(output):
        names = ", ".join(map(certificate_title, facts["signers"]))
        note(f"{output}: signed by {names}.")
