"""The operating system's trust roots, for who asks for them by name. Nothing here is a default.

They are the roots of the web: made to vouch for servers, and few of them for mail. This file
alone knows oscrypto, which is imported when it is asked.
"""

from collections.abc import Iterator
from typing import Any, Final

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, StoreError
from smimekit.trust.usage import may_issue, structure_reason

__all__ = ["system_roots"]

_MAIL: Final = frozenset({"1.3.6.1.5.5.7.3.4", "2.5.29.37.0"})
"""emailProtection, and anyExtendedKeyUsage: what a system says about mail."""


def _entries() -> Any:
    # oscrypto 1.3.0 fails to import where libcrypto's patch level has two digits ("Error
    # detecting the version of libcrypto", fixed on its master): its list of files, which is all
    # we need of it, does not depend on libcrypto. Drop this note with the next release.
    try:
        from oscrypto import trust_list  # noqa: PLC0415 - by name only

        return trust_list.get_list()
    except (ImportError, OSError, ValueError) as error:
        raise StoreError(
            "The system's trust roots cannot be read here; name the anchors in a file instead.",
            code="store.system-roots",
        ) from error


def _usable(entries: Any) -> Iterator[Certificate]:
    for found, trusts, rejects in entries:
        # An empty set of purposes stands for all of them.
        if _MAIL & set(rejects) or (trusts and not _MAIL & set(trusts)):
            continue
        try:
            certificate = Certificate(found.dump())
        except CertificateError:
            continue
        if structure_reason(certificate) is None and may_issue(certificate):
            yield certificate


def system_roots() -> tuple[Certificate, ...]:
    """The system's roots that are CAs, and that it does not keep for other things than mail.

    Raises `StoreError` where it has none.
    """
    return tuple(dict.fromkeys(_usable(_entries())))
