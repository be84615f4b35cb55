"""The law of the gateway, for any rules, tags, mails, people and failures:

every recipient is in just one outcome, and `must` never becomes clear text.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import smimekit
from smimekit import (
    Credential,
    MemoryTrustStore,
    NoMatchingKey,
    StoreError,
    Trust,
    UsageError,
)
from smimekit.errors import KeyAccessError
from smimekit.gateway import (
    Client,
    Deliver,
    Envelope,
    EnvelopeRecipient,
    Gateway,
    Outcomes,
    Reject,
    Rules,
)
from smimekit.gateway.events import Action, Events, Objection, Scan
from smimekit.gateway.outcomes import Mail, Outcome
from smimekit.gateway.reports.audit import Entry
from smimekit.gateway.rules import (
    Encrypt,
    Impossible,
    Internal,
    Leave,
    NoKey,
    Partner,
    Settings,
    Sign,
    Special,
)
from smimekit.message.layers import Encrypted
from smimekit.span import Span
from smimekit.trust.records import ByAddress, Query, Record
from tests.gateway.people import (
    ALICE,
    ARCHIVE,
    BOB,
    CAROL,
    EVERYBODY,
    INSIDER,
    MALLORY,
    TEXT,
    TWICE,
    world,
)

FORWARDER = "someone@elsewhere.example"


# --- any rules ------------------------------------------------------------------------------------

SETTINGS = st.builds(
    Settings,
    encrypt=st.sampled_from([None, None, *Encrypt]),
    impossible=st.sampled_from([None, *Impossible]),
    sign=st.sampled_from([None, None, *Sign]),
    no_key=st.sampled_from([None, *NoKey]),
    archive=st.sampled_from([None, None, (), (ARCHIVE,), ("nobody@example.org",)]),
    split_bcc=st.sampled_from([None, False]),
    authenticated=st.sampled_from([None, None, True]),
    legacy_display=st.sampled_from([None, True]),
    opaque=st.sampled_from([None, True]),
)
DOMAINS = st.sampled_from(["*", "*.example", "partner.example", "bank.example", "example.org"])
SIDES = st.sampled_from(["*", ALICE, BOB, CAROL, "*.example", "example.org"])
LEAVES = st.sampled_from(Leave)
RULES = st.builds(
    Rules,
    inside_domains=st.just(("example.org",)),
    internal=st.sampled_from(Internal),
    everywhere=SETTINGS,
    inside_settings=SETTINGS,
    outside_settings=SETTINGS,
    domains=st.dictionaries(DOMAINS, SETTINGS, max_size=2),
    addresses=st.dictionaries(st.sampled_from(EVERYBODY[:-1]), SETTINGS, max_size=2),
    partners=st.lists(
        st.builds(Partner, sender=SIDES, recipient=SIDES, settings=SETTINGS), max_size=1
    ).map(tuple),
    special=st.builds(
        Special, protected=LEAVES, calendar=LEAVES, dsn=LEAVES, auto_submitted=LEAVES
    ),
    marker_secret=st.sampled_from([b"", b"x" * 32]),
)

# --- any mail ---------------------------------------------------------------------------------------

FROMS = (
    f"From: {ALICE}\r\n",
    f"From: {MALLORY}\r\n",
    f"From: {FORWARDER}\r\n",
    f"From: {ALICE}, {INSIDER}\r\n",
    f"From: {ALICE}\r\nFrom: {MALLORY}\r\n",
    f"From: {FORWARDER}\r\nFrom: {INSIDER}\r\n",
    f"From: {ALICE} (\r\n",
    "",
    "no field\r\n",
)
TAGS = (
    "",
    "[sign] ",
    "[encrypt] ",
    "[plain] ",
    "[plain] [encrypt] ",
    "Re: [plain] ",
    "[plain] [sign] ",
)
TWINS = ("", "X-Smimekit-Plain: yes\r\n", "X-Smimekit-Encrypt: yes\r\n", "X-Smimekit-Sign: 1\r\n")
MARKS = ("", "X-Smimekit-Passes: v=1; passes=9; mac=00\r\n", "X-Smimekit: trusted\r\n")


@cache
def contents() -> dict[str, bytes]:
    """Content fields and bodies: plain, protected, and what only says that it is."""
    here = world()
    stranger = here.ca.person("stranger@elsewhere.example").certificate
    plain = b"Content-Type: text/plain\r\n\r\n" + TEXT + b"\r\n"
    encrypted = smimekit.encrypt(plain, [stranger])
    liar = (
        b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n\r\n"
    )
    foreign = b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n'
    return {
        "plain": plain,
        "none": b"\r\n" + TEXT,
        "signed": smimekit.sign(plain, here.people[ALICE][0]),
        "opaque": smimekit.sign(plain, here.people[ALICE][0], opaque=True),
        "encrypted": encrypted,
        "encrypted, and more": encrypted.rstrip() + b"\r\n" + TEXT,
        "liar": liar + TEXT,
        "foreign": foreign + b"--b\r\n\r\n" + TEXT + b"\r\n--b--\r\n",
        "calendar": b"Content-Type: text/calendar\r\n\r\n" + TEXT,
        "report": b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n"
        + TEXT
        + b"\r\n--b--\r\n",
        "automatic": b"Auto-Submitted: auto-generated\r\n\r\n" + TEXT,
        "broken": b"Content-Type: multipart/mixed\r\n\r\n" + TEXT,
    }


KINDS = ("plain", "none", "signed", "opaque", "encrypted", "encrypted, and more", "liar", "foreign",
         "calendar", "report", "automatic", "broken")  # fmt: skip


@st.composite
def mails(draw: st.DrawFn) -> tuple[str, bytes]:
    shown = draw(st.lists(st.sampled_from(EVERYBODY), unique=True))
    to = f"To: {', '.join(shown)}\r\n" if shown else ""
    kind = draw(st.sampled_from(KINDS))
    head = (
        draw(st.sampled_from(MARKS))
        + draw(st.sampled_from(TWINS))
        + draw(st.sampled_from(FROMS[:2] * 4 + FROMS))
        + to
        + f"Subject: {draw(st.sampled_from(TAGS))}Hello\r\nMessage-ID: <1@x>\r\n"
    )
    return kind, head.encode() + contents()[kind]


ENVELOPES = st.builds(
    Envelope,
    mail_from=st.sampled_from([ALICE, ALICE, MALLORY, FORWARDER, ""]),
    recipients=st.lists(
        st.builds(EnvelopeRecipient, address=st.sampled_from(EVERYBODY)), min_size=1, max_size=5
    ).map(tuple),
    user=st.sampled_from([ALICE, ALICE, MALLORY, None]),
    client=st.builds(Client, address=st.sampled_from(["", "192.0.2.7"])),
)

# --- any failure --------------------------------------------------------------------------------------


class Wavering(MemoryTrustStore):
    """A store that does not answer about some."""

    def __init__(self, failing: frozenset[str]) -> None:
        super().__init__()
        self.failing = failing

    def records(self, query: Query) -> tuple[Record, ...]:
        if isinstance(query, ByAddress) and query.address in self.failing:
            raise StoreError("The store is away.")
        return world().store.records(query)


@dataclass
class Broken:
    """A key that fails when it is used."""

    credential: Credential

    @property
    def public_key(self) -> Any:
        return self.credential.key.public_key

    def sign(self, data: bytes, scheme: object) -> bytes:
        raise KeyAccessError("The token is out.")


class Keys:
    """Keys that are there, are not, cannot be reached, or do not sign."""

    def __init__(self, how: str) -> None:
        self.how = how

    def signing(self, address: str, *, at: datetime) -> Credential:
        if self.how == "away":
            raise KeyAccessError("The token is out.")
        if self.how == "none":
            raise UsageError("There is no key.", code="usage.no-signing-key")
        found = world().keys.signing(address, at=at)
        if self.how == "broken":
            return Credential(Broken(found), found.certificate)  # type: ignore[arg-type]  # signs only
        return found

    def of(self, address: str) -> tuple[Credential, ...]:
        if self.how == "away":
            raise KeyAccessError("The token is out.")
        return world().keys.of(address)


class Hooks(Events):
    """Scanners with an opinion, or with a fault."""

    def __init__(self, how: str) -> None:
        self.how = how

    def before_encrypt(self, scan: Scan, /) -> Objection | None:
        if self.how == "raises":
            raise RuntimeError("a fault")
        found = {one.value: one for one in Action}.get(self.how)
        return None if found is None else Objection(action=found, reason="No.")

    def outcome(self, entry: Entry, /) -> None:
        if self.how == "forgets":
            raise RuntimeError("the disk is full")


def portal(how: str) -> Any:
    """A portal, or what somebody takes for one."""

    def answer(mail: Mail, why: str, closing: ExitStack) -> Outcome:
        match how:
            case "clear":
                return Deliver(mail=mail)
            case "copy":
                copy = Mail(
                    mail_from="", recipients=mail.recipients, message=Span.of(mail.message.bytes())
                )
                return Deliver(mail=copy)
            case "others":
                other = (EnvelopeRecipient(address=FORWARDER),)
                return Reject(recipients=other, code=550, enhanced="5.0.0", text="")
            case "fails":
                raise RuntimeError("The portal is away.")
            case _:
                link = Mail(
                    mail_from="", recipients=mail.recipients, message=Span.of(b"\r\nA link.")
                )
                return Deliver(mail=link)

    return None if how == "none" else answer


@st.composite
def gateways(draw: st.DrawFn) -> tuple[Rules, Gateway]:
    rules = draw(RULES)
    failing = draw(
        st.sampled_from(
            [frozenset[str](), frozenset[str](), frozenset({BOB}), frozenset({ARCHIVE, TWICE})]
        )
    )
    trust = Trust(Wavering(failing), anchors=world().trust.anchors)
    keys = draw(st.sampled_from(["there", "there", "none", "away", "broken"]))
    hooks = draw(st.sampled_from(["", "", "", "raises", "forgets", "reject", "hold", "defer"]))
    how = draw(st.sampled_from(["none", "clear", "copy", "others", "fails", "link"]))
    return rules, Gateway(
        rules=rules, trust=trust, keys=Keys(keys), events=Hooks(hooks), portal=portal(how)
    )


# --- the law --------------------------------------------------------------------------------------------


def must(rules: Rules, sent: Envelope, message: bytes, recipient: str) -> bool:
    """Do the rules say so for anybody who may have sent it: whoever stands in a From, the
    reverse-path, and the login?
    """
    head = message.partition(b"\r\n\r\n")[0].decode()
    lines = [line for line in head.split("\r\n") if line.startswith("From: ")]
    authors = {each for line in lines for each in re.findall(r"[^\s,]+@[^\s,]+", line)}
    senders = {*authors, sent.mail_from} - {""} or {""}
    return any(rules.treatment(one, recipient).encrypt is Encrypt.MUST for one in senders)


def is_outbound(rules: Rules, sent: Envelope, author: str | None, recipient: str) -> bool:
    """Outside recipients always; inside ones where the rules treat internal mail alike."""
    if not rules.inside(recipient):
        return True
    senders = {author or sent.mail_from, sent.mail_from} - {""} or {""}
    ours = any(rules.inside(one) for one in senders if one)
    if not ours or sent.user is None:
        return False
    return rules.internal is Internal.BY_RULE and all(map(rules.inside, senders))


def is_sealed(message: bytes) -> bool:
    """Is it encrypted, well-formed, and nothing of it in clear text?"""
    with smimekit.open(message, keys=(), trust=Trust()) as opened:
        outermost = opened.envelope[0] if opened.envelope else None
        sealed = isinstance(outermost, Encrypted) and isinstance(outermost.failure, NoMatchingKey)
    return sealed and TEXT not in message


def author_of(message: bytes) -> str | None:
    lines = [
        line for line in message.split(b"\r\n\r\n")[0].split(b"\r\n") if line.startswith(b"From: ")
    ]
    if message.startswith(b"no field") or len(lines) != 1 or b"," in lines[0]:
        return None
    return lines[0][6:].decode()


def delivered(outcomes: Outcomes) -> Iterator[tuple[EnvelopeRecipient, bytes]]:
    for outcome in outcomes.outcomes:
        if isinstance(outcome, Deliver):
            message = outcome.mail.message.bytes()
            yield from ((each, message) for each in outcome.recipients)


@settings(max_examples=max(200, settings().max_examples))
@given(found=gateways(), sent=ENVELOPES, kind_and_message=mails())
def test_each_recipient_has_one_outcome_and_must_is_never_clear_text(
    found: tuple[Rules, Gateway], sent: Envelope, kind_and_message: tuple[str, bytes]
) -> None:
    rules, gateway = found
    kind, message = kind_and_message
    author = author_of(message)
    plan = gateway.plan(sent, Span.of(message), at=world().at)
    assert Counter(each for part in plan.parts for each in part.recipients) == Counter(
        sent.recipients
    )
    with gateway.process(sent, Span.of(message), at=world().at) as outcomes:
        told = Counter(each for one in outcomes.outcomes for each in one.recipients)
        assert told == Counter(sent.recipients)
        for recipient, got in delivered(outcomes):
            who = recipient.address
            if must(rules, sent, message, who) and is_outbound(rules, sent, author, who):
                assert got.endswith(b"A link.") or is_sealed(got), kind


# --- any octets -----------------------------------------------------------------------------------------

OCTETS = st.lists(
    st.sampled_from(
        [b"From: ", ALICE.encode(), b"\r\n", b"\n", b"\r", b"Subject: [sign] ", b"[plain]", b"To: ", b"<", b",", b":", b";",
         b"Content-Type: ", b"multipart/signed", b"multipart/mixed", b"; boundary=b", b"--b", b"--", b"application/pkcs7-mime",
         b"Content-Transfer-Encoding: base64", b"MIIBAA==", b"\x30\x80", b"\xff", b"\x00", b" ", TEXT, b"X-Smimekit-Passes: v=1;",
         b"=?utf-8?b?", b"?=", b"Auto-Submitted: ", b"text/calendar"]
    )
).map(b"".join)  # fmt: skip


@given(OCTETS | st.binary(), RULES, ENVELOPES)
def test_any_octets_have_one_outcome_for_each_recipient(
    message: bytes, rules: Rules, sent: Envelope
) -> None:
    gateway = Gateway(rules=rules, trust=world().trust, keys=Keys("there"))
    plan = gateway.plan(sent, Span.of(message), at=world().at)
    assert plan.explain()
    assert json.dumps(plan.as_json())
    with gateway.process(sent, Span.of(message), at=world().at) as outcomes:
        told = Counter(each for one in outcomes.outcomes for each in one.recipients)
    assert told == Counter(sent.recipients)
