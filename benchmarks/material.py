"""Keys, certificates, drafts and mails, in a folder: the same for every contender.

Mails are written by smimekit with its defaults, whose algorithms every contender reads.
"""

import base64
import re
import shutil
import subprocess
from collections.abc import Iterable
from itertools import chain, count, repeat, takewhile
from pathlib import Path
from typing import Final

import smimekit
from benchmarks.operations import Sizes
from smimekit import Certificate, Credential, Transfer
from smimekit.keys import SoftwareKey
from smimekit.testing import FakeCA

__all__ = ["ADDRESS", "BODY", "HEADER", "KINDS", "NSS", "crowd", "make", "scanned"]

ADDRESS: Final = "alice@example.org"
KINDS: Final = {"rsa": "rsa-2048", "p256": "p256"}
HEADER: Final = (
    b"From: Alice <alice@example.org>\r\nTo: Bob <bob@example.org>\r\n"
    b"Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
    b"Subject: Lunch\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
)
_LINE: Final = b"The quick brown fox jumps over the lazy dog, and the dog looks on.\r\n"
_ATTACHMENT: Final = HEADER.replace(
    b"text/plain; charset=us-ascii",
    b"application/octet-stream\r\nContent-Transfer-Encoding: base64",
)
"""The header of a mail that is one file, as mail programs make it."""
BODY: Final = (_LINE * 16)[:1022] + b"\r\n"
NSS: Final = "nss"
"""NSS' database, inside the folder; missing where the programs are."""


def make(folder: Path, sizes: Sizes) -> None:
    """Write everything but what is large."""
    ca = FakeCA("Benchmark CA", key="rsa-2048")
    (folder / "ca.pem").write_bytes(ca.certificate.pem())
    (folder / "draft.eml").write_bytes(HEADER + BODY)
    for kind, key in KINDS.items():
        who = ca.person(ADDRESS, key=key, name=f"Alice {kind}")
        _write_person(folder, kind, who)
        _write_signed(folder, kind, who, sizes)
    people = [_recipient(ca, number) for number in range(sizes.many)]
    for number, who in enumerate(people):
        _write_person(folder, f"r{number}", who)
    certificates = [who.certificate for who in people]
    # Whoever decrypts is the last of the recipients: all before are others.
    for name, to in (("1", certificates[-1:]), ("many", certificates)):
        mail = smimekit.encrypt(HEADER + BODY, to=to)
        (folder / f"encrypted-{name}.eml").write_bytes(mail)
        (folder / f"encrypted-{name}.der").write_bytes(_cms(mail))
    _write_database(folder)


def crowd(folder: Path) -> list[str]:
    """The names of the recipients, under which their files stand; the last one decrypts."""
    names = (f"r{number}" for number in count())
    return list(takewhile(lambda name: (folder / f"{name}.pem").exists(), names))


def _recipient(ca: FakeCA, number: int) -> Credential:
    return ca.person(f"{number}@example.org", key="rsa-2048", name=f"No {number}")


def _write_person(folder: Path, name: str, who: Credential) -> None:
    assert isinstance(who.key, SoftwareKey)
    (folder / f"{name}.pem").write_bytes(who.certificate.pem())
    key = base64.encodebytes(who.key.pkcs8())
    pem = b"-----BEGIN PRIVATE KEY-----\n" + key + b"-----END PRIVATE KEY-----\n"
    (folder / f"{name}.key").write_bytes(pem)
    (folder / f"{name}.p12").write_bytes(who.to_pkcs12("benchmark"))


def _write_signed(folder: Path, kind: str, who: Credential, sizes: Sizes) -> None:
    for number in range(sizes.mails):
        mail = smimekit.sign(HEADER + b"%05d" % number + BODY[5:], who)
        (folder / f"signed-{kind}-{number}.eml").write_bytes(mail)
    _write_detached(folder, f"signed-{kind}", folder / f"signed-{kind}-0.eml")


def _write_detached(folder: Path, name: str, mail: Path) -> None:
    """A signature, and what it signs, apart: for who knows no MIME."""
    with mail.open("rb") as file, smimekit.open(file, trust=smimekit.Trust()) as opened:
        with (folder / f"{name}.content").open("wb") as out:
            content = opened.envelope[0].content
            assert content is not None
            out.writelines(content.chunks())
        size = mail.stat().st_size
    with mail.open("rb") as file:
        file.seek(max(0, size - 50_000))
        (folder / f"{name}.der").write_bytes(_cms(file.read()))


def _cms(mail: bytes) -> bytes:
    """What the last base64 part of a mail holds."""
    block = re.findall(rb"\r\n\r\n((?:[A-Za-z0-9+/=]+\r\n)+)", mail)[-1]
    return base64.b64decode(block)


# --- large ---------------------------------------------------------------------------------


def make_large(folder: Path, sizes: Sizes, *, peers: bool = True) -> None:
    """The large draft, and the same signed and encrypted; for `peers` without MIME, too."""
    draft = folder / "large.eml"
    _write(draft, chain([_ATTACHMENT], _lines(sizes.large)))
    who = Credential.from_pem(folder / "rsa.pem", folder / "rsa.key")
    to = [Certificate.from_pem((folder / f"{crowd(folder)[-1]}.pem").read_bytes())]
    with draft.open("rb") as file:
        _write(folder / "large-signed.eml", smimekit.stream.sign(file, who))
    with draft.open("rb") as file:
        _write(folder / "large-encrypted.eml", smimekit.stream.encrypt(file, to=to))
    if not peers:
        return
    _write_detached(folder, "large-signed", folder / "large-signed.eml")
    with draft.open("rb") as file:
        binary = smimekit.stream.encrypt(file, to=to, transfer=Transfer.BINARY)
        _write(folder / "large-encrypted.der", _without_header(binary))


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    with path.open("wb") as out:
        out.writelines(chunks)


def _lines(size: int) -> Iterable[bytes]:
    line = base64.b64encode(bytes(range(57))) + b"\r\n"
    block = line * 1000
    whole, rest = divmod(size, len(block))
    return chain(repeat(block, whole), [line * (rest // len(line))])


def _without_header(chunks: Iterable[bytes]) -> Iterable[bytes]:
    running = iter(chunks)
    begun = b""
    while b"\r\n\r\n" not in begun:
        begun += next(running)
    return chain([begun.partition(b"\r\n\r\n")[2]], running)


def scanned(size: int) -> tuple[bytes, int]:
    """A multipart of parts of 1 MB, in base64; and how many parts it has."""
    part = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    part += (base64.b64encode(bytes(range(57))) + b"\r\n") * 13_000
    parts = max(1, size // len(part))
    head = b'Content-Type: multipart/mixed; boundary="=_cut"\r\n\r\n'
    return head + (b"--=_cut\r\n" + part) * parts + b"--=_cut--\r\n", parts


# --- NSS -----------------------------------------------------------------------------------


def _write_database(folder: Path) -> None:
    programs = [shutil.which(name) for name in ("certutil", "pk12util", "cmsutil")]
    if None in programs:
        return
    (folder / NSS).mkdir()
    database = ["-d", f"sql:{folder / NSS}"]
    run("certutil", "-N", *database, "--empty-password")
    run("certutil", "-A", "-n", "root", "-t", "C,C,C", "-a", "-i", folder / "ca.pem", *database)
    people = crowd(folder)
    for name in (*KINDS, people[-1]):
        run("pk12util", "-i", folder / f"{name}.p12", "-W", "benchmark", *database)
    for name in people[:-1]:
        certificate = folder / f"{name}.pem"
        run("certutil", "-A", "-n", name, "-t", ",,", "-a", "-i", certificate, *database)


def run(*command: str | Path) -> None:
    """Run a program; RuntimeError, with what it says, where it fails."""
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(said[-1] if said else f"{command[0]} ended with {done.returncode}")
