"""A site behind a gateway, and those who write to it, for the tests of mail that comes in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from smimekit import Credential, MemoryTrustStore, Trust
from smimekit.gateway import Deliver, Envelope, EnvelopeRecipient
from smimekit.gateway.core import Core, Results
from smimekit.gateway.events import NO_EVENTS, CertificateSeen, Events, Objection, Scan
from smimekit.gateway.inbound.steps import inbound
from smimekit.gateway.reports.audit import Entry
from smimekit.gateway.rules import Rules, Site
from smimekit.gateway.rules.inbound import Inbound
from smimekit.keys import KeyRing
from smimekit.limits import Limits
from smimekit.mime.fields import HeaderBlock, read_header
from smimekit.span import Span
from smimekit.trust import TrustStore
from tests.message.people import ALICE, NOW, person, root

CAROL, DAVE = "carol@example.com", "dave@example.com"
SITE = Site(name="mx.example.com", authserv_id="mx.example.com", administrator="admin@example.com")


def carol() -> Credential:
    return person(CAROL)


def dave() -> Credential:
    return person(DAVE)


@dataclass
class Listener(Events):
    """Remembers what it hears, and says what it is told to."""

    scans: list[bytes] = field(default_factory=list)
    seen: list[CertificateSeen] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    says: Objection | Exception | None = None
    says_of_certificates: Objection | Exception | None = None

    def after_decrypt(self, scan: Scan, /) -> Objection | None:
        self.scans.append(scan.message.bytes())
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def certificate_seen(self, seen: CertificateSeen, /) -> Objection | None:
        self.seen.append(seen)
        if isinstance(self.says_of_certificates, Exception):
            raise self.says_of_certificates
        return self.says_of_certificates

    def outcome(self, entry: Entry, /) -> None:
        self.entries.append(entry)


def core(
    *keys: Credential, store: TrustStore | None = None, events: Events | None = None, **rules: Any
) -> Core:
    """A gateway's core; `rules` are those of mail that comes in."""
    known = MemoryTrustStore() if store is None else store
    return Core(
        rules=Rules(site=SITE, inside_domains=("example.com",), inbound=Inbound(**rules)),
        trust=Trust(known, anchors=[root().certificate], clock=lambda: NOW),
        keys=KeyRing(*keys),
        store=known,
        events=NO_EVENTS if events is None else events,
    )


def envelope(*to: str, mail_from: str = ALICE, **options: Any) -> Envelope:
    recipients = tuple(EnvelopeRecipient(address=each) for each in to or (CAROL,))
    return Envelope(mail_from=mail_from, recipients=recipients, **options)


@contextmanager
def received(
    at: Core, message: bytes | Span, *to: str, mail_from: str = ALICE, **options: Any
) -> Iterator[Results]:
    """What becomes of a mail."""
    around = envelope(*to, mail_from=mail_from, **options)
    span = Span.of(message) if isinstance(message, bytes) else message
    with ExitStack() as closing:
        yield inbound(at, around, span, around.recipients, at=NOW, closing=closing)


def delivered(at: Core, message: bytes, *to: str, **options: Any) -> bytes:
    """The one mail that everybody gets."""
    with received(at, message, *to, **options) as results:
        [outcome] = results.outcomes
        assert isinstance(outcome, Deliver), outcome
        return outcome.mail.message.bytes()


def header(message: bytes) -> HeaderBlock:
    return read_header(Span.of(message), limits=Limits())


def value(message: bytes, name: str) -> str:
    """The only field of that name."""
    [found] = header(message).all(name)
    return found.text


def body(message: bytes) -> bytes:
    return message[header(message).length :]
