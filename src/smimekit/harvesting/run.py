"""A mailbox into a store: what was read before is passed over, what is learned is written in
batches, and a batch is remembered as read once the store has it.

Knows the order of these steps. May not know where messages come from, nor who reads them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from smimekit.errors import InputError, UsageError
from smimekit.harvesting.journal import Journal
from smimekit.harvesting.learning import Examined, HarvestReport, put
from smimekit.harvesting.pool import MakeReader, examined
from smimekit.mailboxes.mailbox import Mailbox, Message
from smimekit.trust import ByFingerprint, TrustStore

__all__ = ["harvest_mailbox"]

_BATCH: Final = 100
_BATCH_OCTETS: Final = 4 << 20
"""Octets of certificates that wait to be written."""

_Done = tuple[Message, Examined]


def harvest_mailbox(
    store: TrustStore,
    mailbox: Mailbox,
    *,
    reader: MakeReader,
    journal: Journal | None = None,
    jobs: int = 1,
    watch: Callable[[Message], object] = lambda _: None,
) -> Iterator[HarvestReport]:
    """Learn from every message of a mailbox; one report for each, once the store has its facts.

    `reader` makes what messages are read with, once in each process; for several `jobs` it has
    to be picklable. With a `journal`, what it knows is passed over without a report, and what
    was reported enters it when the next report is asked for: after a crash at any moment the
    same call goes on, and some reports may come twice. A message that is malformed is reported,
    and counts as read; one that could not be had is reported and tried again next time. `watch`
    is told of each message, passed over or done; together they weigh `Mailbox.total`.

    Raises StoreError, FetchError and OSError where the store or the whole mailbox fails;
    UsageError for a journal whose facts the store does not have (`usage.journal`).
    """
    own = reader()
    if journal is not None:
        _check(journal, store)
    waiting = _unread(mailbox, journal, watch)
    for batch in _batches(examined(waiting, reader, reader=own, jobs=jobs)):
        _check_order(batch)
        yield from put(store, [found for _, found in batch], at=own.now())
        if journal is not None:
            settled = [message for message, found in batch if _is_settled(found)]
            journal.add(settled, witness=_witness(batch))
        for message, _ in batch:
            watch(message)


def _check(journal: Journal, store: TrustStore) -> None:
    """A store under the same name may be a new one: nothing that it had was ever deleted."""
    for fingerprint in journal.witnesses:
        if not store.records(ByFingerprint(fingerprint)):
            raise UsageError(
                "The store lacks what the journal says was put into it: it is another store. "
                "Name another journal, or remove this one, to read everything again.",
                code="usage.journal",
            )


def _unread(
    mailbox: Mailbox, journal: Journal | None, watch: Callable[[Message], object]
) -> Iterator[Message]:
    for each in mailbox.messages({} if journal is None else dict(journal.marks)):
        if journal is not None and journal.knows(each):
            watch(each)
        else:
            yield each


def _batches(done: Iterable[_Done]) -> Iterator[list[_Done]]:
    batch: list[_Done] = []
    octets = 0
    for message, found in done:
        batch.append((message, found))
        octets += sum(len(each.certificate.der) for each in found.harvest.found)
        if len(batch) == _BATCH or octets >= _BATCH_OCTETS:
            yield batch
            batch, octets = [], 0
    if batch:
        yield batch


def _is_settled(found: Examined) -> bool:
    """Whether to read it again would tell nothing else."""
    return found.error is None or isinstance(found.error, InputError)


def _check_order(batch: Iterable[_Done]) -> None:
    """Of a source with marks, no message can be left for later: what follows has a later mark."""
    for message, found in batch:
        if message.mark is not None and found.error is not None and not _is_settled(found):
            raise found.error


def _witness(batch: Iterable[_Done]) -> str | None:
    for _, found in batch:
        for each in found.harvest.found:
            return each.certificate.fingerprint
    return None
