"""One transaction as the rules see it: who hands the mail in, what they ask for, what it is.

Knows envelopes, letters and triggers. May not know certificates or keys, nor what is decided.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import final

from smimekit.errors import InputError, LimitExceeded
from smimekit.gateway.core import Core
from smimekit.gateway.edit import with_fields
from smimekit.gateway.envelope import Envelope
from smimekit.gateway.inbound.forged import forgeries, strip
from smimekit.gateway.letter import UNREADABLE, Letter, Protected, is_calendar, read_letter
from smimekit.gateway.marker import passes_of, unmarked
from smimekit.gateway.outbound.claims import MOST, claims, hides_lines
from smimekit.gateway.outbound.triggers import Ask, Triggers, read_triggers
from smimekit.gateway.rules import Leave, Rules
from smimekit.gateway.rules.treatment import Treatment, stricter
from smimekit.limits import Limits
from smimekit.span import Span

__all__ = ["Case", "case_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One transaction."""

    envelope: Envelope
    message: Span
    """As it came in."""
    letter: Letter
    triggers: Triggers
    at: datetime
    submission: bool
    """Did one of ours hand it in: somebody who authenticated, or a client of an inside network?"""
    ours: bool
    """Does it claim to be from inside, whoever handed it in?"""
    may_sign: bool
    """Did somebody authenticate who may sign as its From?"""
    honoured: bool
    """Do tags and twins count?"""
    passes: int
    special: str | None
    """Why it is left as it is, unless it must be encrypted; None where it is a letter."""
    problem: str | None
    """Why its header cannot be read; None where it can."""
    claimed: tuple[str, ...]
    """Who else may be its author, for some program, where From does not plainly say it."""
    obscure: bool
    """Are there too many who may be, or cannot they be searched for?"""
    excluded: Mapping[str, str]
    """Certificates that proved impossible to encrypt to, and why."""

    @property
    def author(self) -> str:
        """Whose rules count on the sender's side, besides those of the reverse-path."""
        return self.letter.author or self.envelope.mail_from

    @property
    def hops(self) -> int:
        """How many mail servers say that they had it (RFC 5321, 6.3)."""
        return len(self.letter.header.all("Received"))

    def asks(self, ask: Ask) -> bool:
        """Is this asked for, by somebody who may?"""
        return self.honoured and ask in self.triggers.asked

    def draft(self, rules: Rules, *, limits: Limits) -> Span:
        """The mail as it goes on: without tags, twins and markers, and else the very bytes.

        Tags that do not count stay in the subject: they are the mail's own words. Twins are for us
        and for nobody else. Results that only we write are forged where somebody submits them: a
        colleague would take them for ours (RFC 8601, 5). Mail of strangers keeps all that it has,
        but for markers. Raises LimitExceeded for a header that is too long to be searched.
        """
        if not self.ours:
            fields = self.letter.header.fields
        else:
            fields = self.triggers.fields if self.honoured else self.triggers.untagged
        kept = unmarked(fields, rules)
        message = self.message
        if kept != self.letter.header.fields:
            message = with_fields(message, self.letter.header, kept)
        if not self.submission:
            return message
        return strip(message, forgeries(rules), limits=limits).message

    @property
    def senders(self) -> tuple[str, ...]:
        """Whose mail it may be: all authors, the reverse-path, and whoever authenticated."""
        authors = (*self.letter.authors[:MOST], *self.claimed)
        named = (*authors, self.envelope.mail_from, self.envelope.user or "")
        return tuple(dict.fromkeys(each for each in named if each))

    def passes_inside(self, rules: Rules, recipient: str) -> bool:
        """Is it internal mail that is delivered as it is? A rule for a pair of any sender says
        no.
        """
        named = any(rules.has_partner(each, recipient) for each in self.senders)
        return rules.passes_inside(self.author, recipient) and not named

    def treatment(self, rules: Rules, recipient: str) -> Treatment:
        """What the rules say about mail of the author. Where those for another sender are stricter,
        they count: nobody escapes `must`, a minimum or an archive by writing one more name.
        """
        own = rules.treatment(self.author, recipient)
        others = (each for each in self.senders if each != self.author)
        return reduce(stricter, (rules.treatment(each, recipient) for each in others), own)


def case_of(
    core: Core,
    envelope: Envelope,
    message: Span,
    *,
    at: datetime,
    excluded: Mapping[str, str] | None = None,
) -> Case:
    """The facts of one transaction."""
    rules = core.rules
    problem = None
    try:
        letter = read_letter(message, limits=core.policy.limits)
    except InputError as error:
        letter, problem = UNREADABLE, str(error)
    claimed, hidden = _claimed(message, letter, rules, core.policy.limits)
    if len(letter.authors) > MOST:
        hidden = f"From names more than {MOST} authors."
    problem = problem or hidden
    ours = _is_ours(rules, envelope, (*letter.authors, *claimed))
    trusted = envelope.user is not None or rules.inside_client(envelope.client.address)
    submission = ours and trusted
    may_sign = submission and rules.may_sign_as(envelope.user, letter.author or "")
    passes = passes_of(letter.header.fields, rules)
    return Case(
        envelope=envelope,
        message=message,
        letter=letter,
        triggers=read_triggers(letter.header.fields, rules.words),
        at=at,
        submission=submission,
        ours=ours,
        may_sign=may_sign,
        # What came through before has no tags of its author any more.
        honoured=may_sign and not passes,
        passes=passes,
        special=_special(core, envelope, message, letter),
        problem=problem,
        claimed=claimed,
        obscure=hidden is not None,
        excluded=excluded or {},
    )


def _claimed(
    message: Span, letter: Letter, rules: Rules, limits: Limits
) -> tuple[tuple[str, ...], str | None]:
    """Who may be the author of a mail whose From does not plainly say it; or why nobody knows.

    A name without a domain is one of ours (RFC 5321, 4.1.1.3): mail servers add what is missing.
    """
    if letter.authors and not hides_lines(letter.header.raw):
        return (), None
    try:
        found = claims(message, limits=limits)
    except LimitExceeded as error:
        return (), str(error)
    domains = [each for each in rules.inside_domains if "*" not in each]
    whole = (f"{each}@{domain}" for each in found if "@" not in each for domain in domains)
    return (*found, *whole), None


def _is_ours(rules: Rules, envelope: Envelope, authors: Iterable[str]) -> bool:
    """The null reverse-path is nobody's (RFC 5321, 4.5.5)."""
    senders = (envelope.mail_from, *authors)
    return any(each and rules.inside(each) for each in senders)


def _special(core: Core, envelope: Envelope, message: Span, letter: Letter) -> str | None:
    special = core.rules.special
    if letter.protected is not Protected.NOTHING and special.protected is Leave.LEAVE:
        return "It is protected already, and such mail is left as it is."
    if (letter.report or not envelope.mail_from) and special.dsn is Leave.LEAVE:
        return "It is a report or the like, which is left as it is."
    if letter.auto_submitted and special.auto_submitted is Leave.LEAVE:
        return "No person sent it, and such mail is left as it is."
    limits = core.policy.limits
    if special.calendar is Leave.LEAVE and is_calendar(message, letter.header, limits=limits):
        return "It is an invitation, and such mail is left as it is."
    return None
