"""One message after the other into a store, each with a report: what was new, or why nothing.

Knows the order of things: a message is read to its end before anything of it is written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn, final

from smimekit.certificate import Certificate
from smimekit.errors import InputError, SmimeError
from smimekit.harvesting.facts import Harvest, harvest
from smimekit.keys import Decryptor
from smimekit.message.bundle import read_bundle
from smimekit.message.opened import Opened
from smimekit.message.receive import open_message
from smimekit.message.source import Source as MessageSource
from smimekit.trust import ByFingerprint, Sighting, Source, Trust, TrustStore
from smimekit.trust.records import require_aware

__all__ = ["Examined", "HarvestReport", "Reader", "examine", "harvest_into", "put", "upload_into"]

_REFERENCE: Final = 250
"""Characters of a Message-ID that are kept: RFC 5322, 2.1.1 makes it a line."""
_NOTHING: Final = Harvest(sender=None, found=(), reasons=())


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestReport:
    """What one message has taught a store. A certificate is new where the store had none of it."""

    message: str
    """Which one: a name that the source gave it, or its Message-ID."""
    sender: str | None = None
    new: tuple[Certificate, ...] = ()
    known: tuple[Certificate, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why it taught nothing, or of several signatures why some did not."""
    error: SmimeError | OSError | None = None
    """Why it could not be read."""

    def __bool__(self) -> NoReturn:
        raise TypeError("A report has no truth value: ask for what was new, or known.")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What messages are read with. `at` (aware) is the time of it; without one, now."""

    trust: Trust
    keys: tuple[Decryptor, ...] = ()
    at: datetime | None = None

    def now(self) -> datetime:
        """The time of what is seen now."""
        return self.at or datetime.now(UTC)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What one message teaches, with nothing written yet."""

    name: str
    harvest: Harvest = _NOTHING
    reference: str = ""
    error: SmimeError | OSError | None = None


def harvest_into(
    store: TrustStore,
    message: MessageSource,
    *,
    trust: Trust,
    keys: Iterable[Decryptor] = (),
    at: datetime | None = None,
    content: MessageSource | None = None,
    reference: str | None = None,
) -> HarvestReport:
    """Learn from one message what `harvest` finds in it, and write it into a store.

    Whatever is signed as a mail can be: clear or opaque, in several layers, inside encryption
    that one of `keys` opens; or a file in DER, BER or PEM, such as `.p7m`, or a detached `.p7s`
    with the `content` that it signs. Whatever the message is, a report comes back: where it is
    malformed, `error` says how. `reference` is kept with the facts, and is the Message-ID where
    none is given. Raises StoreError, and UsageError for a `message` that is no source.
    """
    if at is not None:
        require_aware(at, "at")
    reader = Reader(trust=trust, keys=tuple(keys), at=at)
    examined = examine(message, reader, content=content, reference=reference)
    (report,) = put(store, (examined,), at=reader.now())
    return report


def upload_into(
    store: TrustStore, data: bytes, *, by: str, at: datetime | None = None, reference: str = ""
) -> HarvestReport:
    """Write the certificates of a file that somebody hands in: PEM, DER, or CMS such as `.p7c`.

    Nobody has signed anything: `by` says who has handed them in, and the source is an upload.
    Certificates in mail are none, however they are sent. Raises StoreError; malformed data is
    the report's `error`.
    """
    moment = at or datetime.now(UTC)
    source = Source(kind="upload", origin=by, at=moment, reference=reference)
    try:
        found = read_bundle(data)
    except InputError as error:
        return HarvestReport(message=reference, error=error)
    sightings = tuple(Sighting(certificate=each, source=source) for each in dict.fromkeys(found))
    unknown = _unknown(store, found)
    store.put_all(sightings, at=moment)
    return HarvestReport(
        message=reference,
        new=tuple(one.certificate for one in sightings if one.certificate in unknown),
        known=tuple(one.certificate for one in sightings if one.certificate not in unknown),
    )


def examine(
    message: MessageSource,
    reader: Reader,
    *,
    name: str | None = None,
    content: MessageSource | None = None,
    reference: str | None = None,
) -> Examined:
    """What a message teaches. Nothing is written; malformed input is the result's `error`."""
    found = _NOTHING
    try:
        with open_message(
            message,
            keys=reader.keys,
            trust=reader.trust,
            at=reader.at,
            content=content,
            policy=reader.trust.policy,
        ) as opened:
            reference = _message_id(opened) if reference is None else reference
            found = harvest(opened)
    except InputError as error:
        return Examined(name=_name(name, reference), reference=reference or "", error=error)
    return Examined(name=_name(name, reference), harvest=found, reference=reference or name or "")


def _name(name: str | None, reference: str | None) -> str:
    return reference or "" if name is None else name


def _message_id(opened: Opened) -> str:
    found = [each.value for each in opened.header.fields if each.named("Message-ID")]
    return found[0][:_REFERENCE] if found else ""


def put(store: TrustStore, batch: Sequence[Examined], *, at: datetime) -> tuple[HarvestReport, ...]:
    """Write what messages teach, all of it or nothing; one report for each, in their order."""
    sightings = [
        sighting
        for each in batch
        for sighting in each.harvest.sightings(at=at, reference=each.reference)
    ]
    unknown = _unknown(store, [one.certificate for one in sightings])
    if sightings:
        store.put_all(sightings, at=at)
    return tuple(_report(each, unknown) for each in batch)


def _unknown(store: TrustStore, certificates: Iterable[Certificate]) -> set[Certificate]:
    return {
        each
        for each in dict.fromkeys(certificates)
        if not store.records(ByFingerprint(each.fingerprint))
    }


def _report(examined: Examined, unknown: set[Certificate]) -> HarvestReport:
    """Of several messages that show a new certificate, to the first one it is new."""
    certificates = [each.certificate for each in examined.harvest.found]
    new = tuple(each for each in certificates if each in unknown)
    unknown.difference_update(new)
    return HarvestReport(
        message=examined.name,
        sender=examined.harvest.sender,
        new=new,
        known=tuple(each for each in certificates if each not in new),
        reasons=examined.harvest.reasons,
        error=examined.error,
    )
