"""A trust store from its URL, and whether it is there.

Knows which module keeps which kind; imports none before its time.
"""

from pathlib import Path

from smimekit.errors import UsageError
from smimekit.trust.store import TrustStore
from smimekit.trust.stores.directory import DirectoryTrustStore, is_in_use
from smimekit.trust.stores.memory import MemoryTrustStore

__all__ = ["open_store", "place_of_store", "store_is_there"]


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


def place_of_store(url: str) -> Path | None:
    """The file or folder that a store lives in; None for one that lives elsewhere: on a server, in
    memory, or in a file that SQLite alone can name (`file:...`).
    """
    if url.startswith("dir:"):
        return Path(url.removeprefix("dir:")) if url != "dir:" else None
    kind, _, rest = url.partition(":///")
    name = rest.partition("?")[0]
    is_file = kind.startswith("sqlite") and name and not name.startswith("file:")
    return Path(name) if is_file else None


def store_is_there(url: str) -> bool:
    """Whether the place of a store holds one; nothing is opened or made. True of one without.

    `open_store` makes what is not there: a store that was lost, with a disk that is not mounted,
    comes back without its rejections. Who knows that there was one asks this first.
    """
    place = place_of_store(url)
    if place is None:
        return True
    if not url.startswith("dir:"):
        return place.exists()
    try:
        return is_in_use(place)
    except OSError:  # opening it says why
        return True
