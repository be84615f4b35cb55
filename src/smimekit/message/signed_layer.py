"""A layer of SignedData: read to its end, its signatures checked, and what they are over.

Knows the forms in which a signature and its content come. May not know what is around the
layer, nor inside it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from smimekit.certificate import Certificate
from smimekit.cms.at_hand import MOST
from smimekit.cms.ber import BerReader
from smimekit.cms.content import SIGNED_DATA, enter_content
from smimekit.cms.known_senders import KnownSenders
from smimekit.cms.signed import SignedData, read_signed_data, reject_detached_content
from smimekit.errors import CmsError, InputError
from smimekit.frozen import maker
from smimekit.message.evidence import Judge, load_bag
from smimekit.message.layers import SignatureForm, SignatureResult, Signed
from smimekit.message.recognise import ClearSigned
from smimekit.message.signatures import check_detached, check_opaque, of_mail
from smimekit.message.spool import Spool
from smimekit.mime.transfer import decoded
from smimekit.span import Span

__all__ = ["end_of_layer", "read_clear_signed", "read_signed"]


_DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "base64": partial(decoded, encoding="base64"),
    **dict.fromkeys(("7bit", "8bit", "binary"), bytes),
}
_signed: Final = maker(Signed)


def read_clear_signed(found: ClearSigned, judge: Judge, new_spool: Callable[[], Spool]) -> Signed:
    """The layer of a multipart/signed."""
    limits = judge.policy.limits
    data = _at_hand(found, judge)
    if data is None:
        reader = BerReader(found.cms(), limits=limits)
        if enter_content(reader) != SIGNED_DATA:
            raise CmsError("The signature part holds no signature.", code="cms.not-signed-data")
        data, _ = read_signed_data(reader, new_spool(), limits=limits)
        end_of_layer(reader)
    bag = load_bag(data.certificates, judge.trust.parsed.certificate)
    reject_detached_content(data)
    content, results = check_detached(data, found.content, bag, judge, new_spool, found.digests)
    results = of_mail(results, data.content_type)
    return _layer(SignatureForm.MULTIPART, data, bag, content, results, found.micalg)


def _at_hand(found: ClearSigned, judge: Judge) -> SignedData | None:
    """A short signature; None for what is long, damaged or in another form than usual."""
    try:
        text = found.text(MOST)
        if text is None or text[1] not in _DECODERS:
            return None
        decode = _DECODERS[text[1]]
        return _known_senders(judge).read(text[0], decode, limits=judge.policy.limits)
    except InputError:
        return None


def _known_senders(judge: Judge) -> KnownSenders:
    memo = judge.trust.memo
    known = memo.get("senders")
    if isinstance(known, KnownSenders):
        return known
    made = KnownSenders(judge.trust.policy.limits.judgement_bytes)
    memo["senders"] = made
    return made


def read_signed(
    reader: BerReader,
    judge: Judge,
    new_spool: Callable[[], Spool],
    *,
    content: Span | None,
    in_mail: bool,
) -> Signed:
    """The layer of a SignedData that stands by itself; `content` is what was handed in for it.

    `in_mail`: is there MIME around it?
    """
    spool = new_spool()
    data, digests = read_signed_data(reader, spool, limits=judge.policy.limits)
    end_of_layer(reader)
    bag = load_bag(data.certificates, judge.trust.parsed.certificate)
    form = SignatureForm.OPAQUE
    if content is not None:
        reject_detached_content(data)
        content, results = check_detached(data, content, bag, judge, new_spool)
        form = SignatureForm.DETACHED
    elif data.detached and (data.signers or data.unreadable_signers):
        raise CmsError(
            "The signature is detached: give the content that it signs, too.",
            code="cms.no-content",
        )
    else:
        form = SignatureForm.CERTS_ONLY if data.detached else form
        content, results = spool.span(), check_opaque(data, digests, bag, judge)
    if in_mail:
        results = of_mail(results, data.content_type)
    return _layer(form, data, bag, content, results)


def _layer(
    form: SignatureForm,
    data: SignedData,
    bag: tuple[Certificate, ...],
    content: Span,
    results: Sequence[SignatureResult],
    micalg: str | None = None,
) -> Signed:
    return _signed(
        form=form,
        content_type=data.content_type,
        signatures=tuple(results),
        certificates=bag,
        crls=data.crls,
        content=content,
        micalg=micalg,
    )


def end_of_layer(reader: BerReader) -> None:
    """Leave the ContentInfo; nothing but padding may follow it."""
    reader.leave()
    reader.leave()
    reader.finish()
