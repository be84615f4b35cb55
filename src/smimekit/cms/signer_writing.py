"""One signer's signature, made (RFC 5652, 5.3 to 5.5).

Knows what a signature covers, and what each of ours says of itself. May not know whose key it is,
nor what time it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import final

from smimekit import der
from smimekit.algorithms import Digest, SignatureScheme
from smimekit.certificate import Certificate
from smimekit.cms import attributes as attrs
from smimekit.cms.content import DATA
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.signed_writing import signer_info
from smimekit.private_key import PrivateKey

__all__ = ["SignerForm", "sign_bare", "sign_content"]


def sign_content(
    certificate: Certificate,
    key: PrivateKey,
    scheme: SignatureScheme,
    digest_of: Callable[[Digest], bytes],
    extra: Sequence[bytes],
    *,
    content_type: str | None = DATA,
) -> bytes:
    """A SignerInfo over content of this digest.

    contentType, messageDigest, signingCertificateV2 (RFC 5035) and CMSAlgorithmProtection
    (RFC 6211) are always signed; `extra` holds more attributes, encoded. What is
    countersigned has no `content_type`: None. `cms.signed_writing.add_unsigned` adds to the result.
    """
    form = SignerForm.of(certificate, scheme, extra, content_type=content_type)
    return form.sign(key, digest_of(scheme.digest))


@final
@dataclass(frozen=True, slots=True)
class SignerForm:
    """What all SignerInfos of one certificate and scheme have in common, encoded once."""

    scheme: SignatureScheme
    before: bytes
    """Version, SignerIdentifier and digestAlgorithm."""
    attributes: tuple[bytes, ...]
    """The signed attributes, but for messageDigest."""
    signed: tuple[bytes, bytes]
    """The DER of all of them: what stands before the digest, and what behind it."""
    behind: bytes
    """The signatureAlgorithm."""

    @classmethod
    def of(
        cls,
        certificate: Certificate,
        scheme: SignatureScheme,
        extra: Sequence[bytes],
        *,
        content_type: str | None = DATA,
    ) -> "SignerForm":
        """The form; `extra` and `content_type` as for `sign_content`."""
        digest, signature = scheme.digest.identifier, scheme.identifier
        issuer, serial = certificate.issuer, certificate.serial_bytes
        attributes = [
            attrs.signing_certificate_v2(certificate.der, issuer, serial),
            attrs.algorithm_protection(digest, signature),
            *extra,
        ]
        if content_type is not None:
            attributes.append(attrs.attribute(attrs.CONTENT_TYPE, der.oid(content_type)))
        sid = IssuerAndSerialNumber.of(certificate)
        return cls(
            scheme,
            der.integer(1) + sid.encode() + digest.encode(),
            tuple(attributes),
            _around_digest(attributes, scheme.digest),
            signature.encode(),
        )

    def saying(self, *more: bytes) -> "SignerForm":
        """The same with more signed attributes, encoded."""
        attributes = (*self.attributes, *more)
        signed = _around_digest(attributes, self.scheme.digest)
        return SignerForm(self.scheme, self.before, attributes, signed, self.behind)

    def sign(self, key: PrivateKey, digest: bytes) -> bytes:
        """The SignerInfo over content of this digest, encoded."""
        signed = digest.join(self.signed)
        signature = der.octet_string(key.sign(signed, self.scheme))
        return der.sequence(self.before, b"\xa0", signed[1:], self.behind, signature)


def _around_digest(attributes: Iterable[bytes], digest: Digest) -> tuple[bytes, bytes]:
    """The SET OF Attribute with messageDigest, before and behind a digest of this kind.

    No other attribute begins like messageDigest, so its place in DER's order (X.690, 11.6) is
    the same whatever it holds.
    """
    blank = attrs.attribute(attrs.MESSAGE_DIGEST, der.octet_string(bytes(digest.size)))
    ordered = sorted((*attributes, blank))
    behind = b"".join(ordered[ordered.index(blank) + 1 :])
    whole = der.set_of(ordered)
    end = len(whole) - len(behind)
    return whole[: end - digest.size], behind


def sign_bare(
    certificate: Certificate, key: PrivateKey, scheme: SignatureScheme, content: bytes
) -> bytes:
    """A SignerInfo without signed attributes, over plain data (RFC 5652, 5.3).

    It binds neither the certificate nor the algorithms: for peers that ask for nothing else.
    """
    scheme = scheme.bare
    sid = IssuerAndSerialNumber.of(certificate)
    signature = key.sign(content, scheme)
    return signer_info(sid, scheme.digest.identifier, None, scheme.identifier, signature)
