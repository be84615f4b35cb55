"""The trust store that a command names. Knows where a store lives; may not know what is in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from smimekit import UsageError
from smimekit.trust import TrustStore
from smimekit.trust.stores.opening import open_store, place_of_store, store_is_there

__all__ = ["opened_store"]


@contextmanager
def opened_store(url: str, *, create: bool = False) -> Iterator[TrustStore]:
    """A trust store; UsageError where its file is missing, unless it may be created.

    Whoever only reads would otherwise get an empty store for a mistyped name.
    """
    if not create and not store_is_there(url):
        raise UsageError(
            f"There is no trust store {place_of_store(url)}.", code="usage.store-missing"
        )
    store = open_store(url)
    try:
        yield store
    finally:
        close = getattr(store, "close", None)
        if close is not None:
            close()
