"""The signatures of one layer, each with its facts: integrity, identity, trust, time.

Knows how the facts of `cms`, `mime` and `trust` come together. May not know how a message
is taken apart.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice
from typing import Final, final

from smimekit.algorithms import Digest, digest_row
from smimekit.certificate import Certificate
from smimekit.cms.content import DATA, content_type_name
from smimekit.cms.countersignature import countersignatures
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.signed import Digests, SignedData, SignerInfo, read_signer_info
from smimekit.cms.signer import Check, Integrity, check_signer, named_scheme
from smimekit.errors import CmsError, LimitExceeded
from smimekit.frozen import maker
from smimekit.message.divergence import CONFIRMED, MOST, Change, Divergence, departures
from smimekit.message.evidence import Judge, assess, bounded
from smimekit.message.identity import Claim, Identity, identity_of
from smimekit.message.layers import SignatureResult
from smimekit.message.spool import Spool
from smimekit.message.timestamps import Stamps
from smimekit.mime.canonical import to_crlf, to_lf
from smimekit.policy import Assessment, Grade
from smimekit.span import Span
from smimekit.trust import ByIssuerSerial, ByKeyId, Judgement, Purpose, Status, Trust, TrustStore

__all__ = ["check_detached", "check_opaque", "identify", "of_mail"]

_signature_result: Final = maker(SignatureResult)
_RETRIED: Final = frozenset({Integrity.CONTENT_CHANGED, Integrity.BAD_SIGNATURE})
_NAMESAKES: Final = 4
"""Certificates that one identifier may name and that are tried: a renewed certificate keeps
its key, and with it its key identifier; anybody can put more of them into a message."""


def check_opaque(
    data: SignedData, digests: Digests, bag: Sequence[Certificate], judge: Judge
) -> tuple[SignatureResult, ...]:
    """The signatures over content that the SignedData held itself."""
    return _results(_checked(data, digests, bag, judge), data, bag, judge)


def check_detached(
    data: SignedData,
    content: Span,
    bag: Sequence[Certificate],
    judge: Judge,
    new_spool: Callable[[], Spool],
    passed: Digests | None = None,
) -> tuple[Span, tuple[SignatureResult, ...]]:
    """The signatures over content that stands elsewhere, and the octets that were signed.

    `passed` are its digests, where it was read already.

    The content counts as it stands. Where it matches no signature and came with bare LF, as
    mail does that was stored on Unix, its canonical form counts (RFC 8551, 3.1.1); that one
    goes to a new spool and is handed out then, since it is what was signed.
    """
    checked = _checked(data, passed or Digests((), content.chunks), bag, judge)
    if _any_good(checked):
        return content, _results(checked, data, bag, judge)
    converted = False
    if _may_match_otherwise(checked):
        canonical = Digests((), lambda: to_crlf(content.chunks()))
        again = _checked(data, canonical, bag, judge)
        if _any_good(again):
            checked, converted, spool = again, True, new_spool()
            for chunk in to_crlf(content.chunks()):
                spool.write(chunk)
            content = spool.span()
    results = _results(checked, data, bag, judge)
    if _may_match_otherwise(checked):
        results = _diagnosed(results, data, content, bag, judge)
    if converted:
        results = tuple(replace(each, line_ends_converted=True) for each in results)
    return content, results


_Checked = tuple[SignerInfo, Certificate | None, Check]


def _any_good(checked: Iterable[_Checked]) -> bool:
    return Integrity.GOOD in [check.integrity for _, _, check in checked]


def _may_match_otherwise(checked: Sequence[_Checked]) -> bool:
    """Is there a signature that another form of the content might match, and none good?"""
    return not _any_good(checked) and any(check.integrity in _RETRIED for *_, check in checked)


# --- diagnosis: nothing of it makes a signature good ---------------------------------------


def _diagnosed(
    results: Sequence[SignatureResult],
    data: SignedData,
    content: Span,
    bag: Sequence[Certificate],
    judge: Judge,
) -> tuple[SignatureResult, ...]:
    """The results, with where the content departs from what each signer signed."""

    def with_lf() -> Iterable[bytes]:
        return map(to_lf, to_crlf(content.chunks()))

    signed_lf = _good_over(with_lf, data, bag, judge)
    departed = dict.fromkeys(signed_lf, Divergence(Change.LINE_ENDS))
    departed = departed or _departed(data, content, bag, judge)
    return tuple(
        replace(_explained(result, departed.get(at)), lf_match=at in signed_lf)
        for at, result in enumerate(results)
    )


def _explained(result: SignatureResult, divergence: Divergence | None) -> SignatureResult:
    if divergence is None:
        return result
    return replace(result, divergence=divergence, reasons=(*result.reasons, str(divergence)))


def _departed(
    data: SignedData, content: Span, bag: Sequence[Certificate], judge: Judge
) -> dict[int, Divergence]:
    """By the signers' numbers, how the content departs from what they signed."""
    if len(content) > MOST:
        return {}
    canonical = b"".join(to_crlf(content.chunks()))
    for found in islice(departures(canonical, _signed_digests(data.signers)), CONFIRMED):
        good = _good_over(found.content, data, bag, judge)
        if good:
            return dict.fromkeys(good, found.divergence)
    return {}


def _good_over(
    form: Callable[[], Iterable[bytes]],
    data: SignedData,
    bag: Sequence[Certificate],
    judge: Judge,
) -> list[int]:
    """The numbers of the signers whose signature matches another form of the content."""
    checked = _checked(data, Digests((), form), bag, judge)
    return [at for at, (*_, check) in enumerate(checked) if check.integrity is Integrity.GOOD]


def _signed_digests(signers: Iterable[SignerInfo]) -> dict[Digest, frozenset[bytes]]:
    """The digests that the signers say they signed."""
    found: dict[Digest, frozenset[bytes]] = {}
    for signer in signers:
        try:
            row = digest_row(signer.digest_algorithm)
            value = signer.signed_attributes and signer.signed_attributes.message_digest
        except CmsError:
            continue
        if row is not None and value:
            found[row] = found.get(row, frozenset()) | {value}
    return found


def _checked(
    data: SignedData, digests: Digests, bag: Sequence[Certificate], judge: Judge
) -> list[_Checked]:
    return [
        (signer, *_check_signer(signer, data.content_type, digests, bag, judge))
        for signer in data.signers
    ]


def _check_signer(
    signer: SignerInfo,
    content_type: str | None,
    digests: Digests,
    bag: Sequence[Certificate],
    judge: Judge,
) -> tuple[Certificate | None, Check]:
    """The certificate that the signature matches, else the first one that it names."""
    first: tuple[Certificate, Check] | None = None
    for certificate in islice(_named(signer, bag, judge.trust), _NAMESAKES):
        limits = judge.policy.limits
        check = check_signer(signer, certificate, content_type, digests, limits=limits)
        if check.integrity is Integrity.GOOD:
            return certificate, check
        first = first or (certificate, check)
    if first is not None:
        return first
    reason = "the signer's certificate is not in the message"
    return None, Check(Integrity.NO_CERTIFICATE, reason, named_scheme(signer))


def _named(signer: SignerInfo, bag: Sequence[Certificate], trust: Trust) -> Iterator[Certificate]:
    """The certificates that a signer's identifier names: the message's, then the caller's."""
    named = [each for each in bag if signer.sid.matches(each)]
    return chain(named, (each for each in _at_hand(signer, trust) if each not in named))


def _at_hand(signer: SignerInfo, trust: Trust) -> Iterator[Certificate]:
    if trust.store is not None:
        yield from _from_store(signer, trust.store)
    # Who is an anchor by a certificate of their own does not send it: gpgsm leaves roots out.
    yield from (each for each in trust.anchors if signer.sid.matches(each))


def _from_store(signer: SignerInfo, store: TrustStore) -> Iterator[Certificate]:
    sid = signer.sid
    if isinstance(sid, IssuerAndSerialNumber):
        yield from store.find(ByIssuerSerial(sid.issuer, sid.serial))
    else:
        yield from store.find(ByKeyId(sid.value))


@final
class _Judgements:
    """What the caller's trust says of the certificates that come up in one layer.

    Each is judged once, however many signatures it is said to have made.
    """

    def __init__(self, data: SignedData, bag: Sequence[Certificate], judge: Judge) -> None:
        self._crls, self._ocsps, _ = bounded(data, judge.policy.limits.evidence_bytes)
        self._found: dict[bytes, Judgement] = {}
        self.bag = bag
        self.judge = judge

    @cached_property
    def stamps(self) -> Stamps:
        """The time-stamps of the layer, which bring their own evidence."""
        return Stamps(self.bag, self.judge)

    def of(self, certificate: Certificate | None) -> Judgement | None:
        """The judgement; None where there is no certificate."""
        if certificate is None:
            return None
        found = self._found.get(certificate.der)
        if found is None:
            found = self._found[certificate.der] = self.judge.trust.judge(
                certificate,
                Purpose.VERIFY,
                at=self.judge.at,
                extra_certificates=self.bag,
                crls=self._crls,
                ocsps=self._ocsps,
            )
        return found


def _results(
    checked: Iterable[_Checked], data: SignedData, bag: Sequence[Certificate], judge: Judge
) -> tuple[SignatureResult, ...]:
    judgements = _Judgements(data, bag, judge)
    most = judge.policy.limits.countersignatures
    results = [
        _result(signer, check, certificate, judgements, iter(range(most)))
        for signer, certificate, check in checked
    ]
    return (*results, *map(_unreadable, data.unreadable_signers))


def _result(
    signer: SignerInfo,
    check: Check,
    certificate: Certificate | None,
    judgements: _Judgements,
    left: Iterator[int],
) -> SignatureResult:
    """All about one signature; as many countersignatures as are `left` are looked at."""
    judgement = judgements.of(certificate)
    assessment = assess(check, certificate, judgements.judge.policy)
    scheme = check.scheme
    plain = signer.unsigned_attributes is None
    return _signature_result(
        signer=str(signer.sid),
        certificate=certificate,
        algorithm=scheme.name if scheme else signer.signature_algorithm.oid,
        digest=scheme.digest.name if scheme else signer.digest_algorithm.oid,
        integrity=check.integrity,
        identity=Identity.UNCLAIMED if certificate else Identity.UNKNOWN,  # until `identify`
        judgement=judgement,
        assessment=assessment,
        reasons=_reasons(check, assessment, judgement),
        attributes=signer.signed_attributes,
        unsigned_attributes=signer.unsigned_attributes,
        countersignatures=() if plain else tuple(_countersigned(signer, judgements, left)),
        timestamps=() if plain else judgements.stamps.of(signer),
    )


def _countersigned(
    signer: SignerInfo, judgements: _Judgements, left: Iterator[int]
) -> Iterator[SignatureResult]:
    """The signatures of this signature, each with theirs; LimitExceeded for more than `left`."""
    judge, digests = judgements.judge, Digests((), lambda: (signer.signature,))
    for raw in countersignatures(signer):
        if next(left, None) is None:
            raise LimitExceeded(
                "A signature has too many countersignatures.", code="limit.countersignatures"
            )
        try:
            found = read_signer_info(raw, limits=judge.policy.limits)
        except CmsError as error:
            yield _unreadable(str(error))
            continue
        certificate, check = _check_signer(found, None, digests, judgements.bag, judge)
        yield _result(found, check, certificate, judgements, left)


def _unreadable(reason: str) -> SignatureResult:
    """A signature that is none. It does not harm those beside it, nor, where it should sign
    one, that one: anybody can add it.
    """
    return SignatureResult(
        signer="unknown",
        certificate=None,
        algorithm="unknown",
        digest="unknown",
        integrity=Integrity.MALFORMED,
        identity=identity_of(None, ()),
        judgement=None,
        assessment=Assessment(Grade.REFUSED, "it cannot be read"),
        reasons=(reason,),
        attributes=None,
    )


def _reasons(check: Check, assessment: Assessment, judgement: Judgement | None) -> tuple[str, ...]:
    found = [reason for reason in (check.reason, assessment.reason) if reason]
    if judgement is not None and judgement.status is not Status.TRUSTED:
        found += [reason.text for reason in judgement.reasons]
    return tuple(dict.fromkeys(found))


def of_mail(
    signatures: Iterable[SignatureResult], content_type: str
) -> tuple[SignatureResult, ...]:
    """Signatures in a mail, which sign MIME entities and nothing else (RFC 8551, 2.4.1)."""
    if content_type == DATA:
        return tuple(signatures)
    name = content_type_name(content_type)
    reason = f"what was signed is no message, but content of the type {name}"
    return tuple(
        replace(each, of_message=False, reasons=(*each.reasons, reason)) for each in signatures
    )


def identify(signature: SignatureResult, claims: tuple[Claim, ...], sender: str | None) -> None:
    """Hold a signature against those who are said to be the author, or to send for them.

    The last that is found out about it, before anybody else sees it: after that it is immutable.
    """
    senders = dict.fromkeys([address for claim in claims for address in claim or ()])
    identity = identity_of(signature.certificate, claims, sender)
    object.__setattr__(signature, "identity", identity)
    object.__setattr__(signature, "senders", tuple(senders))
