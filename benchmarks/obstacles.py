"""What stands in the way of the aims that are not reached. Written by hand, shown by `report`.

The numbers of calls are those of a profile, of the very operation.
"""

from typing import Final

__all__ = ["OBSTACLES"]

_SIGNING: Final = (
    "What is left is some 145 calls of Python: the header is cut into fields and each is looked at "
    "once (a third of it, with the check of the body for transport), attributes, SignerInfo and "
    "SignedData are written around what is kept encoded, and base64 is cut into lines. No peer "
    "checks a draft, or protects its header."
)
_VERIFYING: Final = (
    "Some 460 calls of Python. A third of it takes the mail apart: two headers and a Content-Type "
    "that are new each time, delimiters, base64. The rest makes each fact of a verdict once: "
    "signature, identity, judgement, what is protected, in records that nobody can change. What "
    "the aim leaves room for is one function that answers yes or no."
)
_ENCRYPTING: Final = (
    "Some 250 calls of Python, each of them short: a third is the draft and its header (outside, "
    "inside, and the copies of RFC 9788), the rest who gets what, the RecipientInfo, the envelope "
    "and base64 in lines. The limit is an operation with a public RSA key, which is shorter than "
    "any of it."
)
_DECRYPTING: Final = (
    "Some 580 calls around the key operation, two thirds of them not about decryption: the mail's "
    "header and the payload's, what protects them, and the search for parts inside."
)
_LARGE: Final = (
    "The file is read twice, in chunks that are copied, which is half of what stands between; and "
    "all of it is checked before an octet goes out: what cannot be sent is said before anybody has "
    "half of it. None of that is in the limit."
)

OBSTACLES: Final[dict[str, str]] = {
    "sign-rsa": _SIGNING,
    "sign-p256": _SIGNING,
    "verify-rsa": _VERIFYING,
    "verify-p256": _VERIFYING,
    "verify-cold": (
        "Three quarters of it judge the path, half of that in certvalidator and asn1crypto. "
        "A judgement is made once and kept: it is the first mail of a sender that takes as "
        "long."
    ),
    "encrypt-1": _ENCRYPTING,
    "encrypt-many": (
        "For each recipient some sixteen calls: the choice, a record of what is sent, its octets, "
        "and DER's order of the set."
    ),
    "decrypt-1": _DECRYPTING,
    "decrypt-many": (
        "As for one; and all tags and lengths of the RecipientInfos are walked over (a fifth of "
        "what a hundred of them add), and the set is searched for KEMs that must not stand in it "
        "(half of it)."
    ),
    "sign-large": _LARGE,
    "verify-large": (
        "The file is read, in chunks that are copied, and searched for the boundary while it is "
        "digested; the limit reads nothing. Where the label names another digest than the "
        "signature, which stands behind the content, it is read once more."
    ),
    "encrypt-large": (
        _LARGE + " Base64 is cut into lines, which the limit does not do either, and which takes a "
        "third as long as to encode it: views of one buffer, joined, are the fastest that Python "
        "has."
    ),
    "decrypt-large": (
        "Two thirds of it decode base64, as in the limit. `binascii` skips line breaks, and any "
        "junk as well: where the breaks stand, and how much came out, shows that there was none. "
        "Plaintext waits in a file until its verdict, and is read from there: the limit keeps "
        "nothing."
    ),
    "scan": "Memory is read in chunks, each of which is copied; the limit copies nothing.",
}
