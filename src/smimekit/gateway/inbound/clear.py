"""An opaque signature becomes one beside the mail (RFC 8551, 3.5.2 and 3.5.3), without a key.

Knows SignedData and multipart/signed. May not judge signatures. Only the place of the content
changes: what was signed, and the signatures, keep every octet.
"""

import secrets
from collections.abc import Callable, Iterable

from smimekit import der
from smimekit.algorithms.digests import DIGESTS
from smimekit.cms.ber import BerReader
from smimekit.cms.content import (
    DATA,
    SIGNED_DATA,
    content_info,
    encapsulated,
    enter_content,
    read_encapsulated,
)
from smimekit.errors import InputError
from smimekit.limits import Limits
from smimekit.message.layers import SignatureForm, Signed
from smimekit.message.recognise import Opaque, recognise
from smimekit.message.spool import Spool
from smimekit.mime.safety import are_transport_safe
from smimekit.mime.scanner import read_entity
from smimekit.mime.writer import message_header, multipart_signed_stream, new_boundary
from smimekit.span import Span

__all__ = ["clear_signed"]


def clear_signed(
    entity: Span,
    layer: Signed,
    into: Spool,
    *,
    limits: Limits,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> bool:
    """Write an entity with an opaque signature as multipart/signed; False where that cannot be.

    It cannot where relays would change what was signed: 8-bit text, long lines, or line ends
    that are not CRLF (RFC 8551, 3.1.3).
    """
    if layer.form is not SignatureForm.OPAQUE or layer.content_type != DATA:
        return False
    if not layer.signatures or not are_transport_safe(layer.content.chunks()):
        return False
    try:
        found = recognise(read_entity(entity, limits=limits, mbox=False), limits=limits)
        if not isinstance(found, Opaque):
            return False
        signature = _detached(found.cms(), limits)
        for chunk in multipart_signed_stream(
            message_header(()),
            layer.content.chunks(),
            (signature,),
            micalg=_micalg(layer),
            boundary=new_boundary(random),
        ):
            into.write(chunk)
    except InputError:
        return False
    return True


def _micalg(layer: Signed) -> str:
    rows = {row.name: row.micalg for row in DIGESTS}
    return ",".join(dict.fromkeys(rows.get(each.digest, "unknown") for each in layer.signatures))


def _detached(cms: Iterable[bytes], limits: Limits) -> bytes:
    """The SignedData without its content (RFC 5652, 5.2), all else as it stands."""
    reader = BerReader(cms, limits=limits)
    enter_content(reader)
    reader.enter(der.SEQUENCE)
    version, digests = reader.value(der.INTEGER), reader.value(der.SET)
    content_type, _ = read_encapsulated(reader, _pass_over)
    rest = [reader.value(tag) for tag in (0xA0, 0xA1) if reader.peek() == tag]
    rest.append(reader.value(der.SET))
    inside = der.sequence(version, digests, encapsulated(content_type, None), *rest)
    return content_info(SIGNED_DATA, inside)


def _pass_over(_: bytes) -> None:
    """The content is taken from where it was verified."""
