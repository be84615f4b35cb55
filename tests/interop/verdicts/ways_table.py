"""Every disagreement about OAEP and key agreement that was found, with its reason and the standard.

A row that nobody needs any more is no harm: programs get better. Knows what programs say; the
witnesses say which messages a row is about.
"""

from tests.interop.verdicts.comparing import Case, Row, Stricter, Taken
from tests.interop.verdicts.encrypted_table import ENCRYPTED, TAGGED, reads_by_hand
from tests.interop.verdicts.witnesses import Tree, envelope

__all__ = ["WAYS"]


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


_TRIES_ONE = "of several keys for bob it tries the first, and reads all the others' besides"

WAYS: tuple[Row, ...] = (
    *ENCRYPTED,
    *TAGGED,
    Stricter("*", "decryption", "it reads points in the hybrid form, which nobody may write",
             "RFC 5480, 2.2", hybrid_point),
    Stricter("*", "no-matching-key", "it masks bits of the originator's key that are said not to count",
             "RFC 5480, 2.2", unused_bits),
    *(
        Taken(peer, says, _TRIES_ONE, "RFC 5652, 6 and 6.2", one_of_several)
        for peer, says in [
            ("openssl", "Error decrypting CMS using private key"),
            ("openssl", "aes_wrap_cipher_internal"),
            ("bouncycastle", "in getInstance"),
            ("bouncycastle", "implicit expected"),
            ("bouncycastle", "originator key invalid"),
            ("bouncycastle", "key invalid in message"),
        ]
    ),
)  # fmt: skip
