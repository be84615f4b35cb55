"""Content of any length: memory does not grow with it, and counts do not overflow.

Each case runs in a process of its own, whose peak of resident memory is taken before and
after (VmHWM, in KiB: Linux). The content is generated, and never whole anywhere.
"""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc"
)

MIB = 1 << 20

PREAMBLE = """
from smimekit import der
from smimekit.algorithms import AES256_CBC, AES256_GCM, CHACHA20_POLY1305, SHA256, RsaPadding, ecdsa
from smimekit.cms.ber import BerReader
from smimekit.cms.content import DATA, SIGNED_DATA, ENVELOPED_DATA, enter_content
from smimekit.cms.enveloped import EnvelopedReader, enveloped_data_stream, new_content_key
from smimekit.cms.signed import Digests, read_signed_data
from smimekit.cms.signer import Integrity, check_signer
from smimekit.cms.signing import ContentSigner, DetachedForm, digests_for, sign_opaque_stream
from smimekit.cms.wrapping import unwrap, wrap_for
from smimekit.limits import Limits
from smimekit.policy import Policy
from smimekit.span import CHUNK
from smimekit.testing import FakeCA

LIMITS = Limits()
ALICE = FakeCA().person("alice@example.org")
CERTIFICATE = ALICE.certificate
SCHEME = ecdsa(SHA256)
SIZE = {size}
PIECE = bytes(1 << 16)
SEGMENT = der.octet_string(bytes(CHUNK))[:-CHUNK]

def content():
    for _ in range(SIZE // len(PIECE)):
        yield PIECE

class Counted:
    '''A sink that keeps nothing but its length.'''
    size = 0
    def write(self, data):
        self.size += len(data)
    def chunks(self):
        return iter(())

SIGNERS = (ContentSigner(CERTIFICATE, ALICE.key, SCHEME),)

def digests():
    found = digests_for(SIGNERS)
    for chunk in content():
        found.update(chunk)
    return found

def opaque():
    return sign_opaque_stream(content(), SIGNERS, (CERTIFICATE.der,))

def definite(tag, length):
    octets = length.to_bytes(8, "big")
    return bytes((tag, 0x88)) + octets

def opaque_definite():
    '''The same with definite lengths throughout, each in eight octets (X.690, 8.1.3.5).'''
    info = SIGNERS[0].sign(digests())
    tail = der.set_of((CERTIFICATE.der,), 0xA0) + der.set_of((info,))
    head = der.integer(1) + der.set_of((SHA256.identifier.encode(),))
    octets = definite(0x04, SIZE)
    explicit = definite(0xA0, len(octets) + SIZE)
    oid = der.oid(DATA)
    encapsulated = definite(0x30, len(oid) + len(explicit) + len(octets) + SIZE)
    inner = len(head) + len(encapsulated) + len(oid) + len(explicit) + len(octets) + SIZE + len(tail)
    signed = definite(0x30, inner)
    outer = definite(0xA0, len(signed) + inner)
    whole = der.oid(SIGNED_DATA) + outer + signed
    yield definite(0x30, len(whole) + inner) + whole
    yield head + encapsulated + oid + explicit + octets
    yield from content()
    yield tail

def verify(stream):
    reader = BerReader(stream, limits=LIMITS)
    enter_content(reader)
    sink = Counted()
    data, found = read_signed_data(reader, sink, limits=LIMITS)
    reader.leave(); reader.leave(); reader.finish()
    [one] = data.signers
    assert sink.size == SIZE
    assert check_signer(one, CERTIFICATE, data.content_type, found).integrity is Integrity.GOOD

def verify_detached():
    signature = DetachedForm.of((SCHEME,), (CERTIFICATE.der,)).sign(digests(), SIGNERS)
    reader = BerReader((signature,), limits=LIMITS)
    enter_content(reader)
    data, _ = read_signed_data(reader, Counted(), limits=LIMITS)
    assert data.detached
    [one] = data.signers
    assert check_signer(one, CERTIFICATE, DATA, Digests((), content)).integrity is Integrity.GOOD

def encrypted(cipher):
    key = new_content_key(cipher)
    return enveloped_data_stream(content(), cipher, key, [wrap_for(CERTIFICATE, key, RsaPadding())])

def encrypted_definite(cipher):
    '''The same with definite lengths throughout, each in eight octets.'''
    stream = encrypted(cipher)
    outer = next(stream)          # SEQUENCE, type, [0]; lengths to come
    oid = outer[2:-2]
    inner = next(stream)          # SEQUENCE, version and recipients, SEQUENCE, type and cipher
    fields = der.Reader(inner[2:])
    before = fields.raw() + fields.raw()
    begin = inner[2 + len(before) + 2:]
    ciphertext = SIZE if cipher.authenticated else SIZE + 16
    tag = 18 if cipher.authenticated else 0
    octets = definite(0x80, ciphertext)
    content_info = definite(0x30, len(begin) + len(octets) + ciphertext)
    size = len(before) + len(content_info) + len(begin) + len(octets) + ciphertext + tag
    data = definite(0x30, size)
    explicit = definite(0xA0, len(data) + size)
    yield definite(0x30, len(oid) + len(explicit) + len(data) + size)
    yield oid + explicit + data + before + content_info + begin + octets
    assert next(stream) == bytes((0xA0, 0x80))
    for begin in stream:          # a segment's header, or a shorter segment with its header
        if begin[0] != 0x04:      # the end of the string
            break
        yield next(stream) if begin == SEGMENT else der.Reader(begin).octets()
    yield next(stream)[2:][:tag]  # behind the end of the EncryptedContentInfo

def decrypt(stream):
    reader = BerReader(stream, limits=LIMITS)
    envelope = EnvelopedReader(reader, enter_content(reader), limits=LIMITS)
    key = unwrap(envelope.recipients, CERTIFICATE, ALICE.key, size=envelope.key_size, attempts=4)
    sink = Counted()
    envelope.decrypt(key, Policy.INTEROP, sink)
    reader.leave(); reader.leave(); reader.finish()
    assert sink.size == SIZE

def peak():
    # Not ru_maxrss: a new program inherits that one from the process which started it.
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1])
"""

CASES = {
    "opaque signed, indefinite": "verify(opaque())",
    "opaque signed, definite": "verify(opaque_definite())",
    "detached signed": "verify_detached()",
    "encrypted, CBC": "decrypt(encrypted(AES256_CBC))",
    "encrypted, GCM": "decrypt(encrypted(AES256_GCM))",
    "encrypted, ChaCha20": "decrypt(encrypted(CHACHA20_POLY1305))",
    "encrypted, CBC, definite": "decrypt(encrypted_definite(AES256_CBC))",
    "encrypted, GCM, definite": "decrypt(encrypted_definite(AES256_GCM))",
}


def growth(case: str, size: int) -> int:
    """By how many bytes the peak of memory grows while a case runs on `size` bytes."""
    program = PREAMBLE.replace("{size}", str(size)) + textwrap.dedent(
        f"""
        small = SIZE
        SIZE = 1 << 17
        {case}
        before = peak()
        SIZE = small
        {case}
        print((peak() - before) * 1024)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_memory_does_not_grow_with_the_content(case: str) -> None:
    """At most 32 MiB over the baseline, for 1 GiB."""
    assert growth(CASES[case], 1024 * MIB) <= 32 * MIB


def test_counts_do_not_overflow() -> None:
    """5 GiB: more than 32 bits of length, definite and indefinite."""
    size = 5 * 1024 * MIB
    assert growth(CASES["opaque signed, definite"], size) <= 32 * MIB
    assert growth("decrypt(encrypted(AES256_GCM))", size) <= 32 * MIB


def test_growth_is_seen() -> None:
    """The measure itself: keeping everything is noticed."""
    assert growth("kept = list(bytes(chunk) + b'x' for chunk in content())", 64 * MIB) > 32 * MIB
