"""Records without truth value, the one door to the content, and what remains after closing."""

import base64
import gc
import io
import os
import tempfile
import traceback
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import smimekit
from smimekit import (
    ContentChanged,
    DecryptionError,
    InsufficientProtection,
    Limits,
    NoMatchingKey,
    NotSigned,
    Policy,
    Protection,
    UntrustedSigner,
    UsageError,
    WrongSender,
)
from smimekit.algorithms import AES256_GCM
from smimekit.message.layers import Compressed, Encrypted, Signed
from smimekit.message.opened import Payload
from smimekit.message.spool import Spool
from smimekit.span import Span
from tests.message.people import (
    ALICE,
    alice,
    bare_enveloped,
    bob,
    draft,
    encrypted_entity,
    mallory,
    mime,
    trust,
)

SMALL = replace(Policy.INTEROP, limits=Limits(spool_memory=1000))
LONG = "\r\n".join(["x" * 70] * 80)
SECRET = b"the secret of the plan "


def signed(**options: Any) -> bytes:
    return smimekit.sign(draft(), alice(), **options)


def both() -> bytes:
    return smimekit.encrypt(draft(), [bob().certificate], signer=alice())


# --- no truth value ------------------------------------------------------------------------


def test_records_have_no_truth_value() -> None:
    """`if verify(...)` reads like a check and is none: success is a value, not a truth."""
    with smimekit.open(both(), keys=[bob()], trust=trust()) as opened:
        outer, inner = opened.envelope
        payload = opened.payload(require=Protection.VERIFIED)
        harvest = smimekit.harvest(opened)
        [signature] = opened.signatures
        compressed = Compressed(algorithm="zlib", content=Span.of(b""))
        for record in (
            opened, outer, inner, payload, signature, signature.judgement, harvest, compressed,
        ):  # fmt: skip
            with pytest.raises(TypeError):
                bool(record)


def test_what_is_required_is_always_said() -> None:
    with smimekit.open(signed(), trust=trust()) as opened:
        with pytest.raises(TypeError):
            opened.payload()  # type: ignore[call-arg]  # the point
        with pytest.raises(TypeError):
            opened.payload(Protection.NONE)  # type: ignore[call-arg]  # the point
        with pytest.raises(TypeError):
            opened.inside(opened.envelope[0])  # type: ignore[call-arg]  # the point
    with pytest.raises(TypeError):
        smimekit.open(signed())  # type: ignore[call-arg]  # the point


def test_a_repr_shows_no_content() -> None:
    with smimekit.open(both(), keys=[bob()], trust=trust()) as opened:
        payload = opened.payload(require=Protection.VERIFIED)
        assert "plan" not in repr(payload)
        assert "plan" not in repr(opened)
        assert str(len(payload)) in repr(payload)


# --- the door ------------------------------------------------------------------------------


def test_it_says_what_is_missing() -> None:
    with smimekit.open(draft(), trust=trust()) as opened:
        with pytest.raises(InsufficientProtection, match="not signed"):
            opened.payload(require=Protection.VERIFIED)
        with pytest.raises(InsufficientProtection, match="not encrypted"):
            opened.payload(require=Protection.CONFIDENTIAL)
        with pytest.raises(InsufficientProtection, match=r"not encrypted.*not signed"):
            opened.payload(require=Protection.VERIFIED | Protection.CONFIDENTIAL)
        assert opened.payload(require=Protection.NONE).bytes() == draft()


def test_it_says_what_is_missing_from_an_unauthenticated_encryption() -> None:
    mail = smimekit.encrypt(draft(), [bob().certificate])
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        with pytest.raises(InsufficientProtection, match="left alone"):
            opened.payload(require=Protection.INTACT)
        payload = opened.payload(require=Protection.CONFIDENTIAL)
        assert payload.protection == Protection.CONFIDENTIAL
        assert payload.signatures == ()


def test_what_could_not_be_decrypted_has_no_content_whatever_is_required() -> None:
    mail = both()
    with smimekit.open(mail, trust=trust()) as opened:
        assert opened.protection == Protection.NONE
        assert opened.errant == ()
        for require in (Protection.NONE, Protection.CONFIDENTIAL, Protection.VERIFIED):
            with pytest.raises(NoMatchingKey):
                opened.payload(require=require)


def test_what_stands_around_a_layer_that_could_not_be_opened() -> None:
    """The signed ciphertext may be had, but under no protection at all."""
    outer = smimekit.sign(both(), alice())
    with smimekit.open(outer, trust=trust()) as opened:
        layer = opened.envelope[0]
        assert isinstance(layer, Signed)
        inside = opened.inside(layer, require=Protection.NONE)
        assert b"pkcs7-mime" in inside.bytes()
        assert inside.protection == Protection.NONE
        assert inside.signatures == ()
        with pytest.raises(NoMatchingKey):
            opened.inside(layer, require=Protection.VERIFIED)


def test_a_layer_of_another_message_is_refused() -> None:
    """Else one message's content would leave under another one's protection."""
    bad = signed().replace(b"The plan is on", b"The plan is off")
    with (
        smimekit.open(signed(), trust=trust()) as good,
        smimekit.open(bad, trust=trust()) as other,
        pytest.raises(UsageError) as error,
    ):
        good.inside(other.envelope[0], require=Protection.VERIFIED)
    assert error.value.code == "usage.layer"


def test_the_payload_names_only_the_signatures_that_count() -> None:
    """RFC 9787, 5.2: a signature around an encryption can be stripped and replaced."""
    mail = smimekit.sign(both(), mallory())
    with smimekit.open(mail, keys=[bob()], trust=trust(), expect="mallory@evil.example") as opened:
        outer, inner = opened.signatures
        assert outer.intact
        assert outer.trusted
        assert outer.by_sender
        payload = opened.payload(require=Protection.CONFIDENTIAL)
        assert Protection.VERIFIED not in payload.protection
        assert payload.signatures == ()
        assert not inner.by_sender


# --- why not -------------------------------------------------------------------------------


def test_the_closest_reason_is_given() -> None:
    wrong = smimekit.sign(draft(ALICE), mallory())
    with smimekit.open(wrong, trust=trust()) as opened:
        assert isinstance(opened.verification_error(), WrongSender)
    with smimekit.open(wrong, trust=smimekit.Trust()) as opened:
        assert isinstance(opened.verification_error(), UntrustedSigner)
    changed = wrong.replace(b"is on", b"is off")
    with smimekit.open(changed, trust=trust()) as opened:
        assert isinstance(opened.verification_error(), ContentChanged)
    with smimekit.open(draft(), trust=trust()) as opened:
        assert isinstance(opened.verification_error(), NotSigned)


def test_a_signature_outside_only_is_named_as_such() -> None:
    outside = smimekit.sign(smimekit.encrypt(draft(), [bob().certificate]), alice())
    with pytest.raises(NotSigned) as error:
        smimekit.verify(outside, trust(), keys=[bob()])
    assert error.value.code == "not-signed.outside-encryption"


# --- closing -------------------------------------------------------------------------------


@pytest.mark.parametrize("mail", [signed, both, draft], ids=["signed", "both", "plain"])
@pytest.mark.parametrize("policy", [Policy.INTEROP, SMALL], ids=["memory", "file"])
def test_a_closed_message_gives_no_content(mail: Callable[[], bytes], policy: Policy) -> None:
    """Wherever its content waits: what works with one message must not fail with the next."""
    with smimekit.open(mail(), keys=[bob()], trust=trust(), policy=policy) as opened:
        payload = opened.payload(require=Protection.NONE)
        size = len(payload)
    facts = opened.envelope, opened.protection, opened.signatures
    assert facts[1] == opened.protection
    assert len(payload) == size
    attempts: list[Callable[[], object]] = [
        payload.bytes,
        lambda: list(payload.chunks()),
        lambda: payload.write_to(io.BytesIO()),
        lambda: payload.span,
        lambda: opened.payload(require=Protection.NONE),
    ]
    attempts += (partial(opened.inside, each, require=Protection.NONE) for each in opened.envelope)
    for attempt in attempts:
        with pytest.raises(UsageError) as error:
            attempt()
        assert error.value.code == "usage.closed"
    opened.close()


def test_a_payload_keeps_its_message() -> None:
    payload = smimekit.verify(both(), trust(), keys=[bob()], policy=SMALL)
    gc.collect()
    assert payload.bytes() == encrypted_entity()


def test_a_payload_takes_its_file_with_it() -> None:
    """`verify` and `decrypt` give nothing to close, so nothing may be left open behind them."""
    mail = smimekit.encrypt(draft(text=LONG), [bob().certificate], signer=alice())
    before = open_files()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        payload = smimekit.verify(mail, trust(), keys=[bob()], policy=SMALL)
        assert open_files() > before
        assert len(payload) > 5000
        del payload
        gc.collect()
    assert open_files() == before


@pytest.mark.parametrize("where", [b"is on", b"From: alice"])
def test_a_failure_leaves_no_file_open(where: bytes) -> None:
    mail = smimekit.sign(draft(text="is on" + LONG), alice()).replace(where, b"tampered")
    mail = smimekit.encrypt(mail, [bob().certificate])
    before = open_files()
    with pytest.raises(smimekit.SmimeError) as error:
        smimekit.verify(mail, trust(), keys=[bob()], policy=SMALL)
    assert open_files() == before
    assert "xxx" not in str(error.value)


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


# --- decryption errors ---------------------------------------------------------------------


def test_decryption_errors_tell_no_cause() -> None:
    """RFC 3218: whoever can tell one failure from another can decrypt by asking often."""
    good = bare_enveloped(draft(text=SECRET.decode() * 40), bob())
    failures = []
    for at in (-1, -17, -700):  # the padding, its last octet and no other, the middle
        bad = bytearray(good)
        bad[at] ^= 0x55
        with smimekit.open(bytes(bad), keys=[bob()], trust=trust()) as opened:
            [layer] = opened.envelope
            assert isinstance(layer, Encrypted)
            if layer.failure is not None:
                failures.append(layer.failure)
    assert failures  # by the second at least: the others fit the padding once in 256
    for failure in failures:
        assert type(failure) is DecryptionError
        assert str(failure) == "The message could not be decrypted."
        assert failure.__cause__ is None
        assert failure.__context__ is None
        # A traceback holds the frames, and they the key and what was decrypted so far.
        assert failure.__traceback__ is None


def test_the_error_of_decrypt_holds_nothing_of_the_message() -> None:
    bad = bytearray(bare_enveloped(SECRET * 40, bob(), cipher=AES256_GCM))
    bad[-1] ^= 0x55
    with pytest.raises(DecryptionError) as error:
        smimekit.decrypt(bytes(bad), [bob()])
    shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    assert "ContentKey(" not in "".join(shown.format())
    assert SECRET.decode() not in "".join(shown.format())


def test_nothing_leaves_before_the_tag_is_checked() -> None:
    """RFC 5083, 2.2; RFC 5116, 2.2: nothing but FAIL where the tag does not fit."""
    good = smimekit.encrypt(draft(), [bob().certificate], policy=Policy.MODERN)
    cms = mime_body(good)
    for at in (-1, -16, -30):  # the tag, then the ciphertext
        bad = bytearray(cms)
        bad[at] ^= 1
        with smimekit.open(
            mime(bytes(bad), "authEnveloped-data"), keys=[bob()], trust=trust()
        ) as o:
            [layer] = o.envelope
            assert isinstance(layer, Encrypted)
            if layer.failure is None:
                pytest.fail(f"octet {at} of {len(cms)} is not covered")
            assert layer.content is None
            assert layer.opened_with is None
            with pytest.raises(DecryptionError):
                o.payload(require=Protection.NONE)


def mime_body(mail: bytes) -> bytes:
    return base64.b64decode(mail.partition(b"\r\n\r\n")[2])


# --- the spool -----------------------------------------------------------------------------


def test_the_spool_rolls_to_an_unlinked_file() -> None:
    with Spool(10) as spool:
        spool.write(b"0123456789")
        assert spool._file is None
        spool.write(b"abc")
        assert spool._file is not None
        assert os.fstat(spool._file.fileno()).st_nlink == 0
        assert spool.read(8, 12) == b"89ab"
        spool.write(b"def")
        assert spool.span().bytes() == b"0123456789abcdef"
        assert b"".join(spool.chunks()) == b"0123456789abcdef"
        assert spool.size == 16
    with pytest.raises(UsageError) as error:
        spool.read(0, 1)
    assert error.value.code == "usage.closed"
    assert spool._file.closed
    spool.close()


def test_a_spool_is_as_large_as_its_bytes() -> None:
    """Not as the pieces that they came in: an object costs 40 octets."""
    tracemalloc.start()
    try:
        with Spool(1 << 20) as spool:
            for _ in range(1 << 17):
                spool.write(bytes((7, 8)))
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
            assert spool.read(1, 3) == b"\x08\x07"
            spool.write(b"end")
            assert spool.span().bytes() == b"\x07\x08" * (1 << 17) + b"end"
    finally:
        tracemalloc.stop()


def test_a_spool_is_written_after_it_was_read() -> None:
    for memory in (2, 100):
        with Spool(memory) as spool:
            for piece in (b"ab", b"cd", b"ef"):
                spool.write(piece)
                assert spool.read(0, 1) == b"a"
            assert spool.span().bytes() == b"abcdef"


def test_an_empty_spool() -> None:
    with Spool(10) as spool:
        assert spool.span().bytes() == b""
        assert list(spool.chunks()) == []


def test_large_messages_go_to_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = tempfile.TemporaryFile

    def counted(**options: Any) -> Any:
        made.append(1)
        return real(**options)

    monkeypatch.setattr(tempfile, "TemporaryFile", counted)
    text = LONG
    mail = smimekit.encrypt(draft(text=text), [bob().certificate], signer=alice())
    content = encrypted_entity(text)
    assert smimekit.verify(mail, trust(), keys=[bob()]).bytes() == content
    assert not made
    assert smimekit.verify(mail, trust(), keys=[bob()], policy=SMALL).bytes() == content
    assert made


def test_a_payload_closes_its_message() -> None:
    """`verify` and `decrypt` give nothing else that could be closed."""
    mail = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    for payload in (smimekit.decrypt(mail, [bob()]), smimekit.verify(mail, trust(), keys=[bob()])):
        with payload as same:
            assert same is payload
            assert payload.bytes()
        reads: list[Callable[[Payload], object]] = [
            Payload.bytes, lambda each: each.span, lambda each: list(each.chunks()),
        ]  # fmt: skip
        for read in reads:
            with pytest.raises(UsageError) as error:
                read(payload)
            assert error.value.code == "usage.closed"
        payload.close()  # twice is once
        assert len(payload) > 0
        assert payload.signatures is not None
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        opened.payload(require=Protection.NONE).close()
        with pytest.raises(UsageError):
            opened.payload(require=Protection.NONE)
