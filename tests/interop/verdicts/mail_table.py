"""Every disagreement about whole mails that was found, with its reason and the standard.

A row that nobody needs any more is no harm: programs get better. Knows what programs say; the
witnesses say which messages a row is about.
"""

from tests.interop.verdicts.comparing import Case, Row, Stricter, Taken
from tests.interop.verdicts.encrypted_table import ENCRYPTED
from tests.interop.verdicts.mail_by_hand import by_hand, opened_by_hand

__all__ = ["MAILS", "SECRET_MAILS"]


def says_by_hand(case: Case) -> bool:
    """Python's `email` finds, at some depth, that this is what is said to be signed."""
    return case.found in by_hand(case.message)


def a_layer_inside(case: Case) -> bool:
    """What is verified is inside of something else that says it is signed, or in a list of it."""
    return case.found in by_hand(case.message, depth=1)


def encrypted_by_hand(case: Case) -> bool:
    return case.found in opened_by_hand(case.message, case.key)


_STRICT = (
    (
        "mime.duplicate-field",
        "it takes the first, or the last, of two fields that are there once",
        "RFC 5322, 3.6; RFC 2045, 5 and 6.1",
    ),
    ("mime.duplicate-parameter", "it takes the first, or the last, of two values", "RFC 2045, 5.1"),
    ("mime.content-type", "it guesses at a type that is none", "RFC 2045, 5.1"),
    ("mime.parameter", "it guesses at a parameter that is none", "RFC 2045, 5.1; RFC 2231, 3"),
    (
        "mime.header-line",
        "it passes over a line that is no field, or ends the header there",
        "RFC 5322, 2.2",
    ),
    (
        "mime.signed-parts",
        "it takes the first two of more parts, or does not wait for the end",
        "RFC 1847, 2.1; RFC 2046, 5.1.1",
    ),
    ("mime.boundary", "it takes a boundary that cannot be one", "RFC 2046, 5.1.1"),
    ("mime.protocol", "it does not compare what both labels say", "RFC 1847, 2.1"),
    (
        "mime.transfer-encoding",
        "it takes an encoding that it does not know for another",
        "RFC 2045, 6.4",
    ),
    ("mime.base64", "it passes over what is no base64, or ends there", "RFC 2045, 6.8"),
    ("mime.no-header", "it passes over lines that are no field", "RFC 5322, 2.1"),
    ("wrong-sender", "it does not look at From", "RFC 8550, 3"),
    (
        "wrong-sender.no-sender",
        "it does not look at From, or takes one of several",
        "RFC 8550, 3; RFC 5322, 3.6.2",
    ),
    ("verification.malformed", "as for bare signatures, above", "RFC 5652, 5.3 and 11.1"),
    ("verification.unsupported", "as for bare signatures, above", "RFC 5652, 5.3"),
    ("cms.malformed", "it does not look at what follows behind the message", "RFC 5652, 3"),
    ("cms.not-cms", "it passes over what stands before the first octet", "RFC 2045, 6.8"),
    (
        "asn1.malformed",
        "it does not mind lengths and arcs that no encoding has",
        "X.690, 8.1.3 and 8.19.2",
    ),
    ("asn1.unexpected", "as for bare signatures, above", "RFC 5652, 10.1.1"),
    ("cms.unexpected", "it does not look at the type of the ContentInfo", "RFC 5652, 3"),
)
_BER_ATTRIBUTES = "attributes in BER: it hashes them as they came, where their DER was signed"
_BARE_CR = "it breaks lines of the header at a bare CR, or decodes by a label that is lost"
_BY_LABEL = "it decodes by the label, where base64 without one is meant"
_LABELS = "it goes by one label only, where RFC 8551 has receivers look for others"
_ONE_LAYER = (
    "it opens the outermost layer; a signature around another does not count for us, nor against it"
)

MAILS: tuple[Row, ...] = (
    *(Stricter("*", code, reason, standard) for code, reason, standard in _STRICT),
    Stricter("bouncycastle", "not-signed", "who calls it says that it is signed, whatever the label",
             "RFC 8551, 3.10"),
    *(
        Stricter(peer, "content-changed.content", "it takes several CR before a LF for one",
                 "RFC 8551, 3.1.1; RFC 5322, 2.3", lambda case: b"\r\r\n" in case.message)
        for peer in ("openssl", "openssl smime")
    ),
    Stricter("bouncycastle", "untrusted-signer.no-certificate",
             "as a library it asks for no trust: who calls it does", "RFC 5280, 6.1"),
    *(
        Taken(peer, says, reason, standard, witness)
        for peer in ("openssl", "openssl smime")
        for says, reason, standard, witness in [
            ("no multipart body failure", "it finds parts where a line only begins like a delimiter",
             "RFC 2046, 5.1.1", says_by_hand),
            ("no multipart boundary", "it knows no parameters in sections or character sets",
             "RFC 2231, 3 and 4", says_by_hand),
            ("sig invalid mime type", _LABELS, "RFC 8551, 3.10; RFC 1847, 2.1", says_by_hand),
            ("invalid mime type", _LABELS, "RFC 8551, 3.2 and 3.10; RFC 2045, 5.1", says_by_hand),
            ("no content type", "it reads no field whose value begins on its second line",
             "RFC 5322, 2.2.3", says_by_hand),
            ("b64_read_asn1:decode error", "it decodes base64 in any case, and lines of 76 only",
             "RFC 2045, 6.1 and 6.8", says_by_hand),
            ("erification failure", _ONE_LAYER, "RFC 8551, 3.7", a_layer_inside),
            ("CMS_SignerInfo_verify:verification failure", _BER_ATTRIBUTES, "RFC 5652, 5.4",
             says_by_hand),
            ("PKCS7_signatureVerify:signature failure", _BER_ATTRIBUTES, "RFC 5652, 5.4",
             says_by_hand),
            ("verify error", _ONE_LAYER, "RFC 8551, 3.7", a_layer_inside),
        ]
    ),
    *(
        Taken("bouncycastle", says, reason, standard, witness)
        for says, reason, standard, witness in [
            ("Malformed content", _BY_LABEL,
             "RFC 8551, 3.10", says_by_hand),
            ("IOException reading content", _BARE_CR, "RFC 5322, 2.2; RFC 8551, 3.10", says_by_hand),
            ("message-digest attribute", _ONE_LAYER, "RFC 8551, 3.7", a_layer_inside),
            ("the signature is not good", _ONE_LAYER, "RFC 8551, 3.7", a_layer_inside),
        ]
    ),
)  # fmt: skip

SECRET_MAILS: tuple[Row, ...] = (
    *(Stricter("*", code, reason, standard) for code, reason, standard in _STRICT),
    Stricter("bouncycastle", "insufficient-protection.not-encrypted",
             "who calls it says that it is encrypted, whatever the label", "RFC 8551, 3.10"),
    *(row for row in ENCRYPTED if isinstance(row, Stricter)),
    *(
        Taken(peer, says, reason, standard, encrypted_by_hand)
        for peer, says, reason, standard in [
            ("openssl", "invalid mime type", _LABELS, "RFC 8551, 3.2 and 3.10"),
            ("openssl", "no content type", "it reads no field whose value begins on its second line",
             "RFC 5322, 2.2.3"),
            ("openssl", "decode error", "it decodes base64 in any case, and lines of 76 only",
             "RFC 2045, 6.1 and 6.8"),
            ("openssl", "content type not enveloped data", _ONE_LAYER, "RFC 8551, 3.7"),
            ("bouncycastle", "IOException reading content", f"{_BARE_CR}, or opens the outermost layer only",
             "RFC 5322, 2.2; RFC 8551, 3.7 and 3.10"),
            ("bouncycastle", "Malformed content", _BY_LABEL, "RFC 8551, 3.10"),
        ]
    ),
)  # fmt: skip
