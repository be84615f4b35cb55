"""Parser differentials ("Johnny, you are fired!", Müller et al., 2019; "Weak links", 2023): one
program verifies what another one does not show. What is read in two ways is an error, or says
nothing; and the payload is always the octets that were signed.
"""

import email
from email import policy
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import InputError, MimeError, Protection, SmimeError
from smimekit.message.identity import Identity
from smimekit.message.layers import Signed
from smimekit.span import Span
from tests.message.people import (
    ALICE,
    MALLORY,
    alice,
    as_part,
    bare_signed,
    clear_signed,
    entity,
    mallory,
    mime,
    multipart,
    signature_part,
    trust,
)

P = b'protocol="application/pkcs7-signature"'


def mail() -> bytes:
    return clear_signed(entity(), bare_signed(entity(), alice(), detached=True))


def with_type(field: bytes) -> bytes:
    head, _, body = mail().partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Type")]
    return b"\r\n".join([*kept, field]) + b"\r\n\r\n" + body


def verified(source: bytes) -> bytes | None:
    """What is verified of a message, if anything; any error is an SmimeError."""
    try:
        return smimekit.verify(source, trust()).bytes()
    except SmimeError:
        return None


# --- duplicate headers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    ["Content-Type: text/html", "content-TYPE: multipart/signed", "Content-Type : text/plain",
     "Content-Type\t: text/plain"],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_a_second_type(field: str, first: bool) -> None:
    """RFC 5322, 3.6 and RFC 2045, 5: one Content-Type; programs take the first or the last."""
    extra = field.encode() + b"\r\n"
    source = extra + mail() if first else mail().replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n", 1)
    with pytest.raises(MimeError) as error:
        smimekit.open(source, trust=trust())
    assert error.value.code == "mime.duplicate-field"


def test_a_second_transfer_encoding() -> None:
    """RFC 2045, 6: one Content-Transfer-Encoding: else two programs decode two objects."""
    opaque = mime(bare_signed(entity(), alice()), "signed-data")
    extra = b"Content-Transfer-Encoding: 7bit\r\n"
    for source in (
        extra + opaque,
        mail().replace(
            b"Content-Transfer-Encoding: base64", extra.rstrip() + b"\r\n" + extra.rstrip()
        ),
    ):
        with pytest.raises(MimeError) as error:
            smimekit.open(source, trust=trust())
        assert error.value.code == "mime.duplicate-field"


def test_a_second_disposition() -> None:
    """RFC 2183, 2: by the one name it is a layer, by the other a file."""
    source = (
        b"From: alice@example.org\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Disposition: attachment; filename=photo.bin\r\n"
        b"Content-Disposition: attachment; filename=smime.p7m\r\n\r\n" + bare_signed(b"x", alice())
    )
    with pytest.raises(MimeError) as error:
        smimekit.open(source, trust=trust())
    assert error.value.code == "mime.duplicate-field"


@pytest.mark.parametrize("field", ["Subject", "To", "Date", "MIME-Version", "Message-ID"])
def test_a_second_field_that_decides_nothing(field: str) -> None:
    """These are the postman's words in either form: they are no reason to refuse the mail."""
    source = f"{field}: 1\r\n{field}: 2\r\n".encode() + mail()
    assert verified(source) == entity()


# --- where the header ends, and what is a field --------------------------------------------


@pytest.mark.parametrize(
    "line", [b"no field", b" \x0b", b"From alice@example.org", b"\0", b"\x85", b"--bnd"]
)
def test_a_line_that_is_no_field(line: bytes) -> None:
    """RFC 5322, 2.2: some programs end the header there, others skip the line, or go on."""
    source = mail().replace(b"MIME-Version", line + b"\r\nMIME-Version", 1)
    if line[:1] == b" ":  # a continuation of From, which then holds a control
        with smimekit.open(source, trust=trust()) as opened:
            assert opened.signatures[0].identity is Identity.NO_SENDER
        return
    with pytest.raises(MimeError) as error:
        smimekit.open(source, trust=trust())
    assert error.value.code == "mime.header-line"


def test_a_line_of_blanks_goes_on_with_the_header() -> None:
    """RFC 5322, 2.2.3 and 4.2: it is folding, obsolete; whoever ends the header there reads the
    type below as text, and verifies nothing: the answer that is wrong is the weaker one.
    """
    source = mail().replace(b"; micalg", b";\r\n \t \r\n micalg")
    assert verified(source) == entity()


def test_an_mbox_line_before_the_mail() -> None:
    """RFC 4155: a mail out of a mailbox file. It is no field, and no sender."""
    for line in (f"From {MALLORY} Thu Jan  1 00:00:00 2026\n", f">From {MALLORY}\r\n"):
        source = line.encode() + mail()
        with smimekit.open(source, trust=trust()) as opened:
            assert opened.signatures[0].senders == (ALICE,)
            assert opened.payload(require=Protection.VERIFIED).bytes() == entity()


def test_an_mbox_line_before_a_part() -> None:
    """A part comes out of no mailbox file: there the line is text, and no header follows it."""
    line = b"From mallory@evil.example Thu Jan  1 00:00:00 2026\r\n"
    hidden = line + mime(bare_signed(b"secret", mallory()), "signed-data", None)
    for source in (
        multipart("mixed", hidden),
        clear_signed(hidden, bare_signed(hidden, alice(), detached=True)),
    ):
        with smimekit.open(source, trust=trust()) as opened:
            assert len(opened.envelope) == source.count(b"multipart/signed")
            assert opened.errant == ()
    signed = mail().replace(
        b"Content-Type: application/pkcs7-s", line + b"Content-Type: application/pkcs7-s"
    )
    with pytest.raises(MimeError) as error:
        smimekit.open(signed, trust=trust())
    assert error.value.code == "mime.protocol"


def test_a_bare_cr_hides_no_author() -> None:
    """Python's `email` and others break lines there: they would show Mallory as the author."""
    source = f"Subject: Hi\rFrom: {MALLORY}\r\n".encode() + mail()
    shown = email.message_from_bytes(source, policy=policy.default)
    assert str(shown["From"]) == MALLORY
    with smimekit.open(source, trust=trust()) as opened:
        assert opened.signatures[0].identity is Identity.NO_SENDER
        assert Protection.VERIFIED not in opened.protection


HIDDEN = {
    "a type": b"X: y\rContent-Type: text/html",
    "a type, and a text": b"X: y\rContent-Type: text/plain\r\rTransfer the money.",
    "the end of the header": b"X: y\r\r\nTransfer-the-money: now",
    "a line that is no field": b"Subject: Hello\rTransfer the money.",
    "other parts": b"X: y\rContent-Type: multipart/mixed; boundary=other",
}


@pytest.mark.parametrize("case", HIDDEN)
def test_a_bare_cr_hides_no_text(case: str) -> None:
    """It breaks no line (RFC 5322, 2.2), so the type below it counts; but Python's `email`, for
    one, shows another text then, and of that nothing is verified.
    """
    source = HIDDEN[case] + b"\r\n" + mail()
    shown = email.message_from_bytes(source, policy=policy.default)
    assert shown.get_content_type() != "multipart/signed"
    with smimekit.open(source, trust=trust()) as opened:
        assert [type(layer) for layer in opened.envelope] == [Signed]
        assert opened.signatures[0].identity is Identity.NO_SENDER
        assert Protection.VERIFIED not in opened.protection


def test_a_bare_cr_before_a_blank_goes_on_with_the_field() -> None:
    """As a fold, for whom it is a line break: both read the same message."""
    source = b"Subject: Hello\r there\r\n" + mail()
    shown = email.message_from_bytes(source, policy=policy.default)
    assert shown.get_content_type() == "multipart/signed"
    assert verified(source) == entity()


def test_a_bare_cr_in_the_type_is_an_error() -> None:
    broken = with_type(b"Content-Type: multipart/signed; boundary=bnd;\r" + P)
    with pytest.raises(MimeError):
        smimekit.open(broken, trust=trust())


# --- NUL -----------------------------------------------------------------------------------

NULS = {
    "in the type": b"Content-Type: multipart/sig\0ned; boundary=bnd; " + P,
    "behind the type": b"Content-Type: multipart/signed\0; boundary=bnd; " + P,
    "in the boundary": b'Content-Type: multipart/signed; boundary="bnd\0"; ' + P,
    "behind the boundary": b"Content-Type: multipart/signed; boundary=bnd\0; " + P,
    "in the protocol": b'Content-Type: multipart/signed; boundary=bnd; protocol="application/pkcs7-signature\0"',
    "in a parameter's name": b"Content-Type: multipart/signed; bound\0ary=x; boundary=bnd; " + P,
    "in a comment": b"Content-Type: multipart/signed (\0); boundary=bnd; " + P,
    "in the field's name": b"Content-Type\0: multipart/signed; boundary=bnd; " + P,
    "in an encoded boundary": b"Content-Type: multipart/signed; boundary*=us-ascii''bnd%00; " + P,
}


@pytest.mark.parametrize("case", NULS)
def test_nul_in_the_type(case: str) -> None:
    """Programs in C end the text there, others go on, or drop it."""
    with pytest.raises(MimeError):
        smimekit.open(with_type(NULS[case]), trust=trust())


def test_nul_in_a_delimiter() -> None:
    """The line is none: what remains is cut off."""
    for at in (b"--bnd--\0\r\n", b"--bnd\0--\r\n", b"--\0bnd--\r\n"):
        source = mail().replace(b"--bnd--\r\n", at)
        with pytest.raises(MimeError) as error:
            smimekit.open(source, trust=trust())
        assert error.value.code == "mime.signed-parts"


def test_nul_in_what_is_signed_is_content() -> None:
    """RFC 8551, 3.1.2: binary content is content, to its last octet."""
    content = b"Content-Type: application/octet-stream\r\n\r\n\0\r\n--\0bnd--\r\n\0"
    assert verified(clear_signed(content, bare_signed(content, alice(), detached=True))) == content


# --- folding -------------------------------------------------------------------------------


@pytest.mark.parametrize("fold", [b"\r\n ", b"\r\n\t", b"\n ", b"\r\n \r\n ", b"\r\n\t \t"])
def test_a_folded_type_is_the_same_type(fold: bytes) -> None:
    """RFC 5322, 2.2.3: wherever blanks may be, a line may end."""
    for before in (b"multipart", b"; boundary", b"=bnd", b"; " + P, b"="):
        field = b"Content-Type: multipart/signed; boundary=bnd; " + P
        assert verified(with_type(field.replace(before, fold + before, 1))) == entity()


def test_a_fold_within_a_word_makes_two() -> None:
    """Unfolding keeps the blank: nothing is glued together."""
    for word in (b"multi\r\n part/signed", b"multipart/sig\r\n ned"):
        field = b"Content-Type: " + word + b"; boundary=bnd; " + P
        with pytest.raises(MimeError):
            smimekit.open(with_type(field), trust=trust())
    for field in (
        b"Content-Type: multipart/signed; bound\r\n ary=bnd; " + P,
        b"Content-Type: multipart/signed; boundary=b\r\n nd; " + P,
    ):
        with pytest.raises(MimeError):
            smimekit.open(with_type(field), trust=trust())


# --- RFC 2231 and comments -----------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [b"boundary*0=b; boundary*1=nd", b"boundary*1=nd; boundary*0=b", b"boundary*=us-ascii''bnd",
     b"boundary*0*=us-ascii''b%6E; boundary*1=d", b'boundary*0="bnd"'],
)  # fmt: skip
def test_a_boundary_in_sections(parameters: bytes) -> None:
    """RFC 2231, 3 and 4: one reading, for those who know it; the others find no parts at all."""
    field = b"Content-Type: multipart/signed; " + parameters + b"; " + P
    assert verified(with_type(field)) == entity()


@pytest.mark.parametrize(
    "parameters",
    [b"boundary*0=bnd; boundary=x", b"boundary=bnd; boundary*=us-ascii''x",
     b"boundary*0=bnd; boundary*0=x", b"boundary*0=bnd; boundary*0*=us-ascii''x",
     b"boundary*0=bnd; boundary*2=x", b"boundary*1=bnd", b"boundary*00=bnd", b"boundary*-1=bnd",
     b"boundary*0=b; boundary*01=nd", b"boundary*=us-ascii''bnd%0D%0A", b"boundary*=bnd",
     b"boundary*=us-ascii''b%C3%A4", b"boundary*=us-ascii''", b"boundary**=us-ascii''bnd",
     b'boundary="b\\nd"', b"boundary=(x)bnd", b"boundary=bnd(x)", b"boundary (x)=bnd",
     b'boundary="bnd" (b")', b"boundary='bnd'", b'boundary=bnd"', b"boundary=bnd boundary=x"],
)  # fmt: skip
def test_a_boundary_that_is_smuggled(parameters: bytes) -> None:
    """Sections twice, missing, out of count, encoded controls, comments and quoted-pairs: each
    has programs that read another boundary, and with it another signed part.
    """
    field = b"Content-Type: multipart/signed; " + parameters + b"; " + P
    with pytest.raises(MimeError):
        smimekit.open(with_type(field), trust=trust())


@pytest.mark.parametrize(
    "parameter",
    [b'x="; boundary=evil; y="', b'x="\\"; boundary=evil; y=\\""', b"(; boundary=evil;)",
     b"( \\) ; BOUNDARY = evil; )", b"((a) ; boundary=evil)", b'x="; boundary*0=evil; y="',
     b"x=boundary=evil", b"name=x boundary=evil", b'name="boundary=evil"',
     b'type="multipart/mixed;boundary=evil"', b'x="; boundary\t*=us-ascii\'\'evil"'],
)  # fmt: skip
@pytest.mark.parametrize("junk", [b"", b";;"])
@pytest.mark.parametrize("first", [True, False])
def test_what_looks_like_a_boundary(parameter: bytes, junk: bytes, first: bool) -> None:
    """RFC 2045, 5.1: in quotes and comments it is none. Dovecot looks for the next semicolon there
    when it has met an empty parameter, and others for nothing but "boundary=".
    """
    for real in (b"boundary=bnd", b"boundary*=us-ascii''bnd", b"boundary*0=b; boundary*1=nd"):
        both = [parameter, real] if first else [real, parameter]
        field = b"Content-Type: multipart/signed; " + P + b"; " + junk + b"; ".join(both)
        with pytest.raises(MimeError) as error:
            smimekit.open(with_type(field), trust=trust())
        assert error.value.code == "mime.parameter"


@pytest.mark.parametrize("boundary", ["=_boundary_1", "boundary", "MIME-Boundary; x", "a=boundary"])
def test_a_boundary_that_is_called_like_that(boundary: str) -> None:
    """Many are; and a comment may say what it likes about something else."""
    signature = bare_signed(entity(), alice(), detached=True)
    source = clear_signed(entity(), signature, boundary=boundary)
    assert verified(source) == entity()
    assert verified(source.replace(b"micalg=", b"(the boundary is below; x=y) micalg=")) == entity()


@pytest.mark.parametrize(
    "parameter",
    [b"protocol*=us-ascii''application%2Fpkcs7-signature",
     b'protocol*0="application/"; protocol*1=pkcs7-signature',
     b'protocol="application/pkcs7-signature" (application/pgp-signature)'],
)  # fmt: skip
def test_a_protocol_in_sections(parameter: bytes) -> None:
    assert verified(with_type(b"Content-Type: multipart/signed; boundary=bnd; " + parameter)) == (
        entity()
    )


# --- boundaries ----------------------------------------------------------------------------


def nested(boundary: bytes, inner: bytes) -> bytes:
    """A multipart/signed of the attacker's around Alice's signed mail, each with its boundary."""
    signature = bare_signed(entity(), alice(), detached=True)
    good = as_part(clear_signed(entity(), signature, boundary=inner.decode()))
    return (
        b"From: alice@example.org\r\nContent-Type: multipart/signed; " + P + b'; boundary="'
        + boundary + b'"\r\n\r\n--' + boundary + b"\r\n" + good + b"\r\n--" + boundary + b"\r\n"
        + signature_part(bare_signed(good, alice(), detached=True))
        + b"\r\n--" + boundary + b"--\r\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outer", "inner"), [(b"a", b"ab"), (b"ab", b"a"), (b"a", b"a-"), (b"x", b"--x")]
)
def test_boundaries_that_begin_alike(outer: bytes, inner: bytes) -> None:
    """RFC 2046, 5.1.1: a delimiter is the whole line, so each multipart has its own parts."""
    with smimekit.open(nested(outer, inner), trust=trust()) as opened:
        assert [type(layer) for layer in opened.envelope] == [Signed, Signed]
        assert opened.payload(require=Protection.VERIFIED).bytes() == entity()


@pytest.mark.parametrize(("outer", "inner"), [(b"a", b"a"), (b"a", b"a--"), (b"a--", b"a")])
def test_boundaries_that_close_each_other(outer: bytes, inner: bytes) -> None:
    """RFC 2046, 5.1.2: the outer boundary ends what is inside. Nothing of it is verified."""
    assert verified(nested(outer, inner)) in {None, entity()}
    if outer == inner or inner == outer + b"--":
        with pytest.raises(MimeError) as error:
            smimekit.open(nested(outer, inner), trust=trust())
        assert error.value.code == "mime.signed-parts"


def test_parts_around_the_two_parts_are_not_handed_out() -> None:
    """RFC 1847, 2.1: preamble and epilogue are not signed, and not the payload."""
    lie = b"Content-Type: text/html\r\n\r\nTransfer the money.\r\n"
    source = mail().replace(b"\r\n\r\n--bnd", b"\r\n\r\n" + lie + b"\r\n--bnd", 1) + lie
    with smimekit.open(source, trust=trust()) as opened:
        assert opened.payload(require=Protection.VERIFIED).bytes() == entity()


def test_delimiters_with_bare_cr() -> None:
    """A bare CR ends no line: the delimiters that some programs see there are content."""
    content = (
        b"Content-Type: text/plain\r\n\r\nHello\r--bnd\rContent-Type: text/html\r\r<b>\r--bnd--\r\n"
    )
    assert verified(clear_signed(content, bare_signed(content, alice(), detached=True))) == content


def test_the_header_of_the_signed_part_is_signed() -> None:
    """RFC 1847, 2.1: "including its MIME headers": text/plain must not become text/html."""
    for change in (
        (b"text/plain; charset=us-ascii", b"text/html; charset=us-ascii"),
        (b"us-ascii\r\n\r\nThe", b"us-ascii\r\nContent-Transfer-Encoding: base64\r\n\r\nThe"),
        (b"Content-Type: text/plain; charset=us-ascii\r\n\r\nThe", b"\r\nThe"),
    ):
        assert mail().count(change[0]) == 1
        with pytest.raises(smimekit.ContentChanged):
            smimekit.verify(mail().replace(*change), trust())


# --- any bytes -----------------------------------------------------------------------------

_NOISE = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b"--bnd", b"--bnd--", b"From ", b"From:", b":",
     b"Content-Type: text/html", b"boundary=x", b";", b'"', b"(", b"\\", b"\xff", b"x"]
)  # fmt: skip
SOURCE = mail()


@given(st.integers(0, len(SOURCE)), st.lists(_NOISE, min_size=1, max_size=4).map(b"".join))
def test_noise_anywhere_verifies_only_what_was_signed(at: int, noise: bytes) -> None:
    """Whatever stands where: the payload that is verified is what Alice signed."""
    source = SOURCE[:at] + noise + SOURCE[at:]
    assert verified(source) in {None, entity()}


@given(st.integers(0, len(SOURCE)), st.integers(0, 40))
def test_gaps_anywhere_verify_only_what_was_signed(at: int, size: int) -> None:
    assert verified(SOURCE[:at] + SOURCE[at + size :]) in {None, entity()}


WRAPPED = multipart("mixed", entity("a lie"), as_part(SOURCE), sender=MALLORY)
FORWARDED = multipart(
    "mixed", b"Content-Type: message/rfc822\r\n\r\n" + SOURCE, entity("a lie"), sender=MALLORY
)


@pytest.mark.parametrize("source", [WRAPPED, FORWARDED], ids=["wrapped", "forwarded"])
@given(data=st.data())
def test_noise_makes_no_part_the_message(source: bytes, data: st.DataObject) -> None:
    """RFC 9787, 4.5: a layer below something else never counts, whatever is put where."""
    at = data.draw(st.integers(0, len(source)))
    noise = b"".join(data.draw(st.lists(_NOISE, min_size=1, max_size=4)))
    try:
        with smimekit.open(source[:at] + noise + source[at:], trust=trust()) as opened:
            assert opened.envelope == ()
            assert opened.protection == Protection.NONE
            for each in opened.errant:
                assert verified_part(each.span) in {None, entity()}
    except InputError:
        pass


def verified_part(span: Span) -> bytes | None:
    try:
        return smimekit.verify(span, trust(), expect=ALICE).bytes()
    except SmimeError:
        return None


@given(st.integers(1, 40))
def test_any_cut_of_a_stream_gives_the_same(size: int) -> None:
    """A relay's buffers decide nothing."""

    class Slow(BytesIO):
        def read(self, most: int | None = -1, /) -> bytes:
            return super().read(0 if most == 0 else size)

        def seekable(self) -> bool:
            return False

    assert smimekit.verify(Slow(SOURCE), trust()).bytes() == entity()


def test_unreadable_around_is_an_error_and_not_unsigned() -> None:
    """A mail that cannot be read is not shown as one without a signature."""
    for source in (b"", b"\r\n" + mail(), b" " + mail(), b"\xef\xbb\xbf" + mail()):
        with pytest.raises(InputError):
            smimekit.verify(source, trust())
