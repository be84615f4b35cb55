"""A message, several readers, and the tables that say why they disagree.

A verdict is content, or a refusal. Where both take a message they take the same content. Where
only one does, a row says why, by which standard, and for which messages; what has no row fails.
Nothing that we take and another refuses counts as explained by words alone: a witness, which
shares no code with us, has to find that the message says what we read.

Rounds: `SMIMEKIT_VERDICTS=2000`; another seed: `SMIMEKIT_VERDICTS_SEED=7`; one message of a
seed again: `SMIMEKIT_VERDICTS_ONLY=1234`. `nox -s verdicts -- 2000 7` does it.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from smimekit import SmimeError
from tests.interop.peers import Refused
from tests.interop.verdicts.witnesses import Unreadable

__all__ = [
    "Case",
    "Other",
    "Report",
    "Stricter",
    "Taken",
    "Verdict",
    "Witness",
    "compare",
    "holds",
    "rounds",
    "steady",
]

ROUNDS = os.environ.get("SMIMEKIT_VERDICTS")
SEED = os.environ.get("SMIMEKIT_VERDICTS_SEED", "1")
ONLY = os.environ.get("SMIMEKIT_VERDICTS_ONLY")

_NOISE = "noise"
"""What is said in the name of who reads what nobody wrote, and something else each time."""

Verdict = tuple[bytes | None, str]
"""The content, and what was said where there is none."""


@dataclass(frozen=True)
class Case:
    """A changed message."""

    name: str
    """By which it can be had again."""
    message: bytes
    content: bytes
    """What an honest reader finds in the message before it was changed."""
    seed: bytes = b""
    """The message before its encoding was changed."""
    key: bytes = b""
    """Of encrypted content."""
    beside: bytes | None = None
    """Content that is not in the message."""
    found: bytes = b""
    """What we read, where a witness is asked."""


Read = Callable[[Case], bytes]
Witness = Callable[[Case], bool]


def _always(_case: Case) -> bool:
    return True


@dataclass(frozen=True)
class Taken:
    """Why we take what a peer does not; `says` is in its words, and `witness` has to agree."""

    peer: str
    says: str
    reason: str
    standard: str
    witness: Witness


@dataclass(frozen=True)
class Stricter:
    """Why we refuse what a peer takes; "*" is any peer, and `when` says which messages.

    A code that ends with a dot is that of all below it.
    """

    peer: str
    code: str
    reason: str
    standard: str
    when: Witness = _always


@dataclass(frozen=True)
class Other:
    """Why a peer reads other content than we do: its words for it are none."""

    peer: str
    reason: str
    standard: str
    when: Callable[[Case, bytes, bytes], bool]


Row = Taken | Stricter | Other


@dataclass
class Report:
    """What came of it."""

    problems: list[tuple[str, Case]] = field(default_factory=list)
    used: Counter[Row] = field(default_factory=Counter)
    agreed: int = 0

    def check(self) -> None:
        """Fails with each kind of disagreement that no row explains, and one message of it."""
        kinds: dict[str, list[Case]] = {}
        for problem, case in self.problems:
            kinds.setdefault(re.sub(r"\b[0-9A-F]{12,}\b|\d+", "#", problem), []).append(case)
        lines = [f"{text}\n  {len(found)} times; {found[0].name}\n  {found[0].message.hex()}"
                 for text, found in kinds.items()]  # fmt: skip
        assert not lines, "\n".join(lines)


def rounds(kind: str, usual: int) -> Iterator[tuple[str, Random]]:
    """A name and a source of changes for each message: the same for the same seed."""
    numbers: Iterable[int] = range(int(ROUNDS or usual))
    if ONLY is not None:
        numbers = map(int, ONLY.split(","))
    for number in numbers:
        name = f"{SEED} {kind} {number}"
        yield name, Random(name)  # noqa: S311 - the same each time, and not for secrets


def _ours(read: Read, case: Case) -> Verdict:
    try:
        return read(case), ""
    except SmimeError as error:
        return None, error.code


def _theirs(read: Read, case: Case) -> Verdict:
    try:
        return read(case), ""
    except Refused as refused:
        return None, refused.says


def steady(verdict: Verdict, again: Callable[[], Verdict]) -> Verdict:
    """A verdict; a refusal where it is not the same twice.

    Who cannot open a key goes on with a random one (RFC 3218, 2.3.2), which fits the padding
    of CBC once in 256 tries, and gives noise: that is no reading.
    """
    if verdict[0] is None or again() == verdict:
        return verdict
    return None, _NOISE


def holds(witness: Witness, case: Case) -> bool:
    """Whether a witness says so, of what it can read."""
    try:
        return witness(case)
    except (Unreadable, IndexError, ValueError, TypeError):
        return False  # it is not even of that shape


def explain(
    case: Case, peer: str, mine: Verdict, other: Verdict, table: Sequence[Row]
) -> Row | str | None:
    """The row for a disagreement, or what is wrong; None where there is none."""
    our, their = mine[0], other[0]
    if our == their:
        return None
    if our is None:
        code = "decryption" if mine[1] == _NOISE else mine[1]
        fits = (row for row in table if _is_stricter(row, peer, code, case))
        return next(fits, f"it takes what we refuse: {mine[1]}")
    if their is None:
        case = replace(case, found=our)
        fits = (row for row in table if _is_taken(row, peer, other[1], case))
        return next(fits, f"we take what it refuses: {other[1].strip()[-300:]}")
    fits = (row for row in table if _is_other(row, peer, case, our, their))
    return next(fits, f"it reads {their!r}, and we {our!r}")


def _is_stricter(row: Row, peer: str, code: str, case: Case) -> bool:
    if not isinstance(row, Stricter) or row.peer not in {peer, "*"}:
        return False
    named = code.startswith(row.code) if row.code.endswith(".") else row.code == code
    return named and holds(row.when, case)


def _is_taken(row: Row, peer: str, says: str, case: Case) -> bool:
    if not isinstance(row, Taken) or row.peer != peer:
        return False
    return row.says in says and holds(row.witness, case)


def _is_other(row: Row, peer: str, case: Case, our: bytes, their: bytes) -> bool:
    return isinstance(row, Other) and row.peer == peer and row.when(case, our, their)


def compare(
    cases: Iterable[Case], ours: Read, peers: Mapping[str, Read], table: Sequence[Row]
) -> Report:
    """Everybody reads each message."""
    report = Report()
    for case in cases:
        mine = _ours(ours, case)
        for name, read in peers.items():
            other = _theirs(read, case)
            if mine[0] != other[0]:
                mine = steady(mine, lambda: _ours(ours, case))  # noqa: B023 - called at once
                other = steady(other, lambda: _theirs(read, case))  # noqa: B023 - the same
            found = explain(case, name, mine, other, table)
            if found is None:
                report.agreed += 1
            elif isinstance(found, str):
                report.problems.append((f"{name}: {found}", case))
            else:
                report.used[found] += 1
    return report
