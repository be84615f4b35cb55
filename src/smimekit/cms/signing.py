"""SignedData over content of any length, in one pass (RFC 5652, 5): written by its signers.

Knows the order of things: digests are taken while the content passes, signatures are made
when it has, and follow it. May not know mail, nor where the signers' keys come from.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier, SignatureScheme
from smimekit.certificate import Certificate
from smimekit.cms.content import DATA, SIGNED_DATA, content_info, encapsulated
from smimekit.cms.signed import Digests, read_signer_info
from smimekit.cms.signed_writing import add_unsigned, signed_data, signed_data_stream
from smimekit.cms.signer_writing import SignerForm
from smimekit.limits import Limits
from smimekit.private_key import PrivateKey

__all__ = [
    "ContentSigner",
    "DetachedForm",
    "digests_for",
    "digests_of",
    "sign_opaque",
    "sign_opaque_stream",
]


@final
@dataclass(frozen=True, slots=True)
class ContentSigner:
    """Who signs, with what, and what is signed besides the content."""

    certificate: Certificate
    key: PrivateKey
    scheme: SignatureScheme
    attributes: tuple[bytes, ...] = ()
    """More signed attributes, encoded; `sign_content` tells those that are always there."""
    unsigned: Callable[[bytes], Iterable[bytes]] | None = None
    """From the signature value, the unsigned attributes, encoded: a time-stamp needs it."""
    form: SignerForm | None = None
    """What its signatures over plain data have in common, attributes and all, where that is at
    hand."""

    def sign(self, digests: Digests, content_type: str = DATA) -> bytes:
        """The SignerInfo over content that has passed through the digests."""
        form = self.form if content_type == DATA else None
        form = form or SignerForm.of(
            self.certificate, self.scheme, self.attributes, content_type=content_type
        )
        info = form.sign(self.key, digests.value(self.scheme.digest))
        if self.unsigned is None:
            return info
        return add_unsigned(info, *self.unsigned(read_signer_info(info, limits=Limits()).signature))


def digests_of(content: bytes, signers: Iterable[ContentSigner]) -> Digests:
    """The digests that the signers need, of content that is at hand."""
    return Digests.of(content, [each.scheme.digest for each in signers])


def digests_for(signers: Iterable[ContentSigner]) -> Digests:
    """The digests that the signers need, each once; `update` them with all of the content."""
    return Digests(dict.fromkeys(each.scheme.digest for each in signers))


def _identifiers(signers: Iterable[ContentSigner]) -> list[AlgorithmIdentifier]:
    return [each.scheme.digest.identifier for each in signers]


@final
@dataclass(frozen=True, slots=True)
class DetachedForm:
    """What all detached SignedDatas of the same signers have in common, encoded once."""

    before: bytes
    """Version, digestAlgorithms, an id-data without content, and the certificates."""

    @classmethod
    def of(
        cls, schemes: Iterable[SignatureScheme], certificates: Sequence[bytes]
    ) -> "DetachedForm":
        """`certificates`, in DER, go along."""
        digests = {each.digest.identifier.encode() for each in schemes}
        # RFC 5652, 5.1: version 1, as each signer is named by issuer and serial number.
        before = der.integer(1) + der.set_of(digests) + encapsulated(DATA, None)
        return cls(before + (der.set_of(certificates, 0xA0) if certificates else b""))

    def sign(self, digests: Digests, signers: Iterable[ContentSigner]) -> bytes:
        """A detached SignedData, in DER, over content that is in `digests_for` or `digests_of`."""
        infos = [each.sign(digests) for each in signers]
        return content_info(SIGNED_DATA, der.sequence(self.before, der.set_of(infos)))


def sign_opaque(
    content: bytes,
    signers: Sequence[ContentSigner],
    certificates: Sequence[bytes],
    *,
    content_type: str = DATA,
) -> bytes:
    """A SignedData that holds the content, in DER."""
    digests = digests_of(content, signers)
    infos = [each.sign(digests, content_type) for each in signers]
    identifiers = _identifiers(signers)
    return signed_data(content, identifiers, certificates, infos, content_type=content_type)


def sign_opaque_stream(
    chunks: Iterable[bytes],
    signers: Sequence[ContentSigner],
    certificates: Sequence[bytes],
    *,
    content_type: str = DATA,
) -> Iterator[bytes]:
    """The same in BER, with the content as it comes.

    Where the chunks end in an error there is no signature, and nobody can take what was
    written so far for a message.
    """
    digests = digests_for(signers)

    def passing() -> Iterator[bytes]:
        for chunk in chunks:
            digests.update(chunk)
            yield chunk

    return signed_data_stream(
        passing(),
        _identifiers(signers),
        certificates,
        lambda: [each.sign(digests, content_type) for each in signers],
        content_type=content_type,
    )
