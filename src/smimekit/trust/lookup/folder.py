"""A folder of certificate files as a source. Knows files; reads them anew for each question."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.errors import FetchError, InputError
from smimekit.trust.lookup.asking import BundleReader, LookupLimits, answers
from smimekit.trust.records import Query

__all__ = ["FolderSource"]

_ENDINGS: Final = frozenset({".pem", ".crt", ".cer", ".der", ".p7b", ".p7c"})
_MOST_BYTES: Final = 64 << 20


@final
class FolderSource:
    """Certificates in the files of a folder (not of the folders in it), by any query.

    What is not a certificate is passed over. Of very many files, put them into a store: after
    64 MiB of them FetchError says so.
    """

    kind: Final = "folder"

    def __init__(
        self, folder: str | Path, *, read: BundleReader, limits: LookupLimits | None = None
    ) -> None:
        self._folder = Path(folder)
        self._read = read
        self._limits = limits or LookupLimits()

    @property
    def origin(self) -> str:
        return str(self._folder)

    def find(self, query: Query) -> Iterator[Certificate]:
        left, given = _MOST_BYTES, 0
        for path in self._files():
            data = self._content(path, left)
            left -= len(data)
            for certificate in self._certificates(data):
                if answers(query, certificate):
                    yield certificate
                    given += 1
                    if given >= self._limits.results:
                        return

    def _files(self) -> list[Path]:
        try:
            return sorted(one for one in self._folder.iterdir() if one.suffix.lower() in _ENDINGS)
        except OSError as error:
            raise FetchError(
                "The folder of certificates cannot be read.", code="fetch.folder"
            ) from error

    def _content(self, path: Path, left: int) -> bytes:
        try:
            if path.stat().st_size > left:
                raise FetchError(
                    "The folder holds too much to be searched; import it into a trust store.",
                    code="fetch.too-large",
                )
            with path.open("rb") as file:
                return file.read(left)
        except OSError:  # gone meanwhile, or not for us
            return b""

    def _certificates(self, data: bytes) -> tuple[Certificate, ...]:
        try:
            return tuple(self._read(data))
        except InputError:
            return ()
