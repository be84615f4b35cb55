"""Shows: sign, encrypt, decrypt and verify as steps of a file-transfer job.

    python examples/file_transfer_steps.py

Each step reads one file, writes another, and either writes all of it or raises; no file is
ever whole in memory. It travels as a MIME entity, as it is: the transport changes nothing. What
comes out is the file, octet for octet.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import smimekit
from smimekit import Credential, Limits, Payload, Policy, Transfer, Trust
from smimekit.mime.content_type import transfer_encoding
from smimekit.mime.scanner import read_entity
from smimekit.mime.transfer import decode
from smimekit.testing import FakeCA


def entity(name: Path) -> Iterator[bytes]:
    """The file as a MIME entity, in chunks."""
    yield b"Content-Type: application/octet-stream\r\n\r\n"
    with name.open("rb") as file:
        while chunk := file.read(1 << 16):
            yield chunk


def write(target: Path, chunks: Iterable[bytes]) -> None:
    """Write all of it, or leave what was there."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        whole = Path(folder) / target.name
        with whole.open("wb") as file:
            file.writelines(chunks)
        whole.replace(target)


def content(payload: Payload) -> Iterable[bytes]:
    """The octets of the file inside an entity."""
    inside = read_entity(payload.span, limits=Limits())
    return decode(inside.body.chunks(), transfer_encoding(inside.header))


def sign_step(source: Path, target: Path, *, key: Credential) -> None:
    """Sign a file; text and signature are one opaque part."""
    binary = Transfer.BINARY
    write(target, smimekit.stream.sign(entity(source), key, opaque=True, transfer=binary))


def encrypt_step(
    source: Path, target: Path, *, to: Iterable[Credential], key: Credential | None = None
) -> None:
    """Encrypt a file, authenticated; signed inside where there is a key."""
    modern, binary = Policy.MODERN, Transfer.BINARY
    chunks = smimekit.stream.encrypt(entity(source), to, signer=key, policy=modern, transfer=binary)
    write(target, chunks)


def decrypt_step(source: Path, target: Path, *, keys: Iterable[Credential]) -> None:
    """Decrypt a file; who wrote it is not asked."""
    with source.open("rb") as file:
        write(target, content(smimekit.decrypt(file, keys)))


def verify_step(
    source: Path, target: Path, *, trust: Trust, partner: str, keys: Iterable[Credential] = ()
) -> None:
    """Require that the partner signed it, then write what was signed.

    A file has no From field, so the partner's address has to be named.
    """
    with source.open("rb") as file:
        write(target, content(smimekit.verify(file, trust, keys=keys, expect=partner)))


def main() -> int:
    """Alice's company sends a file to Bob's."""
    ca = FakeCA()
    alice, bob = ca.person("alice@example.org"), ca.person("bob@example.org")
    trust = Trust(anchors=[ca.certificate])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report, sealed, got = folder / "report.bin", folder / "report.p7m", folder / "got.bin"
        report.write_bytes(bytes(range(256)) * 100)

        sign_step(report, sealed, key=alice)
        verify_step(sealed, got, trust=trust, partner="alice@example.org")
        print(f"signed and verified: {got.read_bytes() == report.read_bytes()}")

        encrypt_step(report, sealed, to=[bob], key=alice)
        decrypt_step(sealed, folder / "raw.bin", keys=[bob])
        verify_step(sealed, got, trust=trust, partner="alice@example.org", keys=[bob])
        print(f"encrypted, decrypted and verified: {got.read_bytes() == report.read_bytes()}")

        encrypt_step(report, sealed, to=[bob])
        try:
            verify_step(sealed, got, trust=trust, partner="alice@example.org", keys=[bob])
        except smimekit.NotSigned as error:
            print(f"unsigned: refused ({error.code})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
