"""What `sign` and `encrypt` share: who signs a draft, and how a message is written out."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import cast

from smimekit import Credential, Policy, Transfer, UsageError
from smimekit.cli.facts import certificate_facts
from smimekit.cli.files import write_out
from smimekit.cli.inputs import Steady, reading
from smimekit.cli.options import SigningOptions
from smimekit.cli.output import Json
from smimekit.message.drafts import Draft
from smimekit.message.identity import claim_of
from smimekit.message.source import span_of
from smimekit.mime.scanner import read_entity
from smimekit.span import Span

__all__ = ["load_signers", "reading_draft", "signer_facts", "transfer_of", "write_counted"]


def load_signers(keys: SigningOptions) -> tuple[Credential, ...]:
    """Who signs, where there is no draft to ask; UsageError (`usage.signer`)."""
    if keys.signer is not None and not keys.chooses:
        raise UsageError(
            "--signer chooses among the keys of a folder, database or token; what --key FILE "
            "holds signs anyway.",
            code="usage.signer",
        )
    return keys.load(lambda: _named(keys.signer))


@contextmanager
def reading_draft(
    message: str, keys: SigningOptions, policy: Policy, *, bare: bool = False
) -> Iterator[tuple[Draft, tuple[Credential, ...], Steady]]:
    """A draft, who signs it, and the file that it lies in. It is signed by whom --signer names, or
    by its author; a `bare` file has none.
    """
    with ExitStack() as closing:
        if bare or keys.signer is not None or not keys.chooses:
            signers = load_signers(keys)
            file = closing.enter_context(reading(message))
            yield file, signers, Steady(file)
            return
        file = closing.enter_context(reading(message))
        steady = Steady(file)
        draft = span_of(file, policy, closing)
        # It is read twice, from a pipe, too: a span is what any draft becomes.
        yield cast("Draft", draft), keys.load(lambda: _author(draft, policy)), steady


def _author(draft: Span, policy: Policy) -> str:
    found = claim_of(read_entity(draft, limits=policy.limits).header, policy.limits)
    return _named(found[0] if found and len(found) == 1 else None)


def _named(signer: str | None) -> str:
    if signer is None:
        raise UsageError(
            "It is not clear who signs: there is not one address in the From field. Say it with "
            "--signer ADDRESS.",
            code="usage.signer",
        )
    return signer


def transfer_of(binary: bool) -> Transfer:
    """What --binary means."""
    return Transfer.BINARY if binary else Transfer.MAIL


def write_counted(output: str | None, chunks: Iterator[bytes]) -> int:
    """Write a message as it comes; its size."""
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            size += len(chunk)
            yield chunk

    write_out(output, counted())
    return size


def signer_facts(signers: Sequence[Credential]) -> list[Json]:
    """The certificates of those who sign."""
    return [certificate_facts(each.signing.certificate) for each in signers]
