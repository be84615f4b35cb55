"""What was found in a mail, as header fields: Authentication-Results (RFC 8601, RFC 7281), and
the gateway's own fields, with layers and signers by number.

Knows facts and how a header says them. May not decide what is delivered. What stands in a
certificate or a mail was written by anybody: no value can end its field, or its line.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, SmimeError
from smimekit.gateway.rules.inbound import Inbound
from smimekit.message.identity import Identity, signer_addresses
from smimekit.message.layers import (
    Compressed,
    Encrypted,
    Integrity,
    Layer,
    Protection,
    SignatureForm,
    SignatureResult,
    Signed,
    innermost_signatures,
    protection_of,
)
from smimekit.message.opened import Opened
from smimekit.mime.address import address_key
from smimekit.mime.fields import Field
from smimekit.mime.safety import folded
from smimekit.policy import Grade
from smimekit.trust import Status

__all__ = [
    "Result",
    "Verdict",
    "authentication_results",
    "detail_fields",
    "signature_results",
    "subject_tags",
    "unreadable",
    "verdict_of",
]

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,200}@[A-Za-z0-9.-]{1,253}")
"""An addr-spec that a pvalue holds without quotes (RFC 8601, 2.2)."""
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,255}")
_METHOD = re.compile(rb"(smime)=", re.IGNORECASE)
"""What begins a result. Rules that look for it anywhere in the field, as many do, must not find
one that a certificate says."""
_LONGEST_NAME: Final = 300
"""Octets of an issuer's name: certificates hold longer ones, header lines should not."""
_MOST: Final = 20
"""Signatures that are told of: a mail may hold more, and nobody reads them."""


class Verdict(StrEnum):
    """The results of the method `smime` (RFC 7281, 3.1)."""

    NONE = "none"
    """The mail was not signed."""
    PASS = "pass"  # noqa: S105 - the RFC's word
    """A good signature, inside every encryption, by a trusted signer who is the author."""
    FAIL = "fail"
    """The signature does not match, or its signer was revoked or rejected, or is not the author."""
    POLICY = "policy"
    """It matches, but what it shows is not enough for the rules in force here."""
    NEUTRAL = "neutral"
    """It cannot be read, or nobody here can see whether there is one."""
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    """The signer's certificate is not at hand."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result of the method."""

    verdict: Verdict
    reason: str = ""
    """For people: words of our own."""
    signature: SignatureResult | None = None
    part: str = ""
    """Where the signature is in the mail that is delivered (RFC 7281, 3.2.1); "" for nowhere."""


# --- verdicts ---------------------------------------------------------------------------------


def verdict_of(signature: SignatureResult, envelope: Sequence[Layer]) -> tuple[Verdict, str]:
    """What one of the signatures of an envelope is worth, and why.

    A pass is the hardest to get: everything else comes first.
    """
    problem = _integrity(signature) or _trust(signature) or _identity(signature)
    if problem is not None:
        return problem
    if not any(signature is each for each in innermost_signatures(envelope)):
        return Verdict.POLICY, "the signature is outside the encryption"
    if Protection.VERIFIED not in protection_of(envelope):
        return Verdict.NEUTRAL, "what was signed cannot be read"
    return Verdict.PASS, "signed by the author"


def _integrity(signature: SignatureResult) -> tuple[Verdict, str] | None:
    match signature.integrity:
        case Integrity.GOOD:
            pass
        case Integrity.CONTENT_CHANGED | Integrity.BAD_SIGNATURE:
            return Verdict.FAIL, "changed after it was signed"
        case Integrity.NO_CERTIFICATE:
            return Verdict.PERMERROR, "the certificate of the signer is missing"
        case _:
            return Verdict.NEUTRAL, "the signature cannot be read"
    if signature.assessment.grade is not Grade.GOOD:
        return Verdict.POLICY, "the signature is too weak"
    if not signature.of_message:
        return Verdict.POLICY, "what was signed is no message"
    return None


def _trust(signature: SignatureResult) -> tuple[Verdict, str] | None:
    judgement = signature.judgement
    if judgement is None:
        return Verdict.POLICY, "the signer is not trusted"
    if judgement.status is Status.REJECTED:
        return Verdict.FAIL, "the signer is rejected or revoked"
    if judgement.status is not Status.TRUSTED:
        return Verdict.POLICY, "the signer is not trusted"
    return None


def _identity(signature: SignatureResult) -> tuple[Verdict, str] | None:
    match signature.identity:
        case Identity.MATCH:
            return None
        case Identity.SENDER_FIELD:
            return Verdict.POLICY, "signed by the sender, who is not the author"
        case Identity.MISMATCH:
            return Verdict.FAIL, "signed by somebody else than the author"
        case Identity.NO_ADDRESS:
            return Verdict.POLICY, "the signer has no address"
        case _:
            # A mail without a readable author passes for nobody's.
            return Verdict.POLICY, "the mail names no author"


def signature_results(
    opened: Opened, *, delivered: Sequence[Layer] | None = None, cleared: bool = False
) -> tuple[Result, ...]:
    """The results of a mail: one for each signature, or one that says why there is none.

    `delivered` are the layers that remain around what is delivered, outermost first; without
    it, all. `cleared`: the outermost of them became a multipart/signed.
    """
    layers = opened.envelope
    places = _places(layers if delivered is None else delivered, cleared=cleared)
    found = [
        Result(verdict=verdict, reason=reason, signature=each, part=places.get(id(layer), ""))
        for layer in layers
        if isinstance(layer, Signed)
        for each in layer.signatures
        for verdict, reason in (verdict_of(each, layers),)
    ]
    if found:
        return tuple(found[:_MOST])
    if any(isinstance(layer, Encrypted) and layer.failure is not None for layer in layers):
        return (Result(verdict=Verdict.NEUTRAL, reason="encrypted, and not opened here"),)
    if opened.errant:
        return (Result(verdict=Verdict.NONE, reason="only parts of it are protected"),)
    return (Result(verdict=Verdict.NONE, reason="not signed"),)


def unreadable() -> tuple[Result, ...]:
    """The result for what nobody can read."""
    return (Result(verdict=Verdict.NEUTRAL, reason="the mail cannot be read"),)


def _places(layers: Iterable[Layer], *, cleared: bool) -> dict[int, str]:
    """In which part each signature is (RFC 7281, 3.2.1; RFC 3501, 6.4.5), by its layer's id."""
    found: dict[int, str] = {}
    around, here = "", ""
    for number, layer in enumerate(layers):
        beside = cleared and not number
        if isinstance(layer, Signed) and (layer.form is SignatureForm.MULTIPART or beside):
            found[id(layer)] = f"{around}{here}{'.' if here else ''}2"
            here = f"{here}.1" if here else "1"
            continue
        found[id(layer)] = f"{around}{here or '1'}"
        around, here = f"{around}{here or '1'}/", ""
    return found


def subject_tags(
    rules: Inbound, results: Sequence[Result], *, confidential: bool
) -> tuple[str, ...]:
    """What the subject says: nothing good that is not so."""
    if not rules.subject_tags:
        return ()
    tags = [rules.encrypted_tag] if confidential else []
    if any(each.signature is not None for each in results):
        passed = any(each.verdict is Verdict.PASS for each in results)
        tags.insert(0, rules.signed_tag if passed else rules.untrusted_tag)
    return tuple(tag for tag in tags if tag)


# --- Authentication-Results -------------------------------------------------------------------


def authentication_results(authserv_id: str, results: Iterable[Result]) -> Field:
    """The field (RFC 8601, 2.2; RFC 7281, 3)."""
    name = authserv_id if _TOKEN.fullmatch(authserv_id) else _quoted(authserv_id)
    lines = [name.encode("utf-8", "replace")]
    for result in results:
        lines[-1] += b";"
        lines.append(f" smime={result.verdict}{_comment(result.reason)}".encode())
        lines += (f"  {name}={value}".encode() for name, value in _properties(result))
    return Field.of("Authentication-Results", b"\r\n".join(lines))


def _comment(reason: str) -> str:
    return f" ({_ascii(reason, '()')})" if reason else ""


def _properties(result: Result) -> Iterator[tuple[str, str]]:
    signature = result.signature
    if signature is None or signature.certificate is None:
        return
    address = _named(signature)
    if address is not None:
        yield "body.smime-identifier", address
    if result.part:
        yield "body.smime-part", result.part
    issuer = _issuer(signature.certificate)
    if issuer is not None:  # neither without the other (RFC 7281, 3.2.3)
        yield "body.smime-serial", _serial(signature.certificate)
        yield "body.smime-issuer", _quoted(issuer)


def _named(signature: SignatureResult) -> str | None:
    """The author's address where the certificate has it, else the certificate's first."""
    if signature.certificate is None:
        return None
    known = signer_addresses(signature.certificate)
    mine = {address_key(each): each for each in known}
    senders = (mine[key] for each in signature.senders if (key := address_key(each)) in mine)
    found = next(senders, known[0] if known else "")
    if not _ADDRESS.fullmatch(found) or _METHOD.search(found.encode()):
        return None
    return found


def _serial(certificate: Certificate) -> str:
    return certificate.serial_bytes.hex()


def _issuer(certificate: Certificate) -> str | None:
    """The issuer (RFC 4514), in ASCII; None where it is malformed or endless."""
    try:
        name = certificate.x509.issuer.rfc4514_string()
    except (CertificateError, LookupError, TypeError, ValueError):  # of types that none may have
        return None
    octets = _METHOD.sub(rb"\1\\3D", name.encode("utf-8", "replace"))
    found = "".join(chr(one) if 0x20 <= one < 0x7F else f"\\{one:02X}" for one in octets)
    return found if found and len(found) <= _LONGEST_NAME else None


def _quoted(text: str) -> str:
    """A quoted-string (RFC 5322, 3.2.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_ascii(escaped)}"'


def _ascii(text: str, without: str = "") -> str:
    """Text that stays in its line: printable ASCII, else "?"."""
    return "".join(
        char if char.isascii() and char.isprintable() and char not in without else "?"
        for char in text
    )


# --- the gateway's own fields -------------------------------------------------------------------


def detail_fields(prefix: str, opened: Opened) -> tuple[Field, ...]:
    """What was found, layer by layer and signer by signer, numbered from 1, outermost first."""
    fields = [_field(f"{prefix}Protection", _protection(opened.protection))]
    for number, layer in enumerate(opened.envelope, start=1):
        fields.append(_field(f"{prefix}Layer-{number}", _layer(layer)))
        if isinstance(layer, Signed):
            for at, each in enumerate(layer.signatures[:_MOST], start=1):
                fields += _signature_fields(prefix, f"{number}-{at}", each, opened.envelope)
    if opened.header.warns:
        fields.append(_field(f"{prefix}Warning", "the author inside is not the one outside"))
    if opened.header.date_mismatch:
        fields.append(_field(f"{prefix}Warning", "signed at another time than its Date says"))
    for number, errant in enumerate(opened.errant[:_MOST], start=1):
        fields.append(_field(f"{prefix}Part-{number}", f"{errant.kind}; part={errant.name or 1}"))
    return tuple(fields)


def _field(name: str, value: str) -> Field:
    return Field.of(name, folded(_ascii(value).encode(), len(name) + 2))


def _protection(found: Protection) -> str:
    words = (
        (Protection.VERIFIED, "verified"),
        (Protection.CONFIDENTIAL, "confidential"),
        (Protection.INTACT, "intact"),
    )
    return ", ".join(word for flag, word in words if flag in found) or "none"


def _layer(layer: Layer) -> str:
    match layer:
        case Signed():
            return f"signed; form={layer.form}; signatures={len(layer.signatures)}"
        case Encrypted():
            said = "no" if layer.failure is not None else "yes"
            weak = layer.cipher is not None and layer.cipher.weak
            return (
                f"encrypted; cipher={layer.algorithm}; {'grade=weak; ' if weak else ''}"
                f"authenticated={'yes' if layer.authenticated else 'no'}; opened={said}"
                + _failure(layer.failure)
            )
        case Compressed():
            return f"compressed; algorithm={layer.algorithm}"


def _failure(failure: SmimeError | None) -> str:
    return "" if failure is None else f"; error={failure.code}"


def _signature_fields(
    prefix: str, number: str, signature: SignatureResult, envelope: Sequence[Layer]
) -> Iterator[Field]:
    verdict, reason = verdict_of(signature, envelope)
    judgement = signature.judgement
    yield _field(
        f"{prefix}Signature-{number}",
        f"{verdict}; integrity={signature.integrity}; identity={signature.identity}; "
        f"status={'unknown' if judgement is None else judgement.status}; "
        f"algorithm={signature.algorithm}; reason={reason}",
    )
    if signature.certificate is not None:
        address = _named(signature)
        yield _field(
            f"{prefix}Signer-{number}",
            (f"{address}; " if address else "")
            + f"serial={_serial(signature.certificate)}; "
            + f"fingerprint={signature.certificate.fingerprint}",
        )
