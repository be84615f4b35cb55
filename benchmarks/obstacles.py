"""What stands in the way of the aims that are not reached. Written by hand, shown by `report`.

The numbers of calls are those of a profile, of the very operation.
"""

from typing import Final

__all__ = ["OBSTACLES"]

_SIGNING: Final = (
    "What is left is the draft: its header is taken apart, checked field by field, "
    "protected (RFC 9788) and written twice, and the body is checked for transport: some "
    "650 calls of Python, where no peer does any of it. One function for the usual draft, "
    "beside the general ones, would save many of them, and be a second place that decides "
    "what is safe to send."
)
_VERIFYING: Final = (
    "Some 1 800 calls of Python make the facts that a verdict consists of: header, parts, "
    "SignerInfo, the rules of each attribute, identity, judgement. Each is a small function "
    "that is tested by itself. What the aim leaves room for is one function that answers "
    "yes or no."
)
_ENCRYPTING: Final = (
    "As for signing, some 800 calls: header protection, the draft and the choice of a "
    "cipher. The limit is an encryption with a public RSA key, which takes less time than a "
    "hundred of them."
)
_DECRYPTING: Final = (
    "Some 1 300 calls around the key operation: the mail's header and the payload's, the "
    "layer as a fact, and the search for parts inside."
)
_LARGE: Final = (
    "The file is read twice, in chunks that are copied, and all of it is checked before an octet "
    "goes out: what cannot be sent is said before anybody has half of it. None of that is in the "
    "limit."
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
        "For each recipient, beside the public-key operation, some ten calls that look at "
        "the certificate and write the RecipientInfo."
    ),
    "decrypt-1": _DECRYPTING,
    "decrypt-many": (
        "As for one; and each RecipientInfo is cut out of the set, though only our own is read."
    ),
    "sign-large": _LARGE,
    "verify-large": (
        "The file is read, in chunks that are copied, and searched for the boundary while it is "
        "digested; the limit reads nothing. Where the label names another digest than the "
        "signature, which stands behind the content, it is read once more."
    ),
    "encrypt-large": (
        _LARGE + " Base64 is cut into lines, which the limit does not do either: an object for "
        "each line is the fastest that Python has."
    ),
    "decrypt-large": (
        "Two thirds of it decode base64, as in the limit. Line breaks are cut out before, where "
        "the limit has `binascii` skip them, which would skip any junk; and plaintext waits in a "
        "file until its verdict, and is read from there: the limit keeps nothing."
    ),
    "scan": "Memory is read in chunks, each of which is copied; the limit copies nothing.",
}
