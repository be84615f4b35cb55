"""Mailboxes for the tests of runs, made fast: many messages of few people, some of them bad."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import final

import smimekit
from smimekit import Certificate, Chain, Signer, Trust
from smimekit.harvesting import Reader
from smimekit.mailboxes import Mark, Message
from smimekit.span import Span
from smimekit.trust import Record, TrustStore
from tests.message.people import ALICE, BOB, MALLORY, NOW, alice, ca, draft, entity, root

__all__ = ["Listed", "Making", "everything", "kinds", "maildir_of", "making", "reader"]


@cache
def kinds() -> tuple[bytes, ...]:
    """Messages of every kind: signed by several, with one certificate or two, unsigned, broken."""
    people = [ca().person(f"p{number}@example.org") for number in range(4)]
    good = [
        smimekit.sign(draft(each.addresses[0]), Signer(each, chain=Chain.WITHOUT_ROOT), at=NOW)
        for each in people
    ]
    dual = ca().dual(ALICE)
    return (
        *good,
        smimekit.sign(draft(), Signer(dual, chain=Chain.LEAF), at=NOW),
        smimekit.sign(draft(), alice(), opaque=True, at=NOW),
        draft(BOB),
        smimekit.sign(draft(MALLORY), alice()),
        smimekit.sign(draft(), alice()).replace(b"is on", b"is off"),
        b"no mail",
        b"",
        entity(),
    )


@final
@dataclass(frozen=True)
class Making:
    """Makes what the tests read with, here and in other processes."""

    anchors: tuple[Certificate, ...]

    def __call__(self) -> Reader:
        return Reader(trust=Trust(anchors=self.anchors, clock=lambda: NOW), at=NOW)


def reader() -> Reader:
    return making()()


@cache
def making() -> Making:
    """By an anchor of this process: another one would make a CA of its own."""
    return Making((root().certificate,))


class Listed:
    """A mailbox in memory; with a stream's name, one that has marks."""

    def __init__(self, mails: Sequence[bytes], *, stream: str | None = None) -> None:
        self.mails = mails
        self.stream = stream
        self.name = "listed"
        self.opened: list[int] = []
        self.refused: dict[int, Exception] = {}

    def total(self, marks: Mapping[str, str]) -> int:
        return len(self.mails) - int(marks.get(self.stream or "", 0))

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:
        start = int(marks.get(self.stream or "", 0))
        for number in range(start, len(self.mails)):
            mark = None if self.stream is None else Mark(self.stream, str(number + 1))
            yield Message(
                identity=str(number), label=f"number {number}", open=self._opener(number), mark=mark
            )

    def _opener(self, number: int) -> Callable[[], AbstractContextManager[Span]]:
        def opener() -> AbstractContextManager[Span]:
            self.opened.append(number)
            if number in self.refused:
                raise self.refused[number]
            return nullcontext(Span.of(self.mails[number]))

        return opener


def everything(store: TrustStore) -> list[Record]:
    """All records of a store."""
    found: list[Record] = []
    while page := store.page(after=found[-1].fingerprint if found else "", limit=1_000):
        found += page
    return found


def maildir_of(path: Path, count: int) -> Path:
    """A Maildir with messages of all kinds, most of them not signed, as mail is."""
    for name in ("new", "cur", "tmp"):
        (path / name).mkdir(parents=True)
    mails = kinds()
    for number in range(count):
        mail = mails[number % 48] if number % 48 < len(mails) else b"From: bob@example.org\n\nHi\n"
        (path / "cur" / f"{number}.host:2,S").write_bytes(mail)
    return path
