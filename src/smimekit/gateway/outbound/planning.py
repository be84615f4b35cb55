"""The decision: who gets a mail, and how. No crypto, no network, nothing is changed.

Knows rules, letters and certificates. May not know how anything is signed, encrypted or handed
on. The law: every recipient is in just one part, and `must` is never delivered in clear text,
whatever is asked for, fails, or is missing.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, final

from smimekit.errors import SmimeError, UsageError
from smimekit.gateway.core import Core
from smimekit.gateway.envelope import EnvelopeRecipient
from smimekit.gateway.letter import Protected
from smimekit.gateway.outbound.case import Case
from smimekit.gateway.outbound.plan import Action, Chosen, Part, Plan, Refusal, Unused
from smimekit.gateway.outbound.selection import Available, available, share
from smimekit.gateway.outbound.triggers import Ask
from smimekit.gateway.rules.treatment import Encrypt, Impossible, NoKey, Sign, Treatment
from smimekit.keys import Credential
from smimekit.mime.address import address_key

__all__ = ["plan_of"]

_CONFIGURATION: Final = Refusal(
    code=451, enhanced="4.3.5", text="The mail gateway is not set up for this; ask its operator."
)
_UNAVAILABLE: Final = Refusal(
    code=451, enhanced="4.3.0", text="Certificates or keys are out of reach; try again later."
)
_LOOP: Final = Refusal(code=554, enhanced="5.4.6", text="The mail goes round in circles.")
_HOPS: Final = 100
"""Received fields that a mail may have, as RFC 5321, 6.3 has it: whoever adds them, and whether or
not there is a secret for the marker.
"""


def plan_of(core: Core, case: Case) -> Plan:
    """What happens to a mail, and why."""
    planning = _Planning(core, case)
    return Plan(
        submission=case.submission,
        author=case.letter.author,
        user=case.envelope.user,
        asked=case.triggers.asked if case.submission else frozenset(),
        honoured=case.honoured,
        passes=case.passes,
        parts=tuple(planning.parts()),
    )


@final
@dataclass(frozen=True, slots=True)
class _Wish:
    """One recipient whose mail is to be protected, before it is known with whom it shares one."""

    recipient: EnvelopeRecipient
    treatment: Treatment
    sign: bool
    encrypt: bool
    apart: bool = False
    chosen: tuple[Chosen, ...] = ()
    unused: tuple[Unused, ...] = ()
    reasons: tuple[str, ...] = ()
    notice: str | None = None

    @property
    def group(self) -> Hashable:
        """Who has the same gets the same mail: all that shapes one."""
        one = self.treatment
        signing = (one.chain, one.headers) if self.sign else ()
        if not self.encrypt:
            return self.sign, False, signing, self.sign and one.opaque, self.notice
        sealing = (one.suite, one.authenticated, one.cipher_bits, one.rsa_bits, one.archive)
        shown = (one.headers, one.legacy_display)
        own = self.recipient if self.apart else None
        return self.sign, True, signing, sealing, shown, self.notice, own


@final
class _Planning:
    """One plan in the making. Not shared by threads."""

    def __init__(self, core: Core, case: Case) -> None:
        self.core: Final = core
        self.case: Final = case
        self._credential: Credential | None = None
        self._no_key: str | None = None
        self._asked_for_key = False

    def parts(self) -> Iterator[Part]:
        """All parts: those of one recipient each that need no company, joined, then the groups."""
        if self.case.passes >= self.core.rules.site.passes:
            why = f"It came through {self.case.passes} times."
            yield _part(Action.REJECT, self.case.envelope.recipients, why, refusal=_LOOP)
            return
        if self.case.hops > _HOPS:
            why = f"It came through {self.case.hops} mail servers."
            yield _part(Action.REJECT, self.case.envelope.recipients, why, refusal=_LOOP)
            return
        single: list[Part] = []
        wishes: list[_Wish] = []
        for recipient in self.case.envelope.recipients:
            found = self._safely(recipient)
            if isinstance(found, Part):
                single.append(found)
            else:
                wishes.append(found)
        yield from _joined(single)
        yield from self._groups(wishes)

    def _safely(self, recipient: EnvelopeRecipient) -> Part | _Wish:
        """What fails on the way to a decision is no decision: the sender's queue keeps it."""
        try:
            return self._decided(recipient)
        except SmimeError as error:
            return _part(Action.DEFER, (recipient,), str(error), refusal=_UNAVAILABLE)

    # --- one recipient --------------------------------------------------------------------

    def _decided(self, recipient: EnvelopeRecipient) -> Part | _Wish:
        case, rules = self.case, self.core.rules
        if rules.inside(recipient.address):
            if not case.submission:
                return _part(Action.INBOUND, (recipient,), "It comes in for an inside address.")
            if case.passes_inside(rules, recipient.address):
                return self._internal(recipient)
        treatment = case.treatment(rules, recipient.address)
        must = treatment.encrypt is Encrypt.MUST
        if not case.ours and not must and not case.obscure:
            why = "It is from outside to outside: not ours to protect."
            return _part(Action.DELIVER, (recipient,), why, treatment=treatment)
        return self._outbound(recipient, treatment)

    def _internal(self, recipient: EnvelopeRecipient) -> Part | _Wish:
        """Internal mail stays as it is, but for a signature that somebody asks for."""
        why = "It stays inside, where mail is not changed."
        if not self.case.asks(Ask.SIGN) or self._is_protected:
            return _part(Action.DELIVER, (recipient,), why)
        treatment = self.case.treatment(self.core.rules, recipient.address)
        wish = _Wish(recipient, treatment, sign=True, encrypt=False, reasons=(why,))
        return self._signed(wish)

    def _outbound(self, recipient: EnvelopeRecipient, treatment: Treatment) -> Part | _Wish:
        case = self.case
        must = treatment.encrypt is Encrypt.MUST or case.asks(Ask.ENCRYPT)
        if case.problem is not None:
            refusal = Refusal(code=550, enhanced="5.6.0", text=case.problem)
            return _part(Action.REJECT, (recipient,), case.problem, refusal=refusal)
        if case.letter.protected is Protected.ENCRYPTED:
            why = "It is encrypted already."
            return _part(Action.DELIVER, (recipient,), why, treatment=treatment)
        if case.special is not None and not must:
            return _part(Action.DELIVER, (recipient,), case.special, treatment=treatment)
        wish = _Wish(recipient, treatment, sign=False, encrypt=False)
        if must or self._may_encrypt(treatment):
            wanted = self._encrypted(wish, must=must)
            if isinstance(wanted, Part):
                return wanted
            wish = wanted
        elif case.asks(Ask.PLAIN):
            wish = _because(wish, "The sender asks not to encrypt, and the rules allow that.")
        return self._signed(self._wants_signature(wish))

    def _may_encrypt(self, treatment: Treatment) -> bool:
        return treatment.encrypt is Encrypt.IF_POSSIBLE and not self.case.asks(Ask.PLAIN)

    # --- encryption -----------------------------------------------------------------------

    def _encrypted(self, wish: _Wish, *, must: bool) -> Part | _Wish:
        treatment, address = wish.treatment, wish.recipient.address
        if treatment.encrypt is Encrypt.NEVER:
            why = "The sender asks for encryption, and the rules forbid it for this recipient."
            return self._refused(wish, Impossible.BOUNCE, why)
        found = self._available(address, treatment)
        wish = replace(wish, unused=found.unused)
        if not found.chosen:
            why = f"There is no usable certificate for {address}."
            impossible = treatment.impossible
            if impossible is Impossible.SEND_CLEAR:
                if not must:
                    return _because(wish, why)
                impossible = Impossible.BOUNCE
            return self._refused(wish, impossible, why)
        return replace(wish, encrypt=True, chosen=found.chosen, apart=self._is_apart(wish))

    def _available(self, address: str, treatment: Treatment, *, archive: bool = False) -> Available:
        return available(
            self.core.trust,
            address,
            self.core.policy_of(treatment),
            self.case.at,
            excluded=self.case.excluded,
            archive=archive,
        )

    def _is_apart(self, wish: _Wish) -> bool:
        """Does nobody else see this recipient in To or Cc? Then nobody may find its certificate
        among those of the others either.
        """
        shown = address_key(wish.recipient.address) in self.case.letter.shown
        return wish.treatment.split_bcc and not shown

    def _refused(self, wish: _Wish, impossible: Impossible, why: str) -> Part:
        action = {Impossible.HOLD: Action.HOLD, Impossible.CALLBACK: Action.CALLBACK}.get(
            impossible, Action.REJECT
        )
        refusal = None
        if action is Action.REJECT:
            refusal = Refusal(code=550, enhanced="5.7.10", text=f"{why} It was not sent.")
        return Part(
            action=action,
            recipients=(wish.recipient,),
            reasons=(*wish.reasons, why),
            treatment=wish.treatment,
            unused=wish.unused,
            refusal=refusal,
        )

    # --- signatures -----------------------------------------------------------------------

    @property
    def _is_protected(self) -> bool:
        return self.case.letter.protected is not Protected.NOTHING

    def _wants_signature(self, wish: _Wish) -> _Wish:
        case, rule = self.case, wish.treatment.sign
        by_rule = rule is Sign.ALWAYS or (rule is Sign.WHEN_ENCRYPTED and wish.encrypt)
        if not (by_rule or case.asks(Ask.SIGN)):
            return wish
        if self._is_protected:
            return _because(wish, "It is signed already.")
        if case.envelope.user is None or not case.submission:
            return _because(wish, "It is not signed: nobody authenticated.")
        return replace(wish, sign=True)

    def _signed(self, wish: _Wish) -> Part | _Wish:
        """Where it is to be signed: with a key, or as the rules have it without one."""
        if not wish.sign:
            return wish
        why = self._why_unsigned(wish.treatment)
        if why is None:
            return wish
        if wish.treatment.no_key is NoKey.SEND:
            return replace(wish, sign=False, notice=why, reasons=(*wish.reasons, why))
        refusal = Refusal(code=550, enhanced="5.7.0", text=f"{why} It was not sent.")
        return Part(
            action=Action.REJECT,
            recipients=(wish.recipient,),
            reasons=(*wish.reasons, why),
            treatment=wish.treatment,
            refusal=refusal,
        )

    def _why_unsigned(self, treatment: Treatment) -> str | None:
        author = self.case.letter.author
        if treatment.sign is Sign.NEVER:
            return "The sender asks for a signature, and the rules forbid it."
        if author is None:
            return "It cannot be signed: From does not name just one sender."
        if not self.case.may_sign:
            return f"It cannot be signed: this login may not sign as {author}."
        if not self._asked_for_key:
            self._asked_for_key = True
            try:
                self._credential = self.core.keys.signing(author, at=self.case.at)
            except UsageError as error:
                if error.code != "usage.no-signing-key":
                    self._asked_for_key = False
                    raise
                self._no_key = f"It cannot be signed: {error}"
        return self._no_key

    # --- groups ---------------------------------------------------------------------------

    def _groups(self, wishes: Iterable[_Wish]) -> Iterator[Part]:
        """Those with the same needs share one mail."""
        by_group: dict[Hashable, list[_Wish]] = defaultdict(list)
        for wish in wishes:
            by_group[wish.group].append(wish)
        for group in by_group.values():
            if group[0].encrypt:
                yield from self._sealed(group)
            else:
                yield self._made(group)

    def _sealed(self, group: list[_Wish]) -> Iterator[Part]:
        treatment = group[0].treatment
        recipients = tuple(each.recipient for each in group)
        try:
            found = [self._available(one, treatment, archive=True) for one in treatment.archive]
        except SmimeError as error:
            yield _part(Action.DEFER, recipients, str(error), refusal=_UNAVAILABLE)
            return
        missing = [one.address for one in found if not one.chosen]
        if missing:
            why = f"There is no usable certificate for the archive {', '.join(missing)}."
            yield _part(Action.DEFER, recipients, why, refusal=_CONFIGURATION, treatment=treatment)
            return
        archive = tuple(each for one in found for each in one.chosen)
        policy = self.core.policy_of(treatment)
        for together, cipher in share([(one, one.chosen) for one in group], archive, policy):
            if cipher is None:
                why = "There is no cipher that the recipient and the archive both read."
                who = tuple(one.recipient for one in together)
                yield _part(Action.DEFER, who, why, refusal=_CONFIGURATION, treatment=treatment)
            else:
                yield self._made(together, archive, cipher.name)

    def _made(
        self, group: list[_Wish], archive: tuple[Chosen, ...] = (), cipher: str | None = None
    ) -> Part:
        first = group[0]
        chosen = tuple(each for one in group for each in one.chosen)
        return Part(
            action=Action.PROTECT if first.sign or first.encrypt else Action.DELIVER,
            recipients=tuple(one.recipient for one in group),
            reasons=tuple(dict.fromkeys(why for one in group for why in one.reasons)),
            treatment=first.treatment,
            treatments=_treatments((one.recipient, one.treatment) for one in group),
            sign_as=self.case.letter.author if first.sign else None,
            credential=self._credential if first.sign else None,
            encrypt=first.encrypt,
            certificates=(*chosen, *archive),
            unused=tuple(each for one in group for each in one.unused),
            cipher=cipher,
            notice=first.notice,
        )


def _because(wish: _Wish, why: str) -> _Wish:
    return replace(wish, reasons=(*wish.reasons, why))


def _part(
    action: Action,
    recipients: tuple[EnvelopeRecipient, ...],
    why: str,
    *,
    refusal: Refusal | None = None,
    treatment: Treatment | None = None,
) -> Part:
    return Part(
        action=action,
        recipients=recipients,
        reasons=(why,),
        refusal=refusal,
        treatment=treatment,
    )


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Parts that differ in their recipients only become one."""
    found: dict[Hashable, list[Part]] = defaultdict(list)
    for part in parts:
        key = (part.action, part.reasons, part.refusal, part.treatment, part.unused)
        found[key].append(part)
    for same in found.values():
        asked = ((who, each.treatment) for each in same for who in each.recipients)
        yield replace(
            same[0],
            recipients=tuple(who for each in same for who in each.recipients),
            treatments=_treatments((who, one) for who, one in asked if one is not None),
        )


def _treatments(
    asked: Iterable[tuple[EnvelopeRecipient, Treatment]],
) -> tuple[tuple[str, Treatment], ...]:
    return tuple((who.address, treatment) for who, treatment in asked)
