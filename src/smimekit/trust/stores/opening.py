"""A trust store from its URL. Knows which module keeps which kind; imports none before its time."""

from smimekit.errors import UsageError
from smimekit.trust.store import TrustStore
from smimekit.trust.stores.directory import DirectoryTrustStore
from smimekit.trust.stores.memory import MemoryTrustStore

__all__ = ["open_store"]


def open_store(url: str) -> TrustStore:
    """Open the store that a URL names, and make it where there is none.

    `sqlite:///path` is a database in a file, `postgresql://user@host/name` one on a server (both
    need an extra), `dir:path` a folder of PEM files, `memory:` gone with the process. Raises
    `UsageError` for a URL that names none, `StoreError` where it cannot be opened.
    """
    kind, colon, rest = url.partition(":")
    if not colon:
        raise UsageError(
            f"{url!r} is not a URL; a local file is sqlite:///{url}, a folder is dir:{url}.",
            code="usage.store-url",
        )
    if url == "memory:":
        return MemoryTrustStore()
    if kind == "dir":
        if not rest:
            raise UsageError("dir: is followed by the folder's path.", code="usage.store-url")
        return DirectoryTrustStore(rest)
    try:
        from smimekit.trust.stores.sql import SqlTrustStore  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise UsageError(
            "Stores in a database need SQLAlchemy: pip install 'smimekit[sql]'.",
            code="usage.extra-sql",
        ) from error
    return SqlTrustStore(url)
