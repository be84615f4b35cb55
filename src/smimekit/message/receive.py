"""A message is opened, one layer after the other, outermost first.

Knows the order of things: each layer runs to its end, into a spool, and has its verdict
before anything looks at what was inside it (DESIGN, rule 5).
"""

import io
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, BinaryIO, Final, final

from smimekit.certificate import Certificate
from smimekit.cms import content as types
from smimekit.cms.ber import BerReader
from smimekit.cms.compressed import read_compressed_data
from smimekit.cms.content import enter_content
from smimekit.cms.enveloped import EnvelopedReader
from smimekit.cms.recipients import ContentKey
from smimekit.cms.signed import read_signed_data, reject_detached_content
from smimekit.errors import (
    CmsError,
    DecryptionError,
    InputError,
    LimitExceeded,
    MimeError,
    NoMatchingKey,
    PolicyError,
    SmimeError,
    UsageError,
)
from smimekit.keys import Decryptor
from smimekit.message.evidence import load_bag
from smimekit.message.header_set import header_set
from smimekit.message.identity import Claim, claim_of
from smimekit.message.layers import Compressed, Encrypted, Errant, Layer, SignatureForm, Signed
from smimekit.message.opened import Opened
from smimekit.message.recognise import (
    ClearSigned,
    Opaque,
    find_errant,
    is_bare_cms,
    recognise,
    recognise_bare,
)
from smimekit.message.signatures import (
    Judge,
    check_detached,
    check_opaque,
    with_identity,
)
from smimekit.message.spool import Spool
from smimekit.mime.fields import HeaderBlock
from smimekit.mime.scanner import read_entity
from smimekit.policy import Policy
from smimekit.span import CHUNK, Span
from smimekit.trust import Trust
from smimekit.trust.records import require_aware

__all__ = ["Source", "open_message"]

Source = bytes | bytearray | memoryview | BinaryIO
"""What a message can be read from."""

_PARSED: Final = (
    "A parsed message cannot be verified: Python's email package does not keep every byte "
    "that was signed. Give the bytes as they arrived, or the binary file."
)
_TEXT: Final = "Open the file in binary mode: text loses bytes that were signed."


def open_message(
    source: Source,
    *,
    keys: Iterable[Decryptor] = (),
    trust: Trust,
    expect: str | None = None,
    at: datetime | None = None,
    content: Source | None = None,
    policy: Policy = Policy.INTEROP,
) -> Opened:
    """Everything that can be said of a message, as facts; see `Opened`.

    `source` is a mail, a MIME entity, or bare CMS in DER, BER or PEM: bytes, or a binary
    file, read from where it stands. `keys` are tried in order on what is encrypted. `trust`
    judges the signers, at the time `at` (aware) or, without one, now by its clock. `expect`
    is the address that should have signed, in place of the From field. `content` is what a
    bare detached signature signs.

    A wrong or missing key is a fact of the layer, not an error. Raises MimeError, CmsError
    and LimitExceeded for input that nobody can read unambiguously; UsageError for a source
    that is none. Close the result, or use it in a `with` block: plaintext may wait in a
    temporary file.
    """
    if at is not None:
        require_aware(at, "at")
    with ExitStack() as closing:
        job = _Opening(
            keys=_decryptors(keys),
            judge=Judge(trust, policy, at),
            closing=closing,
            content=None if content is None else _span(content, policy, closing),
            may_inflate=policy.limits.inflated_bytes,
        )
        layers, payload, claims = job.run(_span(source, policy, closing))
        if expect is not None:
            claims = ((expect,),)
        envelope = tuple(_identified(layer, claims) for layer in layers)
        return Opened(
            envelope=envelope,
            errant=_errant(payload, job.unread, policy),
            header=header_set(job.header, payload, envelope, policy.limits),
            content=payload,
            closing=closing.pop_all(),
            limits=policy.limits,
        )


def _decryptors(keys: Iterable[Decryptor]) -> tuple[Decryptor, ...]:
    if not isinstance(keys, Decryptor):
        found = tuple(keys)
        if all(isinstance(each, Decryptor) for each in found):
            return found
    raise UsageError("Keys come as a list of credentials: keys=[bob].")


def _errant(payload: Span | None, unread: Span | None, policy: Policy) -> tuple[Errant, ...]:
    if unread is not None:
        return (Errant("cms", unread),)
    return () if payload is None else find_errant(payload, limits=policy.limits)


def _span(source: Any, policy: Policy, closing: ExitStack) -> Span:
    match source:
        case bytes():
            return Span.of(source)
        case bytearray() | memoryview():
            return Span.of(bytes(source))
        case _ if _is_parsed(source):
            raise UsageError(_PARSED, code="usage.parsed-message")
        case io.TextIOBase():
            raise UsageError(_TEXT)
        case _ if hasattr(source, "read"):
            return _file_span(source, policy, closing)
        case _:
            raise UsageError(
                f"A message is read from bytes or from a binary file, not from "
                f"{type(source).__name__}."
            )


def _is_parsed(source: object) -> bool:
    from email.message import Message  # noqa: PLC0415 - slow to import, and rarely here

    return isinstance(source, Message)


def _file_span(file: BinaryIO, policy: Policy, closing: ExitStack) -> Span:
    if not isinstance(file.read(0), bytes):  # a wrapper of a text file, or a decoder
        raise UsageError(_TEXT)
    seekable = getattr(file, "seekable", None)  # mmap lacks it before Python 3.13
    if seekable is not None and seekable():
        return Span.of_file(file)
    spool = closing.enter_context(_new_spool(policy))
    while chunk := file.read(CHUNK):
        spool.write(chunk)
    return spool.span()


def _new_spool(policy: Policy) -> Spool:
    return Spool(policy.limits.spool_memory)


def _identified(layer: Layer, claims: tuple[Claim, ...]) -> Layer:
    if not isinstance(layer, Signed):
        return layer
    return replace(
        layer, signatures=tuple(with_identity(each, claims) for each in layer.signatures)
    )


@final
@dataclass(slots=True)
class _Opening:
    """The way through one message."""

    keys: tuple[Decryptor, ...]
    judge: Judge
    closing: ExitStack
    content: Span | None
    unread: Span | None = None
    """What is CMS, but of a type that is no layer: it is the payload, as it stands."""
    header: HeaderBlock | None = None
    """Of the mail as it came; bare CMS has none."""
    may_inflate: int = 0
    """Bytes that all compressed layers together may still grow to."""

    def run(self, span: Span) -> tuple[list[Layer], Span | None, tuple[Claim, ...]]:
        """The layers, the payload (None: encrypted still), and who claims to be the author."""
        layers: list[Layer] = []
        claims: list[Claim] = []
        found = self._outermost(span, claims)
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
            if payload is None or _ends(layer):
                break
            found = self._inner(payload)
        if payload is not None and layers:
            claims.append(self._claim_inside(payload))
        return layers, payload, tuple(claims)

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

    def _outermost(self, span: Span, claims: list[Claim]) -> ClearSigned | Opaque | None:
        if is_bare_cms(span):
            return recognise_bare(span)
        limits = self.judge.policy.limits
        entity = read_entity(span, limits=limits)
        if not entity.header.fields:
            raise MimeError(
                "This is neither a mail nor CMS: it has no header.", code="mime.no-header"
            )
        self.header = entity.header
        claims.append(claim_of(entity.header))
        return recognise(entity, limits=limits)

    def _inner(self, span: Span) -> ClearSigned | Opaque | None:
        """The next layer. What is inside CMS may be no MIME at all, and is the payload then."""
        limits = self.judge.policy.limits
        try:
            entity = read_entity(span, limits=limits)
        except InputError:  # over a limit of headers, too: data that only looks like one
            return None
        if not entity.header.fields:
            return recognise_bare(span) if is_bare_cms(span) else None
        return recognise(entity, limits=limits)

    def _claim_inside(self, payload: Span) -> Claim:
        """An author that the payload names itself (RFC 9788): the signer has to be that one."""
        try:
            header = read_entity(payload, limits=self.judge.policy.limits).header
        except InputError:
            return None
        return claim_of(header) if header.all("From") else None

    # --- one layer ------------------------------------------------------------------------

    def _spool(self) -> Spool:
        return self.closing.enter_context(_new_spool(self.judge.policy))

    def _open(self, found: ClearSigned | Opaque) -> Layer | None:
        """One layer; None for CMS of a type that is none."""
        if isinstance(found, ClearSigned):
            return self._clear_signed(found)
        reader, content_type = self._begin(found)
        match content_type:
            case types.SIGNED_DATA:
                form = SignatureForm.OPAQUE if self.content is None else SignatureForm.DETACHED
                return self._signed(reader, form, self.content)
            case types.ENVELOPED_DATA | types.AUTH_ENVELOPED_DATA:
                return self._encrypted(found)
            case types.COMPRESSED_DATA:
                return self._compressed(reader)
        return None

    def _begin(self, found: ClearSigned | Opaque) -> tuple[BerReader, str]:
        reader = BerReader(found.cms(), limits=self.judge.policy.limits)
        return reader, enter_content(reader)

    def _clear_signed(self, found: ClearSigned) -> Signed:
        reader, content_type = self._begin(found)
        if content_type != types.SIGNED_DATA:
            raise CmsError("The signature part holds no signature.", code="cms.not-signed-data")
        return self._signed(reader, SignatureForm.MULTIPART, found.content)

    def _signed(self, reader: BerReader, form: SignatureForm, content: Span | None) -> Signed:
        spool = self._spool()
        data, digests = read_signed_data(reader, spool, limits=self.judge.policy.limits)
        _end(reader)
        bag = load_bag(data.certificates)
        if content is not None:
            reject_detached_content(data)
            content, results = check_detached(data, content, bag, self.judge, spool)
        elif data.detached and data.signers:
            raise CmsError(
                "The signature is detached: give the content that it signs, too.",
                code="cms.no-content",
            )
        else:
            form = SignatureForm.CERTS_ONLY if data.detached else form
            content, results = spool.span(), check_opaque(data, digests, bag, self.judge)
        return Signed(
            form=form, signatures=results, certificates=bag, crls=data.crls, content=content
        )

    def _compressed(self, reader: BerReader) -> Compressed:
        spool = self._spool()
        limits = replace(self.judge.policy.limits, inflated_bytes=self.may_inflate)
        read_compressed_data(reader, spool, limits=limits)
        self.may_inflate -= spool.size
        _end(reader)
        return Compressed(algorithm="zlib", content=spool.span())

    def _enveloped(self, found: Opaque) -> tuple[BerReader, EnvelopedReader]:
        reader, content_type = self._begin(found)
        return reader, EnvelopedReader(reader, content_type, limits=self.judge.policy.limits)

    def _encrypted(self, found: Opaque) -> Encrypted:
        envelope = self._enveloped(found)[1]
        cipher = envelope.cipher
        failure: SmimeError = _no_key(self.keys)
        opened: Spool | None = None
        certificate: Certificate | None = None
        for key in self.keys:
            try:
                content_key = self._unwrap(key, envelope)
            except NoMatchingKey:
                continue
            except DecryptionError:
                failure = DecryptionError()  # the one that was raised still knows the cause
                continue
            except (PolicyError, LimitExceeded) as error:  # too much password hashing, perhaps
                failure = error
                continue
            spool = Spool(self.judge.policy.limits.spool_memory)
            try:
                self._decrypt(found, content_key, spool)
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
        return Encrypted(
            cipher=cipher,
            algorithm=cipher.name if cipher else envelope.algorithm.oid,
            authenticated=cipher is not None and cipher.authenticated,
            recipients=envelope.recipients,
            opened_with=certificate,
            failure=failure if opened is None else None,
            content=None if opened is None else opened.span(),
        )

    def _unwrap(self, key: Decryptor, envelope: EnvelopedReader) -> ContentKey:
        attempts = self.judge.policy.limits.unwrap_attempts
        return key.unwrap(envelope.recipients, size=envelope.key_size, attempts=attempts)

    def _decrypt(self, found: Opaque, key: ContentKey, spool: Spool) -> None:
        reader, envelope = self._enveloped(found)
        envelope.decrypt(key, self.judge.policy, spool)
        _end(reader)


def _no_key(keys: Sequence[Decryptor]) -> NoMatchingKey:
    if not keys:
        return NoMatchingKey("The message is encrypted; give a key to open it.")
    return NoMatchingKey("The message is encrypted, but for none of the keys at hand.")


def _end(reader: BerReader) -> None:
    """Leave the ContentInfo; nothing but padding may follow it."""
    reader.leave()
    reader.leave()
    reader.finish()


def _ends(layer: Layer) -> bool:
    """Is there nothing inside, or something that the caller handed in, and knows?"""
    ends = {SignatureForm.CERTS_ONLY, SignatureForm.DETACHED}
    return isinstance(layer, Signed) and layer.form in ends
