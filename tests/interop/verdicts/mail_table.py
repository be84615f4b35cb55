"""Every disagreement about whole mails that was found, with its reason and the standard.

A row that nobody needs any more is no harm: programs get better. Knows what programs say; the
witnesses say which messages a row is about.
"""

from dataclasses import replace

from tests.interop.verdicts.comparing import Case, Row, Stricter, Taken, Witness, holds
from tests.interop.verdicts.encrypted_table import ENCRYPTED
from tests.interop.verdicts.mail import CONTENTS, canonical
from tests.interop.verdicts.mail_by_hand import by_hand, layers_by_hand, objects, opened_by_hand
from tests.interop.verdicts.mail_faults import (
    another_label,
    another_sender,
    armoured,
    bad_base64,
    bad_label,
    bad_quoted_printable,
    bare_cr,
    duplicate_field,
    duplicate_parameter,
    encoded_multipart,
    no_field,
    no_one_sender,
    not_labelled_base64,
    not_two_parts,
    several_cr,
    signature_of_another_type,
    unknown_transfer_encoding,
    wrong_protocol,
)
from tests.interop.verdicts.signed_table import (
    SIGNED,
    only_the_list_of_digests_differs,
)
from tests.interop.verdicts.signed_table import (
    named_otherwise as another_type_than_signed,
)

__all__ = ["MAILS", "NESTED", "SECRET_MAILS"]


def says_by_hand(case: Case) -> bool:
    """Python's `email` finds, at some depth, that this is what is said to be signed."""
    return case.found in by_hand(case.message)


def a_layer_inside(case: Case) -> bool:
    """What is verified is inside of something else that says it is signed, or in a list of it."""
    return case.found in by_hand(case.message, depth=1)


def encrypted_by_hand(case: Case) -> bool:
    return case.found in opened_by_hand(case.message, case.key)


def inside(row: Row) -> Row:
    """The row, for what is in a mail: its witness reads bare CMS."""
    assert isinstance(row, Stricter)
    return replace(row, when=in_a_mail(row.when))


def in_a_mail(witness: Witness) -> Witness:
    """It holds for one of the objects in a mail."""

    def when(case: Case) -> bool:
        [content] = (each for each in CONTENTS if canonical(each) == case.content)
        seed = next(objects(case.seed))
        bare = (
            replace(case, message=each, seed=seed, content=content)
            for each in objects(case.message)
        )
        return any(holds(witness, each) for each in bare)

    return when


def announces_another_digest(case: Case) -> bool:
    """RFC 5652, 5.1: digestAlgorithms helps in one pass, and decides nothing."""
    return says_by_hand(case) and in_a_mail(only_the_list_of_digests_differs)(case)


_STRICT: tuple[Row, ...] = (
    Stricter("*", "mime.duplicate-field",
             "it takes the first, or the last, of two fields that are there once",
             "RFC 5322, 3.6; RFC 2045, 5 and 6.1", duplicate_field),
    Stricter("*", "mime.duplicate-parameter", "it takes the first, or the last, of two values",
             "RFC 2045, 5.1", duplicate_parameter),
    Stricter("*", "mime.content-type", "it guesses at a type that is none", "RFC 2045, 5.1",
             bad_label),
    Stricter("*", "mime.content-type", "it takes an encoding in quotes for one without",
             "RFC 2045, 6.1", unknown_transfer_encoding),
    Stricter("*", "mime.parameter", "it guesses at a parameter that is none, or has two readings",
             "RFC 2045, 5.1; RFC 2231, 3", bad_label),
    Stricter("*", "mime.comment", "it passes over a parenthesis that nothing closes",
             "RFC 5322, 3.2.2", bad_label),
    Stricter("*", "mime.boundary", "it takes a boundary that cannot be one", "RFC 2046, 5.1.1",
             bad_label),
    Stricter("*", "mime.header-line",
             "it passes over a line that is no field, or ends the header there",
             "RFC 5322, 2.2", no_field),
    Stricter("*", "mime.no-header", "it passes over lines that are no field", "RFC 5322, 2.1",
             no_field),
    Stricter("*", "mime.signed-parts",
             "it takes the first two of more parts, or does not wait for the end",
             "RFC 1847, 2.1; RFC 2046, 5.1.1", not_two_parts),
    Stricter("*", "mime.protocol", "it does not compare what both labels say", "RFC 1847, 2.1",
             wrong_protocol),
    Stricter("*", "mime.encoded-multipart", "it decodes a multipart as a whole", "RFC 2045, 6.4",
             encoded_multipart),
    Stricter("*", "mime.transfer-encoding",
             "it takes an encoding that it does not know for another", "RFC 2045, 6.4",
             unknown_transfer_encoding),
    Stricter("*", "mime.base64", "it passes over what is no base64, or ends there",
             "RFC 2045, 6.8", bad_base64),
    Stricter("*", "mime.base64", "it reads PEM where an encoding of MIME is named",
             "RFC 2045, 6.1 and 6.8", armoured),
    Stricter("*", "cms.not-cms", "it decodes base64, whatever the label says", "RFC 2045, 6.1",
             not_labelled_base64),
    Stricter("*", "mime.quoted-printable", "it passes over what is no quoted-printable",
             "RFC 2045, 6.7", bad_quoted_printable),
    Stricter("*", "wrong-sender", "it does not look at From", "RFC 8550, 3", another_sender),
    Stricter("*", "wrong-sender.no-sender", "it does not look at From, or takes one of several",
             "RFC 8550, 3; RFC 5322, 3.6.2", no_one_sender),
    Stricter("*", "wrong-sender.no-sender",
             "it does not break lines at a bare CR; others do, and find other fields there",
             "RFC 5322, 2.3", bare_cr),
    Stricter("*", "cms.not-cms", "it passes over what stands before the first octet",
             "RFC 2045, 6.8", bad_base64),
)  # fmt: skip
_BER_ATTRIBUTES = "attributes in BER: it hashes them as they came, where their DER was signed"
_DIGESTS = "it computes whatever is in digestAlgorithms, and stops where it cannot"
_BARE_CR = "it breaks lines of the header at a bare CR, or decodes by a label that is lost"
_BY_LABEL = "it decodes by the label, where base64 without one is meant"
_LABELS = "it goes by one label only, where RFC 8551 has receivers look for others"
_ONE_LAYER = (
    "it opens the outermost layer; a signature around another does not count for us, nor against it"
)

_BY_CALLER: tuple[Row, ...] = (
    Stricter("bouncycastle", "not-signed", "who calls it says that it is signed, whatever the label",
             "RFC 8551, 3.10", another_label),
    Stricter("bouncycastle", "not-signed", "it does not ask what the label says that the parts are",
             "RFC 1847, 2.1", wrong_protocol),
)  # fmt: skip
_SIGNED_INSIDE = tuple(inside(row) for row in SIGNED if isinstance(row, Stricter))
_ENCRYPTED_INSIDE = tuple(inside(row) for row in ENCRYPTED if isinstance(row, Stricter))

MAILS: tuple[Row, ...] = (
    *_STRICT,
    *_BY_CALLER,
    Stricter("bouncycastle", "cms.not-signed-data",
             "it does not look at the type of the ContentInfo", "RFC 5652, 3",
             signature_of_another_type),
    *(
        Stricter(peer, "content-changed.content", "it takes several CR before a LF for one",
                 "RFC 8551, 3.1.1; RFC 5322, 2.3", several_cr)
        for peer in ("openssl", "openssl smime")
    ),
    *_SIGNED_INSIDE,
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
            ("unknown digest", _DIGESTS, "RFC 5652, 5.1", announces_another_digest),
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
    *_STRICT,
    Stricter("bouncycastle", "insufficient-protection.not-encrypted",
             "who calls it says that it is encrypted, whatever the label", "RFC 8551, 3.10",
             another_label),
    *_ENCRYPTED_INSIDE,
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


_OF_ONE_LAYER = {*_SIGNED_INSIDE, *_ENCRYPTED_INSIDE}
"""They compare one CMS object with what it was; here there are several."""
_OF_THE_WHOLE = (another_sender, no_one_sender)
"""Faults of the header that people see."""


def at_any_depth(row: Row) -> Row:
    """The row, for one of the layers of a mail."""

    def within(witness: Witness) -> Witness:
        if witness in _OF_THE_WHOLE:
            return witness
        return lambda case: any(
            holds(witness, replace(case, message=each))
            for each in (case.message, *layers_by_hand(case.message, case.key))
            if canonical(each) not in map(canonical, CONTENTS)
        )

    if isinstance(row, Stricter):
        return replace(row, when=within(row.when))
    assert isinstance(row, Taken)
    return replace(row, witness=within(row.witness))


def below(row: Row, code: str) -> Row:
    """A row about SignedData, for that in a mail within the encryption."""
    assert isinstance(row, Stricter)

    def on_signed_data(case: Case) -> bool:
        return not another_type_than_signed(case) and row.when(case)

    witness = in_a_mail(on_signed_data)
    return replace(
        row,
        code=code,
        when=lambda case: any(
            holds(witness, replace(case, message=each))
            for each in layers_by_hand(case.message, case.key)
        ),
    )


def around(row: Row) -> Row:
    """A row about encryption, for that around a signed mail."""
    assert isinstance(row, Stricter)

    def on_what_is_not_signed(case: Case) -> bool:
        return another_type_than_signed(case) and row.when(case)

    return replace(row, when=in_a_mail(on_what_is_not_signed))


def only_what_is_around_it(case: Case) -> bool:
    """What is signed within the encryption is there as Alice wrote it, with or without the fields
    of a message, below another layer.
    """
    *_, entity = case.seed.split(b"\r\n", 3)
    found = map(canonical, layers_by_hand(case.message, case.key)[1:])
    return not {canonical(case.seed), canonical(entity)}.isdisjoint(found)


_NOT_FOR_IT = "it says as much of the signature around the encryption; that counts for nothing here"

NESTED: tuple[Row, ...] = (
    *(at_any_depth(row) for row in (*SECRET_MAILS, *MAILS) if row not in _OF_ONE_LAYER),
    # What is wrong below the first layer is a fact of that layer, and no protection comes of it.
    *(
        at_any_depth(replace(row, code="insufficient-protection"))
        for row in (*_STRICT, *_BY_CALLER)
        if isinstance(row, Stricter)
    ),
    *(
        below(row, code)
        for row in SIGNED
        if isinstance(row, Stricter)
        for code in (row.code, "insufficient-protection")
    ),
    *(around(row) for row in ENCRYPTED if isinstance(row, Stricter)),
    *(
        Taken(peer, "", _NOT_FOR_IT, "RFC 9787, 5.2; RFC 8551, 3.7", only_what_is_around_it)
        for peer in ("openssl", "bouncycastle")
    ),
)
