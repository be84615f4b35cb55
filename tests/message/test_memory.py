"""Files of any size: at most 32 MiB over the imported library, on the way out and back.

Each case runs in a process of its own, whose peak of resident memory is taken before and after
(VmHWM, in KiB: Linux). Two ways go through 1 GiB, the others through 128 MiB, and odd drafts
through 40 MiB, under the same bound. Sources are files with holes, or chunks that are made;
what has to wait, waits on the disk.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc"
)

MIB = 1 << 20

PROGRAM = """
import io, tempfile
import smimekit
from smimekit import Limits, Protection, Transfer, Trust, stream
from smimekit.algorithms import AES256_CBC, AES256_GCM
from smimekit.testing import FakeCA

for name in smimekit.__all__:
    getattr(smimekit, name)
CA = FakeCA()
ALICE, BOB = CA.person("alice@example.org"), CA.person("bob@example.org")
TRUST = Trust(anchors=[CA.certificate])
FROM = b"From: alice@example.org\\r\\n"
OCTETS = FROM + b"Content-Type: application/octet-stream\\r\\n\\r\\n"
SIZE = {size}

def file(head=OCTETS):
    found = tempfile.TemporaryFile()
    found.write(head)
    found.truncate(len(head) + SIZE)
    found.seek(0)
    return found

def chunks(head=OCTETS, piece=bytes(1 << 16), tail=b""):
    yield head
    for _ in range(SIZE // len(piece)):
        yield piece
    yield tail

class Pipe(io.RawIOBase):
    '''What is written, for somebody who cannot seek in it.'''
    def __init__(self, pieces):
        self._pieces, self._rest = iter(pieces), b""
    def readable(self):
        return True
    def seekable(self):
        return False
    def readinto(self, buffer):
        self._rest = self._rest or next(self._pieces, b"")
        found = self._rest[:len(buffer)]
        self._rest = self._rest[len(found):]
        buffer[:len(found)] = found
        return len(found)

def stored(pieces):
    '''What is written, in a file.'''
    found = tempfile.TemporaryFile()
    found.writelines(pieces)
    found.seek(0)
    return found

def opened(source, more=SIZE):
    '''All facts, and the whole payload once.'''
    with smimekit.open(source, keys=[BOB], trust=TRUST, expect="alice@example.org") as found:
        payload = found.payload(require=Protection.NONE)
        assert sum(map(len, payload.chunks())) > more
        return found.protection, payload.span.source

def peak():
    # Not ru_maxrss: a new program inherits that one from the process which started it.
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024

before = peak()
"""

SHAPES = {
    "clear": "stream.sign({source}, ALICE, transfer={transfer})",
    "opaque": "stream.sign({source}, ALICE, opaque=True, transfer={transfer})",
    "CBC": "stream.encrypt({source}, [BOB], cipher=AES256_CBC, transfer={transfer})",
    "GCM": "stream.encrypt({source}, [BOB], cipher=AES256_GCM, transfer={transfer})",
    "both": "stream.encrypt({source}, [BOB], signer=ALICE, transfer={transfer})",
    "both, GCM": "stream.encrypt({source}, [BOB], signer=ALICE, cipher=AES256_GCM, transfer={transfer})",
}


def grown(code: str, size: int) -> int:
    """By how many bytes the peak of memory grows."""
    program = PROGRAM.replace("{size}", str(size)) + code + "\nprint(peak() - before)\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])


def shape(name: str, source: str, transfer: str) -> str:
    return SHAPES[name].format(source=source, transfer=f"Transfer.{transfer}")


def test_a_gibibyte_signed_from_file_to_file() -> None:
    """The payload is a span of the file that was opened: no octet of it is copied."""
    signed = shape("clear", "file()", "BINARY")
    code = f"""
message = stored({signed})
protection, source = opened(message)
assert protection == Protection.VERIFIED | Protection.INTACT
from smimekit.span import FileSource
assert isinstance(source, FileSource)
"""
    assert grown(code, 1024 * MIB) <= 32 * MIB


def test_a_gibibyte_encrypted_from_chunks_to_a_pipe() -> None:
    """Neither the source nor the message can be read twice: both wait on the disk."""
    encrypted = shape("both, GCM", "chunks()", "BINARY")
    code = f"""
protection, _ = opened(Pipe({encrypted}))
assert protection == Protection.VERIFIED | Protection.CONFIDENTIAL | Protection.INTACT
"""
    assert grown(code, 1024 * MIB) <= 32 * MIB


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "both"])
def test_mail(name: str) -> None:
    """Everything is base64, and some of it twice."""
    code = f"assert opened(stored({shape(name, 'file()', 'MAIL')}))[0]"
    assert grown(code, 128 * MIB) <= 32 * MIB


@pytest.mark.parametrize("name", SHAPES)
def test_binary(name: str) -> None:
    code = f"assert opened(Pipe({shape(name, 'chunks()', 'BINARY')}))[0]"
    assert grown(code, 128 * MIB) <= 32 * MIB


@pytest.mark.parametrize(
    "draft",
    [
        "FROM + b'\\n', b'Gr\\xc3\\xbc\\xc3\\x9fe an alle, die mitlesen. \\n' * 1000",
        "FROM + b'\\n', b'x' * 65536",
        "FROM + b'Content-Type: multipart/mixed; boundary=b\\n\\n--b\\n\\nHi \\n--b\\n' + OCTETS, bytes(65536), b'\\n--b--'",
        "FROM + b'Content-Type: message/rfc822\\n\\n' + OCTETS, bytes(65536)",
        "FROM + b'Content-Transfer-Encoding: base64\\n\\n', b'QUJD' * 16384",
    ],
    ids=["text", "a line without end", "attachment", "forwarded", "base64 in one line"],
)
def test_drafts(draft: str) -> None:
    code = f"""
protection, _ = opened(stored(stream.sign(chunks({draft}), ALICE)))
assert Protection.VERIFIED in protection
"""
    assert grown(code, 40 * MIB) <= 32 * MIB


def test_a_gibibyte_as_a_file() -> None:
    """Bare CMS: signed beside it, and signed and encrypted, from a file and back."""
    code = """
from smimekit import files
source = file(b"")
beside = b"".join(files.sign(source, ALICE, detached=True))
source.seek(0)
payload = files.verify(beside, TRUST, expect="alice@example.org", content=source)
assert len(payload) == SIZE
source.seek(0)
sealed = stored(files.encrypt(source, [BOB], signer=ALICE))
with files.verify(sealed, TRUST, expect="alice@example.org", keys=[BOB]) as payload:
    assert sum(map(len, payload.chunks())) == SIZE
"""
    assert grown(code, 1024 * MIB) <= 32 * MIB


def test_the_command_line(tmp_path: Path) -> None:
    """Signed and encrypted, then opened again, from file to file."""
    code = f"""
import os
os.chdir({str(tmp_path)!r})
from pathlib import Path
from smimekit.cli.app import program
Path("key").write_bytes(ALICE.to_pkcs12("secret"))
Path("password").write_text("secret")
Path("cert").write_bytes(ALICE.certificate.pem())
with open("draft", "wb") as out:
    out.write(OCTETS)
    out.truncate(SIZE)
key = ["--key", "key", "--password-file", "password"]
for command in (["encrypt", "--to", "cert", "draft", "-o", "mail"], ["decrypt", "mail", "-o", "out"]):
    try:
        program.main([*command, *key])
    except SystemExit as ended:
        assert not ended.code
assert Path("out").stat().st_size > SIZE
"""
    assert grown(code, 128 * MIB) <= 32 * MIB


def test_growth_is_seen() -> None:
    """The measure itself: the verb in memory keeps everything, and is noticed."""
    assert grown("smimekit.sign(file(), ALICE)", 64 * MIB) > 32 * MIB
