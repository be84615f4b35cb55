"""A trust store from its URL, and whether it is there.

Knows which module keeps which kind; imports none before its time.
"""

from pathlib import Path

from smimekit.errors import UsageError
from smimekit.trust.store import TrustStore
from smimekit.trust.stores.directory import DirectoryTrustStore, is_in_use
from smimekit.trust.stores.memory import MemoryTrustStore

__all__ = ["open_store", "store_is_there"]


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


def store_is_there(url: str) -> bool:
    """Whether the file, or the folder, that a store lives in holds one; nothing is opened or made.

    `open_store` makes what is not there: a store that was lost, with a disk that is not mounted,
    comes back without its rejections. Who knows that there was one asks this first. True of what
    lives elsewhere: a server, memory, and a file that SQLite alone can name (`file:...`).
    """
    kind, _, rest = url.partition(":")
    if kind == "dir" and rest:
        try:
            return is_in_use(Path(rest))
        except OSError:  # opening it says why
            return True
    name = rest.removeprefix("///").partition("?")[0]
    if not kind.startswith("sqlite") or name.startswith("file:"):
        return True
    return Path(name).exists()
