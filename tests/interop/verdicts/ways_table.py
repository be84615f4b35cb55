"""Every disagreement about OAEP and key agreement that was found, with its reason and the standard.

A row that nobody needs any more is no harm: programs get better. Knows what programs say; the
witnesses say which messages a row is about.
"""

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from tests.interop.verdicts.comparing import Case, Row, Stricter, Taken
from tests.interop.verdicts.encrypted_table import (
    ENCRYPTED,
    TAGGED,
    another_transport,
    odd_originator,
    reads_by_hand,
    rsa_with_parameters,
    wraps_another_key,
)
from tests.interop.verdicts.sealing import oid
from tests.interop.verdicts.steady import person
from tests.interop.verdicts.ways import SCHEMES, WRAPS, Agreement
from tests.interop.verdicts.witnesses import Tree, envelope, read

__all__ = ["WAYS", "WAYS_WITH_A_TAG"]


def _keys(case: Case) -> list[Tree]:
    """Those that somebody gets, in whatever RecipientInfo (RFC 5652, 6.2)."""
    found: list[Tree] = []
    for tag, inside in envelope(case.message).recipients:
        found += inside[-1][1] if tag == 0xA1 else [inside[-1]]
    return found


def one_of_several(case: Case) -> bool:
    return len(_keys(case)) > 1 and reads_by_hand(case)


def _points(case: Case) -> list[bytes]:
    """Of the originators, each with the number of its unused bits before it (RFC 5753, 3.1.1)."""
    agreements = [each for each in envelope(case.message).recipients if each[0] == 0xA1]
    return [value[1][1][1][0][1][1][1] for value in agreements]


def hybrid_point(case: Case) -> bool:
    return any(each[1:2] in {b"\6", b"\7"} for each in _points(case))


def unused_bits(case: Case) -> bool:
    return any(each[:1] != b"\0" for each in _points(case))


def another_name(case: Case) -> bool:
    """None of the keys is for bob, as he is named in certificates: an issuer and a number."""
    bob = person("bob p256").certificate
    name = read(bob.issuer), (2, bob.serial.to_bytes(bob.serial.bit_length() // 8 + 1, "big"))
    agreements = [value for tag, value in envelope(case.message).recipients if tag == 0xA1]
    named = [each[1][0] for value in agreements for each in value[-1][1]]
    return bool(named) and (0x30, list(name)) not in named


def derived_with_null(case: Case) -> bool:
    """RFC 3565, 2.3.2: AES key wrap has no parameters; what is derived says NULL, and the message not."""
    bob = person("bob p256").certificate.public_key
    assert isinstance(bob, EllipticCurvePublicKey)
    for tag, value in envelope(case.message).recipients:
        if tag == 0xA1:
            name, wrap = value[-2][1]
            [size] = (each for each, named in WRAPS.items() if oid(named)[2:] == wrap[1][0][1])
            [scheme] = (each for each in SCHEMES if oid(each)[2:] == name[1])
            ukm = next((each[1][0][1] for each in value[2:-2] if each[0] == 0xA1), None)
            how = Agreement(scheme, size=size, derived_from=b"\5\0", ukm=ukm)
            if len(wrap[1]) == 1 and how.wrapped(case.key, bob) in [
                each[1][1][1] for each in value[-1][1]
            ]:
                return True
    return False


def bad_oaep_parameters(case: Case) -> bool:
    """RFC 4055, 4.1: a digest, a mask and a label, each once at most, in this order, and named so."""
    infos = [value for tag, value in envelope(case.message).recipients if tag == 0x30]
    return any(_is_bad(each[2][1][1:]) for each in infos if each[2][1][0] == _OAEP)


def _is_bad(parameters: list[Tree]) -> bool:
    if len(parameters) != 1 or parameters[0][0] != 0x30:
        return True
    tags = [tag for tag, _ in parameters[0][1]]
    if tags != sorted(set(tags)) or not set(tags) <= _NAMES.keys():
        return True
    if any(len(inside) != 1 for _, inside in parameters[0][1]):
        return True  # X.690, 8.14
    named = {tag: inside[0][1][0] for tag, inside in parameters[0][1]}
    return any(_NAMES[tag] not in {None, name[1]} for tag, name in named.items())


def digest_with_parameters(case: Case) -> bool:
    """RFC 4055, 2.1: the parameters of a digest, and of that of a mask, are NULL or absent."""
    infos = [value for tag, value in envelope(case.message).recipients if tag == 0x30]
    named = [each[2][1][1][1] for each in infos if each[2][1][0] == _OAEP and each[2][1][1:]]
    found = [inside[0] for each in named for tag, inside in each if tag in {0xA0, 0xA1}]
    masks = [value[1][1] for value in found if value[1][0] == (6, _NAMES[0xA1])]
    digests = [value for value in found if value[1][0] != (6, _NAMES[0xA1])]
    return any(value[1][1:] not in ([], [(5, b"")]) for value in (*digests, *masks))


_OAEP = (6, oid("1.2.840.113549.1.1.7")[2:])
_NAMES = {0xA0: None, 0xA1: oid("1.2.840.113549.1.1.8")[2:], 0xA2: oid("1.2.840.113549.1.1.9")[2:]}
_TRIES_ONE = "of several keys for bob it tries the first, and reads all the others' besides"

_OF_V15 = (another_transport, rsa_with_parameters, wraps_another_key)
"""Faults of PKCS #1 v1.5, and none of OAEP."""


def _of_any_way(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple(row for row in rows if not (isinstance(row, Stricter) and row.when in _OF_V15))


_WAYS: tuple[Row, ...] = (
    Stricter("*", "decryption", "it reads points in the hybrid form, which nobody may write",
             "RFC 5480, 2.2", hybrid_point),
    Stricter("*", "no-matching-key", "it masks bits of the originator's key that are said not to count",
             "RFC 5480, 2.2", unused_bits),
    Stricter("bouncycastle", "decryption",
             "it does not look at what the originator's key says that it is", "RFC 5753, 3.1.1",
             odd_originator),
    Stricter("bouncycastle", "decryption",
             "it tries the key of those, too, who took no parameters for NULL",
             "RFC 5753, 7.2; RFC 3565, 2.3.2", derived_with_null),
    Stricter("bouncycastle", "decryption",
             "it passes over what is not in RSAES-OAEP-params, and over what names mask and label",
             "RFC 4055, 4.1", bad_oaep_parameters),
    Stricter("*", "decryption", "it passes over parameters of a digest that are none",
             "RFC 4055, 2.1", digest_with_parameters),
    Stricter("bouncycastle", "no-matching-key",
             "it passes over what stands behind the name and the number of whose key it is",
             "RFC 5652, 6.2.2 and 10.2.4", another_name),
    Taken("gpgsm", "End of file", "it gives up on some indefinite lengths, and on what is others'",
          "X.690, 8.1.3.6; RFC 5652, 6.2", reads_by_hand),
    *(
        Taken(peer, says, _TRIES_ONE, "RFC 5652, 6 and 6.2", one_of_several)
        for peer, says in [
            ("openssl", "Error decrypting CMS using private key"),
            ("openssl", "aes_wrap_cipher_internal"),
            ("bouncycastle", "exception unwrapping key"),
            ("bouncycastle", "in getInstance"),
            ("bouncycastle", "out of bounds"),
            ("bouncycastle", "implicit expected"),
            ("bouncycastle", "originator key invalid"),
            ("bouncycastle", "key invalid in message"),
        ]
    ),
)  # fmt: skip

WAYS = (*_WAYS, *_of_any_way(ENCRYPTED))
WAYS_WITH_A_TAG = (*_WAYS, *_of_any_way(TAGGED))
