"""Candidate paths from a certificate up to an anchor, with a budget.

Knows names, key identifiers and signatures. May not know whether a path is valid: that is
`validate`'s to say. certvalidator's own builder is not used: it is factorial in the number of
certificates that share a name, and anybody can send those.

Every step costs one unit of the budget, whether its signature matched or was checked before;
so loops, bombs and meshes of cross-certificates all end.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias, final

from cryptography.hazmat.primitives.asymmetric import rsa

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError
from smimekit.limits import Limits
from smimekit.trust.names import normal_name
from smimekit.trust.records import Purpose
from smimekit.trust.usage import is_old_root, may_issue, structure_reason

__all__ = ["Held", "Path", "PathSearch", "Pool", "signature_matches"]

Path: TypeAlias = tuple[Certificate, ...]
"""Certificates from the anchor (or where the search ended) down to the one in question."""

Held: TypeAlias = tuple[Sequence[Certificate], Sequence[Certificate]]
"""A store's certificates of one name: the decided ones, and the rest."""

_MAX_RSA_BITS: Final = 16384
"""One check with a longer key takes seconds, and the key came from anybody."""


def signature_matches(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the issuer's key made the certificate's signature; names are not looked at.

    False also for what cannot be checked: a DSA key that inherits its parameters, for one.
    """
    try:
        key = issuer.public_key
    except CertificateError:
        return False
    if isinstance(key, rsa.RSAPublicKey) and key.key_size > _MAX_RSA_BITS:
        return False
    return certificate.signed_by(issuer)


@final
class Pool:
    """The certificates that a search may use as issuers: anchors, what came along, a store's.

    `more` answers for a name: with what somebody decided about, and with the rest, the longest
    known first. Decided ones come before all others, and of the rest each side has every other
    place, so that neither a stuffed message nor a stuffed store crowds out the other.
    """

    def __init__(
        self,
        anchors: Iterable[Certificate],
        extra: Iterable[Certificate],
        more: Callable[[bytes], Held] = lambda _: ((), ()),
        *,
        purpose: Purpose = Purpose.VERIFY,
    ) -> None:
        self._purpose = purpose
        self.anchors = frozenset(anchors)
        self._more = more
        self._by_name: dict[bytes, list[Certificate]] = {}
        for one in itertools.chain(sorted(self.anchors, key=lambda c: c.fingerprint), extra):
            self._by_name.setdefault(normal_name(one.subject), []).append(one)

    def issuers(self, certificate: Certificate) -> list[Certificate]:
        """Certificates with the issuer's name, the likeliest first."""
        local = self._by_name.get(normal_name(certificate.issuer), ())
        decided, rest = self._more(certificate.issuer)
        first = frozenset(decided)
        found = dict.fromkeys(itertools.chain(decided, _by_turns(local, rest)))
        allowed = (one for one in found if self._may_issue(one))
        return sorted(allowed, key=lambda one: (one not in first, *self._rank(certificate, one)))

    def _may_issue(self, issuer: Certificate) -> bool:
        return may_issue(issuer, self._purpose) or (issuer in self.anchors and is_old_root(issuer))

    def _rank(self, certificate: Certificate, issuer: Certificate) -> tuple[int, int]:
        return (_key_id_rank(certificate, issuer), issuer not in self.anchors)


def _by_turns(*groups: Iterable[Certificate]) -> Iterator[Certificate]:
    for turn in itertools.zip_longest(*groups):
        yield from (one for one in turn if one is not None)


def _key_id_rank(certificate: Certificate, issuer: Certificate) -> int:
    """RFC 5280, 4.2.1.1: the identifiers of issuer and subject key agree, or are unknown."""
    try:
        wanted, found = certificate.authority_key_id, issuer.key_id
    except CertificateError:
        return 2
    if wanted is None or found is None:
        return 1
    return 0 if wanted == found else 2


@final
class PathSearch:
    """Iterate once to get the paths that end in an anchor, the likeliest first.

    Afterwards (or so far): `partial`, the longest path that did not; `distrusted`, whether an
    issuer was met that nobody may rely on; `exhausted`, whether the budget ran out; `seen`, the
    issuers that made a signature in question: what the outcome depends on.
    """

    def __init__(
        self,
        certificate: Certificate,
        pool: Pool,
        *,
        distrusted: Callable[[Certificate], bool] = lambda _: False,
        limits: Limits,
    ) -> None:
        self._certificate = certificate
        self._pool = pool
        self._is_distrusted = distrusted
        self._limits = limits
        self._steps = limits.path_signatures
        self._checked: dict[tuple[bytes, bytes], bool] = {}
        self._sound: dict[Certificate, bool] = {}
        self.seen: set[Certificate] = set()
        self.partial: Path = (certificate,)
        self.distrusted = False
        self.exhausted = False

    def __iter__(self) -> Iterator[Path]:
        if self._certificate in self._pool.anchors:
            yield (self._certificate,)
        yield from self._extend((self._certificate,))

    def _extend(self, path: Path) -> Iterator[Path]:
        if len(path) > len(self.partial):
            self.partial = path
        if len(path) >= self._limits.path_certificates:
            self.exhausted = True
            return
        for issuer in self._issuers(path):
            if issuer in self._pool.anchors:
                yield (issuer, *path)
            else:
                yield from self._extend((issuer, *path))

    def _issuers(self, path: Path) -> Iterator[Certificate]:
        if self._signs_itself(path[0]):
            return
        keys_used = {(normal_name(one.subject), one.spki) for one in path}
        for issuer in self._pool.issuers(path[0]):
            if (normal_name(issuer.subject), issuer.spki) in keys_used:
                continue
            if self._steps <= 0:
                self.exhausted = True
                return
            self._steps -= 1
            if not self._signed(path[0], issuer):
                continue
            self.seen.add(issuer)
            if self._is_distrusted(issuer):
                self.distrusted = True
                continue
            yield issuer

    def _signs_itself(self, certificate: Certificate) -> bool:
        """Then nobody else did: without this, namesakes would use up the budget for nothing."""
        if normal_name(certificate.subject) != normal_name(certificate.issuer):
            return False
        if self._steps <= 0:
            self.exhausted = True
            return False
        self._steps -= 1
        return signature_matches(certificate, certificate)

    def _signed(self, certificate: Certificate, issuer: Certificate) -> bool:
        key = (certificate.der, issuer.spki)
        if key not in self._checked:
            self._checked[key] = self._is_sound(issuer) and signature_matches(certificate, issuer)
        return self._checked[key]

    def _is_sound(self, issuer: Certificate) -> bool:
        if issuer not in self._sound:
            self._sound[issuer] = structure_reason(issuer) is None
        return self._sound[issuer]
