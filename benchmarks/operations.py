"""The rows of the table: what is measured, what is aimed at. Knows no contender."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["LARGE", "ROWS", "SMALL", "Action", "Makers", "Row", "Sizes"]

Action: TypeAlias = Callable[[], object]
Makers: TypeAlias = Mapping[str, Callable[[], Action]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much work is done; the tests do next to nothing."""

    mails: int = 16
    """Mails of one sender that are verified by turns: a gateway never sees one twice."""
    many: int = 100
    """Recipients, where there are many."""
    large: int = 200_000_000
    """Octets of a large message."""
    scanned: int = 100_000_000
    """Octets of the multipart that is cut into parts."""
    rounds: int = 9
    seconds: float = 0.15
    """Processor time per contender, operation and round."""
    large_rounds: int = 5
    failures: int = 3_000
    """Decryptions that fail, of each kind."""
    patience: float = 4.0
    """Processor time after which a peer sits out the rounds that are left: the slow ones are too
    far away for a median of five to say more.
    """

    @classmethod
    def tiny(cls) -> "Sizes":
        """As little as shows that everything runs."""
        return cls(2, 3, 300_000, 300_000, 1, 0.0, 1, 3)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    key: str
    name: str
    aim: float
    """The least share of the limit, in percent; 0: another measure counts."""
    best_peer_before: str
    """What the best peer reached when the aim was set."""
    large: bool = False
    note: str = ""
    """What the aim says besides."""


ROWS: Final = (
    Row("sign-rsa", "sign RSA-2048, 1 KB", 95, "55 %"),
    Row("sign-p256", "sign P-256, 1 KB", 50, "14 %"),
    Row("verify-rsa", "verify RSA-2048, 1 KB, warm", 25, "11 %", note=">= 10 000/s"),
    Row("verify-p256", "verify P-256, 1 KB, warm", 50, "10 %"),
    Row("verify-cold", "verify RSA-2048, 1 KB, cold", 0, "-", note="<= 3 ms"),
    Row("encrypt-1", "encrypt 1 KB, 1 recipient", 70, "62 %"),
    Row("encrypt-many", "encrypt 1 KB, {many} recipients", 85, "69 %"),
    Row("decrypt-1", "decrypt 1 KB, 1 recipient", 95, "108 %"),
    Row("decrypt-many", "decrypt 1 KB, {many} recipients", 80, "40 %"),
    Row("sign-large", "sign {large}", 50, "35 %", large=True, note="<= 32 MiB"),
    Row("verify-large", "verify {large}, detached", 60, "68 %", large=True, note="<= 32 MiB"),
    Row("encrypt-large", "encrypt {large}, base64", 70, "36 %", large=True, note="<= 32 MiB"),
    Row("decrypt-large", "decrypt {large}, base64", 70, "57 %", large=True, note="<= 32 MiB"),
    Row("scan", "scan a multipart of {scanned}", 0, "69 MB/s", note=">= 1 GB/s"),
    Row("import", "`import smimekit`", 0, "-", note="<= 120 ms"),
)

SMALL: Final = tuple(row for row in ROWS if not row.large and row.key not in {"scan", "import"})
LARGE: Final = tuple(row for row in ROWS if row.large)
