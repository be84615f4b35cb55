"""CRLs and OCSP responses that somebody has, and hands in once for all judgements.

Knows files of evidence, in PEM or DER. May not know what evidence says (`answers` does).
"""

import os
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Final, TypeAlias, final

from smimekit.certificate import Certificate
from smimekit.errors import UsageError
from smimekit.limits import Limits
from smimekit.trust.paths import Path
from smimekit.trust.revocation.evidence import load_evidence
from smimekit.trust.revocation.gather import EvidenceSource, Gathered

__all__ = ["HandedEvidence"]

_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]*-----END X509 CRL-----")
_File: TypeAlias = bytes | str | os.PathLike[str]


@final
class HandedEvidence:
    """Evidence that is at hand: CRLs (PEM or DER) and OCSP responses (DER), as `Trust(evidence=)`.

    Each is a file's bytes, or a path (`str` is one); it counts as long as it says that it does.
    `beside` is where more comes from, such as `OnlineEvidence`. UsageError (`usage.evidence`)
    for what cannot be read or is over `Limits`, OSError for a path that cannot.
    """

    def __init__(
        self,
        crls: Iterable[_File] = (),
        ocsps: Iterable[_File] = (),
        *,
        beside: EvidenceSource | None = None,
    ) -> None:
        limits = Limits()
        found = [each for file in _listed(crls) for each in _crls(_content(file))]
        answers = [_content(file) for file in _listed(ocsps)]
        self._evidence = load_evidence(found, answers, limits=limits)
        self._beside: Final = beside
        if self._evidence.malformed or max(len(found), len(answers)) > limits.crls:
            raise UsageError(
                "A CRL or OCSP response that was handed in cannot be read, or they are too many: "
                "CRLs are PEM or DER, OCSP responses DER.",
                code="usage.evidence",
            )

    def known(self, path: Path, *, limits: Limits) -> Gathered:
        """What was handed in, and what is at hand beside it."""
        if self._beside is None:
            return Gathered(self._evidence)
        return self._with(self._beside.known(path, limits=limits))

    def fetch(self, path: Path, *, extra: Iterable[Certificate], limits: Limits) -> Gathered:
        """The same after what is beside it was asked for more."""
        if self._beside is None:
            return Gathered(self._evidence)
        return self._with(self._beside.fetch(path, extra=extra, limits=limits))

    def bounded(self) -> "HandedEvidence":
        """The same, where what is beside it may fetch no more than for one judgement."""
        return self if self._beside is None else self._and(self._beside.bounded())

    def version(self) -> int:
        """That of what is beside it: what was handed in stays."""
        return 0 if self._beside is None else self._beside.version()

    @property
    def ask_again(self) -> timedelta:
        """That of what is beside it."""
        return timedelta(days=365) if self._beside is None else self._beside.ask_again

    def _with(self, found: Gathered) -> Gathered:
        return Gathered(self._evidence + found.evidence, found.due, found.changed, found.reasons)

    def _and(self, beside: EvidenceSource) -> "HandedEvidence":
        made = HandedEvidence(beside=beside)
        made._evidence = self._evidence
        return made


def _listed(files: Iterable[_File]) -> tuple[_File, ...]:
    if isinstance(files, bytes | str | os.PathLike):
        raise UsageError(
            "CRLs and OCSP responses come as a list: crls=[crl].", code="usage.evidence"
        )
    return tuple(files)


def _content(file: _File) -> bytes:
    return file if isinstance(file, bytes) else FilePath(file).read_bytes()


def _crls(data: bytes) -> list[bytes]:
    """Those in PEM text, or the one in DER."""
    if b"-----BEGIN " not in data:
        return [data]
    from cryptography import x509  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - same

    try:
        found = [x509.load_pem_x509_crl(each) for each in _PEM.findall(data)]
    except ValueError:
        return [b""]  # which nobody can read, as the caller will say
    return [each.public_bytes(Encoding.DER) for each in found] or [b""]
