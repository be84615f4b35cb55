"""Files, and no mail: bare CMS around the octets of a file, as `openssl cms -binary` writes it.

Knows the order of things: what is signed and encrypted is signed first. May not know MIME: a
file is not looked into, neither when it goes out nor when it comes back, so what comes back is
what went in, octet for octet, whatever it is. None of it is ever whole in memory.
"""

from collections.abc import Generator, Iterable
from contextlib import ExitStack
from datetime import datetime

from smimekit.algorithms import ContentCipher
from smimekit.keys import Decryptor
from smimekit.message.addressee import Addressee
from smimekit.message.drafts import Draft, closed_after, draft_span
from smimekit.message.layers import Compressed, Encrypted
from smimekit.message.opened import Payload
from smimekit.message.receive import open_file
from smimekit.message.sealing import Sealing
from smimekit.message.signing import Signers, Signing
from smimekit.message.source import Source
from smimekit.message.verbs import decrypted, verified
from smimekit.policy import Policy
from smimekit.trust import Trust

__all__ = ["decrypt", "encrypt", "sign", "verify"]


def sign(
    source: Draft,
    signer: Signers,
    *,
    detached: bool = False,
    policy: Policy = Policy.INTEROP,
    at: datetime | None = None,
) -> Generator[bytes, None, None]:
    """Sign a file: a SignedData that holds it or, `detached`, one that goes beside it (.p7s).

    `source` is bytes, chunks of them, or a file that is open in binary mode. What comes out are
    chunks, of which none is kept; what was written of one that stops half-way does not
    verify. `at` (aware; now without it) becomes the signingTime. Raises UsageError where a
    credential may not sign, and PolicyError for a key or scheme that is too weak.
    """
    with ExitStack() as closing:
        signing = Signing.of(signer, policy, at)
        content = draft_span(source, policy, closing)
        if not detached:
            return closed_after(signing.opaque_stream(content.chunks()), closing.pop_all())
        digests = signing.digests()
        for chunk in content.chunks():
            digests.update(chunk)
        return closed_after(iter((signing.detached(digests),)), closing.pop_all())


def encrypt(
    source: Draft,
    to: Iterable[Addressee],
    *,
    signer: Signers | None = None,
    cipher: ContentCipher | None = None,
    policy: Policy = Policy.INTEROP,
    at: datetime | None = None,
) -> Generator[bytes, None, None]:
    """Encrypt a file to recipients; signed by `signer` first, where there is one.

    In chunks, of which none is kept; what was written of one that stops half-way does not
    decrypt. What chooses the cipher is told at `smimekit.encrypt`, and so are the errors.
    """
    with ExitStack() as closing:
        sealing = Sealing.of(to, cipher, policy, signer)
        signing = None if signer is None else Signing.of(signer, policy, at)
        chunks = draft_span(source, policy, closing).chunks()
        content = chunks if signing is None else signing.opaque_stream(chunks)
        return closed_after(sealing.enveloped_stream(content), closing.pop_all())


def verify(
    source: Source,
    trust: Trust,
    *,
    expect: str | None,
    keys: Iterable[Decryptor] = (),
    content: Source | None = None,
    at: datetime | None = None,
    policy: Policy = Policy.INTEROP,
) -> Payload:
    """The file, if it is signed, intact, and by somebody trusted.

    A file names no author: `expect` is the address that should have signed; None takes anybody
    who is trusted. `content` is what a detached signature stands beside. An encrypted file is
    opened with `keys` first, and only a signature inside the encryption counts. Raises as
    `smimekit.verify`, and CmsError (`cms.not-bare`) for a mail.
    """
    opened = open_file(
        source,
        through=(Encrypted, Compressed),
        keys=keys,
        trust=trust,
        expect=expect,
        at=at,
        content=content,
        policy=policy,
    )
    try:
        return verified(opened)
    except BaseException:
        opened.close()
        raise


def decrypt(
    source: Source, keys: Iterable[Decryptor], *, policy: Policy = Policy.INTEROP
) -> Payload:
    """What was encrypted: the file or, where it was signed first, the SignedData around it.

    This says nothing about who wrote it: `verify` does, of the whole, or of what comes out
    here. Raises as `smimekit.decrypt`, and CmsError (`cms.not-bare`) for a mail.
    """
    opened = open_file(source, through=(), keys=keys, trust=Trust(), policy=policy)
    try:
        return decrypted(opened)
    except BaseException:
        opened.close()
        raise
