"""When the administrator is told of certificates that wait, and what they were told already.

Knows a folder where both are written down, under a lock: of several processes with the same spool
one tells. May not know which certificates wait, nor how the mail is written (`notices` does), nor
sockets. No clock of its own.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, final

from smimekit.errors import UsageError
from smimekit.gateway.envelope import Client
from smimekit.gateway.handover.relay import Courier
from smimekit.gateway.outcomes import Mail
from smimekit.gateway.reports.notices import Waiting, digest, waiting
from smimekit.gateway.rules import Rules
from smimekit.trust import Trust

__all__ = ["Digests", "News"]

_OVERLAP: Final = timedelta(days=1)
"""A certificate may enter the store some time after the moment that it is said to be seen first,
so that much is looked at again; who was told of is known by name."""


@final
@dataclass(frozen=True, slots=True)
class News:
    """What the administrator was not told yet, and the mail that says so: none for nothing."""

    waiting: tuple[Waiting, ...]
    mail: Mail | None


@final
@dataclass(frozen=True, slots=True)
class _Notes:
    """What was written down: when somebody looked last, and the late ones of who was told of."""

    looked: datetime | None = None
    told: Mapping[str, datetime] = field(default_factory=dict)

    def is_due(self, at: datetime, every: timedelta) -> bool:
        # What was written down in the future was written by a clock that went wrong.
        return self.looked is None or at < self.looked or at - self.looked >= every

    def news(self, trust: Trust, at: datetime) -> tuple[Waiting, ...]:
        since = None if self.looked is None else min(self.looked, at) - _OVERLAP
        found = waiting(trust, at=at, since=since)
        return tuple(each for each in found if each.record.fingerprint not in self.told)

    def told_after(self, news: tuple[Waiting, ...], at: datetime) -> dict[str, datetime]:
        told = dict(self.told) | {each.record.fingerprint: each.record.first_seen for each in news}
        return {name: seen for name, seen in told.items() if seen > at - _OVERLAP}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Tells, and remembers what was told. Several processes may use the folder at a time."""

    folder: Path
    rules: Rules
    trust: Trust
    courier: Courier

    def news(self, *, at: datetime) -> News:
        """What a digest would say now; nothing is written down. Raises StoreError, OSError, and
        UsageError (`usage.no-administrator`) where the rules name nobody to tell.
        """
        self._require_administrator()
        return self._news(self._read(), at)

    def send(self, *, at: datetime) -> News | None:
        """Tell now. None where the next hop did not take it: then nobody was told.

        Raises what `news` raises.
        """
        self._require_administrator()
        with self._locked():
            return self._send(self._read(), at)

    def send_if_due(self, *, at: datetime, every: timedelta) -> bool:
        """Tell, where nobody has looked for so long. False where the next hop did not take it.

        Where the rules name nobody to tell, nobody looks, nor writes anything down. Raises
        StoreError and OSError.
        """
        if not self._is_wanted():
            return True
        with self._locked():
            notes = self._read()
            return not notes.is_due(at, every) or self._send(notes, at) is not None

    def _is_wanted(self) -> bool:
        return bool(self.rules.inbound.digest and self.rules.site.administrator)

    def _require_administrator(self) -> None:
        if not self._is_wanted():
            raise UsageError(
                "Nobody is to be told: name an administrator in [gateway], and leave digest in "
                "[inbound] on.",
                code="usage.no-administrator",
            )

    def _news(self, notes: _Notes, at: datetime) -> News:
        found = notes.news(self.trust, at)
        return News(found, digest(self.rules, found, at=at))

    def _send(self, notes: _Notes, at: datetime) -> News | None:
        news = self._news(notes, at)
        if news.mail is not None:
            replies = self.courier.deliver(news.mail, Client())
            if not all(each.done for each in replies):
                return None
        self._write(at, notes.told_after(news.waiting, at))  # too many, rather than one too few
        return news

    # --- the folder -------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone; whoever else is at it is waited for."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> _Notes:
        try:
            facts = json.loads((self.folder / "told").read_bytes())
        except FileNotFoundError:
            return _Notes()
        told = {name: datetime.fromisoformat(seen) for name, seen in facts["told"].items()}
        return _Notes(datetime.fromisoformat(facts["looked"]), told)

    def _write(self, looked: datetime, told: Mapping[str, datetime]) -> None:
        """Whole or not at all: the file gets its name when it is complete, and synced."""
        names = {name: seen.isoformat() for name, seen in told.items()}
        new = self.folder / "told.new"
        with new.open("wb") as file:
            file.write(json.dumps({"looked": looked.isoformat(), "told": names}).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / "told")
