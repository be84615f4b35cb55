"""What goes out: the outer structure around a CMS object (RFC 8551, 3.2 to 3.5; RFC 1847).

Knows header fields and multipart framing; may not know what the entity or the CMS object
holds. Writes CRLF only, in chunks, and never touches the entity, which is signed already.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Final, NewType

from smimekit.errors import MimeError, UsageError
from smimekit.mime.canonical import to_crlf
from smimekit.mime.fields import Field
from smimekit.mime.transfer import Transfer, base64_lines, encode_base64

__all__ = [
    "MIME_VERSION",
    "SMIME_TYPES",
    "SentHeader",
    "field_bytes",
    "header_bytes",
    "message_header",
    "multipart_signed",
    "multipart_signed_stream",
    "new_boundary",
    "pkcs7_mime",
    "pkcs7_mime_stream",
]

MIME_VERSION: Final = b"MIME-Version: 1.0\r\n"
"""What a header has that knows of MIME (RFC 2045, 4)."""
SentHeader = NewType("SentHeader", bytes)
"""Fields as they are sent: `header_bytes` alone makes it, which looks at each of them."""

SMIME_TYPES: Final = {
    "signed-data": "p7m",
    "enveloped-data": "p7m",
    "authEnveloped-data": "p7m",
    "compressed-data": "p7z",
    "certs-only": "p7c",
}
"""The smime-type parameter (RFC 8551, 3.2.2) and the file name extension (3.2.1)."""

_SENT = re.compile(
    rb"[!-9;-~]+:(?:[^\x00\r\n]*[^\x00\r\n\t ])?"
    rb"(?:\r\n[\t ][^\x00\r\n]*[^\x00\r\n\t ])*\r\n"
)
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:[^\x00\r\n]*(?:\r\n[ \t][^\x00\r\n]*)*\r\n")
_BLANK_FOLD = re.compile(rb"\r\n[ \t]+(?=\r\n)")
_MICALG = re.compile(r"[a-z0-9-]+(?:,[a-z0-9-]+)*")
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=?]{1,70}")
_SIGNATURE_HEADER = (
    b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\n'
    b"Content-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="smime.p7s"\r\n'
    b"\r\n"
)


def new_boundary(random: Callable[[int], bytes]) -> bytes:
    """A boundary out of `random` (`secrets.token_bytes` will do): 128 bits, so it occurs
    nowhere by chance; and `=_`, which neither base64 nor quoted-printable text can hold.
    """
    return b"=_smime_" + random(16).hex().encode()


def field_bytes(field: Field) -> bytes:
    """A field as it is sent: its own bytes, with CRLF, and without lines of blanks only.

    Raises `MimeError` (`mime.unsafe-field`) for a field that would be read as something
    else: with a bare CR or NUL, or with a line that would begin another field or the body.
    """
    if _SENT.fullmatch(field.raw):  # as nearly all are
        return field.raw
    raw = b"".join(to_crlf([field.raw])).removesuffix(b"\r\n")
    # Relays take blanks from line ends; such a line would then end the header.
    raw = _BLANK_FOLD.sub(b"", raw + b"\r\n")
    if not _FIELD.fullmatch(raw):
        raise MimeError(
            "A header field holds a line break or NUL that would change the header when sent; "
            "remove it from the draft.",
            code="mime.unsafe-field",
        )
    return raw


def header_bytes(fields: Iterable[Field]) -> SentHeader:
    """Fields as they are sent, each as by `field_bytes`."""
    return SentHeader(
        b"".join([each.raw if _SENT.fullmatch(each.raw) else field_bytes(each) for each in fields])
    )


def message_header(outer: Iterable[Field]) -> SentHeader:
    """The fields that stay outside, and MIME-Version, which is written here alone."""
    kept = [field for field in outer if field.name.lower() != "mime-version"]
    return SentHeader(header_bytes(kept) + MIME_VERSION)


def multipart_signed(
    outer: SentHeader,
    entity: bytes,
    signature: bytes,
    *,
    micalg: str,
    boundary: bytes,
    domain: str = "7bit",
) -> bytes:
    """A multipart/signed message (RFC 8551, 3.5.3): `entity` and `signature`, below `outer`,
    which `message_header` made.

    `domain` says what the entity is: 7bit, 8bit or binary; the multipart says it, too.

    `entity` is what is signed, byte for byte, and `signature` a detached CMS SignedData in
    DER. `micalg` names the digests (3.5.3.2), "sha-256". Raises `UsageError` for a micalg or
    boundary that is none, `MimeError` (`mime.boundary-in-content`) for an entity that holds
    the boundary.
    """
    begin, middle, end = _frame(micalg, boundary, domain)
    if b"--" + boundary in entity:
        raise _boundary_in_content()
    return b"".join((outer, begin, entity, middle, base64_lines(signature), end))


def multipart_signed_stream(
    outer: SentHeader,
    entity: Iterable[bytes],
    signature: Iterable[bytes],
    *,
    micalg: str,
    boundary: bytes,
    domain: str = "7bit",
) -> Iterator[bytes]:
    """The same as it comes; `signature` is taken when the entity has passed.

    What is wrong with the entity is raised while the chunks are taken, before it gives out
    one with the boundary.
    """
    begin, middle, end = _frame(micalg, boundary, domain)
    return chain(
        [outer + begin],
        _without(b"--" + boundary, entity),
        [middle],
        encode_base64(signature),
        [end],
    )


def _frame(micalg: str, boundary: bytes, domain: str) -> tuple[bytes, bytes, bytes]:
    """What stands before, between and behind the entity and its signature."""
    if not _BOUNDARY.fullmatch(boundary):
        raise UsageError("A boundary is 1 to 70 of the characters in RFC 2046, 5.1.1.")
    begin = _multipart_header(micalg, domain) % (boundary, boundary)
    return begin, b"\r\n--%s\r\n%s" % (boundary, _SIGNATURE_HEADER), b"\r\n--%s--\r\n" % boundary


@lru_cache(maxsize=16)
def _multipart_header(micalg: str, domain: str) -> bytes:
    """As far as the first delimiter, with two places for the boundary."""
    if not _MICALG.fullmatch(micalg):
        raise UsageError("micalg is a list of digest names such as sha-256.")
    return (
        b'%sContent-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        b' micalg="%s";\r\n boundary="%%s"\r\n\r\n--%%s\r\n'
    ) % (_encoding(domain), micalg.encode())


def pkcs7_mime(
    outer: SentHeader, cms: bytes, *, smime_type: str, transfer: Transfer = Transfer.MAIL
) -> bytes:
    """An application/pkcs7-mime message (RFC 8551, 3.2): `cms`, in base64 for mail, below
    `outer`, which `message_header` made.

    Raises `UsageError` for a smime-type that is not in `SMIME_TYPES`.
    """
    mail = transfer is Transfer.MAIL
    header = _pkcs7_header(smime_type, mail=mail)
    return b"".join((outer, header, base64_lines(cms) if mail else cms))


def pkcs7_mime_stream(
    outer: SentHeader,
    cms: Iterable[bytes],
    *,
    smime_type: str,
    transfer: Transfer = Transfer.MAIL,
) -> Iterator[bytes]:
    """The same as it comes."""
    mail = transfer is Transfer.MAIL
    header = _pkcs7_header(smime_type, mail=mail)
    return chain([outer + header], encode_base64(cms) if mail else cms)


@lru_cache(maxsize=2 * len(SMIME_TYPES))
def _pkcs7_header(smime_type: str, *, mail: bool) -> bytes:
    if smime_type not in SMIME_TYPES:
        raise UsageError(f"smime_type is one of {', '.join(SMIME_TYPES)}.")
    name = f"smime.{SMIME_TYPES[smime_type]}".encode()
    return (
        b"Content-Type: application/pkcs7-mime; smime-type=%s;\r\n"
        b' name="%s"\r\n'
        b"%s"
        b'Content-Disposition: attachment; filename="%s"\r\n\r\n'
    ) % (
        smime_type.encode(),
        name,
        b"Content-Transfer-Encoding: base64\r\n" if mail else _encoding("binary"),
        name,
    )


def _encoding(domain: str) -> bytes:
    """A multipart says what its parts may be; 7bit is what it is unasked (RFC 2045, 6.1, 6.4)."""
    return b"" if domain == "7bit" else f"Content-Transfer-Encoding: {domain}\r\n".encode()


def _without(delimiter: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """`chunks`, unless `delimiter` occurs in them: it would cut the part in two."""
    tail = b""
    most = len(delimiter) - 1
    for chunk in chunks:
        # Base64 has no hyphen, and to look for one octet is eight times as fast.
        within = b"-" in chunk and delimiter in chunk
        if within or delimiter in tail + chunk[:most]:
            raise _boundary_in_content()
        tail = (tail + chunk)[-most:] if len(chunk) < most else chunk[-most:]
        yield chunk


def _boundary_in_content() -> MimeError:
    return MimeError(
        "The content holds the boundary of the message; choose another boundary.",
        code="mime.boundary-in-content",
    )
