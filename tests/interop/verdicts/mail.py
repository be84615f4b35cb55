"""Signed and encrypted mails as trees of MIME, and what is done to them.

Two mails of Alice's stand ready, each with a good signature: so that parts can be taken from one
into the other, and whoever looks in another place than we do finds something that verifies.
Knows RFC 2045, 2046, 1847 and 8551; may not know who reads what.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from tests.fuzz.mutate import mutate_mime
from tests.interop.verdicts.changes import key_for
from tests.interop.verdicts.sealing import recipient_of, sealed
from tests.interop.verdicts.steady import person, signer
from tests.message.people import bare_signed

__all__ = ["CONTENTS", "Mail", "canonical", "changed", "clear", "opaque", "secret"]

CONTENTS = (
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\nThe plan is on.\r\nSee you there.\r\n",
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\nThe plan is off.\r\n",
)
"""What Alice signed, in one mail and in the other."""


@dataclass(frozen=True)
class Mail:
    """A header, and a body that is one text or parts; each field with its line end."""

    fields: tuple[bytes, ...]
    parts: tuple[bytes, ...] = ()
    boundary: bytes = b""
    prologue: bytes = b""
    epilogue: bytes = b""
    body: bytes = b""
    closed: bool = True

    def encode(self) -> bytes:
        head = b"".join(self.fields) + b"\r\n"
        if not self.parts:
            return head + self.body
        line = b"--" + self.boundary
        inside = b"".join(line + b"\r\n" + part + b"\r\n" for part in self.parts)
        return head + self.prologue + inside + (line + b"--\r\n") * self.closed + self.epilogue


def _wrapped(cms: bytes) -> bytes:
    return base64.encodebytes(cms).replace(b"\n", b"\r\n")


_HEAD = (b"From: alice@example.org\r\n", b"To: bob@example.org\r\n", b"MIME-Version: 1.0\r\n")
_SIGNATURE = (
    b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n"
)


def _signed_type(boundary: bytes, protocol: bytes = b"application/pkcs7-signature") -> bytes:
    return (
        b'Content-Type: multipart/signed; protocol="' + protocol + b'";\r\n micalg=sha-256; boundary="'
        + boundary + b'"\r\n'
    )  # fmt: skip


@cache
def _p7s(which: int) -> bytes:
    alice = signer("alice p256")
    return bare_signed(CONTENTS[which], alice, detached=True, bag=[alice.certificate])


@cache
def clear(which: int = 0) -> Mail:
    """multipart/signed."""
    boundary = (b"=_one", b"=_other")[which]
    parts = (CONTENTS[which], _SIGNATURE + _wrapped(_p7s(which)).rstrip())
    return Mail((*_HEAD, _signed_type(boundary)), parts, boundary)


def _pkcs7(smime_type: bytes) -> tuple[bytes, bytes]:
    kind = b"Content-Type: application/pkcs7-mime; smime-type=" + smime_type
    return kind + b'; name="smime.p7m"\r\n', b"Content-Transfer-Encoding: base64\r\n"


@cache
def opaque(which: int = 0) -> Mail:
    """application/pkcs7-mime with SignedData."""
    alice = signer("alice p256")
    cms = bare_signed(CONTENTS[which], alice, bag=[alice.certificate])
    return Mail((*_HEAD, *_pkcs7(b"signed-data")), body=_wrapped(cms))


@cache
def secret(which: int = 0) -> Mail:
    """application/pkcs7-mime with EnvelopedData, to bob."""
    key, bob = key_for("aes-256-cbc"), person("bob rsa")
    cms = sealed(CONTENTS[which], "aes-256-cbc", (recipient_of(bob, key),), key).encode()
    return Mail((*_HEAD, *_pkcs7(b"enveloped-data")), body=_wrapped(cms))


def canonical(octets: bytes) -> bytes:
    """RFC 8551, 3.1.1: as it is signed, without what readers add or drop in the end."""
    return re.sub(rb"\r*\n", b"\r\n", octets).rstrip(b"\r\n")


# --- changes: of the header ----------------------------------------------------------------

Change = Callable[[Mail, Random], Mail | bytes]
"""Bytes where it is no tree any more."""


def _type_at(mail: Mail) -> int:
    return next(
        at for at, field in enumerate(mail.fields) if field.lower().startswith(b"content-type")
    )


def _with_type(mail: Mail, *types: bytes) -> Mail:
    at = _type_at(mail)
    return replace(mail, fields=(*mail.fields[:at], *types, *mail.fields[at + 1 :]))


def _type(mail: Mail) -> bytes:
    return mail.fields[_type_at(mail)]


def two_types(mail: Mail, random: Random) -> Mail:
    """RFC 2045, 5: one field. Another boundary, or no signature, in the other one."""
    other = random.choice((_signed_type(b"=_other"), b"Content-Type: text/plain\r\n", _type(mail),
                           b'Content-Type: multipart/mixed; boundary="=_one"\r\n',
                           b"CONTENT-TYPE: text/html\r\n", b"Content-Type : text/plain\r\n"))  # fmt: skip
    pair = [_type(mail), other]
    random.shuffle(pair)
    return _with_type(_with_other_parts(mail, random), *pair)


def _with_other_parts(mail: Mail, random: Random) -> Mail:
    """The parts of the other mail stand in the prologue or the epilogue."""
    inside = (
        b"".join(b"--=_other\r\n" + part + b"\r\n" for part in clear(1).parts) + b"--=_other--\r\n"
    )
    if random.random() < 0.5:
        return replace(mail, prologue=inside)
    return replace(mail, epilogue=inside)


def two_boundaries(mail: Mail, random: Random) -> Mail:
    """RFC 2045, 5.1: no parameter is there twice."""
    extra = random.choice((b'boundary="=_other"', b"boundary==_other", b"boundary*=us-ascii''=_other",
                           b'boundary*0="=_oth"; boundary*1=er', b'BOUNDARY="=_other"',
                           b'x="; boundary==_other"', b"boundary"))  # fmt: skip
    field = _type(mail).rstrip()
    at = random.choice((field.index(b";"), len(field)))
    return _with_type(
        _with_other_parts(mail, random), field[:at] + b"; " + extra + field[at:] + b"\r\n"
    )


def boundary_written_otherwise(mail: Mail, random: Random) -> Mail:
    """RFC 2045, 5.1 and RFC 2231: the same value, or nearly."""
    value = random.choice((
        b'boundary*0="=_o"; boundary*1=ne', b"boundary*=us-ascii''%3D_one", b'boundary="=\\_one"',
        b'boundary="=_one" (or another)', b"boundary==_one", b'boundary = "=_one"', b"boundary='=_one'",
        b'boundary="=_one "', b'boundary="=_one', b'boundary=" =_one"', b'boundary=(x)"=_one"', b'boundary="=_ONE"',
    ))  # fmt: skip
    return _with_type(mail, _type(mail).replace(b'boundary="' + mail.boundary + b'"', value))


def protocol_lies(mail: Mail, random: Random) -> Mail:
    """RFC 1847, 2.1: it says what the second part is."""
    other = random.choice((b"application/pgp-signature", b"application/x-pkcs7-signature", b"",
                           b"APPLICATION/PKCS7-SIGNATURE", b"application/pkcs7-mime", b"text/plain"))  # fmt: skip
    field = _type(mail).replace(
        b'protocol="application/pkcs7-signature"', b'protocol="' + other + b'"'
    )
    return _with_type(mail, field if other else field.replace(b' protocol="";', b""))


def micalg_lies(mail: Mail, random: Random) -> Mail:
    """RFC 8551, 3.5.3.2: for whoever hashes in one pass; nothing depends on it."""
    other = random.choice((b"micalg=md5", b"micalg=sha1", b"micalg=unknown", b"x=y", b'micalg="sha-256,md5"',
                           b"micalg=", b"micalg=sha-512; micalg=sha-256"))  # fmt: skip
    return _with_type(mail, _type(mail).replace(b"micalg=sha-256", other))


def type_lies(mail: Mail, random: Random) -> Mail:
    """The outermost label."""
    kinds = (b"multipart/mixed", b"multipart/signed", b"MULTIPART/Signed", b"application/pkcs7-mime",
             b"application/x-pkcs7-mime", b"application/octet-stream", b"application/pkcs7-signature",
             b"text/plain", b"multipart / signed", b"multipart/(x)signed", b"multipart/signed.x")  # fmt: skip
    return _with_type(
        mail, re.sub(rb": [\w/-]+", b": " + random.choice(kinds), _type(mail), count=1)
    )


def smime_type_lies(mail: Mail, random: Random) -> Mail:
    """RFC 8551, 3.2.2: a hint."""
    kinds = (b"signed-data", b"enveloped-data", b"certs-only", b"compressed-data", b"authEnveloped-data",
             b"x", b"")  # fmt: skip
    return _with_type(
        mail, re.sub(rb"smime-type=[\w-]*", b"smime-type=" + random.choice(kinds), _type(mail))
    )


def several_authors(mail: Mail, random: Random) -> Mail:
    """RFC 5322, 3.6: one From."""
    other = random.choice((b"From: mallory@example.org\r\n", b"From: alice@example.org\r\n",
                           b"FROM: mallory@example.org\r\n", b"From : mallory@example.org\r\n",
                           b"Sender: mallory@example.org\r\n"))  # fmt: skip
    at = random.randrange(len(mail.fields) + 1)
    return replace(mail, fields=(*mail.fields[:at], other, *mail.fields[at:]))


def another_author(mail: Mail, random: Random) -> Mail:
    other = random.choice((b"From: mallory@example.org\r\n", b"From: alice@example.org, mallory@example.org\r\n",
                           b"From: alice@example.org <mallory@example.org>\r\n", b"",
                           b"From: mallory@example.org (alice@example.org)\r\n"))  # fmt: skip
    return replace(mail, fields=(other, *mail.fields[1:]))


def folded(mail: Mail, random: Random) -> Mail:
    """RFC 5322, 2.2.3, and what only looks like it."""
    at = random.randrange(len(mail.fields))
    field = mail.fields[at]
    blanks = [each.start() for each in re.finditer(rb" |;|=|/", field)]
    cut = random.choice(blanks or [len(field)])
    fold = random.choice(
        (b"\r\n ", b"\r\n\t", b"\n ", b"\r ", b"\r\n \r\n ", b"\r\n", b"\r\n\r\n ")
    )
    changed = field[:cut] + fold + field[cut:]
    return replace(mail, fields=(*mail.fields[:at], changed, *mail.fields[at + 1 :]))


def odd_field(mail: Mail, random: Random) -> Mail:
    """A line among the fields that may be one, or end the header."""
    line = random.choice((b"no field\r\n", b" \r\n", b"X:y\r\n", b": empty\r\n", b"X\0: y\r\n", b"\xff: y\r\n",
                          b"X: y\rContent-Type: text/plain\r\n", b"--=_one\r\n", b"From alice\r\n",
                          b"Content-Disposition: attachment; filename=smime.p7m\r\n", b"\r\n"))  # fmt: skip
    at = random.randrange(len(mail.fields) + 1)
    return replace(mail, fields=(*mail.fields[:at], line, *mail.fields[at:]))


# --- changes: of the parts -----------------------------------------------------------------


def around(mail: Mail, random: Random) -> Mail:
    """RFC 2046, 5.1.1: what stands before and behind the parts is none of them."""
    texts = (b"A prologue.\r\n", b"\r\n", b"--=_on\r\nfalse\r\n", b"--=_one x\r\nfalse\r\n",
             b"--=_other\r\n" + CONTENTS[1] + b"\r\n", b" --=_one\r\n", b"-- =_one\r\n")  # fmt: skip
    if random.random() < 0.5:
        return replace(mail, prologue=random.choice(texts))
    return replace(
        mail, epilogue=random.choice((*texts, b"--=_one\r\n" + CONTENTS[1] + b"\r\n--=_one--\r\n"))
    )


def another_part(mail: Mail, random: Random) -> Mail:
    """RFC 1847, 2.1: exactly two parts."""
    other = random.choice(
        (CONTENTS[1], clear(1).parts[1], b"\r\nA footer.", mail.parts[0], mail.parts[-1], b"")
    )
    at = random.randrange(len(mail.parts) + 1)
    return replace(mail, parts=(*mail.parts[:at], other, *mail.parts[at:]))


def parts_lost_or_moved(mail: Mail, random: Random) -> Mail:
    kept = random.choice((mail.parts[:1], mail.parts[1:], mail.parts[::-1], (CONTENTS[1], mail.parts[-1]),
                          (mail.parts[0], clear(1).parts[1])))  # fmt: skip
    return replace(mail, parts=kept)


def nested(mail: Mail, random: Random) -> Mail:
    """A signed mail below something else, or two of them, one in the other."""
    inner = b"".join(mail.fields[3:]) + b"\r\n" + replace(mail, fields=()).encode()[2:]
    kind = random.choice((b"multipart/mixed", b"multipart/signed", b"message/rfc822"))
    if kind == b"message/rfc822":
        return Mail((*_HEAD, b"Content-Type: message/rfc822\r\n"), body=mail.encode())
    parts = random.choice(
        ((inner,), (inner, b"\r\nA footer."), (inner, clear(1).parts[1]), (CONTENTS[1], inner))
    )
    field = _signed_type(b"=_out").replace(b"multipart/signed", kind)
    return Mail((*_HEAD, field), parts, b"=_out")


def delimiters(mail: Mail, random: Random) -> bytes:
    """RFC 2046, 5.1.1: blanks behind them are padding; other things are not."""
    other = random.choice((b" ", b"\t ", b"-", b"x", b"\0", b"--", b";"))
    whole = mail.encode()
    lines = [each.end() for each in re.finditer(rb"--=_one", whole)]
    at = random.choice(lines or [0])
    return whole[:at] + other + whole[at:]


def not_closed(mail: Mail, random: Random) -> Mail:
    return replace(mail, closed=False, epilogue=random.choice((b"", b"\r\nmore", b"--=_one")))


def other_signature_label(mail: Mail, random: Random) -> Mail:
    """RFC 8551, 3.5.3.1, and what programs write in its place."""
    kinds = (b"application/x-pkcs7-signature", b"application/pkcs7-mime", b"application/octet-stream",
             b"text/plain", b"application/pgp-signature", b"APPLICATION/PKCS7-Signature")  # fmt: skip
    signature = mail.parts[-1].replace(b"application/pkcs7-signature", random.choice(kinds), 1)
    return replace(mail, parts=(*mail.parts[:-1], signature))


def _reencoded(text: bytes, random: Random) -> bytes:
    """Another transfer encoding of base64, under its name or another."""
    head, _, body = text.partition(b"\r\n\r\n")
    try:
        raw = base64.b64decode(body)
    except binascii.Error:  # another change was here before
        raw = body
    name = random.choice((b"base64", b"BASE64", b"quoted-printable", b"7bit", b"8bit", b"binary", b"x-uuencode",
                          b'"base64"', b"base64 (x)", b"base64;x=y", b""))  # fmt: skip
    flat = base64.b64encode(raw)
    body = random.choice((
        body, flat, raw, binascii.b2a_qp(raw, istext=False).replace(b"\n", b"\r\n"), body.replace(b"\r\n", b"\n"),
        flat[: len(flat) // 2] + b"\r\n\r\n" + flat[len(flat) // 2 :], flat.rstrip(b"="), b" " + body,
        body[:90] + b"!*" + body[90:], body + b"\r\nA footer.", body.replace(b"\r\n", b" \r\n"),
        b"-----BEGIN PKCS7-----\r\n" + body + b"\r\n-----END PKCS7-----",
    ))  # fmt: skip
    field = b"Content-Transfer-Encoding: " + name
    head = (
        head.replace(b"Content-Transfer-Encoding: base64", field)
        if name
        else head.replace(b"\r\nContent-Transfer-Encoding: base64", b"")
    )
    if random.random() < 0.2:
        head += b"\r\nContent-Transfer-Encoding: " + random.choice((b"base64", b"7bit"))
    return head + b"\r\n\r\n" + body


def transfer_encodings(mail: Mail, random: Random) -> Mail | bytes:
    """RFC 2045, 6: of the signature, or of an opaque mail."""
    if mail.parts:
        return replace(mail, parts=(*mail.parts[:-1], _reencoded(mail.parts[-1], random)))
    return _reencoded(mail.encode(), random)


def content(mail: Mail, random: Random) -> Mail:
    """What is signed: never without a trace."""
    first, *rest = mail.parts
    changed = random.choice((
        first.replace(b"plan", b"plot"), first.rstrip(), first + b"\r\n", first.replace(b"\r\n", b"\n"),
        first.replace(b".\r\n", b". \r\n"), first.replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n"), b"\r\n" + first,
        first.replace(b"is", b"=69s"), first.replace(b"Content-Type", b"content-type"), first + b" ",
        first.replace(b"\r\n", b"\r\r\n"), first.replace(b"is on", b"is\0on"),
    ))  # fmt: skip
    return replace(mail, parts=(changed, *rest))


def line_ends(mail: Mail, random: Random) -> bytes:
    """Of all of the mail, or from somewhere on."""
    whole = mail.encode()
    at = random.choice((0, 0, random.randrange(len(whole))))
    end = random.choice((b"\n", b"\n", b"\r", b"\r\r\n", b"\n\r"))
    return whole[:at] + whole[at:].replace(b"\r\n", end)


OF_ANY: tuple[Change, ...] = (
    two_types, type_lies, several_authors, another_author, folded, odd_field, nested, line_ends,
    transfer_encodings,
)  # fmt: skip
OF_CLEAR: tuple[Change, ...] = (
    two_boundaries, boundary_written_otherwise, protocol_lies, micalg_lies, around, another_part,
    parts_lost_or_moved, delimiters, not_closed, other_signature_label, content,
)  # fmt: skip
OF_OPAQUE: tuple[Change, ...] = (smime_type_lies,)


def changed(mail: Mail, random: Random) -> bytes:
    """One change or two, and sometimes one of the lines besides."""
    pool = (*OF_ANY, *(OF_CLEAR if mail.parts else OF_OPAQUE))
    made: Mail | bytes = mail
    for _ in range(random.choice((1, 1, 2))):
        if isinstance(made, Mail) and bool(made.parts) == bool(mail.parts):
            made = random.choice(pool)(made, random)
    found = made.encode() if isinstance(made, Mail) else made
    return mutate_mime(found, random) if random.random() < 0.25 else found
