"""The way through one message: one layer after the other, outermost first.

Knows the order of things: each layer runs to its end, into a spool, and has its verdict
before anything looks at what was inside it (DESIGN, rule 5).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, final

from smimekit.certificate import Certificate
from smimekit.cms import content as types
from smimekit.cms.ber import BerReader
from smimekit.cms.compressed import read_compressed_data
from smimekit.cms.content import enter_content
from smimekit.cms.encrypted import unknown_cipher
from smimekit.cms.enveloped import EnvelopedReader
from smimekit.cms.recipients import ContentKey
from smimekit.errors import (
    CmsError,
    DecryptionError,
    InputError,
    KeyAccessError,
    LimitExceeded,
    MimeError,
    NoMatchingKey,
    PolicyError,
    SmimeError,
)
from smimekit.frozen import maker
from smimekit.keys import Decryptor
from smimekit.message.evidence import Judge
from smimekit.message.identity import Claim, claim_of, sender_of
from smimekit.message.layers import Compressed, Encrypted, Layer, SignatureForm, Signed
from smimekit.message.recognise import (
    ClearSigned,
    Opaque,
    is_bare_cms,
    recognise,
    recognise_bare,
)
from smimekit.message.signed_layer import end_of_layer, read_clear_signed, read_signed
from smimekit.message.source import new_spool
from smimekit.message.spool import Spool
from smimekit.mime.fields import HeaderBlock
from smimekit.mime.scanner import Entity, read_entity
from smimekit.span import Span

__all__ = ["Opening"]

_Reading: TypeAlias = tuple[BerReader, EnvelopedReader]
"""An envelope, read as far as its content, and where."""


_encrypted: Final = maker(Encrypted)


@final
@dataclass(slots=True)
class Opening:
    """The way through one message."""

    keys: tuple[Decryptor, ...]
    judge: Judge
    closing: ExitStack
    content: Span | None
    unread: Span | None = None
    """What is CMS, but of a type that is no layer: it is the payload, as it stands."""
    header: HeaderBlock | None = None
    """Of the mail as it came; bare CMS has none."""
    sender: str | None = None
    """Who the outermost Sender field says has sent it."""
    may_inflate: int = 0
    """Bytes that all compressed layers together may still grow to."""
    is_mail: bool = False
    """Was there MIME around anything so far? Then what is signed has to be a MIME entity."""
    read: tuple[Span, Entity | None] | None = None
    """What was read last as an entity, since several questions are asked about it."""
    through: tuple[type[Layer], ...] = (Signed, Encrypted, Compressed)
    """Layers that are looked into for the next one."""
    in_file: bool = False
    """Is what is in the last layer a file, of which nothing is asked?"""
    layers: list[Layer] = field(default_factory=list)
    """The layers so far, outermost first."""
    claims: tuple[Claim, ...] = ()
    """Who claims to be the author, outside and inside."""

    def run(self, span: Span) -> Span | None:
        """The payload, behind all layers; None where it is encrypted still."""
        layers = self.layers
        found = self._outermost(span)
        self._check_detached(found)
        payload: Span | None = span
        while found is not None:
            if len(layers) == self.judge.policy.limits.layers:
                raise LimitExceeded("A message has too many layers.", code="limit.layers")
            layer = self._open(found)
            if layer is None:
                self.unread = payload
                break
            layers.append(layer)
            payload = layer.content
            if payload is None or _ends(layer) or not isinstance(layer, self.through):
                break
            found = self._inner(payload)
        if payload is not None and layers and not self.in_file:
            self.claims += (self._claim_inside(payload),)
        return payload

    def take_back(self) -> bool:
        """Whether there is a decryption to be taken back, after malformed input; it is, then.

        Without a tag anybody may have changed the ciphertext, to learn from the answer what came
        out of it: so what is malformed inside has the answer of what does not decrypt (RFC 3218).
        Of the layers it is the innermost such one, which is as if no key had opened it.
        """
        for at, layer in reversed(list(enumerate(self.layers))):
            if isinstance(layer, Encrypted) and not (layer.authenticated or layer.failure):
                shut = replace(layer, opened_with=None, failure=DecryptionError(), content=None)
                self.layers[at:] = [shut]
                self.claims = self.claims[:1] if self.header is not None else ()
                self.unread = None
                return True
        return False

    def _check_detached(self, found: ClearSigned | Opaque | None) -> None:
        """Content that was handed in counts only as what a bare, detached signature signs.

        Any other message would be judged by itself, and the caller take the verdict for one
        about the content.
        """
        if self.content is None:
            return
        if not isinstance(found, Opaque) or self._begin(found)[1] != types.SIGNED_DATA:
            raise CmsError(
                "The message is not a bare detached signature, so it signs nothing of the "
                "content that was given with it.",
                code="cms.not-detached",
            )

    def _outermost(self, span: Span) -> ClearSigned | Opaque | None:
        if is_bare_cms(span):
            return recognise_bare(span)
        limits = self.judge.policy.limits
        entity = read_entity(span, limits=limits)
        self.read = span, entity
        if entity.header.is_empty:
            raise MimeError(
                "This is neither a mail nor CMS: it has no header.", code="mime.no-header"
            )
        self.header = entity.header
        self.claims = (claim_of(entity.header, limits),)
        self.sender = sender_of(entity.header, limits)
        return recognise(entity, limits=limits, verified=True)

    def _inner(self, span: Span) -> ClearSigned | Opaque | None:
        """The next layer. What is inside CMS may be no MIME at all, and is the payload then."""
        if self.in_file:
            return recognise_bare(span) if is_bare_cms(span) else None
        entity = self.entity(span)
        if entity is None:
            return None
        if entity.header.is_empty:
            return recognise_bare(span) if is_bare_cms(span) else None
        if entity.header.envelope_line is not None:
            return None  # only what arrived as a whole may come out of a mailbox file
        return recognise(entity, limits=self.judge.policy.limits, verified=True)

    def entity(self, span: Span) -> Entity | None:
        """The span as an entity; None where nobody can read it as one, over the limits too."""
        if self.read is None or self.read[0] is not span:
            try:
                self.read = span, read_entity(span, limits=self.judge.policy.limits)
            except InputError:
                self.read = span, None
        return self.read[1]

    def _claim_inside(self, payload: Span) -> Claim:
        """An author that the payload names itself (RFC 9788): the signer has to be that one."""
        entity = self.entity(payload)
        if entity is None or "From" not in entity.header:
            return None
        return claim_of(entity.header, self.judge.policy.limits)

    # --- one layer ------------------------------------------------------------------------

    def _spool(self) -> Spool:
        return self.closing.enter_context(new_spool(self.judge.policy))

    def _open(self, found: ClearSigned | Opaque) -> Layer | None:
        """One layer; None for CMS of a type that is none."""
        self.is_mail |= isinstance(found, ClearSigned) or not found.bare
        if isinstance(found, ClearSigned):
            return read_clear_signed(found, self.judge, self._spool)
        reader, content_type = self._begin(found)
        match content_type:
            case types.SIGNED_DATA:
                return read_signed(
                    reader, self.judge, self._spool, content=self.content, in_mail=self.is_mail
                )
            case types.ENVELOPED_DATA | types.AUTH_ENVELOPED_DATA:
                return self._encrypted(found, reader, content_type)
            case types.COMPRESSED_DATA:
                return self._compressed(reader)
        return None

    def _begin(self, found: ClearSigned | Opaque) -> tuple[BerReader, str]:
        reader = BerReader(found.cms(), limits=self.judge.policy.limits)
        return reader, enter_content(reader)

    def _compressed(self, reader: BerReader) -> Compressed | None:
        """The layer; None where a mail holds what is no message (RFC 8551, 2.4.1)."""
        spool = self._spool()
        limits = replace(self.judge.policy.limits, inflated_bytes=self.may_inflate)
        content_type = read_compressed_data(reader, spool, limits=limits)
        self.may_inflate -= spool.size
        end_of_layer(reader)
        if self.is_mail and content_type != types.DATA:
            return None
        return Compressed(algorithm="zlib", content_type=content_type, content=spool.span())

    def _enveloped(self, found: Opaque) -> _Reading:
        reader, content_type = self._begin(found)
        return reader, EnvelopedReader(reader, content_type, limits=self.judge.policy.limits)

    def _encrypted(self, found: Opaque, reader: BerReader, content_type: str) -> Encrypted:
        envelope = EnvelopedReader(reader, content_type, limits=self.judge.policy.limits)
        reading: _Reading | None = (reader, envelope)
        cipher = envelope.cipher
        failure: SmimeError | None = None
        opened: Spool | None = None
        certificate: Certificate | None = None
        if cipher is None:  # a fact of the layer, whoever has the key
            failure = unknown_cipher(envelope.algorithm.oid)
        for key in self.keys if cipher else ():
            try:
                content_key = self._unwrap(key, envelope)
            except NoMatchingKey:
                continue
            except DecryptionError:
                failure = DecryptionError()  # the one that was raised still knows the cause
                continue
            except (KeyAccessError, PolicyError, LimitExceeded) as error:
                failure = error
                continue
            spool = new_spool(self.judge.policy)
            # It is read as far as the content already: once, for the first key that may fit.
            ready, reading = reading or self._enveloped(found), None
            try:
                self._decrypt(ready, content_key, spool)
            except DecryptionError:
                spool.close()
                failure = DecryptionError()
            except PolicyError as error:
                spool.close()
                failure = error
            except BaseException:
                spool.close()
                raise
            else:
                opened = self.closing.enter_context(spool)
                certificate = content_key.certificate
                break
        return _encrypted(
            cipher=cipher,
            algorithm=cipher.name if cipher else envelope.algorithm.oid,
            authenticated=cipher is not None and cipher.authenticated,
            recipients=envelope.recipients,
            opened_with=certificate,
            failure=(failure or _no_key(self.keys)) if opened is None else None,
            content=None if opened is None else opened.span(),
        )

    def _unwrap(self, key: Decryptor, envelope: EnvelopedReader) -> ContentKey:
        attempts = self.judge.policy.limits.unwrap_attempts
        return key.unwrap(envelope.recipients, size=envelope.key_size, attempts=attempts)

    def _decrypt(self, ready: _Reading, key: ContentKey, spool: Spool) -> None:
        reader, envelope = ready
        envelope.decrypt(key, self.judge.policy, spool)
        end_of_layer(reader)


def _no_key(keys: Sequence[Decryptor]) -> NoMatchingKey:
    if not keys:
        return NoMatchingKey("The message is encrypted; give a key to open it.")
    return NoMatchingKey("The message is encrypted, but for none of the keys at hand.")


def _ends(layer: Layer) -> bool:
    """Is there nothing inside, or something that the caller handed in, and knows?"""
    ends = {SignatureForm.CERTS_ONLY, SignatureForm.DETACHED}
    return isinstance(layer, Signed) and layer.form in ends
