"""Everything about a message, as JSON: the whole truth, in stable names.

`docs/reference/cli.md` documents each name. Knows the library's records; may not know how
people would like to read them.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from smimekit import Certificate, CertificateError, Opened, Protection, SmimeError
from smimekit.algorithms import ContentCipher
from smimekit.cli.exits import code_of, sentence_of
from smimekit.cli.output import Json
from smimekit.cms.content import content_type_name
from smimekit.cms.recipients import (
    KekRecipient,
    KemRecipient,
    KeyAgreeRecipient,
    KeyTransRecipient,
    PasswordRecipientInfo,
    RecipientInfo,
    UnknownRecipient,
    algorithm_name,
)
from smimekit.message.header_set import HeaderSet
from smimekit.message.identity import signer_addresses
from smimekit.message.layers import (
    Compressed,
    Divergence,
    Encrypted,
    Layer,
    SignatureResult,
    Signed,
    TimestampResult,
)
from smimekit.policy import Grade
from smimekit.span import Span
from smimekit.trust import Decision, Judgement, Reason
from smimekit.trust.records import is_authority_only

__all__ = [
    "certificate_facts",
    "decision_facts",
    "error_facts",
    "judgement_facts",
    "message_facts",
    "time_text",
]

_Value = TypeVar("_Value")


def time_text(moment: datetime | None) -> str | None:
    """A time as JSON has it: ISO 8601, UTC, whole seconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error_facts(error: BaseException) -> Json:
    """An error."""
    return {"code": code_of(error), "message": sentence_of(error)}


def message_facts(opened: Opened) -> Json:
    """A message."""
    content = _content(opened)
    start = content.start if content is not None else 0
    return {
        "protection": [
            each.name.lower()
            for each in (Protection.VERIFIED, Protection.CONFIDENTIAL, Protection.INTACT)
            if each in opened.protection and each.name
        ],
        "layers": [_layer(each) for each in opened.envelope],
        "errant": [
            {
                "kind": each.kind,
                "name": each.name,
                "start": each.span.start - start,
                "end": each.span.end - start,
            }
            for each in opened.errant
        ],
        "header": _header(opened.header),
        "payload": None if content is None else {"size": len(content)},
    }


def _header(header: HeaderSet) -> Json:
    return {
        "protection": str(header.scheme),
        "from_mismatch": header.from_mismatch,
        "warning": header.warns,
        "date_mismatch": header.date_mismatch,
        "shown": [
            {"name": each.name, "text": each.text, "state": str(each.state)}
            for each in header.shown
        ],
        "fields": [
            {
                "name": each.name,
                "value": each.value,
                "state": str(each.state),
                "outer": each.outer,
            }
            for each in header.fields
        ],
    }


def _content(opened: Opened) -> Span | None:
    try:
        return opened.payload(require=Protection.NONE).span
    except SmimeError:  # encrypted still: its layer says why
        return None


# --- layers --------------------------------------------------------------------------------


def _layer(layer: Layer) -> Json:
    match layer:
        case Signed():
            return {
                "kind": "signed",
                "form": str(layer.form),
                "content_type": content_type_name(layer.content_type),
                "signatures": [_signature(each) for each in layer.signatures],
                "certificates": [certificate_facts(each) for each in layer.certificates],
                "crls": len(layer.crls),
                "size": len(layer.content),
            }
        case Encrypted():
            return {
                "kind": "encrypted",
                "algorithm": layer.algorithm,
                "authenticated": layer.authenticated,
                "grade": None if layer.cipher is None else _grade(layer.cipher),
                "recipients": [_recipient(each) for each in layer.recipients],
                "opened_with": _named(layer.opened_with),
                "failure": None if layer.failure is None else error_facts(layer.failure),
                "size": None if layer.content is None else len(layer.content),
            }
        case Compressed():
            return {
                "kind": "compressed",
                "algorithm": layer.algorithm,
                "size": len(layer.content),
            }


def _grade(cipher: ContentCipher) -> str:
    """Of a cipher that a policy accepted, or that nobody has a key for."""
    return str(Grade.WEAK if cipher.weak else Grade.GOOD)


def _recipient(recipient: RecipientInfo) -> Json:
    match recipient:
        case KeyTransRecipient(rid=rid):
            kind, ids = "key-transport", [str(rid)]
        case KeyAgreeRecipient(keys=keys):
            kind, ids = "key-agreement", [str(each.rid) for each in keys]
        case KekRecipient(key_id=key_id):
            kind, ids = "shared-key", [f"key {key_id.hex()}"]
        case PasswordRecipientInfo():
            kind, ids = "password", []
        case KemRecipient(rid=rid):
            kind, ids = "kem", [str(rid)]
        case UnknownRecipient(kind=kind):
            ids = []
    return {"kind": kind, "algorithm": algorithm_name(recipient), "ids": ids}


def _signature(signature: SignatureResult) -> Json:
    judgement, certificate = signature.judgement, signature.certificate
    return {
        "signer": signature.signer,
        "integrity": str(signature.integrity),
        "identity": str(signature.identity),
        "trust": None if judgement is None else judgement_facts(judgement),
        "time": {
            "signing_time": time_text(signature.signing_time),
            "judged_at": None if judgement is None else time_text(judgement.at),
        },
        "algorithm": signature.algorithm,
        "digest": signature.digest,
        "grade": str(signature.assessment.grade),
        "addresses": [] if certificate is None else list(signer_addresses(certificate)),
        "fingerprint": None if certificate is None else certificate.fingerprint,
        "certificate": None if certificate is None else certificate_facts(certificate),
        "timestamps": [_timestamp(each) for each in signature.timestamps],
        "of_message": signature.of_message,
        "line_ends_converted": signature.line_ends_converted,
        "would_match_with_lf": signature.lf_match,
        "divergence": _divergence(signature.divergence),
        "reasons": list(signature.reasons),
    }


def _divergence(divergence: Divergence | None) -> Json | None:
    if divergence is None:
        return None
    return {
        "change": str(divergence.change),
        "start": divergence.start,
        "length": divergence.length,
    }


def _timestamp(stamp: TimestampResult) -> Json:
    judgement = stamp.judgement
    return {
        "time": time_text(stamp.time),
        "integrity": str(stamp.integrity),
        "of_this_signature": stamp.imprint_matches,
        "authority": _named(stamp.certificate),
        "trust": None if judgement is None else judgement_facts(judgement),
        "reasons": list(stamp.reasons),
    }


# --- certificates --------------------------------------------------------------------------


def certificate_facts(certificate: Certificate) -> Json:
    """A certificate; what is malformed in it is null or empty."""
    return {
        "fingerprint": certificate.fingerprint,
        "subject": certificate.subject_text,
        "issuer": certificate.issuer_text,
        "serial": f"{certificate.serial:x}",
        "addresses": list(_readable(lambda: certificate.addresses) or ()),
        "not_before": time_text(certificate.not_before),
        "not_after": time_text(certificate.not_after),
        "key": _readable(lambda: certificate.key_name),
        "authority": is_authority_only(certificate),
    }


def _named(certificate: Certificate | None) -> Json | None:
    if certificate is None:
        return None
    return {"fingerprint": certificate.fingerprint, "subject": certificate.subject_text}


def _readable(read: Callable[[], _Value]) -> _Value | None:
    try:
        return read()
    except CertificateError:
        return None


def judgement_facts(judgement: Judgement) -> Json:
    """What trust says of a certificate."""
    return {
        "status": str(judgement.status),
        "validity": str(judgement.validity),
        "chain": str(judgement.chain),
        "revocation": str(judgement.revocation),
        "revocation_at": time_text(judgement.revocation_at),
        "decision": None if judgement.decision is None else decision_facts(judgement.decision),
        "reasons": _reasons(judgement.reasons),
        "path": [_named(each) for each in judgement.path],
    }


def _reasons(reasons: Iterable[Reason]) -> list[Json]:
    return [{"code": each.code, "text": each.text} for each in reasons]


def decision_facts(decision: Decision) -> Json:
    """What somebody decided."""
    return {
        "verdict": str(decision.verdict),
        "by": decision.by,
        "why": decision.why,
        "at": time_text(decision.at),
        "until": time_text(decision.until),
        "scope": sorted(map(str, decision.scope)),
    }
