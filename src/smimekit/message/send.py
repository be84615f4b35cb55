"""A draft is signed, then encrypted (RFC 8551, 3; RFC 9787, 5.2: in this order, always).

Knows the order of things. May not know how a signature is made (`signing` does), what a
recipient's key is (`plan` and `sealing` do), nor what the draft is about.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime

from smimekit.algorithms import ContentCipher
from smimekit.message.addressee import Addressee
from smimekit.message.drafts import Draft, closed_after, drafted
from smimekit.message.sealing import Sealing
from smimekit.message.signing import Signers, Signing
from smimekit.mime.prepare import prepare
from smimekit.mime.protected import HeaderProtection, Protected, protect
from smimekit.mime.transfer import Transfer
from smimekit.mime.usual import usual_draft
from smimekit.mime.writer import (
    SentHeader,
    message_header,
    multipart_signed,
    multipart_signed_stream,
    new_boundary,
    pkcs7_mime,
    pkcs7_mime_stream,
)
from smimekit.policy import Policy
from smimekit.primitives import random_bytes
from smimekit.span import CHUNK, Span

__all__ = ["encrypt", "encrypt_stream", "sign", "sign_stream"]


def sign(
    draft: Draft,
    signer: Signers,
    *,
    opaque: bool = False,
    headers: HeaderProtection | None = HeaderProtection.BASELINE,
    transfer: Transfer = Transfer.MAIL,
    policy: Policy = Policy.INTEROP,
    at: datetime | None = None,
) -> bytes:
    """Sign a draft: multipart/signed, which every mail program shows, or opaque on request.

    Content-* fields go inside, the others stay outside, and `headers` copies them inside, too,
    under the signature (RFC 9788); None leaves them without protection. What is signed has
    CRLF line ends and is safe for `transfer`, which may change how 8bit parts are encoded.
    `at` (aware; now without it) becomes the signingTime. Several signers come as a list, each
    for a signature of its own; a `Signer` is a credential with a scheme, a chain, attributes
    or a time-stamp of its own. Raises UsageError where a credential may not sign, PolicyError
    for a key or scheme that is too weak, and MimeError for a draft that is ambiguous.
    """
    signing = Signing.of(signer, policy, at)
    with drafted(draft, policy) as whole:
        ready = _protected(whole, headers, transfer, policy, encrypted=False)
        if opaque:
            cms = signing.opaque(ready.entity)
            return pkcs7_mime(ready.outer, cms, smime_type="signed-data", transfer=transfer)
        return _clear_signed(ready.outer, ready, signing, transfer)


def sign_stream(
    draft: Draft,
    signer: Signers,
    *,
    opaque: bool = False,
    headers: HeaderProtection | None = HeaderProtection.BASELINE,
    transfer: Transfer = Transfer.MAIL,
    policy: Policy = Policy.INTEROP,
    at: datetime | None = None,
) -> Generator[bytes, None, None]:
    """`sign`, for a draft of any length: the message in chunks, of which none is kept.

    The draft is examined before this returns: what is wrong with it, or with a signer, is
    raised here. What goes wrong later, in reading it again, is raised by the iterator, and
    what was written by then does not verify. Who stops before the end may `close()` it, to
    forget at once what was spooled of a draft that came in pieces.
    """
    signing = Signing.of(signer, policy, at)
    with ExitStack() as closing:
        whole = closing.enter_context(drafted(draft, policy))
        ready = _protected(whole, headers, transfer, policy, encrypted=False)
        if not opaque:
            signed = _clear_signed_stream(ready.outer, ready, signing, transfer)
        else:
            cms = signing.opaque_stream(ready.chunks())
            signed = pkcs7_mime_stream(
                ready.outer, cms, smime_type="signed-data", transfer=transfer
            )
        return closed_after(signed, closing.pop_all())


def encrypt(
    draft: Draft,
    to: Iterable[Addressee],
    *,
    signer: Signers | None = None,
    cipher: ContentCipher | None = None,
    headers: HeaderProtection | None = HeaderProtection.BASELINE,
    transfer: Transfer = Transfer.MAIL,
    policy: Policy = Policy.INTEROP,
    at: datetime | None = None,
) -> bytes:
    """Encrypt a draft to recipients; signed by `signer` first, where there is one.

    The signature is inside the encryption, where nobody can strip or replace it (RFC 9787,
    5.2). The header goes inside, too; `headers` says what of it can still be read outside
    (RFC 9788): by default all but the subject, comments and keywords, with None everything,
    and then nothing of it is inside. Addresses stay readable, as mail needs them. A draft
    that is signed already keeps its header outside as it is: nothing could be put inside.
    Without a `cipher`, what is announced by the recipients and the policy choose one:
    `plan_encryption` says what, and why. Raises UsageError without recipients or for a key
    that cannot be encrypted to, PolicyError for one that is too weak and where there is no
    cipher for all recipients.
    """
    sealing = Sealing.of(to, cipher, policy, signer)
    signing = None if signer is None else Signing.of(signer, policy, at)
    with drafted(draft, policy) as whole:
        ready = _protected(whole, headers, transfer, policy, encrypted=True)
        if signing is None:
            content = ready.entity
        else:
            content = _clear_signed(message_header(()), ready, signing, transfer)
        cms = sealing.enveloped(content)
        return pkcs7_mime(ready.outer, cms, smime_type=sealing.smime_type, transfer=transfer)


def encrypt_stream(
    draft: Draft,
    to: Iterable[Addressee],
    *,
    signer: Signers | None = None,
    cipher: ContentCipher | None = None,
    headers: HeaderProtection | None = HeaderProtection.BASELINE,
    transfer: Transfer = Transfer.MAIL,
    policy: Policy = Policy.INTEROP,
    at: datetime | None = None,
) -> Generator[bytes, None, None]:
    """`encrypt`, for a draft of any length: the message in chunks, of which none is kept.

    Errors are raised as `sign_stream` raises them; what was written before one does not
    decrypt.
    """
    sealing = Sealing.of(to, cipher, policy, signer)
    signing = None if signer is None else Signing.of(signer, policy, at)
    with ExitStack() as closing:
        whole = closing.enter_context(drafted(draft, policy))
        ready = _protected(whole, headers, transfer, policy, encrypted=True)
        if signing is None:
            content = ready.chunks()
        else:
            content = _clear_signed_stream(message_header(()), ready, signing, transfer)
        sealed = pkcs7_mime_stream(
            ready.outer,
            sealing.enveloped_stream(content),
            smime_type=sealing.smime_type,
            transfer=transfer,
        )
        return closed_after(sealed, closing.pop_all())


def _protected(
    whole: bytes | Span,
    headers: HeaderProtection | None,
    transfer: Transfer,
    policy: Policy,
    *,
    encrypted: bool,
) -> Protected:
    if headers is not None and transfer is Transfer.MAIL and len(whole) <= CHUNK:
        data = whole if isinstance(whole, bytes) else whole.bytes()
        usual = usual_draft(data, headers, encrypted=encrypted, limits=policy.limits)
        if usual is not None:
            return usual
    span = Span.of(whole) if isinstance(whole, bytes) else whole
    displayed = headers.displayed if headers is not None and encrypted else None
    prepared = prepare(span, limits=policy.limits, transfer=transfer, displayed=displayed)
    return protect(prepared, headers, encrypted=encrypted)


def _clear_signed(
    outer: SentHeader, ready: Protected, signing: Signing, transfer: Transfer
) -> bytes:
    entity = ready.entity
    return multipart_signed(
        outer,
        entity,
        signing.detached(entity),
        micalg=signing.micalg,
        boundary=new_boundary(random_bytes),
        domain=_domain(ready, transfer),
    )


def _clear_signed_stream(
    outer: SentHeader, ready: Protected, signing: Signing, transfer: Transfer
) -> Iterator[bytes]:
    digests = signing.digests()

    def passing() -> Iterator[bytes]:
        for chunk in ready.chunks():
            digests.update(chunk)
            yield chunk

    def signature() -> Iterator[bytes]:
        yield signing.detached(digests)

    return multipart_signed_stream(
        outer,
        passing(),
        signature(),
        micalg=signing.micalg,
        boundary=new_boundary(random_bytes),
        domain=_domain(ready, transfer),
    )


def _domain(ready: Protected, transfer: Transfer) -> str:
    return "binary" if transfer is Transfer.BINARY else ready.domain
