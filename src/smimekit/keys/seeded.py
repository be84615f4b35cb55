"""Private keys that are a seed (RFC 9881, 6; RFC 9935, 6), with what it expands to or without.

Knows PKCS #8 and the three forms. May not know what a seed expands to.
"""

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier
from smimekit.errors import CmsError, LimitExceeded
from smimekit.keys.failures import unsupported

__all__ = ["private_key_info", "seed_and_expanded"]


def private_key_info(data: bytes) -> tuple[AlgorithmIdentifier, bytes] | None:
    """Algorithm and private key of unencrypted PKCS #8, or None where it is none."""
    try:
        outer = der.Reader(data).enter(der.SEQUENCE)
        outer.integer()
        return AlgorithmIdentifier.read(outer), outer.read(der.OCTET_STRING)
    except (CmsError, LimitExceeded):
        return None  # whoever asked knows other forms


def seed_and_expanded(private: bytes, kind: str) -> tuple[bytes, bytes | None]:
    """The seed, and the expanded key where it stands beside it.

    Raises KeyFileError (`key.unsupported`) for an expanded key without its seed, CmsError
    for what is none of the forms.
    """
    reader = der.Reader(private)
    if reader.peek == der.OCTET_STRING:
        raise unsupported(
            f"it holds an {kind} key in expanded form only; ask for one with its seed"
        )
    if reader.peek != der.SEQUENCE:
        seed, expanded = reader.read(0x80), None
    else:
        both = reader.enter(der.SEQUENCE)
        seed, expanded = both.read(der.OCTET_STRING), both.read(der.OCTET_STRING)
        both.finish()
    reader.finish()
    return seed, expanded
