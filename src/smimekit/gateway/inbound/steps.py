"""Mail that comes in: forgeries go first, then it is opened, learned from, judged and delivered.

Knows the order of things and what the rules say of it. May not know sockets, nor how mail is
opened or written (`opening`, `delivered`, `results` do). Whatever fails, nobody gets what their
own keys do not open, and no mail is lost: what cannot be done now is done later.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import final

from smimekit.certificate import Certificate
from smimekit.errors import (
    FetchError,
    InputError,
    KeyAccessError,
    LimitExceeded,
    NoMatchingKey,
    PolicyError,
    StoreError,
)
from smimekit.gateway.core import Core, Results
from smimekit.gateway.edit import joined, with_fields
from smimekit.gateway.envelope import Envelope, EnvelopeRecipient, Parameters
from smimekit.gateway.events import Action, Objection, Scan, consult
from smimekit.gateway.inbound.delivered import (
    Readable,
    header_of,
    is_confidential,
    plaintext,
    readable,
    signed_subject,
    tagged,
)
from smimekit.gateway.inbound.forged import forgeries, strip
from smimekit.gateway.inbound.learning import learn
from smimekit.gateway.inbound.opening import Opening, openings
from smimekit.gateway.inbound.results import (
    Result,
    authentication_results,
    detail_fields,
    signature_results,
    subject_tags,
    unreadable,
)
from smimekit.gateway.letter import Letter, Protected, is_calendar, read_letter
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Mail, Outcome, Reject
from smimekit.gateway.reports.audit import CertificateRole, CertificateUse
from smimekit.gateway.rules.inbound import Inbound, Open, ReportsTo, Undecryptable
from smimekit.limits import Limits
from smimekit.message.layers import Encrypted
from smimekit.message.opened import Opened
from smimekit.message.recognise import PKCS7_MIME
from smimekit.mime.content_type import content_type
from smimekit.mime.fields import Field, read_header
from smimekit.mime.scanner import read_entity
from smimekit.span import Span
from smimekit.trust.records import addresses_of

__all__ = ["inbound"]

_NOT_FOR_US = (
    "The mail is encrypted, and no key that the recipient has here opens it; encrypt it with the "
    "recipient's present certificate."
)
_OFTEN_ENOUGH = "The mail was opened often enough for others; try again for these recipients."


def inbound(
    core: Core,
    envelope: Envelope,
    message: Span,
    recipients: tuple[EnvelopeRecipient, ...],
    *,
    at: datetime,
    closing: ExitStack,
) -> Results:
    """What becomes of a mail for some recipients inside: one outcome for each of them.

    `at` (aware) is when signatures are judged; `closing` will close what the mails live in. What
    was learned of the mail is in the store when this returns. Nothing is raised for what a mail
    holds; a store or a key that does not answer delays it.
    """
    job = _Inbound(core, envelope, recipients, at, closing)
    try:
        return job.run(message)
    except LimitExceeded as error:
        refused = Reject(recipients=job.recipients, code=554, enhanced="5.6.0", text=str(error))
        return Results(outcomes=(refused,))
    except (StoreError, FetchError):
        text = "The certificate store does not answer; try again later."
        return Results(outcomes=(_later(job.recipients, text),))


def _later(recipients: tuple[EnvelopeRecipient, ...], text: str, enhanced: str = "4.3.0") -> Defer:
    return Defer(recipients=recipients, code=451, enhanced=enhanced, text=text)


@final
@dataclass(frozen=True, slots=True)
class _Inbound:
    """One mail for some recipients."""

    core: Core
    envelope: Envelope
    recipients: tuple[EnvelopeRecipient, ...]
    at: datetime
    closing: ExitStack

    def run(self, message: Span) -> Results:
        """Raises LimitExceeded for a header that cannot be searched, and what a store raises."""
        forged = forgeries(self.core.rules)
        clean = strip(message, forged, limits=self.core.policy.limits).message
        letter = self._letter(clean)
        if letter is not None and self._is_left(letter):
            return Results(outcomes=(self.deliver(self.recipients, clean, ("left as it is",)),))
        found = openings(self.core, clean, self.recipients, at=self.at, closing=self.closing)
        uses: list[CertificateUse] = []
        outcomes: list[Outcome] = []
        for opening in found:
            case = _Case(self, clean, forged.tags, letter, opening)
            outcomes.append(case.outcome(uses))
        return Results(outcomes=tuple(outcomes), certificates=tuple(dict.fromkeys(uses)))

    def _letter(self, message: Span) -> Letter | None:
        """None for a header that no strict reader takes."""
        try:
            return read_letter(message, limits=self.core.policy.limits)
        except InputError:
            return None

    def _is_left(self, letter: Letter) -> bool:
        """Do the rules leave mail of this kind alone?"""
        rules = self.core.rules.inbound
        report = letter.report or not self.envelope.mail_from
        return (report and rules.dsn is Open.LEAVE) or (
            letter.auto_submitted and rules.auto_submitted is Open.LEAVE
        )

    def deliver(
        self,
        recipients: tuple[EnvelopeRecipient, ...],
        message: Span,
        notes: tuple[str, ...],
        *,
        eight_bit: bool = False,
        decrypted: bool = False,
    ) -> Deliver:
        """The mail in the envelope that it came in."""
        mail = Mail(
            mail_from=self._reverse_path(decrypted=decrypted),
            recipients=recipients,
            message=message,
            parameters=_parameters(
                self.envelope.parameters, eight_bit=eight_bit, decrypted=decrypted
            ),
            private=decrypted,
        )
        return Deliver(mail=mail, notes=notes)

    def _reverse_path(self, *, decrypted: bool) -> str:
        """Reports about a mail go there, with its header. The null path stays what it is."""
        rules, given = self.core.rules, self.envelope.mail_from
        ours = decrypted and rules.inbound.reports_to is ReportsTo.ADMINISTRATOR
        return rules.site.administrator if ours and given else given


def _parameters(given: Parameters, *, eight_bit: bool, decrypted: bool) -> Parameters:
    """Those of the envelope. BODY says what is in the mail now (RFC 6152).

    A report about what was decrypted goes to whoever sent it, who may have found it: RET keeps its
    text out of there (RFC 3461, 4.3), and `Mail.private` what else can be.
    """
    now: Parameters = (("BODY", "8BITMIME"),) if eight_bit else ()
    if decrypted:
        now = (*now, ("RET", "HDRS"))
    names = {key for key, _ in now}
    return (*((key, value) for key, value in given if key.upper() not in names), *now)


@final
@dataclass(frozen=True, slots=True)
class _Case:
    """The mail for those of the recipients who read the same."""

    job: _Inbound
    clean: Span
    """The mail without forgeries."""
    tags: tuple[str, ...]
    """What no subject may say but by us."""
    letter: Letter | None
    opening: Opening

    def outcome(self, uses: list[CertificateUse]) -> Outcome:
        """What becomes of it; the certificates that it had to do with are added to `uses`."""
        opened = self.opening.opened
        if self.opening.waits:
            return _later(self.opening.recipients, _OFTEN_ENOUGH, "4.5.3")
        if isinstance(self.opening.problem, KeyAccessError):
            text = "A key that may open the mail cannot be used now; try again later."
            return _later(self.opening.recipients, text, "4.7.5")
        if opened is None:
            encrypted = self._claims_encryption()
            return self._closed(unreadable(), (), encrypted=encrypted, openly=self.opening.openly)
        uses += _uses(opened)
        learned, objection = learn(
            self.job.core, opened, reference=_message_id(self.letter), at=self.job.at
        )
        uses += learned
        if objection is not None:
            return self._refused(objection)
        encryptions = [each for each in opened.envelope if isinstance(each, Encrypted)]
        if any(each.failure is not None for each in encryptions):
            openly = isinstance(encryptions[0].failure, NoMatchingKey | PolicyError)
            details = self._details(opened)
            return self._closed(signature_results(opened), details, encrypted=True, openly=openly)
        return self._opened(opened)

    def _opened(self, opened: Opened) -> Outcome:
        rules, limits = self.job.core.rules.inbound, self.job.core.policy.limits
        objection = self._scanned(opened)
        if objection is not None:
            return self._refused(objection)
        if rules.calendar is Open.LEAVE and _is_invitation(opened, limits):
            notes = ("an invitation, left as it is",)
            return self.job.deliver(self.opening.recipients, self.clean, notes)
        found = readable(self.clean, opened, rules, limits=limits, closing=self.job.closing)
        results = signature_results(opened, delivered=found.layers, cleared=found.cleared)
        fields = (*self._results(results), *self._details(opened))
        tags = subject_tags(rules, results, confidential=is_confidential(opened, found))
        return self.job.deliver(
            self.opening.recipients,
            self._written(fields, found, opened, tags),
            (*_notes(results, decrypted=found.decrypted), *_left(opened, found, rules)),
            eight_bit=found.eight_bit,
            decrypted=found.decrypted,
        )

    # --- what stays closed ------------------------------------------------------------------

    def _closed(
        self,
        results: Sequence[Result],
        details: tuple[Field, ...],
        *,
        encrypted: bool,
        openly: bool,
    ) -> Outcome:
        """As it came, unless the rules have another way with what is encrypted.

        It is refused only where anybody can see why (`openly`). What a private key was used on
        and did not open is held instead: whoever sends a mail again and again, with the octets of
        another one changed, would learn from each answer what is in it (RFC 3218, 2).
        """
        rule = self.job.core.rules.inbound.undecryptable
        if encrypted and rule is Undecryptable.REJECT and openly:
            return Reject(
                recipients=self.opening.recipients, code=550, enhanced="5.7.5", text=_NOT_FOR_US
            )
        if encrypted and rule is not Undecryptable.AS_IS:
            return self._held("It is encrypted, and no key of the recipient opens it.")
        fields = (*self._results(results), *details)
        message = self._written(fields, None, None, ())
        return self.job.deliver(self.opening.recipients, message, _notes(results, decrypted=False))

    def _claims_encryption(self) -> bool:
        """Is what nobody can read encrypted, by its label or its first octets?"""
        if self.letter is None:
            return False
        if self.letter.protected is Protected.ENCRYPTED:
            return True
        label = content_type(self.letter.header)
        kind = (label.get("smime-type") or "enveloped-data").lower()
        return label.media in PKCS7_MIME and kind in {"enveloped-data", "authenveloped-data"}

    def _held(self, reason: str) -> Hold:
        deliver = self.job.deliver(self.opening.recipients, self.clean, ())
        return Hold(mail=deliver.mail, reason=reason)

    # --- scanners -----------------------------------------------------------------------------

    def _scanned(self, opened: Opened) -> Objection | None:
        """What a scanner says of what was decrypted, however that is delivered."""
        content = plaintext(opened)
        if content is None:
            return None
        try:
            entity = read_entity(content, limits=self.job.core.policy.limits, mbox=False)
            found = Readable(entity=entity, layers=(), decrypted=True)
            message = self._written((), found, opened, ())
        except InputError:
            message = content
        scan = Scan(
            envelope=self.job.envelope,
            recipients=self.opening.recipients,
            message=message,
            at=self.job.at,
        )
        return consult(self.job.core.events.after_decrypt, scan)

    def _refused(self, objection: Objection) -> Outcome:
        match objection.action:
            case Action.REJECT:
                return Reject(
                    recipients=self.opening.recipients,
                    code=550,
                    enhanced=objection.enhanced,
                    text=objection.reason,
                )
            case Action.HOLD:
                return self._held(objection.reason)
            case Action.DEFER:
                return _later(self.opening.recipients, objection.reason, "4.7.1")

    # --- what is written ----------------------------------------------------------------------

    def _results(self, results: Sequence[Result]) -> tuple[Field, ...]:
        site = self.job.core.rules.site
        if not self.job.core.rules.inbound.results:
            return ()
        return (authentication_results(site.authserv_id or site.name, results),)

    def _details(self, opened: Opened) -> tuple[Field, ...]:
        rules = self.job.core.rules
        wanted = rules.inbound.detail_headers
        return detail_fields(rules.site.header_prefix, opened) if wanted else ()

    def _written(
        self,
        new: tuple[Field, ...],
        found: Readable | None,
        opened: Opened | None,
        tags: Sequence[str],
    ) -> Span:
        """The mail with the gateway's fields above all others (RFC 8601, 4.1)."""
        try:
            header = read_header(self.clean, limits=self.job.core.policy.limits)
        except InputError:
            return joined((Span.of(b"".join(each.raw for each in new)), self.clean))
        if found is None or opened is None or found.entity is None:
            around = header.fields
            if opened is not None and tags:
                around = signed_subject(around, opened.header, self.tags)
            return with_fields(self.clean, header, (*new, *tagged(around, tags)))
        fields = header_of(header, found, opened.header, self.tags)
        lines = (each.raw for each in (*new, *tagged(fields, tags)))
        raw = b"".join(line if line.endswith(b"\n") else line + b"\r\n" for line in lines)
        return joined((Span.of(raw + b"\r\n"), found.entity.body))


def _message_id(letter: Letter | None) -> str:
    found = letter.header.all("Message-ID") if letter is not None else ()
    return found[0].text if found else ""


def _is_invitation(opened: Opened, limits: Limits) -> bool:
    content = opened.envelope[-1].content if opened.envelope else None
    try:
        if content is None:
            return False
        return is_calendar(content, read_header(content, limits=limits, mbox=False), limits=limits)
    except InputError:
        return False


def _uses(opened: Opened) -> Iterator[CertificateUse]:
    for layer in opened.envelope:
        if isinstance(layer, Encrypted) and layer.opened_with is not None:
            yield CertificateUse(
                fingerprint=layer.opened_with.fingerprint,
                role=CertificateRole.DECRYPTED_WITH,
                address=_address(layer.opened_with),
            )
    for result in signature_results(opened):
        signature = result.signature
        if signature is not None and signature.certificate is not None:
            yield CertificateUse(
                fingerprint=signature.certificate.fingerprint,
                role=CertificateRole.SIGNER,
                address=_address(signature.certificate),
                status="" if signature.judgement is None else signature.judgement.status.value,
                result=result.verdict.value,
            )


def _address(certificate: Certificate) -> str:
    return next(iter(addresses_of(certificate)), "")


def _left(opened: Opened, found: Readable, rules: Inbound) -> tuple[str, ...]:
    if not (rules.decrypt and opened.is_encrypted) or found.decrypted:
        return ()
    return ("left encrypted: mail transport would change what is inside",)


def _notes(results: Sequence[Result], *, decrypted: bool) -> tuple[str, ...]:
    said = tuple(f"smime={each.verdict}: {each.reason}" for each in results)
    return ("decrypted", *said) if decrypted else said
