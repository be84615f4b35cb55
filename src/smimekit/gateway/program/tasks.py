"""What goes to a worker and comes back, as lines of JSON.

Knows the forms of both. May not know processes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, final

from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient, Parameters
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.reports.metrics import Samples

__all__ = [
    "SAMPLES",
    "Task",
    "envelope_facts",
    "envelope_from",
    "read_replies",
    "read_samples",
    "read_task",
    "write_replies",
    "write_samples",
    "write_task",
]


SAMPLES: Final = b"samples\n"
"""The line that asks for what was counted."""


@final
@dataclass(frozen=True, slots=True)
class Task:
    """A message to deal with: its file, its name in the journal, its envelope."""

    path: Path
    key: str
    envelope: Envelope
    single: bool
    """Whether the client hears one answer for all recipients."""
    seal: bytes = field(default=b"", repr=False)
    """The key that the file is sealed with; none where it is not."""


def write_task(number: int, task: Task) -> bytes:
    """One line. Surrogates, which stand for octets that are no UTF-8, are kept."""
    facts = {
        "number": number,
        "path": str(task.path),
        "key": task.key,
        "single": task.single,
        "seal": task.seal.hex(),
        "envelope": envelope_facts(task.envelope),
    }
    return f"{json.dumps(facts)}\n".encode()


def read_task(line: bytes) -> tuple[int, Task]:
    """The number and the task of a line."""
    facts = json.loads(line)
    envelope = envelope_from(facts["envelope"])
    seal = bytes.fromhex(facts["seal"])
    task = Task(Path(facts["path"]), facts["key"], envelope, facts["single"], seal)
    return facts["number"], task


def envelope_facts(envelope: Envelope) -> dict[str, Any]:
    """An envelope as JSON has it."""
    return asdict(envelope)


def envelope_from(facts: Any) -> Envelope:
    """And back."""
    recipients = tuple(
        EnvelopeRecipient(address=each["address"], parameters=_pairs(each["parameters"]))
        for each in facts["recipients"]
    )
    return Envelope(
        mail_from=facts["mail_from"],
        recipients=recipients,
        parameters=_pairs(facts["parameters"]),
        user=facts["user"],
        client=Client(**facts["client"]),
    )


def _pairs(parameters: Any) -> Parameters:
    return tuple((name, value) for name, value in parameters)


def write_replies(number: int, replies: Sequence[Reply]) -> bytes:
    """One line."""
    found = [[each.code, each.enhanced, each.text] for each in replies]
    return f"{json.dumps({'number': number, 'replies': found})}\n".encode()


def read_replies(facts: Any) -> tuple[int, tuple[Reply, ...]]:
    """The number of a task, and its replies."""
    return facts["number"], tuple(Reply(*each) for each in facts["replies"])


def write_samples(samples: Samples) -> bytes:
    """One line."""
    counts = [[name, labels, value] for (name, labels), value in samples.counts.items()]
    observed = [
        [name, labels, buckets, total]
        for (name, labels), (buckets, total) in samples.observed.items()
    ]
    return f"{json.dumps({'samples': counts, 'observed': observed})}\n".encode()


def read_samples(facts: Any) -> Samples:
    """What was counted."""
    return Samples(
        {(name, tuple(labels)): value for name, labels, value in facts["samples"]},
        {
            (name, tuple(labels)): (tuple(buckets), total)
            for name, labels, buckets, total in facts["observed"]
        },
    )
