"""What the tests of the command line share: one mail, and how a command ended."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PASSWORD = "correct horse"  # noqa: S105 - of key files that last for a test
DRAFT = b"From: alice@example.org\nTo: bob@example.org\nMessage-ID: <1@example.org>\nSubject: Hi\n\nHello, Bob\n"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Of a command that tells a line of JSON for each message."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def code(self) -> str:
        """The code of the error that JSON tells."""
        return str(self.json["error"]["code"])


Run = Callable[..., Done]
