"""MIME that two programs read in two ways is an error, never a guess (RFC 2045, RFC 1847)."""

import pytest

import smimekit
from smimekit import MimeError
from smimekit.span import CHUNK
from tests.message.people import (
    ALICE,
    alice,
    bare_signed,
    clear_signed,
    draft,
    entity,
    signature_part,
    trust,
)

SIGNED = b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=%s\r\n'


def mail() -> bytes:
    return clear_signed(entity(), bare_signed(entity(), alice(), detached=True))


def with_type(*fields: bytes) -> bytes:
    """The signed mail, with other Content-Type fields."""
    head, _, body = mail().partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Type")]
    return b"\r\n".join([*kept, *fields]) + b"\r\n\r\n" + body


P = b'protocol="application/pkcs7-signature"'
TWICE = {
    "two types": (
        b"Content-Type: text/plain", b"Content-Type: multipart/signed; boundary=bnd; " + P,
    ),
    "two types, in another case": (
        b"content-type: multipart/signed; boundary=bnd; " + P, b"CONTENT-TYPE: text/plain",
    ),
    "two equal types": (b"Content-Type: multipart/signed; boundary=bnd; " + P,) * 2,
    "two boundaries": (b"Content-Type: multipart/signed; boundary=bnd; boundary=xyz; " + P,),
    "two equal boundaries": (b"Content-Type: multipart/signed; boundary=bnd; boundary=bnd; " + P,),
    "a boundary and an encoded one": (
        b"Content-Type: multipart/signed; boundary=bnd; boundary*=us-ascii''xyz; " + P,
    ),
    "a boundary and its sections": (
        b"Content-Type: multipart/signed; boundary=bnd; boundary*0=x; boundary*1=y; " + P,
    ),
    "two protocols": (
        b"Content-Type: multipart/signed; boundary=bnd; protocol=application/pgp-signature; " + P,
    ),
    "no boundary": (b"Content-Type: multipart/signed; " + P,),
    "an empty boundary": (b'Content-Type: multipart/signed; boundary=""; ' + P,),
    "an open quote": (b'Content-Type: multipart/signed; boundary="bnd; ' + P,),
    "an encoding": (
        b"Content-Type: multipart/signed; boundary=bnd; " + P, b"Content-Transfer-Encoding: base64",
    ),
    "a continued field without a name": (b"Content-Type: multipart/signed; boundary=bnd", b"x " + P),
}  # fmt: skip


@pytest.mark.parametrize("case", TWICE)
def test_an_ambiguous_type(case: str) -> None:
    """RFC 2045, 5: one Content-Type field, each parameter once; else readers disagree."""
    assert smimekit.verify(mail(), trust()).bytes() == entity()
    with pytest.raises(MimeError) as error:
        smimekit.open(with_type(*TWICE[case]), trust=trust())
    assert error.value.code.startswith("mime.")


def parts(*found: bytes, close: bytes = b"--b--\r\n", after: bytes = b"") -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in found)
    return b"From: alice@example.org\r\n" + SIGNED % b"b" + b"\r\n" + body + close + after


def signature() -> bytes:
    return signature_part(bare_signed(entity(), alice(), detached=True))


def test_exactly_two_parts() -> None:
    """RFC 1847, 2.1: "exactly two body parts"."""
    good = parts(entity(), signature())
    assert smimekit.verify(good, trust()).bytes() == entity()
    for bad in (
        parts(),
        parts(entity()),
        parts(entity(), signature(), entity("more")),
        parts(entity("before"), entity(), signature()),
        parts(entity(), signature(), signature()),
    ):
        with pytest.raises(MimeError) as error:
            smimekit.open(bad, trust=trust())
        assert error.value.code == "mime.signed-parts"


def test_the_closing_boundary() -> None:
    """RFC 2046, 5.1.1: without it nobody knows whether the message is whole."""
    for close, after in ((b"", b""), (b"--b-\r\n", b""), (b"--c--\r\n", b"")):
        with pytest.raises(MimeError):
            smimekit.open(parts(entity(), signature(), close=close, after=after), trust=trust())


def test_parts_behind_the_closing_boundary() -> None:
    """Readers that go on show a third part; those that stop do not."""
    with pytest.raises(MimeError):
        smimekit.open(
            parts(entity(), signature(), after=b"--b\r\n" + entity("more")), trust=trust()
        )


def test_text_behind_the_closing_boundary_is_nothing() -> None:
    mail = parts(entity(), signature(), after=b"epilogue of a list server\r\n")
    with smimekit.open(mail, trust=trust()) as opened:
        assert opened.payload(require=smimekit.Protection.VERIFIED).bytes() == entity()


def test_a_boundary_look_alike_is_content() -> None:
    """RFC 2046, 5.1.1: a line that only begins like a delimiter is none for us."""
    content = entity("--bnd2\r\n--bndx--\r\n --bnd")
    mail = clear_signed(content, bare_signed(content, alice(), detached=True))
    assert smimekit.verify(mail, trust()).bytes() == content


LIE = b"Content-Type: text/plain\r\n\r\nTransfer the money.\r\n"


@pytest.mark.parametrize("line", [b"--bnd evil\r\n", b"--bndx\r\n", b"--bnd-\r\n", b"--bnd\x0b\n",
                                  b"--bnd--x\r\n", b"x\r--bnd\r", b"x\n--bnd\0\n"])  # fmt: skip
def test_a_look_alike_outside_of_what_is_signed(line: bytes) -> None:
    """RFC 2046, 5.1.1: "it is sufficient that the boundary appear in its entirety following the
    CRLF". Readers that go by the letter have a part there, which nobody signed.
    """
    good = mail()
    head, end = b"\r\n\r\n--bnd\r\n", b"\r\n--bnd--\r\n"
    for bad in (
        good.replace(head, b"\r\n\r\n" + line + LIE + b"--bnd\r\n", 1),
        good.replace(head, b"\r\n\r\nA preamble.\r\n" + line + LIE + b"--bnd\r\n", 1),
        good.replace(end, b"\r\n" + line + LIE + end),
        good + line + LIE,
    ):
        assert bad != good
        with pytest.raises(MimeError) as error:
            smimekit.open(bad, trust=trust())
        assert error.value.code == "mime.signed-parts"


def test_what_only_holds_the_boundary_is_no_look_alike() -> None:
    text = b"It is --bnd, and not bnd--.\r\n bnd\r\n --bnd\r\n"
    good = mail().replace(b"\r\n\r\n--bnd\r\n", b"\r\n\r\n" + text + b"--bnd\r\n", 1) + text
    assert smimekit.verify(good, trust()).bytes() == entity()


def test_a_look_alike_far_from_what_is_signed() -> None:
    """Wherever one chunk ends and another begins."""
    for size in range(CHUNK - 20, CHUNK + 3):
        preamble = b"-" * size + b"\n--bnd2\r\n"
        bad = mail().replace(b"\r\n\r\n--bnd\r\n", b"\r\n\r\n" + preamble + b"--bnd\r\n", 1)
        with pytest.raises(MimeError):
            smimekit.open(bad, trust=trust())


@pytest.mark.parametrize(
    "second",
    [b"Content-Type: application/pgp-signature", b"Content-Type: text/plain", b"X: y",
     b"Content-Type: application/pgp-signature; name=smime.p7s",
     b"Content-Type: text/plain; name=smime.p7s",
     b"Content-Type: message/rfc822; name=smime.p7s"],
)  # fmt: skip
def test_a_second_part_of_another_kind(second: bytes) -> None:
    """RFC 1847, 2.1: the protocol parameter MUST be the second part's type."""
    other = second + b"\r\n\r\n" + signature().partition(b"\r\n\r\n")[2]
    with pytest.raises(MimeError) as error:
        smimekit.open(parts(entity(), other), trust=trust())
    assert error.value.code == "mime.protocol"


def test_another_protocol_is_not_ours() -> None:
    """RFC 3156: signed, but not by S/MIME: no layer, and no error."""
    pgp = parts(entity(), signature()).replace(
        b"application/pkcs7-signature", b"application/pgp-signature"
    )
    with smimekit.open(pgp, trust=trust()) as opened:
        assert opened.envelope == ()


@pytest.mark.parametrize("protocol", ["application/pgp-signature", "application/x-any", "x"])
def test_a_protocol_that_the_second_part_denies(protocol: str) -> None:
    """RFC 1847, 2.1: the protocol is the type of the second part. Programs that go by the part
    verify S/MIME there, those that go by the protocol do not.
    """
    mail = parts(entity(), signature()).replace(
        b'protocol="application/pkcs7-signature"', f'protocol="{protocol}"'.encode()
    )
    with pytest.raises(MimeError) as error:
        smimekit.open(mail, trust=trust())
    assert error.value.code == "mime.protocol"


@pytest.mark.parametrize("label", ["text/plain", "application/octet-stream; name=smime.p7s"])
def test_without_a_protocol_only_the_type_makes_it_ours(label: str) -> None:
    """RFC 1847, 2.1 requires the protocol. Where it is missing nothing says that this is S/MIME
    but the type of the second part: any other is no layer, and no error.
    """
    mail = parts(entity(), signature()).replace(b'protocol="application/pkcs7-signature"; ', b"")
    assert smimekit.verify(mail, trust()).bytes() == entity()
    other = mail.replace(b'application/pkcs7-signature; name="smime.p7s"', label.encode())
    assert other != mail
    with smimekit.open(other, trust=trust()) as opened:
        assert opened.envelope == ()
        assert opened.errant == ()


def test_a_broken_message_of_another_protocol_is_not_ours_to_refuse() -> None:
    pgp = parts(entity(), signature(), entity("more")).replace(
        b"application/pkcs7-signature", b"application/pgp-signature"
    )
    with smimekit.open(pgp, trust=trust()) as opened:
        assert opened.envelope == ()


def test_a_line_that_is_no_field() -> None:
    """Some programs end the header there, others skip the line."""
    for line in (b"no field here\r\n", b": empty\r\n", b"\xff\xfe: x\r\n"):
        with pytest.raises(MimeError) as error:
            smimekit.open(draft().replace(b"Subject", line + b"Subject"), trust=trust())
        assert error.value.code == "mime.header-line"


def test_a_signed_part_with_an_ambiguous_type() -> None:
    content = b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n<b>\r\n"
    with pytest.raises(MimeError):
        smimekit.open(
            clear_signed(content, bare_signed(content, alice(), detached=True)), trust=trust()
        )


def test_hidden_parts_do_not_cost_much() -> None:
    """Multiparts within multiparts, deeper than the limit: looked at as deep as that."""
    mail = entity()
    for depth in range(80):
        boundary = b"b%d" % depth
        mail = (
            b"Content-Type: multipart/mixed; boundary="
            + boundary
            + b"\r\n\r\n--"
            + boundary
            + b"\r\n"
            + mail
            + b"\r\n--"
            + boundary
            + b"--\r\n"
        )
    with smimekit.open(f"From: {ALICE}\r\n".encode() + mail, trust=trust()) as opened:
        assert opened.errant == ()
