"""Shows: sign, encrypt, decrypt and verify as steps of a file-transfer job that can be resumed.

    python examples/file_transfer_steps.py

Each step reads one file and writes another, in bare CMS, which `openssl cms -binary` reads and
writes, too. No file is ever whole in memory, and a file appears whole or not at all: so a job
that was interrupted is run again, and begins where it stopped.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import smimekit
from smimekit import Credential, Policy, Trust, files
from smimekit.testing import FakeCA

Step = tuple[Path, Callable[[Path], None]]
"""A file, and what writes it."""


def run(steps: Sequence[Step]) -> int:
    """Do what is not done yet; how many steps that were."""
    waiting = [(target, write) for target, write in steps if not target.exists()]
    for target, write in waiting:
        write(target)
    return len(waiting)


def write_whole(target: Path, chunks: Iterable[bytes]) -> None:
    """Write all of it, or leave what was there."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        whole = Path(folder) / target.name
        with whole.open("wb") as file:
            file.writelines(chunks)
        whole.replace(target)


def sign_step(source: Path, target: Path, *, key: Credential, detached: bool = False) -> None:
    """Sign a file; `detached`, the signature goes beside it."""
    with source.open("rb") as file:
        write_whole(target, files.sign(file, key, detached=detached))


def encrypt_step(
    source: Path, target: Path, *, to: Iterable[Credential], key: Credential | None = None
) -> None:
    """Encrypt a file, authenticated; signed inside where there is a key."""
    with source.open("rb") as file:
        write_whole(target, files.encrypt(file, to, signer=key, policy=Policy.MODERN))


def decrypt_step(source: Path, target: Path, *, keys: Iterable[Credential]) -> None:
    """Decrypt a file; what was signed inside is still to be verified."""
    with source.open("rb") as file, files.decrypt(file, keys) as payload:
        write_whole(target, payload.chunks())


def verify_step(
    source: Path, target: Path, *, trust: Trust, partner: str, keys: Iterable[Credential] = ()
) -> None:
    """Require that the partner signed it, then write what was signed."""
    with (
        source.open("rb") as file,
        files.verify(file, trust, expect=partner, keys=keys) as payload,
    ):
        write_whole(target, payload.chunks())


def check_step(source: Path, signature: Path, *, trust: Trust, partner: str) -> None:
    """Require that the partner signed a file, by the signature beside it."""
    with signature.open("rb") as beside, source.open("rb") as file:
        files.verify(beside, trust, expect=partner, content=file)


def main() -> int:
    """Alice's company sends a file to Bob's, which it reads in two steps."""
    ca = FakeCA()
    alice, bob = ca.person("alice@example.org"), ca.person("bob@example.org")
    trust = Trust(anchors=[ca.certificate])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report, beside = folder / "report.bin", folder / "report.bin.p7s"
        report.write_bytes(bytes(range(256)) * 100)
        sign_step(report, beside, key=alice, detached=True)
        check_step(report, beside, trust=trust, partner="alice@example.org")

        sealed, opened, got = (folder / each for each in ("sealed.p7m", "opened.p7m", "got.bin"))
        verify = partial(verify_step, trust=trust, partner="alice@example.org")
        job: list[Step] = [
            (sealed, lambda target: encrypt_step(report, target, to=[bob], key=alice)),
            (opened, lambda target: decrypt_step(sealed, target, keys=[bob])),
            (got, lambda target: verify(opened, target)),
        ]
        print(f"steps: {run(job)}, the file is back: {got.read_bytes() == report.read_bytes()}")
        got.unlink()
        print(f"steps when run again: {run(job)}")

        encrypt_step(report, sealed, to=[bob])
        try:
            verify(sealed, got, keys=[bob])
        except smimekit.NotSigned as error:
            print(f"unsigned: refused ({error.code})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
