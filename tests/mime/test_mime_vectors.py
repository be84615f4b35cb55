"""Messages that others wrote: RFC 9788, Appendix C and RFC 4134, 4.8 and 4.9."""

from hashlib import sha256
from pathlib import Path

from smimekit.limits import Limits
from smimekit.mime.address import parse_mailboxes, same_address
from smimekit.mime.content_type import content_type, transfer_encoding
from smimekit.mime.prepare import prepare
from smimekit.mime.safety import is_transport_safe
from smimekit.mime.scanner import Entity, boundary_of, read_entity, signed_parts, split
from smimekit.mime.transfer import decode
from smimekit.span import Span

LIMITS = Limits()


def leaves(entity: Entity) -> list[str]:
    """The media types of the leaves, each of which decodes."""
    content = content_type(entity.header)
    if content.type != "multipart":
        encoding = transfer_encoding(entity.header)
        assert b"".join(decode(entity.body.chunks(), encoding)) or encoding != "base64"
        return [content.media]
    found = split(entity.body, boundary_of(content), limits=LIMITS)
    assert found.closed
    return [media for part in found.parts for media in leaves(read_entity(part, limits=LIMITS))]


def files(folder: Path, *patterns: str) -> list[Path]:
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    assert found
    return found


def test_every_message_of_rfc_9788_reads(vectors: Path) -> None:
    for path in files(vectors / "rfc9788", "*.eml", "*.expected"):
        entity = read_entity(Span.of(path.read_bytes()), limits=LIMITS)
        assert leaves(entity), path.name
        sender = entity.header.one("From")
        if sender:
            (mailbox,) = parse_mailboxes(sender.value)
            assert same_address(mailbox.address, "ALICE@smime.example"), path.name


def test_what_was_signed_has_the_digest_that_was_signed(vectors: Path) -> None:
    """The messageDigest attribute (RFC 5652, 11.2) is that of our first span, bit for bit."""
    for path in files(vectors / "rfc9788", "smime-multipart*.eml"):
        entity = read_entity(Span.of(path.read_bytes()), limits=LIMITS)
        content, signature = signed_parts(entity, limits=LIMITS)
        part = read_entity(signature, limits=LIMITS)
        cms = b"".join(decode(part.body.chunks(), transfer_encoding(part.header)))
        digest = bytes.fromhex("06092a864886f70d01090431220420") + sha256(content.bytes()).digest()
        assert digest in cms, path.name


def test_rfc_4134(vectors: Path) -> None:
    detached, opaque = (
        read_entity(Span.of((vectors / "rfc4134" / name).read_bytes()), limits=LIMITS)
        for name in ("4.8.eml", "4.9.eml")
    )
    content, signature = signed_parts(detached, limits=LIMITS)
    assert content.bytes().lstrip() == b"This is some sample content."
    assert leaves(read_entity(signature, limits=LIMITS)) == ["application/pkcs7-signature"]
    assert leaves(opaque) == ["application/pkcs7-mime"]


def test_payloads_become_drafts_again(vectors: Path) -> None:
    for path in files(vectors / "rfc9788", "*unwrapped.expected", "no-crypto*.eml"):
        draft = prepare(Span.of(path.read_bytes()), limits=LIMITS)
        assert is_transport_safe(draft.entity), path.name
        # What is prepared is ready.
        assert prepare(Span.of(draft.entity), limits=LIMITS).entity == draft.entity, path.name
