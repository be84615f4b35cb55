"""A trust store from its URL. Knows which module keeps which kind; imports none before its time."""

from smimekit.errors import UsageError
from smimekit.trust.store import MemoryTrustStore, TrustStore

__all__ = ["open_store"]


def open_store(url: str) -> TrustStore:
    """Open the store that a URL names: `sqlite:///path`, any SQLAlchemy URL, or `memory:`.

    Raises `UsageError` for a URL that names none, `StoreError` where it cannot be opened.
    """
    if url == "memory:":
        return MemoryTrustStore()
    if ":" not in url:
        raise UsageError(
            f"{url!r} is not a URL; a local file is sqlite:///{url}.", code="usage.store-url"
        )
    try:
        from smimekit.trust.sql import SqlTrustStore  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise UsageError(
            "Stores in a database need SQLAlchemy: pip install 'smimekit[sql]'.",
            code="usage.extra-sql",
        ) from error
    return SqlTrustStore(url)
