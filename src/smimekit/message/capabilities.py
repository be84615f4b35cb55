"""SMIMECapabilities: what somebody says that their program can do (RFC 8551, 2.5.2).

Knows the one structure that signed attributes and certificates (RFC 4262) share. May not know
who said it or whether it may be believed, nor what follows from it (`plan` does). Whatever
the bytes, the answer is what could be understood, and why the rest could not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from smimekit import der
from smimekit.algorithms import (
    CEK_HKDF_SHA256,
    CONTENT_CIPHERS,
    ECDH_SCHEMES,
    KEMS,
    KEY_WRAPS,
    MGF1,
    RSA_KEM_SPKI,
    RSAES_OAEP,
    SHA1,
    SHA224,
    SHA256,
    SHA384,
    SHA512,
    UNREAD_CIPHERS,
    AlgorithmIdentifier,
    ContentCipher,
    Digest,
    EcdhScheme,
    KeyWrap,
    RsaPadding,
    rsa_padding,
)
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits

__all__ = ["Announced", "read_capabilities"]

_OAEP_DIGESTS: Final = frozenset({SHA1, SHA224, SHA256, SHA384, SHA512})
"""What OAEP can be written with."""


@final
@dataclass(frozen=True, slots=True)
class Announced:
    """What a list of capabilities says. An empty one says nothing, and forbids nothing:
    lists are partial (RFC 8551, 2.5.2).
    """

    ciphers: tuple[ContentCipher, ...] = ()
    """Content ciphers that are known here, weak ones too, in the order of the list."""
    unread: tuple[str, ...] = ()
    """The names of content ciphers that are neither read nor written here."""
    derives: bool = False
    """Does it list CEK-HKDF (RFC 9709, 4)?"""
    paddings: tuple[RsaPadding, ...] = ()
    """RSA key transport (RFC 3560, 5)."""
    agreements: tuple[tuple[EcdhScheme, KeyWrap], ...] = ()
    """Key agreement, each with a key wrap (RFC 5753, 6; RFC 8418, 8)."""
    entries: tuple[AlgorithmIdentifier, ...] = ()
    """All of it, each once."""
    problem: str | None = None
    """Why the list was not read."""

    @property
    def about_content(self) -> bool:
        """Does it say anything about the encryption of content?"""
        return bool(self.ciphers or self.unread)

    @property
    def names(self) -> tuple[str, ...]:
        """All of it, for people: names, and the OIDs of what is not known."""
        return tuple(dict.fromkeys(map(_name, self.entries)))

    @property
    def content_names(self) -> tuple[str, ...]:
        """The content ciphers that it names."""
        return (*(row.name for row in self.ciphers), *self.unread)


def read_capabilities(data: bytes, *, limits: Limits) -> Announced:
    """What SMIMECapabilities (BER or DER) say.

    Entries that are not known, or not what their algorithm wants, are passed over (RFC 8551,
    2.5.2: gracefully). A list that is malformed, or longer than `limits.capabilities`, says
    nothing but its `problem`.
    """
    try:
        entries = _entries(der.Reader(data), limits)
    except CmsError:
        return Announced(problem="they are malformed")
    except LimitExceeded:
        return Announced(problem="there are too many of them")
    found = tuple(dict.fromkeys(filter(None, map(_entry, entries))))
    rows = [CONTENT_CIPHERS[each.oid] for each in found if _is_cipher(each)]
    return Announced(
        ciphers=tuple(dict.fromkeys(rows)),
        unread=tuple(UNREAD_CIPHERS[each.oid] for each in found if each.oid in UNREAD_CIPHERS),
        derives=any(each.oid == CEK_HKDF_SHA256 and each.plain for each in found),
        paddings=tuple(row for each in found if (row := _padding(each)) is not None),
        agreements=tuple(pair for each in found if (pair := _agreement(each)) is not None),
        entries=found,
    )


def _entries(reader: der.Reader, limits: Limits) -> list[bytes]:
    inside = reader.enter(der.SEQUENCE)
    reader.finish()
    found: list[bytes] = []
    while inside.more:
        if len(found) == limits.capabilities:
            raise LimitExceeded("A list of capabilities is too long.", code="limit.capabilities")
        found.append(inside.raw())
    return found


def _entry(encoded: bytes) -> AlgorithmIdentifier | None:
    """An SMIMECapability has the form of an AlgorithmIdentifier (RFC 8103, 4)."""
    try:
        return AlgorithmIdentifier.read(der.Reader(encoded))
    except (CmsError, LimitExceeded):
        return None


def _is_cipher(entry: AlgorithmIdentifier) -> bool:
    """RFC 3565, 5.1 and RFC 8103, 4: parameters absent. A weak one is weak with any of them."""
    row = CONTENT_CIPHERS.get(entry.oid)
    return row is not None and (row.weak or entry.plain)


def _untagged(digest: Digest) -> bytes:
    """OAEP parameters as RFC 3560, 5 prints them: without the tags [0] and [1] of its syntax."""
    hashed = AlgorithmIdentifier(digest.oid, der.NULL_VALUE).encode()
    return der.sequence(hashed, AlgorithmIdentifier(MGF1, hashed).encode())


_UNTAGGED: Final = {_untagged(row): RsaPadding(row, row) for row in (SHA256, SHA384, SHA512)}
"""The RFC says that these MUST be the octets, so they are what some programs announce."""


def _padding(entry: AlgorithmIdentifier) -> RsaPadding | None:
    if entry.oid == RSAES_OAEP and entry.parameters in _UNTAGGED:
        return _UNTAGGED[entry.parameters]
    try:
        found = rsa_padding(entry)
    except (CmsError, LimitExceeded):
        return None
    if found is None or found.digest is None:
        return found
    return found if {found.digest, found.mgf} <= _OAEP_DIGESTS and not found.label else None


def _agreement(entry: AlgorithmIdentifier) -> tuple[EcdhScheme, KeyWrap] | None:
    """RFC 5753, 6: the parameters name the key wrap."""
    scheme = ECDH_SCHEMES.get(entry.oid)
    if scheme is None or entry.parameters is None:
        return None
    inside = _entry(entry.parameters)
    wrap = KEY_WRAPS.get(inside.oid) if inside else None
    return None if wrap is None else (scheme, wrap)


_NAMES: Final = {
    **{oid: row.name for oid, row in CONTENT_CIPHERS.items()},
    **UNREAD_CIPHERS,
    **{oid: row.name for oid, row in KEMS.items()},
    RSA_KEM_SPKI: "rsa-kem",
    CEK_HKDF_SHA256: "cek-hkdf-sha256",
}


def _name(entry: AlgorithmIdentifier) -> str:
    return " ".join(_words(entry)) or _NAMES.get(entry.oid, entry.oid)


def _words(entry: AlgorithmIdentifier) -> Iterator[str]:
    padding, agreement = _padding(entry), _agreement(entry)
    if padding is not None:
        yield padding.name
    if agreement is not None:
        yield from (row.name for row in agreement)
