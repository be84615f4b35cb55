"""Shows: what a mail gateway does with each mail that passes, without any network.

    python examples/mail_gateway_sketch.py

Inbound: learn certificates from signed mail, decrypt for the users. Outbound: sign where the
subject asks for it, encrypt where every receiver has a trusted certificate. A real gateway
adds a mail server, a queue, and rules about failure.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import smimekit
from smimekit import (
    Credential,
    Limits,
    MemoryTrustStore,
    Protection,
    Purpose,
    SmimeError,
    Trust,
)
from smimekit.message.header_set import HeaderSet
from smimekit.mime.fields import Field, read_header
from smimekit.span import Span
from smimekit.testing import FakeCA
from smimekit.trust import Record

SIGN = "[sign]"


def now() -> datetime:
    """The gateway's clock."""
    return datetime.now(UTC)


def header_fields(mail: bytes) -> tuple[Field, ...]:
    """The fields of a mail, each with its bytes as they came."""
    return read_header(Span.of(mail), limits=Limits()).fields


def about_content(field: Field) -> bool:
    """Does a field describe the body, so that it goes with the body?"""
    return field.name.lower().startswith("content-") or field.named("MIME-Version")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mail to hand on, and what was done to it."""

    mail: bytes
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gateway:
    """Keys of our users by address, and a store of what the world has shown us."""

    users: dict[str, Credential]
    store: MemoryTrustStore
    trust: Trust
    clock: Callable[[], datetime] = now

    def inbound(self, mail: bytes) -> Outcome:
        """Learn from it; decrypt it if it is for one of us; what cannot be read goes on."""
        try:
            with smimekit.open(mail, keys=self.users.values(), trust=self.trust) as opened:
                notes = [*self._learn(opened), f"protection: {opened.protection.name}"]
                if Protection.CONFIDENTIAL in opened.protection:
                    payload = opened.payload(require=Protection.CONFIDENTIAL)
                    content = payload.bytes(legacy_display=False)
                    return Outcome(delivered(mail, opened.header, content), tuple(notes))
        except SmimeError as error:
            notes = [f"left alone: {error.code}"]
        return Outcome(mail, tuple(notes))

    def _learn(self, opened: smimekit.Opened) -> Iterable[str]:
        found = smimekit.harvest(opened)
        found.put_into(self.store, at=self.clock())
        if found.found:
            yield f"learned: {found.sender}"

    def outbound(self, mail: bytes, sender: str, receivers: Iterable[str]) -> Outcome:
        """Sign if the subject says so, encrypt if all receivers can read it."""
        user = self.users.get(sender)
        subject = next((each.text for each in header_fields(mail) if each.named("Subject")), "")
        signer = user if SIGN in subject else None
        records = self._records(receivers)
        if records:
            to: list[Record | Credential] = [*records, *([user] if user else [])]
            return Outcome(smimekit.encrypt(mail, to, signer=signer), ("encrypted",))
        if signer is not None:
            return Outcome(smimekit.sign(mail, signer), ("signed",))
        return Outcome(mail, ("in clear",))

    def _records(self, receivers: Iterable[str]) -> list[Record]:
        """All usable certificates of all receivers, and what they announced; none if one of
        them has none.
        """
        found: list[Record] = []
        for receiver in receivers:
            usable = self.trust.usable(receiver, Purpose.ENCRYPT, self.clock()).records
            if not usable:
                return []
            found += usable
        return found


def delivered(mail: bytes, header: HeaderSet, payload: bytes) -> bytes:
    """The decrypted content below what of the header it does not hold itself."""
    inside = {each.name.lower() for each in header.protected}
    outer = (
        each.raw
        for each in header_fields(mail)
        if not about_content(each) and each.name.lower() not in inside
    )
    version = b"" if inside else b"MIME-Version: 1.0\r\n"
    return b"".join((*outer, version, payload))


def main() -> int:
    """Alice is our user; Bob writes to her, and she answers twice."""
    ca = FakeCA("A CA that we believe")
    alice, bob = ca.person("alice@our.example"), ca.person("bob@their.example")
    store = MemoryTrustStore()
    gateway = Gateway(
        users={"alice@our.example": alice},
        store=store,
        trust=Trust(store, anchors=[ca.certificate]),
    )
    question = b"From: bob@their.example\r\nSubject: %s\r\n\r\nHow much?\r\n"
    answer = b"From: alice@our.example\r\nSubject: %s\r\n\r\nTen.\r\n"

    out = gateway.outbound(answer % b"Hi", "alice@our.example", ["bob@their.example"])
    print("to a stranger:", *out.notes)
    out = gateway.outbound(answer % b"[sign] Hi", "alice@our.example", ["bob@their.example"])
    print("to a stranger, with the tag:", *out.notes)
    out = gateway.inbound(smimekit.sign(question % b"First", bob))
    print("from Bob, signed:", ", ".join(out.notes))
    out = gateway.inbound(smimekit.encrypt(question % b"Second", [alice], signer=bob))
    print("from Bob, encrypted:", ", ".join(out.notes), b"How much?" in out.mail)
    out = gateway.outbound(answer % b"Re", "alice@our.example", ["bob@their.example"])
    print("to Bob, now:", *out.notes, b"Ten." in out.mail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
