"""What is wrong with a mail, by the grammars of the RFCs as regular expressions.

A row that says why we are stricter holds for mails with that fault, and for no others. Each
header is looked at, of the mail and of whatever inside begins like one. Shares no code with ours;
may not know who takes what.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator

from tests.interop.verdicts.comparing import Case
from tests.interop.verdicts.sealing import SIGNED

__all__ = [
    "another_label",
    "another_sender",
    "armoured",
    "bad_base64",
    "bad_label",
    "bad_quoted_printable",
    "bare_cr",
    "duplicate_field",
    "duplicate_parameter",
    "encoded_multipart",
    "no_field",
    "no_one_sender",
    "not_labelled_base64",
    "not_two_parts",
    "several_cr",
    "signature_of_another_type",
    "unknown_transfer_encoding",
    "wrong_protocol",
]

_LINE = re.compile(rb"[^\n]*(?:\n|\Z)")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_ONCE = frozenset(
    b"from sender reply-to to cc bcc message-id in-reply-to references subject date mime-version "
    b"content-type content-transfer-encoding content-disposition content-id".split()
)
"""RFC 5322, 3.6 and RFC 2045, 3."""
_TOKEN = rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"
_COMMENT = rb"(?:\((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\))"
_SPACE = rb"(?:[ \t]|" + _COMMENT + rb")*"
_VALUE = rb'(?:%s|"(?:[^"\\\r\n\x00]|\\[^\r\n\x00])*")' % _TOKEN
_PARAMETER = rb";" + _SPACE + rb"(" + _TOKEN + rb")" + _SPACE + rb"=" + _SPACE + _VALUE + _SPACE
_TYPE = re.compile(
    _SPACE + _TOKEN + _SPACE + rb"/" + _SPACE + _TOKEN + _SPACE + rb"(?:" + _PARAMETER
    + rb")*;?" + _SPACE + rb"\Z"
)  # fmt: skip
"""RFC 2045, 5.1."""
_ENCODINGS = frozenset((b"7bit", b"8bit", b"binary", b"quoted-printable", b"base64"))

_SIGNATURES = frozenset((b"application/pkcs7-signature", b"application/x-pkcs7-signature"))

_CLEAR = b"multipart/signed"

Fields = list[tuple[bytes, bytes]]


def _headers(mail: bytes) -> Iterator[tuple[Fields, bytes, list[bytes]]]:
    """Each header: its fields, the text behind it, and lines that are no fields.

    A header is at the beginning, behind a line with two hyphens, and behind an empty one where a
    field of MIME or of a mail follows.
    """
    begins = rb"(?m)^(?:--[^\n]*|\s*(?=\n(?i:Content-|From:|MIME-)))\n"
    for start in sorted({0, *(found.end() for found in re.finditer(begins, mail))}):
        yield _header(mail, start)


def _header(mail: bytes, at: int) -> tuple[Fields, bytes, list[bytes]]:
    fields: Fields = []
    odd: list[bytes] = []
    for line in _LINE.finditer(mail, at):
        text = line[0].removesuffix(b"\n").removesuffix(b"\r")
        if not text:
            return fields, mail[line.end() :], odd
        name = _FIELD.match(text)
        if text[:1] in {b" ", b"\t"} and fields:
            fields[-1] = fields[-1][0], fields[-1][1] + text
        elif name:
            fields.append((name[1].lower(), text[name.end() :]))
        else:
            odd.append(text)
    return fields, b"", odd


def _all(case: Case, name: bytes) -> list[bytes]:
    """All the values of the fields by this name, wherever they stand."""
    return [
        value for fields, _, _ in _headers(case.message) for each, value in fields if each == name
    ]


# --- fields --------------------------------------------------------------------------------


def duplicate_field(case: Case) -> bool:
    for fields, _, _ in _headers(case.message):
        names = [name for name, _ in fields if name in _ONCE]
        if len(names) > len(set(names)):
            return True
    return False


def no_field(case: Case) -> bool:
    """A line of a header that is none, or that has what no field has (RFC 5322, 2.2); or one
    whose name is longer than any line (2.1.1).
    """
    first = _header(case.message, 0)[0]
    if not first or any(len(name) > 998 for name, _ in first):
        return True
    return any(
        odd or any(re.search(rb"[\x00\r]", value) for _, value in fields)
        for fields, _, odd in _headers(case.message)
        if fields or odd
    )


def _labels(case: Case) -> list[bytes]:
    return [*_all(case, b"content-type"), *_all(case, b"content-disposition")]


def bad_label(case: Case) -> bool:
    """RFC 2045, 5.1 and RFC 2046, 5.1.1; parameters by RFC 2231 are judged there."""
    return any(
        not _TYPE.match(each)
        or b"*" in each
        or b"\\" in each
        or _bad_boundary(each)
        or _NO_ATTRIBUTE.search(each)
        for each in _all(case, b"content-type")
    )


_NO_ATTRIBUTE = re.compile(rb";[ \t]*[^;=\"]*[%'][^;=\"]*=")
"""A parameter whose name has what RFC 2231, 7 takes out of them."""


def _bad_boundary(label: bytes) -> bool:
    found = re.search(rb'boundary\s*=\s*(?:"([^"]*)"|([^\s;]+))', label, re.IGNORECASE)
    if found is None:
        return b"multipart" in label.lower()
    value = found[1] or found[2] or b""
    several = label.lower().count(b"boundary") > 1  # wherever a program looks for it
    return (
        several
        or b"(" in label
        or not re.fullmatch(rb"[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]", value)
    )


def another_label(case: Case) -> bool:
    """The mail is not labelled as S/MIME (RFC 8551, 3.10), or nobody can tell how it is."""
    fields = _header(case.message, 0)[0]
    label = b"".join(value for name, value in fields if name == b"content-type")
    label = re.sub(_COMMENT, b"", label).strip().lower()
    known = re.match(rb"(?:multipart/signed|application/(?:x-)?pkcs7-mime)\s*(?:;|\Z)", label)
    return known is None or any(b"\r" in value for _, value in fields)


def duplicate_parameter(case: Case) -> bool:
    for each in _labels(case):
        bare = re.sub(rb'"(?:[^"\\]|\\.)*"', b'""', each).lower()
        names = re.findall(rb";\s*([^\s;=*]+)\*?0?\*?\s*=", bare)
        if len(names) > len(set(names)):
            return True
    return False


def no_one_sender(case: Case) -> bool:
    """RFC 5322, 3.6.2: one From, and here one author in it."""
    found = [value for name, value in _header(case.message, 0)[0] if name == b"from"]
    return (
        len(found) != 1
        or b"\r" in found[0]
        or len(re.findall(rb"[^\s<>,()]+@[^\s<>,()]+", found[0])) != 1
    )


def another_sender(case: Case) -> bool:
    found = b"".join(_all(case, b"from"))
    return set(re.findall(rb"[^\s<>,()]+@[^\s<>,()]+", found)) != {b"alice@example.org"}


# --- multiparts and encodings --------------------------------------------------------------


def not_two_parts(case: Case) -> bool:
    """RFC 1847, 2.1: two, and then an end; for each boundary that is named."""
    for each in _all(case, b"content-type"):
        if b"multipart" not in each.lower():
            continue
        found = re.search(rb'boundary\s*=\s*(?:"([^"]*)"|([^\s;]+))', each, re.IGNORECASE)
        if found is None:
            return True
        line = re.escape(found[1] or found[2] or b"")
        if len(re.findall(rb"[\r\n]--" + line, b"\n" + case.message)) != 3:
            return True  # RFC 2046, 5.1.1: a line need only begin like a delimiter
        opened = re.findall(rb"(?m)^--" + line + rb"[ \t]*\r*$", case.message)
        closed = re.findall(rb"(?m)^--" + line + rb"--[ \t]*\r?$", case.message)
        if (len(opened), len(closed)) != (2, 1):
            return True
    return False


def wrong_protocol(case: Case) -> bool:
    """RFC 1847, 2.1: it is there, and is the type of the second part."""
    labels = [re.sub(_COMMENT, b"", each).lower() for each in _all(case, b"content-type")]
    labels = [re.sub(rb"\s*/\s*", b"/", each) for each in labels]
    types = [each.split(b";")[0].strip() for each in labels]
    for each in labels:
        if each.strip().startswith(_CLEAR):
            found = re.search(rb'protocol\s*=\s*"?([^\s";]*)', each)
            named = found is not None and {found[1], types[-1]} <= _SIGNATURES
            if not named or sum(one in _SIGNATURES for one in types) < types.count(_CLEAR):
                return True
    return False


def encoded_multipart(case: Case) -> bool:
    """RFC 2045, 6.4."""
    for fields, _, _ in _headers(case.message):
        label = dict(fields)
        encoding = label.get(b"content-transfer-encoding", b"7bit").strip().lower()
        if b"multipart" in label.get(b"content-type", b"").lower() and encoding in {
            b"base64", b"quoted-printable"
        }:  # fmt: skip
            return True
    return False


def unknown_transfer_encoding(case: Case) -> bool:
    """RFC 2045, 6.1: one token of five; others are for those who agreed on them (6.3)."""
    found = _all(case, b"content-transfer-encoding")
    return any(
        re.sub(_COMMENT, b"", each).strip(b" \t").lower() not in _ENCODINGS for each in found
    )


def not_labelled_base64(case: Case) -> bool:
    found = _all(case, b"content-transfer-encoding")
    return any(each.strip().lower() != b"base64" for each in found) or not found


def _bodies(case: Case, encoding: bytes) -> Iterator[bytes]:
    for fields, body, _ in _headers(case.message):
        label = dict(fields)
        is_cms = b"pkcs7" in label.get(b"content-type", b"").lower()  # base64, whatever is said
        if (is_cms and encoding == b"base64") or encoding in label.get(
            b"content-transfer-encoding", b""
        ).lower():
            yield re.split(rb"(?m)^--", body)[0]


def bad_base64(case: Case) -> bool:
    """RFC 2045, 6.8: lines of 76 characters at most of the alphabet, padded in the end."""
    for body in _bodies(case, b"base64"):
        try:
            base64.b64decode(re.sub(rb"[ \t\r\n]", b"", body), validate=True)
        except binascii.Error:
            return True
    return False


def armoured(case: Case) -> bool:
    """RFC 7468, 2: lines that are no base64 around what is."""
    return re.search(rb"(?m)^-----BEGIN [A-Z0-9 ]+-----", case.message) is not None


def bad_quoted_printable(case: Case) -> bool:
    """RFC 2045, 6.7: what it says is what its encoding would be, up to line breaks."""
    for body in _bodies(case, b"quoted-printable"):
        octets = quopri.decodestring(body)
        if (
            not body.isascii()
            or b"\x00" in body
            or re.search(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n)", body)
        ):
            return True
        if octets != quopri.decodestring(binascii.b2a_qp(octets)):
            return True
    return False


def bare_cr(case: Case) -> bool:
    """RFC 5322, 2.3: a CR stands before a LF; some end a line, or the header, at any other, too."""
    return any(b"\r" in value for fields, _, _ in _headers(case.message) for _, value in fields)


def signature_of_another_type(case: Case) -> bool:
    """RFC 8551, 3.5.1: what stands in the part of the signature is SignedData."""
    for fields, text, _ in _headers(case.message):
        if any(value.strip().lower().startswith(tuple(_SIGNATURES)) for _, value in fields):
            found = base64.b64decode(text.partition(b"\n--")[0])
            if SIGNED not in found[:24]:
                return True
    return False


def several_cr(case: Case) -> bool:
    """RFC 5322, 2.3: CR and LF stand together, one and one."""
    return b"\r\r\n" in case.message
