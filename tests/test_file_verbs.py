"""Files come back as they went in, whatever they are; nobody else's word counts for them."""

import io
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Protection, SmimeError, Trust, files
from smimekit.algorithms import AES256_GCM
from tests.message.people import ALICE, BOB, MALLORY, NOW, alice, ca, person, root

BINARY = bytes(range(256)) * 300 + b"\r\n\n\r"
FORGED = b"From: " + MALLORY.encode() + b"\r\n\r\nA mail, kept as a file.\r\n"


def trust() -> Trust:
    return Trust(anchors=[root().certificate], clock=lambda: NOW)


def whole(chunks: Iterator[bytes]) -> bytes:
    return b"".join(chunks)


def kinds() -> dict[str, bytes]:
    """What a file may be, also such that one who looks into it would find something."""
    mallory = person(MALLORY)
    return {
        "empty": b"",
        "binary": BINARY,
        "mail": FORGED,
        "signed mail": smimekit.sign(FORGED, mallory, at=NOW),
        "signed file": whole(files.sign(b"other", mallory, at=NOW)),
        "encrypted": whole(files.encrypt(b"other", [person(BOB)])),
        "ambiguous mail": b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n",
    }


NAMES = list(kinds())


@pytest.mark.parametrize("name", NAMES)
def test_signed(name: str) -> None:
    content = kinds()[name]
    signed = whole(files.sign(content, alice(), at=NOW))
    payload = files.verify(signed, trust(), expect=ALICE)
    assert payload.bytes() == content
    assert payload.protection == Protection.VERIFIED | Protection.INTACT
    assert [each.certificate for each in payload.signatures] == [alice().certificate]


@pytest.mark.parametrize("name", NAMES)
def test_detached(name: str) -> None:
    content = kinds()[name]
    signature = whole(files.sign(io.BytesIO(content), alice(), detached=True, at=NOW))
    assert len(signature) < 5000
    payload = files.verify(signature, trust(), expect=ALICE, content=io.BytesIO(content))
    assert payload.bytes() == content


@pytest.mark.parametrize("name", NAMES)
def test_encrypted(name: str) -> None:
    content, bob = kinds()[name], person(BOB)
    sealed = whole(files.encrypt(iter([content[:5], content[5:]]), [bob], cipher=AES256_GCM))
    assert files.decrypt(sealed, [bob]).bytes() == content


@pytest.mark.parametrize("name", NAMES)
def test_signed_and_encrypted_is_opened_in_one_step_and_in_two(name: str) -> None:
    content, bob = kinds()[name], person(BOB)
    sealed = whole(files.encrypt(content, [bob], signer=alice(), at=NOW))
    payload = files.verify(sealed, trust(), expect=ALICE, keys=[bob])
    assert payload.bytes() == content
    assert Protection.VERIFIED | Protection.CONFIDENTIAL in payload.protection
    with files.decrypt(sealed, [bob]) as inner:
        assert files.verify(inner.span, trust(), expect=ALICE).bytes() == content


@given(content=st.binary(max_size=300))
def test_any_octets(content: bytes) -> None:
    signed = whole(files.sign(content, alice(), at=NOW))
    assert files.verify(signed, trust(), expect=ALICE).bytes() == content


# --- what is refused -----------------------------------------------------------------------


def refused(reading: Callable[[], object]) -> str:
    with pytest.raises(SmimeError) as caught:
        reading()
    return caught.value.code


def test_another_signer() -> None:
    signed = whole(files.sign(BINARY, person(MALLORY), at=NOW))
    assert refused(lambda: files.verify(signed, trust(), expect=ALICE)) == "wrong-sender"
    assert files.verify(signed, trust(), expect=None).bytes() == BINARY  # anybody who is trusted


def test_nobody_who_is_trusted() -> None:
    signed = whole(files.sign(BINARY, alice(), at=NOW))
    nobody = Trust(clock=lambda: NOW)
    assert refused(lambda: files.verify(signed, nobody, expect=None)) == "untrusted-signer"


def test_a_signature_in_the_file_speaks_for_nobody_who_encrypted_it() -> None:
    """What Alice signed as a mail, and Mallory encrypted as a file, is a file of nobody's."""
    kept = smimekit.sign(b"From: " + ALICE.encode() + b"\r\n\r\nHello\r\n", alice(), at=NOW)
    sealed = whole(files.encrypt(kept, [person(BOB)]))
    reading = lambda: files.verify(sealed, trust(), expect=ALICE, keys=[person(BOB)])  # noqa: E731
    assert refused(reading) == "not-signed"


def test_a_signature_around_the_encryption_does_not_count() -> None:
    signed = whole(files.sign(whole(files.encrypt(BINARY, [person(BOB)])), alice(), at=NOW))
    assert refused(lambda: files.decrypt(signed, [person(BOB)])) == (
        "insufficient-protection.not-encrypted"
    )


def test_a_changed_file() -> None:
    signature = whole(files.sign(BINARY, alice(), detached=True, at=NOW))
    reading = lambda: files.verify(signature, trust(), expect=ALICE, content=BINARY + b"!")  # noqa: E731
    assert refused(reading) == "content-changed.content"


def test_another_key() -> None:
    sealed = whole(files.encrypt(BINARY, [person(BOB)]))
    assert refused(lambda: files.decrypt(sealed, [alice()])) == "no-matching-key"


@pytest.mark.parametrize("mail", [FORGED, b"", b"\x30\x80"], ids=["mail", "nothing", "stub"])
def test_what_is_no_cms_around_a_file(mail: bytes) -> None:
    for reading in (
        lambda: files.verify(mail, trust(), expect=None),
        lambda: files.decrypt(mail, [alice()]),
    ):
        assert refused(reading).startswith("cms.")


def test_a_mail_says_so() -> None:
    signed = smimekit.sign(FORGED, person(MALLORY), at=NOW)
    assert refused(lambda: files.verify(signed, trust(), expect=MALLORY)) == "cms.not-bare"


def test_the_wrong_time() -> None:
    naive = NOW.replace(tzinfo=None)
    signed = whole(files.sign(BINARY, alice(), at=NOW))
    assert refused(lambda: files.verify(signed, trust(), expect=None, at=naive)).startswith("usage")


def test_a_source_that_fails_leaves_nothing_that_verifies() -> None:
    class Broken(io.BytesIO):
        asked = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.asked += 1
            if size and self.asked > 3:
                raise OSError("The disk is gone.")
            return super().read(size)

    written = io.BytesIO()
    signing = files.sign(Broken(bytes(1 << 22)), alice(), at=NOW)
    with pytest.raises(OSError, match="gone"):
        written.writelines(signing)
    assert written.tell() > 1 << 16
    assert refused(lambda: files.verify(written.getvalue(), trust(), expect=None)).startswith(
        "cms."
    )


def test_the_chain_goes_along() -> None:
    signed = whole(files.sign(BINARY, alice(), at=NOW))
    (signature,) = files.verify(signed, trust(), expect=ALICE).signatures
    assert signature.judgement is not None
    assert ca().certificate in signature.judgement.path
