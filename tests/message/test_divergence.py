"""Where changed content departs from what was signed: told, and never verified."""

import base64
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import ContentChanged, Protection
from smimekit.algorithms import SHA256, SHA512
from smimekit.cms.signer import check_signer
from smimekit.message.divergence import Change, Divergence, departures
from smimekit.message.layers import Integrity, SignatureResult
from smimekit.primitives import digester
from tests.message.people import (
    alice,
    bare_signed,
    bob,
    clear_signed,
    entity,
    mallory,
    mime,
    signer_info,
    trust,
)

FOOTER = b"\r\n-- \r\nlist mailing list\r\nhttps://lists.example.org/\r\n"
TEXT = entity("Hello,\r\n\r\nFrom here on all is well.  \r\n-- \r\nAlice")
MIXED = b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n" + TEXT + b"\r\n--in--\r\n"


def sent(signed: bytes, arrived: bytes) -> SignatureResult:
    """Alice signs the one, and the other arrives: the signature, of which nothing counts."""
    mail = clear_signed(arrived, bare_signed(signed, alice(), detached=True))
    with smimekit.open(mail, trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.integrity is Integrity.CONTENT_CHANGED
        assert not signature.intact
        assert opened.protection == Protection.NONE
    with pytest.raises(ContentChanged) as error:
        smimekit.verify(mail, trust())
    assert error.value.code == "content-changed.content"
    if signature.divergence is not None:
        assert str(signature.divergence) in str(error.value)
    return signature


def test_a_footer_behind_the_text() -> None:
    found = sent(TEXT, TEXT + FOOTER).divergence
    assert found == Divergence(Change.ADDED, len(TEXT), len(FOOTER))


def test_a_footer_behind_text_without_a_line_break() -> None:
    text = TEXT.rstrip()
    assert sent(text, text + FOOTER).divergence == Divergence(Change.ADDED, len(text), len(FOOTER))


def test_a_footer_as_a_part_of_what_is_signed() -> None:
    """Lists that keep the outer multipart/signed put their part before the closing delimiter."""
    end = b"\r\n--in--\r\n"
    part = b"\r\n--in\r\nContent-Type: text/plain\r\n\r\nfooter\r\n"
    found = sent(MIXED, MIXED.replace(end, part + end)).divergence
    assert found == Divergence(Change.ADDED, MIXED.index(end), len(part))


@pytest.mark.parametrize("more", [b"\r\n", b"\r\n\r\n\r\n", b"\r\n \r\n"])
def test_line_breaks_at_the_end(more: bytes) -> None:
    assert sent(TEXT, TEXT + more).divergence == Divergence(Change.ADDED, len(TEXT), len(more))


def test_a_last_line_break_that_is_gone() -> None:
    found = sent(TEXT, TEXT.removesuffix(b"\r\n")).divergence
    assert found == Divergence(Change.LAST_LINE_BREAK, len(TEXT) - 2)


def test_blanks_that_came() -> None:
    signed = TEXT.replace(b"  \r\n", b"\r\n").replace(b"-- \r\n", b"--\r\n")
    for padded in (signed.replace(b"Hello,", b"Hello, \t"), signed.replace(b"\r\n", b" \r\n")):
        found = sent(signed, padded).divergence
        first = re.search(rb"[ \t]+\r\n", padded)
        assert first is not None
        assert found == Divergence(Change.TRAILING_BLANKS, first.start())


def test_the_blank_that_went_from_the_line_before_a_signature() -> None:
    signed = TEXT.replace(b"  \r\n", b"\r\n")
    arrived = signed.replace(b"-- \r\n", b"--\r\n")
    found = sent(signed, arrived).divergence
    assert found == Divergence(Change.TRAILING_BLANKS, arrived.index(b"\n--\r\n") + 3)


def test_from_that_was_quoted() -> None:
    """RFC 4155: ">From " in a mailbox file."""
    arrived = TEXT.replace(b"From here", b">From here")
    assert sent(TEXT, arrived).divergence == Divergence(Change.QUOTED_FROM, arrived.index(b">From"))


def encoded(width: int, size: int = 500) -> bytes:
    """An attachment between two texts."""
    text = base64.b64encode(bytes(at % 251 for at in range(size)))
    lines = b"".join(text[at : at + width] + b"\r\n" for at in range(0, len(text), width))
    picture = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines
    return MIXED.replace(b"\r\n--in--", b"\r\n--in\r\n" + picture + b"\r\n--in--")


OTHER_LINES = [
    (encoded(before, size), encoded(after, size))
    for before, after in ((72, 76), (76, 72), (64, 76), (60, 76), (76, 10**6))
    for size in (54, 56, 57, 500)  # one line of 72 or less, of 76, and many
    if encoded(before, size) != encoded(after, size)
]


@pytest.mark.parametrize("signed, arrived", OTHER_LINES)
def test_base64_in_other_lines(signed: bytes, arrived: bytes) -> None:
    """A relay that encodes an attachment anew: SendGrid makes lines of 76 from those of 72."""
    first = next(at for at in range(len(signed)) if signed[at] != arrived[at])
    assert sent(signed, arrived).divergence == Divergence(Change.REWRAPPED, first)
    changed = arrived.replace(b"AAEC", b"AAED")
    assert changed != arrived
    assert sent(signed, changed).divergence is None


def test_line_ends_only() -> None:
    signature = sent(TEXT.replace(b"\r\n", b"\n"), TEXT)
    assert signature.divergence == Divergence(Change.LINE_ENDS)
    assert signature.lf_match


def test_a_footer_in_mail_that_was_stored_with_lf() -> None:
    """Places count in the form that was signed: with CRLF."""
    found = sent(TEXT, (TEXT + FOOTER).replace(b"\r\n", b"\n")).divergence
    assert found == Divergence(Change.ADDED, len(TEXT), len(FOOTER))


@pytest.mark.parametrize(
    "arrived",
    [
        b"",
        TEXT[: len(TEXT) // 2],
        TEXT.replace(b"Hello", b"Hullo"),
        TEXT.replace(b"Hello", b"Hullo") + FOOTER,
        b"[list]\r\n" + TEXT,
        TEXT.replace(b"well.", b"well. \t").replace(b"Hello", b"Hullo"),
        TEXT + b"x" * 20_000 + b"\r\n",
    ],
    ids=["nothing", "cut", "changed", "changed and longer", "before", "changed blanks", "far"],
)
def test_what_cannot_be_known(arrived: bytes) -> None:
    signature = sent(TEXT, arrived)
    assert signature.divergence is None
    assert not signature.lf_match


def test_who_did_not_sign_is_told_nothing() -> None:
    """A digest is only somebody's claim until the signature over it is checked."""
    info = signer_info(TEXT, alice())
    broken = info[:-1] + bytes((info[-1] ^ 1,))
    signature = bare_signed(TEXT, alice(), infos=[broken], detached=True)
    with smimekit.open(clear_signed(TEXT + FOOTER, signature), trust=trust()) as opened:
        [found] = opened.signatures
        assert found.integrity is Integrity.CONTENT_CHANGED
        assert found.divergence is None


def test_each_signer_is_told_about_what_they_signed() -> None:
    infos = [signer_info(TEXT, alice()), signer_info(entity("another"), bob())]
    signature = bare_signed(TEXT, alice(), bob(), infos=infos, detached=True)
    with smimekit.open(clear_signed(TEXT + FOOTER, signature), trust=trust()) as opened:
        found = {each.certificate: each.divergence for each in opened.signatures}
        added = Divergence(Change.ADDED, len(TEXT), len(FOOTER))
        assert found == {alice().certificate: added, bob().certificate: None}


def test_each_signer_is_told_about_their_line_ends() -> None:
    infos = [signer_info(TEXT.replace(b"\r\n", b"\n"), alice()), signer_info(b"another", bob())]
    signature = bare_signed(TEXT, alice(), bob(), infos=infos, detached=True)
    with smimekit.open(clear_signed(TEXT, signature), trust=trust()) as opened:
        found = {each.certificate: (each.lf_match, each.divergence) for each in opened.signatures}
        assert found == {
            alice().certificate: (True, Divergence(Change.LINE_ENDS)),
            bob().certificate: (False, None),
        }


def test_a_good_signature_is_not_explained() -> None:
    """Where one signature matches, the content is what its signer signed."""
    infos = [signer_info(TEXT, alice()), signer_info(TEXT + FOOTER, mallory())]
    signature = bare_signed(TEXT, alice(), mallory(), infos=infos, detached=True)
    with smimekit.open(clear_signed(TEXT + FOOTER, signature), trust=trust()) as opened:
        assert {each.divergence for each in opened.signatures} == {None}


def test_opaque_content_is_not_explained() -> None:
    """No relay puts a footer there."""
    source = bare_signed(TEXT + FOOTER, alice(), infos=[signer_info(TEXT, alice())])
    with smimekit.open(mime(source, "signed-data"), trust=trust()) as opened:
        assert opened.signatures[0].divergence is None


def test_large_content_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smimekit.message.signatures.MOST", len(TEXT + FOOTER))
    assert sent(TEXT, TEXT + FOOTER).divergence is not None
    monkeypatch.setattr("smimekit.message.signatures.MOST", len(TEXT + FOOTER) - 1)
    assert sent(TEXT, TEXT + FOOTER).divergence is None


def test_made_up_digests_are_not_checked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty signers may each claim another line of the content as its end."""
    content = b"\r\n".join(b"line %d" % number for number in range(60))
    ends = [content[: found.end()] for found in re.finditer(rb"\n", content)][:50]
    broken = [signer_info(end, alice()) for end in ends]
    infos = [info[:-1] + bytes((info[-1] ^ 1,)) for info in broken]
    tried: list[object] = []

    def counted(*arguments: Any, **options: Any) -> Any:
        tried.append(arguments)
        return check_signer(*arguments, **options)

    monkeypatch.setattr("smimekit.message.signatures.check_signer", counted)
    mail = clear_signed(content, bare_signed(content, alice(), infos=infos, detached=True))
    with smimekit.open(mail, trust=trust()) as opened:
        assert len(opened.signatures) == 50
    assert len(tried) <= 6 * 50  # as it is, with CRLF, with LF, and three forms


LINES = st.lists(
    st.sampled_from([b"text", b"", b"-- ", b"--", b"From x", b">From x", b"a \t", b"--in", b"\rx"]),
    max_size=12,
).map(lambda lines: b"".join(line + b"\r\n" for line in lines))


@given(LINES, LINES.filter(bool), st.sampled_from([SHA256, SHA512]))
def test_any_footer_is_found(text: bytes, footer: bytes, row: Any) -> None:
    """Whatever the lines: the form that is found is what was signed."""
    digest = digester(row)
    digest.update(text)
    value = digest.digest()
    content = text + footer
    forms = [found.pieces for found in departures(content, {row: frozenset({value})})]
    assert all(b"".join(pieces) == text for pieces in forms)
    assert forms or not text


@given(LINES)
def test_what_was_not_changed_departs_from_nothing(text: bytes) -> None:
    digest = digester(SHA256)
    digest.update(text)
    assert list(departures(text, {SHA256: frozenset({digest.digest()})})) == []


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r", b"\n", b"\r\n", b">From ", b"--"])))
def test_any_bytes_are_tried(pieces: list[bytes]) -> None:
    value = digester(SHA256).digest()
    for found in departures(b"".join(pieces), {SHA256: frozenset({value})}):
        assert b"".join(found.pieces) == b""


def test_time_is_linear() -> None:
    """Much of blanks, of line breaks, of look-alikes: each is passed over a few times."""
    started = time.process_time()
    for unit in (
        b" ",
        b"\r\n",
        b"\t \n",
        b"\n--",
        b">From ",
        b"\n>From ",
        b" x",
        b"A",
        b"A" * 76 + b"\r\n",
        b"A" * 57 + b"\n",
        b"A" * 57 + b"\r",
    ):
        content = unit * ((1 << 18) // len(unit))
        for tried in (content, content + b"x", content + b"!", b"x" + content + b"\r\n"):
            assert list(departures(tried, {SHA256: frozenset({b"no digest"})})) == []
    assert time.process_time() - started < 10  # about a second; one that looks back takes minutes
