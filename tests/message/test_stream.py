"""The sending verbs in streams: the same messages as from the verbs in memory, whatever comes
in however it is cut; and nothing that could pass for a message where something goes wrong.
"""

import io
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Credential, PolicyError, Protection, SmimeError, Transfer, UsageError, stream
from smimekit.algorithms import AES256_CBC, AES256_CCM, AES256_GCM, DES_EDE3_CBC
from smimekit.message import source
from smimekit.message.spool import Spool
from smimekit.testing import FakeCA
from tests.interop.messages import split_signed
from tests.interop.peers import OpenSsl, Refused
from tests.message.people import ALICE, NOW, alice, bob, ca, draft, entity, root, trust

HEAD = b"From: alice@example.org\nSubject: A report\nContent-Type: text/plain; charset=utf-8\n\n"
LONG = HEAD + "Ein Bericht über Zeilen, \nund mehr davon.\n".encode() * 9_000
AT = ("-attime", str(int(NOW.timestamp())))
BINARY = b"Content-Type: application/octet-stream\n\n" + bytes(range(256)) * 1_000


class Pipe(io.RawIOBase):
    """A binary file that cannot seek, and gives a few octets at a time."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        some = self._file.read(min(len(buffer), 1_001))
        buffer[: len(some)] = some
        return len(some)


def octets(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def positioned(data: bytes) -> BinaryIO:
    file = io.BytesIO(b"skipped" + data)
    file.seek(7)
    return file


SOURCES: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes, "file": io.BytesIO, "pipe": Pipe, "octets": octets, "positioned": positioned,
    "chunks": lambda data: [b"", data[:5], b"", data[5:]],
}  # fmt: skip
Verb = Callable[..., Iterator[bytes]]
STREAMS: dict[str, Verb] = {
    "clear": lambda source, **more: stream.sign(source, alice(), **more),
    "opaque": lambda source, **more: stream.sign(source, alice(), opaque=True, **more),
    "CBC": lambda source, **more: stream.encrypt(source, [bob()], cipher=AES256_CBC, **more),
    "GCM": lambda source, **more: stream.encrypt(source, [bob()], cipher=AES256_GCM, **more),
    "both": lambda source, **more: stream.encrypt(source, [bob()], signer=alice(), **more),
}
IN_MEMORY: dict[str, Callable[..., bytes]] = {
    "clear": lambda source, **more: smimekit.sign(source, alice(), **more),
    "opaque": lambda source, **more: smimekit.sign(source, alice(), opaque=True, **more),
    "CBC": lambda source, **more: smimekit.encrypt(source, [bob()], cipher=AES256_CBC, **more),
    "GCM": lambda source, **more: smimekit.encrypt(source, [bob()], cipher=AES256_GCM, **more),
    "both": lambda source, **more: smimekit.encrypt(source, [bob()], signer=alice(), **more),
}
shapes = pytest.mark.parametrize("shape", STREAMS)
transfers = pytest.mark.parametrize("transfer", Transfer)


def body(message: bytes) -> bytes:
    """What it says; the fields before it may be more than those of the draft (RFC 9788)."""
    return message.partition(b"\r\n\r\n")[2]


def payload(mail: bytes) -> bytes:
    with smimekit.open(mail, keys=[bob()], trust=trust(), expect=ALICE) as opened:
        assert opened.protection
        return opened.payload(require=Protection.NONE).bytes()


@shapes
@transfers
@pytest.mark.parametrize("source", SOURCES)
def test_the_same_as_in_memory(shape: str, transfer: Transfer, source: str) -> None:
    for data in (LONG, BINARY):
        wanted = payload(IN_MEMORY[shape](data, transfer=transfer))
        chunks = list(STREAMS[shape](SOURCES[source](data), transfer=transfer))
        assert payload(b"".join(chunks)) == wanted
        assert max(map(len, chunks)) < 200_000


@shapes
@given(
    st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b" ", b"From ", b"\xc3", b"x" * 999, b"--"])),
    st.integers(1, 7),
)
def test_any_cut_of_any_text_gives_the_same(shape: str, pieces: list[bytes], size: int) -> None:
    data = HEAD + b"".join(pieces)
    cut = (data[at : at + size] for at in range(0, len(data), size))
    found = payload(b"".join(STREAMS[shape](cut)))
    assert found == payload(IN_MEMORY[shape](data))


def test_it_is_written_as_it_comes() -> None:
    out = io.BytesIO()
    out.writelines(stream.encrypt(io.BytesIO(draft()), to=[bob()], signer=alice()))
    found = smimekit.verify(out.getvalue(), trust(), keys=[bob()]).bytes()
    assert body(found) == body(entity())


# --- what is wrong is said before the first octet ------------------------------------------


class Unread:
    """A source that nobody may touch."""

    def __iter__(self) -> Iterator[bytes]:
        pytest.fail("the source was read before the keys were looked at")


@pytest.mark.parametrize(
    "begin, kind",
    [
        (lambda source: stream.sign(source, ca().encrypt_only(ALICE)), UsageError),
        (lambda source: stream.sign(source, ca().weak_key(ALICE)), PolicyError),
        (lambda source: stream.sign(source, []), UsageError),
        (lambda source: stream.encrypt(source, []), UsageError),
        (lambda source: stream.encrypt(source, [ca().sign_only(ALICE)]), UsageError),
        (lambda source: stream.encrypt(source, [bob()], signer=ca().weak_key(ALICE)), PolicyError),
        (lambda source: stream.encrypt(source, [bob()], cipher=DES_EDE3_CBC), PolicyError),
    ],
)
def test_keys_are_looked_at_first(begin: Verb, kind: type[SmimeError]) -> None:
    with pytest.raises(kind):
        begin(Unread())


@shapes
@pytest.mark.parametrize(
    "source",
    [
        b"From: a@b\nFrom: c@d\n\n",
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nno end\n",
        b"Content-Transfer-Encoding: base64\n\n!" + b"x" * 999,
        b"X: a\0b\n\nx",
        "text", io.StringIO("text"), ["text"], None,
    ],
)  # fmt: skip
def test_drafts_are_looked_at_before_the_first_octet(shape: str, source: Any) -> None:
    with pytest.raises(SmimeError):
        STREAMS[shape](source)


def test_a_cipher_that_is_only_read_is_refused_at_once() -> None:
    with pytest.raises(UsageError) as error:
        stream.encrypt(draft(), [bob()], cipher=AES256_CCM)
    assert error.value.code == "usage.cipher"


# --- what stops half-way -------------------------------------------------------------------


class Broken(Exception):
    """What a source raises that cannot go on."""


class Breaking(io.BytesIO):
    """A file whose second half can no longer be read, once it is broken."""

    broken = False

    def read(self, size: int | None = -1) -> bytes:
        if self.broken and self.tell() > len(self.getvalue()) // 2:
            raise Broken
        return super().read(size)


def written(chunks: Iterator[bytes]) -> bytes:
    """What had been written when the source broke."""
    out = io.BytesIO()
    with pytest.raises(Broken):
        out.writelines(chunks)
    return out.getvalue()


def is_refused(mail: bytes) -> None:
    """Neither opens what there is of it, nor says that it was signed."""
    with pytest.raises(SmimeError):
        smimekit.verify(mail, trust(), keys=[bob()], expect=ALICE)
    with pytest.raises(SmimeError):
        smimekit.decrypt(mail, [bob()])


def openssl_refuses(openssl: OpenSsl, mail: bytes) -> None:
    with pytest.raises(Refused):
        openssl.verify(mail, root().certificate, *AT)
    with pytest.raises(Refused):
        openssl.decrypt(mail, bob())


def openssl_reads(openssl: OpenSsl, shape: str, mail: bytes) -> bytes:
    """What it makes of a whole message: the other tests could not fail, did it read none."""
    if shape in {"clear", "opaque"}:
        return openssl.verify(mail, root().certificate, *AT)
    inside = openssl.decrypt(mail, bob())
    return openssl_reads(openssl, "clear", inside) if shape == "both" else inside


@shapes
@transfers
@pytest.mark.parametrize("data", [LONG, BINARY], ids=["text", "binary"])
def test_a_file_that_breaks_leaves_no_message(
    shape: str, transfer: Transfer, data: bytes, openssl: OpenSsl
) -> None:
    file = Breaking(data)
    chunks = STREAMS[shape](file, transfer=transfer)
    file.broken = True
    mail = written(chunks)
    assert len(mail) > 50_000
    is_refused(mail)
    openssl_refuses(openssl, mail)


@shapes
@pytest.mark.parametrize("kind", [Broken, OSError, KeyboardInterrupt])
def test_an_iterable_that_breaks_gives_nothing(shape: str, kind: type[BaseException]) -> None:
    def chunks() -> Iterator[bytes]:
        yield LONG[: len(LONG) // 2]
        raise kind

    with pytest.raises(kind):
        STREAMS[shape](chunks())


@shapes
@transfers
def test_no_beginning_of_a_message_is_one(shape: str, transfer: Transfer, openssl: OpenSsl) -> None:
    """Wherever a writer stops: all but the last chunk is no message."""
    chunks = list(STREAMS[shape](draft(), transfer=transfer))
    assert len(chunks) > 1
    for end in range(1, len(chunks)):
        mail = b"".join(chunks[:end])
        is_refused(mail)
        openssl_refuses(openssl, mail)
    whole = b"".join(chunks)
    assert body(payload(whole)) == body(entity())
    if transfer is Transfer.MAIL:  # it reads no CMS that is not in base64 out of a mail
        assert openssl_reads(openssl, shape, whole) == payload(whole)


def test_a_signer_that_fails_leaves_no_message() -> None:
    def no_answer(signature: bytes) -> bytes:
        raise Broken

    mail = written(stream.sign(draft(), smimekit.Signer(alice(), timestamp=no_answer)))
    assert body(entity()) in mail
    is_refused(mail)


@shapes
def test_a_file_that_shrinks(shape: str) -> None:
    """Half of it would be signed, and pass for the whole."""
    file = io.BytesIO(LONG)
    chunks = STREAMS[shape](file)
    file.truncate(len(LONG) // 2)
    with pytest.raises(UsageError) as error:
        list(chunks)
    assert error.value.code == "usage.file-changed"


@shapes
def test_a_file_that_changes(shape: str) -> None:
    """What is signed is what was written, even where that is not what was examined."""
    file = io.BytesIO(HEAD + b"one line\n" * 40_000)
    chunks = STREAMS[shape](file)
    first = [next(chunks), next(chunks)]
    with file.getbuffer() as changed:
        changed[len(HEAD) :] = b"ONE LINE\n" * 40_000
    mail = b"".join([*first, *chunks])
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert all(each.integrity == "good" for each in opened.signatures)
        assert b"ONE LINE" in opened.payload(require=Protection.NONE).bytes()


# --- spools --------------------------------------------------------------------------------


@pytest.fixture
def spools(monkeypatch: pytest.MonkeyPatch) -> list[Spool]:
    """Every spool of a draft that is made."""
    made: list[Spool] = []

    def remembered(memory: int, *, encrypted: bool) -> Spool:
        made.append(Spool(memory, encrypted=encrypted))
        return made[-1]

    monkeypatch.setattr(source, "Spool", remembered)
    return made


def is_closed(spool: Spool) -> bool:
    try:
        spool.read(0, 0)
    except UsageError as error:
        return error.code == "usage.closed"
    return False


@shapes
def test_the_spool_is_closed_at_the_end(shape: str, spools: list[Spool]) -> None:
    chunks = STREAMS[shape](octets(draft()))
    [spool] = spools
    assert not is_closed(spool)
    assert b"".join(chunks)
    assert is_closed(spool)


@shapes
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_the_spool_is_closed_with_the_chunks(shape: str, taken: int, spools: list[Spool]) -> None:
    chunks = stream.sign(octets(draft()), alice())
    for _ in range(taken):
        next(chunks)
    chunks.close()
    assert is_closed(spools[0])
    assert list(chunks) == []


@shapes
def test_the_spool_is_closed_on_errors(shape: str, spools: list[Spool]) -> None:
    with pytest.raises(SmimeError):
        STREAMS[shape](octets(b"From: a@b\nFrom: c@d\n\n"))
    assert is_closed(spools[0])


def test_a_file_stays_open() -> None:
    file = io.BytesIO(draft())
    list(stream.sign(file, alice()))
    stream.sign(file, alice()).close()
    assert not file.closed


# --- for transports that change nothing ----------------------------------------------------


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (BINARY, b"binary"),
        (b"Content-Type: text/plain; charset=utf-8\n\nGr\xc3\xbc\xc3\x9fe \n", b"binary"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: 8bit\n\nascii\n", b"7bit"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + BINARY + b"\n--b--\n", b"binary"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n", b"7bit"),
        (b"Content-Type: message/rfc822\n\nSubject: x\n\n\xff\n", b"binary"),
        (b"Content-Type: message/delivery-status\n\nX: \xff\n", b"binary"),
    ],
)
def test_binary_parts_say_so(data: bytes, label: bytes) -> None:
    """RFC 2045, 6.4: a composite part is at least as permissive as what is in it."""
    found = payload(smimekit.sign(data, alice(), transfer=Transfer.BINARY))
    head = found.partition(b"\r\n\r\n")[0].lower()
    labels = re.findall(rb"content-transfer-encoding: (\w+)", head)
    assert (labels or [b"7bit"]) == [label]


@shapes
def test_nothing_is_base64_for_a_binary_transport(shape: str) -> None:
    mail = IN_MEMORY[shape](BINARY, transfer=Transfer.BINARY)
    head = mail.partition(b"\r\n\r\n")[0]
    assert b"Content-Transfer-Encoding: binary" in head
    assert len(mail) < len(BINARY) * 1.05
    assert payload(mail).endswith(bytes(range(256)) * 1_000)


def test_openssl_reads_what_is_made_for_a_binary_transport(openssl: OpenSsl) -> None:
    """Its own reader of mail knows lines only, so it is given the two parts."""
    content, signature = split_signed(IN_MEMORY["clear"](BINARY, transfer=Transfer.BINARY))
    options = ("-binary", *AT)
    found = openssl.verify(signature, root().certificate, *options, form="der", content=content)
    assert found == content
    assert content.endswith(bytes(range(256)))


def test_signed_binary_parts_keep_their_octets() -> None:
    """What somebody signed for a binary transport may hold LF that are no line breaks."""
    signed = smimekit.sign(BINARY, alice(), transfer=Transfer.BINARY)
    for transfer in Transfer:
        mail = smimekit.encrypt(signed, [bob()], transfer=transfer)
        assert payload(mail).endswith(bytes(range(256)) * 1_000)


@pytest.fixture(scope="module")
def openssl(require_program: Callable[[str], str]) -> OpenSsl:
    return OpenSsl(require_program("openssl"))


def test_who_is_not_trusted_in_memory_is_not_in_streams() -> None:
    stranger: Credential = FakeCA("Stranger").person(ALICE)
    mail = b"".join(stream.sign(octets(draft()), stranger))
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(mail, trust())
