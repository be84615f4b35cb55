"""What `sign` and `encrypt` share: how a message is written out, and who has signed it."""

from collections.abc import Iterator, Sequence

from smimekit import Credential, Transfer
from smimekit.cli.facts import certificate_facts
from smimekit.cli.files import write_out
from smimekit.cli.output import Json

__all__ = ["signer_facts", "transfer_of", "write_counted"]


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
