"""What was planned is done: mail is signed and encrypted into spools, refused, or held.

Knows plans and the verbs that protect mail. Decides nothing: what fails here is deferred, or
refused where the mail itself is wrong, and never sent otherwise than it was planned.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, TypeAlias

from smimekit.errors import LimitExceeded, MimeError, NoMatchingKey, SmimeError
from smimekit.gateway.core import Core, Results
from smimekit.gateway.envelope import EnvelopeRecipient
from smimekit.gateway.events import Action as Wanted
from smimekit.gateway.events import Objection, Scan, consult
from smimekit.gateway.letter import Protected
from smimekit.gateway.outbound.case import Case
from smimekit.gateway.outbound.chains import completed
from smimekit.gateway.outbound.plan import Action, Part
from smimekit.gateway.outbound.triggers import Ask
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Mail, Outcome, Reject
from smimekit.gateway.reports.audit import CertificateRole, CertificateUse
from smimekit.gateway.rules.treatment import Encrypt, Headers, Treatment
from smimekit.keys import Credential
from smimekit.message.layers import Encrypted
from smimekit.message.plan import plan_encryption
from smimekit.message.receive import open_message
from smimekit.message.send import encrypt_stream, sign_stream
from smimekit.message.signing import Chain, Signer
from smimekit.message.source import new_spool
from smimekit.mime.protected import HeaderProtection
from smimekit.policy import Policy
from smimekit.span import Span
from smimekit.trust import Trust
from smimekit.trust.records import Record

__all__ = ["Portal", "Unencryptable", "outbound"]

Portal: TypeAlias = Callable[[Mail, str, ExitStack], Outcome]
"""What takes mail that cannot be encrypted, where the rules say `callback`: the mail, why, and
what its spools close with. It gives one outcome for all recipients of the mail."""

_HEADERS: Final = {
    Headers.BASELINE: HeaderProtection.BASELINE,
    Headers.SHY: HeaderProtection.SHY,
    Headers.NO_CONFIDENTIALITY: HeaderProtection.NO_CONFIDENTIALITY,
}
_BROKEN: Final = "The mail cannot be signed or encrypted as it is: "
_LATER: Final = "The mail could not be protected; it is tried again later."


class Unencryptable(Exception):
    """Certificates that nothing can be encrypted to, as trying showed: fingerprint and why."""

    def __init__(self, found: Mapping[str, str]) -> None:
        super().__init__("some certificates cannot be encrypted to")
        self.found: Final = found


def outbound(
    core: Core, case: Case, parts: Iterable[Part], *, closing: ExitStack, portal: Portal | None
) -> Results:
    """Do what the parts say; what is made lives until `closing`.

    Raises Unencryptable where a plan without some certificates is needed.
    """
    outcomes: list[Outcome] = []
    uses: list[CertificateUse] = []
    for part in parts:
        outcomes.append(_done(core, case, part, closing, portal))
        uses += _uses(part)
    return Results(outcomes=tuple(outcomes), certificates=tuple(uses))


def _done(core: Core, case: Case, part: Part, closing: ExitStack, portal: Portal | None) -> Outcome:
    why = " ".join(part.reasons)
    match part.action:
        case Action.DELIVER:
            return _passed_on(core, case, part)
        case Action.PROTECT:
            return _protected(core, case, part, closing)
        case Action.HOLD:
            return Hold(mail=_original(case, part.recipients), reason=why)
        case Action.CALLBACK:
            return _called_back(case, part, portal, why, closing)
        case _:
            return _refused(part, why)


def _refused(part: Part, why: str) -> Outcome:
    found = part.refusal
    if found is None:
        return _later(part.recipients, "4.3.0", why)
    kind = Reject if part.action is Action.REJECT else Defer
    return kind(
        recipients=part.recipients, code=found.code, enhanced=found.enhanced, text=found.text
    )


def _later(recipients: tuple[EnvelopeRecipient, ...], enhanced: str, text: str) -> Defer:
    return Defer(recipients=recipients, code=451, enhanced=enhanced, text=text)


def _original(case: Case, recipients: tuple[EnvelopeRecipient, ...]) -> Mail:
    return _mail(case, recipients, case.message)


def _mail(case: Case, recipients: tuple[EnvelopeRecipient, ...], message: Span) -> Mail:
    envelope = case.envelope
    return Mail(
        mail_from=envelope.mail_from,
        recipients=recipients,
        message=message,
        parameters=envelope.parameters,
    )


# --- without protection of ours -------------------------------------------------------------------


def _passed_on(core: Core, case: Case, part: Part) -> Outcome:
    must = part.treatment is not None and part.treatment.encrypt is Encrypt.MUST
    if (must or case.asks(Ask.ENCRYPT)) and case.letter.protected is Protected.ENCRYPTED:
        problem = _why_not_sealed(case.message, core.policy)
        if problem is not None:
            text = f"The mail says that it is encrypted, and it is not well: {problem}"
            return Reject(recipients=part.recipients, code=550, enhanced="5.7.10", text=text)
    try:
        draft = case.draft(core.rules, limits=core.policy.limits)
    except LimitExceeded as error:
        return Reject(recipients=part.recipients, code=554, enhanced="5.6.0", text=str(error))
    mail = _mail(case, part.recipients, draft)
    return Deliver(mail=mail, notes=part.reasons)


def _why_not_sealed(message: Span, policy: Policy) -> str | None:
    """Is a mail that must be encrypted, and says that it is, well-formed and not weak?

    Without any key: that nobody here can open it is just what is expected.
    """
    try:
        with open_message(message, keys=(), trust=Trust(), policy=policy) as opened:
            outermost = opened.envelope[0] if opened.envelope else None
            if not isinstance(outermost, Encrypted):
                return "it is not encrypted."
            failure = outermost.failure
    except SmimeError as error:
        failure = error
    return None if isinstance(failure, NoMatchingKey) else str(failure)


def _called_back(
    case: Case, part: Part, portal: Portal | None, why: str, closing: ExitStack
) -> Outcome:
    """What a portal answers counts for all of its recipients, and is never the mail itself."""
    if portal is None:
        return _later(part.recipients, "4.3.5", "No portal is set up for mail like this.")
    mail = _original(case, part.recipients)
    try:
        answer = portal(mail, why, closing)
    except Exception as error:  # noqa: BLE001 - any failure of another's program is one: not now
        failed = f"The portal failed ({type(error).__name__}); try again later."
        return _later(part.recipients, "4.3.0", failed)
    if answer.recipients != part.recipients:
        return _later(part.recipients, "4.3.5", "The portal answers for other recipients.")
    if isinstance(answer, Deliver) and _is_same(answer.mail.message, case.message):
        return _later(part.recipients, "4.3.5", "The portal did not protect the mail.")
    return answer


def _is_same(one: Span, other: Span) -> bool:
    return len(one) == len(other) and all(
        mine == theirs for mine, theirs in zip(one.chunks(), other.chunks(), strict=True)
    )


# --- signed and encrypted -------------------------------------------------------------------------


def _protected(core: Core, case: Case, part: Part, closing: ExitStack) -> Outcome:
    draft = case.draft(core.rules, limits=core.policy.limits)
    if part.encrypt:
        scan = Scan(envelope=case.envelope, recipients=part.recipients, message=draft, at=case.at)
        objection = consult(core.events.before_encrypt, scan)
        if objection is not None:
            return _objected(case, part, objection)
    treatment = part.treatment or Treatment()
    try:
        chunks = _chunks(core, case, part, treatment, draft)
        message = _spooled(chunks, core.policy, closing)
    except SmimeError as error:
        _raise_unencryptable(part, core.policy_of(treatment))
        if isinstance(error, MimeError | LimitExceeded):
            text = f"{_BROKEN}{error}"
            return Reject(recipients=part.recipients, code=550, enhanced="5.6.0", text=text)
        return _later(part.recipients, "4.3.0", f"{_LATER} ({error.code})")
    return Deliver(mail=_mail(case, part.recipients, message), notes=_notes(part))


def _chunks(
    core: Core, case: Case, part: Part, treatment: Treatment, draft: Span
) -> Iterator[bytes]:
    policy, headers = core.policy_of(treatment), _HEADERS.get(treatment.headers)
    signer = None
    if part.credential is not None:
        signer = Signer(_signing(core, part.credential, treatment, case), chain=treatment.chain)
    if part.encrypt:
        if headers is not None and treatment.legacy_display:
            headers = replace(headers, legacy_display=True)
        return encrypt_stream(
            draft, _records(part), signer=signer, headers=headers, policy=policy, at=case.at
        )
    if signer is None:
        return draft.chunks()
    return sign_stream(
        draft, signer, opaque=treatment.opaque, headers=headers, policy=policy, at=case.at
    )


def _signing(core: Core, credential: Credential, treatment: Treatment, case: Case) -> Credential:
    """With the certificates that go out, where any besides its own do."""
    if treatment.chain is Chain.LEAF:
        return credential
    return completed(credential, core.trust, at=case.at)


def _records(part: Part) -> list[Record]:
    """Each certificate once, in the order of the plan."""
    return list({each.fingerprint: each.record for each in part.certificates}.values())


def _spooled(chunks: Iterable[bytes], policy: Policy, closing: ExitStack) -> Span:
    spool = closing.enter_context(new_spool(policy))
    for chunk in chunks:
        spool.write(chunk)
    return spool.span()


def _raise_unencryptable(part: Part, policy: Policy) -> None:
    """Was it a certificate? Then another plan may do without it."""
    if not part.encrypt:
        return
    tried = plan_encryption(_records(part), policy=policy)
    found = {
        one.certificate.fingerprint: one.reason
        for one in tried.refused
        if one.certificate is not None
    }
    if found:
        raise Unencryptable(found)


def _objected(case: Case, part: Part, objection: Objection) -> Outcome:
    match objection.action:
        case Wanted.REJECT:
            return Reject(
                recipients=part.recipients,
                code=550,
                enhanced=objection.enhanced,
                text=objection.reason,
            )
        case Wanted.HOLD:
            return Hold(mail=_original(case, part.recipients), reason=objection.reason)
        case _:
            return _later(part.recipients, "4.7.1", objection.reason)


# --- what is written down -------------------------------------------------------------------------


def _notes(part: Part) -> tuple[str, ...]:
    notes = list(part.reasons)
    if part.credential is not None:
        notes.append(f"Signed as {part.sign_as}.")
    if part.encrypt:
        notes.append(f"Encrypted with {part.cipher} to {len(_records(part))} certificates.")
    archives = sorted({each.address for each in part.certificates if each.archive})
    if archives:
        notes.append(f"Encrypted to the archive {', '.join(archives)}, too.")
    return tuple(notes)


def _uses(part: Part) -> Iterator[CertificateUse]:
    if part.credential is not None:
        yield CertificateUse(
            fingerprint=part.credential.certificate.fingerprint,
            role=CertificateRole.SIGNED,
            address=part.sign_as or "",
        )
    for each in part.certificates:
        role = CertificateRole.ARCHIVE if each.archive else CertificateRole.ENCRYPTED_TO
        yield CertificateUse(
            fingerprint=each.fingerprint, role=role, address=each.address, status="trusted"
        )
    for unused in part.unused:
        yield CertificateUse(
            fingerprint=unused.fingerprint,
            role=CertificateRole.UNUSABLE,
            address=unused.address,
            status=unused.status,
        )
