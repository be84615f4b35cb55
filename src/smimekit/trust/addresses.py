"""Mail addresses compared: under which form a certificate is kept for its owner, and looked up.

Knows RFC 9598 and the quotes of RFC 5321, 4.1.2. May not know certificates, headers or stores.

`mime.address` decides whether a signer is the sender; here it is decided to whom a certificate
belongs that is encrypted to. What is one mailbox here is one there as well.
"""

import re
from typing import Final

__all__ = ["folded_local", "normal_address", "normal_domain"]

_MAX_LABEL: Final = 63
"""Characters of a domain label (RFC 5890, 2.3.2.1): punycode is not linear in its length."""
_ASCII_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_UNQUOTED: Final = re.compile(r"[!#$%&'*+\-./0-9=?A-Z^_`a-z{|}~\u0080-\U0010ffff]+")
"""RFC 5321, 4.1.2, Dot-string; RFC 6531, 3.3. Two dots in a row need quotes; some mail has none."""
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL: Final = re.compile(r'["\\]')


def normal_address(address: str) -> str:
    """The form in which addresses are compared: equal forms, equal mailboxes.

    The domain is lower-cased (ASCII only) and its U-labels become A-labels. Of a local part,
    quotes and backslashes that it does not need are no part (RFC 5321, 4.1.2: such forms are
    equivalent). One in ASCII is compared without regard to case, as all mail systems do; one with
    other characters exactly, with neither case nor Unicode's spellings folded (RFC 9598, 5: it
    MUST NOT be transformed): people who differ in them may be two. A text without "@" is its own,
    useless, form; so is a label too long to be one.
    """
    local, at, domain = address.rpartition("@")
    return folded_local(_plain(local)) + at + normal_domain(domain)


def folded_local(local: str) -> str:
    """A local part as it is compared, with the quotes that it has."""
    return local.translate(_ASCII_LOWER) if local.isascii() else local


def normal_domain(domain: str) -> str:
    """A domain as it is compared."""
    labels = domain.translate(_ASCII_LOWER).split(".")
    try:
        return ".".join(_a_label(label) for label in labels)
    except UnicodeError:  # a lone surrogate: no domain at all; it stays as it is and equals itself
        return domain


def _plain(local: str) -> str:
    """Quoted only where it has to be: else "a@b" would be what a@b is that nobody quoted."""
    quoted = _QUOTED.fullmatch(local) if local.startswith('"') else None
    if quoted is None:
        return local
    text = _PAIR.sub(r"\1", quoted[1])
    return text if _UNQUOTED.fullmatch(text) else '"' + _SPECIAL.sub(r"\\\g<0>", text) + '"'


def _a_label(label: str) -> str:
    # Punycode only, no mapping: IDNA 2003 maps ss and sharp s, and the Kelvin sign and k, onto
    # each other, and so would hand one owner's mail to another (RFC 5895 leaves it to input).
    if label.isascii() or len(label) > _MAX_LABEL:
        return label
    return "xn--" + label.encode("punycode").decode("ascii")
