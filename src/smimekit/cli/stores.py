"""The trust store that a command names. Knows where a store lives; may not know what is in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smimekit import UsageError
from smimekit.trust import TrustStore
from smimekit.trust.stores.opening import open_store

__all__ = ["opened_store"]


def _place_of(url: str) -> Path | None:
    """The file or folder that a store lives in; None for one that lives elsewhere."""
    if url.startswith("dir:"):
        return Path(url.removeprefix("dir:")) if url != "dir:" else None
    kind, _, name = url.partition(":///")
    return Path(name.partition("?")[0]) if kind.startswith("sqlite") and name else None


@contextmanager
def opened_store(url: str, *, create: bool = False) -> Iterator[TrustStore]:
    """A trust store; UsageError where its file is missing, unless it may be created.

    Whoever only reads would otherwise get an empty store for a mistyped name.
    """
    path = _place_of(url)
    if path is not None and not create and not path.exists():
        raise UsageError(f"There is no trust store {path}.", code="usage.store-missing")
    store = open_store(url)
    try:
        yield store
    finally:
        close = getattr(store, "close", None)
        if close is not None:
            close()
