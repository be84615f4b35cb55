"""`harvest`: what signed mail teaches, into a store.

Knows how a run is watched and told about. May not know where mail lies, nor what is learned.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, final

import click

from smimekit import Certificate, Credential, KeyRing, Policy, SmimeError, Trust, UsageError
from smimekit.cli.exits import Exit, exit_of, sentence_of
from smimekit.cli.facts import certificate_facts, error_facts
from smimekit.cli.inputs import load_certificates, reading
from smimekit.cli.options import (
    AT,
    JSON,
    POLICIES,
    POLICY,
    STORE,
    KeyOptions,
    as_record,
    key_options,
    opened_store,
)
from smimekit.cli.output import Json, note, say, show_json_line
from smimekit.cli.places import PlaceOptions, place_options
from smimekit.cli.reports import certificate_title
from smimekit.harvesting import HarvestReport, Journal, Reader, harvest_into, harvest_mailbox
from smimekit.harvesting.decided import DecidedOnly
from smimekit.keys import Decryptor, KeyCheck
from smimekit.keys.credential import exported
from smimekit.mailboxes import Mailbox, Message
from smimekit.trust import TrustStore
from smimekit.trust.stores.opening import open_store

__all__ = ["harvest"]

_FEW: Final = 20
"""Messages of a run that is told in full; of a longer one, people want to know what is new."""


@final
@dataclass(frozen=True, slots=True)
class _RunOptions:
    """--content, --journal, --jobs, --anchor, --policy and --at."""

    content: str | None
    journal: str | None
    jobs: int
    anchor: tuple[str, ...]
    policy: Policy
    at: datetime | None


_run_options = as_record(
    "run",
    _RunOptions,
    click.option("--content", metavar="FILE", help="What a bare detached signature signs."),
    click.option(
        "--journal",
        metavar="FILE",
        help="Remember what was read, and pass over it; goes on after a crash.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Processes that read.",
    ),
    click.option(
        "--anchor", multiple=True, metavar="FILE", help="CA certificates whose word counts."
    ),
    POLICY,
    AT,
)


@click.command()
@STORE
@place_options
@key_options()
@_run_options
@JSON
def harvest(
    *, store: str, placed: PlaceOptions, keys: KeyOptions, run: _RunOptions, as_json: bool
) -> int:
    """Learn certificates from signed mail; the store is made if it is not there.

    PLACE is a file with one message, an mbox, a Maildir, a folder, or an account such as
    imaps://user@host, of which nothing changes; "-", or none, is standard input. Facts only:
    nobody is trusted by this, and nobody rejected is forgiven. On a terminal there is a
    progress bar; else there is a JSON line for each message. The exit status is 0 if every
    message could be read, even where there was nothing to learn.
    """
    as_lines = as_json or sys.stdout is None or not sys.stdout.isatty()
    telling = _Telling(as_lines)
    try:
        _harvest(placed, _Means.of(store, keys.load(), run), run, telling)
        telling.whole = True
    except (SmimeError, OSError, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) and run.journal is not None:
            note("What is done is in the journal: the same command goes on.")
        if not as_json:
            raise
        show_json_line({"error": error_facts(error)})
        note(f"smimekit: {sentence_of(error)}")
        return exit_of(error)
    finally:
        if telling.messages or telling.whole:
            note(telling.sentence())
    return telling.status


# --- by what -------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Means:
    """What mail is read with; each process makes its own reader of it."""

    store: str
    keys: tuple[Decryptor, ...]
    anchors: tuple[Certificate, ...]
    policy: Policy
    at: datetime | None
    opened: TrustStore | None = None
    """The store, where this process has opened it; that never goes into another one."""

    @classmethod
    def of(cls, store: str, keys: Iterable[Decryptor], run: _RunOptions) -> "_Means":
        return cls(store, tuple(keys), load_certificates(run.anchor), run.policy, run.at)

    def reader(self, store: TrustStore) -> Reader:
        trust = Trust(DecidedOnly(store), anchors=self.anchors, policy=self.policy)
        return Reader(trust=trust, keys=self.keys, at=self.at)

    def __call__(self) -> Reader:
        """A store that has to be opened for it ends with the process."""
        return self.reader(open_store(self.store) if self.opened is None else self.opened)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # It goes through a pipe into a process of ours, and nowhere else: no password would
        # protect it there, and deriving keys from one takes longer than the mail.
        keys = [_files(each) for each in self.credentials()]
        return _carried, (self.store, keys, self.anchors, self.policy.name, self.at)

    def credentials(self) -> Iterator[Credential]:
        """The keys one by one; UsageError where there is no telling them apart."""
        for each in self.keys:
            if isinstance(each, Credential):
                yield each
            elif isinstance(each, KeyRing):
                yield from each
            else:
                raise UsageError(
                    "These keys can be used by one process only; leave --jobs and --journal out.",
                    code="usage.jobs-keys",
                )

    def rules(self) -> str:
        """What a journal is bound to besides mail and store."""
        keys = {each.certificate.fingerprint for one in self.credentials() for each in one.all}
        anchors = {each.fingerprint for each in self.anchors}
        return " ".join([self.policy.name, *sorted(keys), "below", *sorted(anchors)])


def _files(credential: Credential) -> list[bytes]:
    """Its keys and certificates, in DER."""
    certificates = [each.certificate for each in credential.all]
    above = (certificate for each in credential.all for certificate in each.chain)
    every = dict.fromkeys([*certificates, *above])
    return [*(exported(each.key) for each in credential.all), *(each.der for each in every)]


def _carried(
    store: str,
    keys: Iterable[Sequence[bytes]],
    anchors: tuple[Certificate, ...],
    name: str,
    at: datetime | None,
) -> _Means:
    """The means, in another process. The keys were checked in the first one."""
    made = tuple(Credential.from_pem(*each, key_check=KeyCheck.SKIP) for each in keys)
    (policy,) = (each for each in POLICIES if each.name == name)
    return _Means(store, made, anchors, policy, at)


# --- the run -------------------------------------------------------------------------------


def _harvest(placed: PlaceOptions, means: _Means, run: _RunOptions, telling: "_Telling") -> None:
    _check(placed, run)
    with opened_store(means.store, create=True) as opened:
        if run.content is not None:
            telling.tell(_with_content(opened, placed.places[0], run.content, means))
            return
        with placed.open() as mailbox, _journal(run, mailbox, means) as journal:
            total = telling.total(mailbox, journal)
            with _bar(total) as advance:
                reports = harvest_mailbox(
                    opened,
                    mailbox,
                    reader=replace(means, opened=opened),
                    journal=journal,
                    jobs=run.jobs,
                    watch=advance,
                )
                for report in reports:
                    telling.tell(report)


def _check(placed: PlaceOptions, run: _RunOptions) -> None:
    if run.content is not None and (len(placed.places) != 1 or run.journal is not None):
        raise UsageError(
            "--content goes with one message, and without a journal.", code="usage.content"
        )
    if run.journal is not None and placed.is_piped:
        raise UsageError(
            "What comes from standard input cannot be read again, so there is no journal of it; "
            "name a file.",
            code="usage.journal-pipe",
        )
    if run.journal is not None and placed.holds(Path(run.journal)):
        raise UsageError(
            "The journal lies in a folder that is read, and may be taken for mail; name a file "
            "elsewhere.",
            code="usage.journal-place",
        )


def _with_content(store: TrustStore, name: str, content: str, means: _Means) -> HarvestReport:
    trust = means.reader(store).trust
    with reading(name) as message, reading(content) as signed:
        return harvest_into(
            store,
            message,
            trust=trust,
            keys=means.keys,
            at=means.at,
            content=signed,
            reference=name,
        )


@contextmanager
def _journal(run: _RunOptions, mailbox: Mailbox, means: _Means) -> Iterator[Journal | None]:
    if run.journal is None:
        yield None
        return
    with Journal(
        Path(run.journal), source=mailbox.name, store=means.store, rules=means.rules()
    ) as journal:
        yield journal


def _is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def _bar(total: int | None) -> Iterator[Callable[[Message], None]]:
    if not _is_watched():
        yield lambda _: None
        return
    from smimekit.cli.progress import progress_bar  # noqa: PLC0415 - scripts need no bars

    with progress_bar(total) as advance:
        yield lambda message: advance(message.weight)


# --- what is told --------------------------------------------------------------------------


@final
@dataclass(slots=True)
class _Telling:
    """What is told of a run, while it goes on and at its end."""

    as_lines: bool
    fully: bool = True
    """Whether people read of every message, or of what is new."""
    whole: bool = False
    """Whether the run came to its end: then that there was nothing new to read is told, too."""
    messages: int = 0
    new: int = 0
    teaching: int = 0
    bad: int = 0
    status: Exit = Exit.DONE

    def total(self, mailbox: Mailbox, journal: Journal | None) -> int | None:
        """What lies ahead, only where somebody sees it: to count may take a while."""
        if self.as_lines and not _is_watched():
            return None
        found = mailbox.total({} if journal is None else dict(journal.marks))
        self.fully = found is not None and found <= _FEW
        return found

    def tell(self, report: HarvestReport) -> None:
        """What became of one message."""
        self._count(report)
        if self.as_lines:
            show_json_line(_facts(report))
            return
        for each in _rows(report, fully=self.fully):
            say(*each)
        for reason in report.reasons if self.fully else ():
            note(f"{report.message}: {reason}")
        if report.error is not None:
            facts = error_facts(report.error)
            note(f"{report.message}: {facts['message']} [{facts['code']}]")

    def _count(self, report: HarvestReport) -> None:
        self.messages += 1
        self.new += len(report.new)
        self.teaching += bool(report.new or report.known)
        if report.error is not None:
            self.bad += 1
            self.status = max(self.status, exit_of(report.error))

    def sentence(self) -> str:
        """All of it, for a person."""
        return (
            f"Messages: {self.messages}; with certificates to learn: {self.teaching}; "
            f"new certificates: {self.new}; not readable: {self.bad}."
        )


def _rows(report: HarvestReport, *, fully: bool) -> Iterator[tuple[str, str]]:
    for word, found in (("new", report.new), ("known", report.known if fully else ())):
        for facts in map(certificate_facts, found):
            kind = "authority" if facts["authority"] else "person"
            title = f"{certificate_title(facts)}  {facts['fingerprint'][:16]}"
            yield f"{report.message}  {word}  {kind}  {title}", "good" if word == "new" else ""


def _facts(report: HarvestReport) -> Json:
    found = [(each, True) for each in report.new] + [(each, False) for each in report.known]
    return {
        "message": report.message,
        "sender": report.sender,
        "found": [{**certificate_facts(each), "new": is_new} for each, is_new in found],
        "reasons": list(report.reasons),
        "error": None if report.error is None else error_facts(report.error),
    }
