"""What stands in the way of the aims that are not reached. Written by hand, shown by `report`."""

from typing import Final

__all__ = ["OBSTACLES"]

_SIGNING: Final = (
    "What is left is the draft: its header is taken apart, checked field by field, "
    "protected (RFC 9788) and written twice, the body checked for transport; some 600 "
    "calls of Python where no peer does any of it. One function for the usual draft, "
    "beside the general ones, would save half of them, and be the second place that "
    "decides what is safe to send."
)
_VERIFYING: Final = (
    "Some 1 500 calls of Python make the facts that a verdict consists of: header, "
    "parts, SignerInfo, the rules of each attribute, identity, judgement. Each is a "
    "small function that is tested by itself; the 100 microseconds of the aim would be "
    "one function that answers yes or no."
)
_ENCRYPTING: Final = (
    "As for signing: header protection and the draft, not the cipher. The limit is an "
    "encryption with a public RSA key, which takes less time than a hundred calls of "
    "Python."
)
_DECRYPTING: Final = (
    "After the key operation the layer is a fact, its payload a header block, and parts "
    "inside are looked for: the half that is not arithmetic."
)
_LARGE: Final = (
    "Reading the file, and the second pass over it that checks it before the first "
    "octet goes out, are not in the limit."
)

OBSTACLES: Final[dict[str, str]] = {
    "sign-rsa": _SIGNING,
    "sign-p256": _SIGNING,
    "verify-rsa": _VERIFYING,
    "verify-p256": _VERIFYING,
    "verify-cold": (
        "Most of it is certvalidator and asn1crypto, which judge the path; a judgement is "
        "made once and kept, so it is the first mail of a sender that takes as long."
    ),
    "encrypt-1": _ENCRYPTING,
    "encrypt-many": (
        "Per recipient a public-key operation of the primitives library and some ten calls "
        "around it: the RecipientInfo is a record, and its octets are sorted as DER wants "
        "it."
    ),
    "decrypt-1": _DECRYPTING,
    "decrypt-many": (
        "As for one, and each RecipientInfo is cut out of the set, though only our own is read."
    ),
    "sign-large": _LARGE,
    "verify-large": (
        "The file is read twice, for the boundary and for the digest, because the "
        "signature, which names the digest, stands behind the content; the limit reads "
        "nothing."
    ),
    "encrypt-large": _LARGE + " Base64 is cut into lines, which the limit does not do either.",
    "decrypt-large": (
        "Plaintext waits in a file until its verdict, and is read from there: the limit "
        "keeps nothing."
    ),
    "scan": "Memory is read in chunks, each of which is copied once.",
}
