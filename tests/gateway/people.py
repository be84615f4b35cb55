"""Who writes to whom in the tests of what goes out: made once, since keys take time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from smimekit import Credential, KeyRing, MemoryTrustStore, Policy, Trust
from smimekit.gateway import Client, Envelope, EnvelopeRecipient, Gateway, Outcomes, Plan, Rules
from smimekit.gateway.events import NO_EVENTS, Events
from smimekit.gateway.outbound.execution import Portal
from smimekit.gateway.rules.file import read_rules
from smimekit.span import Span
from smimekit.testing import FakeCA
from smimekit.trust.records import Capabilities, Decision, Purpose, Source, Verdict
from smimekit.trust.store import TrustStore

ALICE, MALLORY = "alice@example.org", "mallory@example.org"
BOB, CAROL, DAVE = "bob@partner.example", "carol@bank.example", "dave@nowhere.example"
TWICE, LATE, SHUNNED = "twice@partner.example", "late@partner.example", "shunned@partner.example"
ARCHIVE, INSIDER = "archive@example.org", "ian@example.org"
OUTSIDERS = (BOB, CAROL, DAVE, TWICE, LATE, SHUNNED)
EVERYBODY = (*OUTSIDERS, INSIDER, "ian", ALICE)
INSIDE = '[inside]\ndomains = ["example.org"]\n'
TEXT = b"The secret word is abracadabra."


@dataclass(frozen=True)
class World:
    """A certification authority, what a store knows, and our users' keys."""

    at: datetime
    ca: FakeCA
    store: MemoryTrustStore
    trust: Trust
    keys: KeyRing
    people: dict[str, tuple[Credential, ...]] = field(default_factory=dict)

    def keys_of(self, *addresses: str) -> KeyRing:
        return KeyRing(*(each for one in addresses for each in self.people[one]))


@cache
def world() -> World:
    root = FakeCA("Root")
    ca = root.intermediate("Issuing")
    people = {
        ALICE: (ca.person(ALICE),),
        INSIDER: (ca.person(INSIDER),),
        BOB: (ca.person(BOB),),
        CAROL: (ca.person(CAROL),),
        TWICE: (ca.person(TWICE), ca.person(TWICE)),
        LATE: (ca.expired(LATE),),
        SHUNNED: (ca.person(SHUNNED),),
        ARCHIVE: (ca.person(ARCHIVE),),
    }
    store = MemoryTrustStore()
    for credential in (each for one in people.values() for each in one):
        store.put(credential.certificate, Source("upload"), at=ca.now)
    shunned = people[SHUNNED][0].certificate
    no = Decision(verdict=Verdict.REJECT, by="admin", why="test", at=ca.now)
    store.decide(shunned.fingerprint, no, expected=0)
    for each in ca.chain:
        store.put(each, Source("upload"), at=ca.now)
    trust = Trust(store, anchors=[root.certificate])
    keys = KeyRing(*people[ALICE], *people[INSIDER])
    return World(at=ca.now, ca=ca, store=store, trust=trust, keys=keys, people=people)


def announce(store: TrustStore, credential: Credential, capabilities: bytes, at: datetime) -> None:
    """What somebody said in signed mail."""
    said = Capabilities(capabilities, at)
    store.put(credential.certificate, Source("mail"), at=at, capabilities=said)


def rules_of(text: str) -> Rules:
    """Rules for our domain."""
    return read_rules(INSIDE + text)


def gateway(
    rules: str | Rules = "",
    *,
    trust: Trust | None = None,
    keys: KeyRing | None = None,
    events: Events = NO_EVENTS,
    portal: Portal | None = None,
    policy: Policy = Policy.INTEROP,
) -> Gateway:
    made = rules_of(rules) if isinstance(rules, str) else rules
    here = world()
    return Gateway(
        rules=made,
        trust=here.trust if trust is None else trust,
        keys=here.keys if keys is None else keys,
        events=events,
        portal=portal,
        policy=policy,
    )


def envelope(
    *to: str, mail_from: str = ALICE, user: str | None = ALICE, client: str = ""
) -> Envelope:
    return Envelope(
        mail_from=mail_from,
        recipients=tuple(EnvelopeRecipient(address=each) for each in to),
        user=user,
        client=Client(address=client),
    )


def mail(
    *fields: str, to: Iterable[str] = (), cc: Iterable[str] = (), subject: str = "Hello"
) -> bytes:
    """A mail of Alice's; `fields` come first."""
    lines = [*fields]
    if not any(each.lower().startswith("from:") for each in fields):
        lines.append(f"From: Alice <{ALICE}>")
    lines += [
        f"{name}: {', '.join(who)}" for name, who in (("To", tuple(to)), ("Cc", tuple(cc))) if who
    ]
    lines += [f"Subject: {subject}", "Message-ID: <1@example.org>", "", ""]
    return "\r\n".join(lines).encode() + TEXT + b"\r\n"


def send(
    found: Gateway, message: bytes, *to: str, user: str | None = ALICE, mail_from: str = ALICE
) -> Outcomes:
    sent = envelope(*to, user=user, mail_from=mail_from)
    return found.process(sent, Span.of(message), at=world().at)


def planned(
    found: Gateway, message: bytes, *to: str, user: str | None = ALICE, mail_from: str = ALICE
) -> Plan:
    sent = envelope(*to, user=user, mail_from=mail_from)
    return found.plan(sent, Span.of(message), at=world().at)


__all__ = [
    "Purpose",
    "announce",
    "envelope",
    "gateway",
    "mail",
    "planned",
    "rules_of",
    "send",
    "world",
]
