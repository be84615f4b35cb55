"""Countersignatures (RFC 5652, 11.4): signatures of a signature, made, found and checked.

Knows what a countersignature signs: the octets of a signature value, and nothing of the
content. May not know whom to trust, nor where certificates come from.
"""

from collections.abc import Sequence

from smimekit.algorithms import SignatureScheme
from smimekit.certificate import Certificate
from smimekit.cms import attributes as attrs
from smimekit.cms.signed import Digests, SignerInfo, read_signer_info
from smimekit.cms.signed_writing import add_unsigned
from smimekit.cms.signer import Check, check_signer
from smimekit.cms.signer_writing import sign_content
from smimekit.limits import Limits
from smimekit.primitives import digest
from smimekit.private_key import PrivateKey

__all__ = ["check_countersignature", "countersign", "countersignatures"]


def countersignatures(signer: SignerInfo) -> tuple[bytes, ...]:
    """The countersignatures of a signature, each an encoded SignerInfo, in order.

    `read_signer_info` reads one; it may have countersignatures itself.
    """
    unsigned = signer.unsigned_attributes
    return () if unsigned is None else unsigned.values(attrs.COUNTERSIGNATURE)


def check_countersignature(signer: SignerInfo, certificate: Certificate, signed: bytes) -> Check:
    """Check a countersignature over a signature value. Never raises for what it is given.

    contentType must be absent, messageDigest is needed where there are signed attributes.
    A good one says that its signer saw that signature: not that the signature is good.
    """
    return check_signer(signer, certificate, None, Digests((), lambda: (signed,)))


def countersign(
    signer_info: bytes,
    certificate: Certificate,
    key: PrivateKey,
    scheme: SignatureScheme,
    extra: Sequence[bytes] = (),
) -> bytes:
    """A SignerInfo with one more countersignature; `extra` holds encoded signed attributes.

    CmsError where `signer_info` is none.
    """
    signed = read_signer_info(signer_info, limits=Limits()).signature
    info = sign_content(
        certificate, key, scheme, lambda row: digest(row, signed), extra, content_type=None
    )
    return add_unsigned(signer_info, attrs.attribute(attrs.COUNTERSIGNATURE, info))
